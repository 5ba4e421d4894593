"""`--prove` of migrations and upgrades, and the options of its runs. `proving` has the slow imports of its work."""

import dataclasses
from typing import Any

import click

from airbyte_ci.campaigns.changes.proof import AUTOMATIC
from airbyte_ci.cli.behavior_options import NO_BEHAVIOR_REQUESTED, RequestedBehavior, with_behavior
from airbyte_ci.cli.changes.campaign import Campaign
from airbyte_ci.connector_tests.read_inputs import CATALOG
from airbyte_ci.errors import UsageError

_NEEDS = " Needs --prove."

OPTIONS = (
    click.option(
        "--prove",
        "previous",
        is_flag=False,
        flag_value=AUTOMATIC,
        default=None,
        metavar="[IMAGE]",
        help="Build the connector before and after the change, and compare both images and their `spec`; with a "
        "configuration of the connector also check, discover, and two reads. IMAGE is the image before, and may "
        "contain {name} and {version} (default: build the Dockerfile with docker, or the connector as it is). The exit "
        "code is 1 if something is lost, or differs without an explanation; the change is made nevertheless.",
    ),
    click.option(
        "--spec-only",
        "is_spec_only",
        is_flag=True,
        help=f"Compare only `spec`, also if a configuration of the connector exists.{_NEEDS}",
    ),
    with_behavior(
        config="Compare check, discover and read with this configuration (default: secrets/config.json).",
        catalog=f"default: {CATALOG}, or all streams",
        needs=_NEEDS,
    ),
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RequestedProof:
    """The values of --prove, --spec-only and the options of behavior."""

    previous: str
    is_spec_only: bool
    behavior: RequestedBehavior

    def refuse_misuse(self, campaign: Campaign) -> None:
        """Raises UsageError for options that exclude each other, or are for one connector."""
        given = self.behavior
        if self.is_spec_only and (given.config or given.needs_config):
            raise UsageError("--spec-only excludes the options of check, discover and read")
        if given.config and campaign.settings.offline:
            raise UsageError("--config asks the source of the connector, and --offline was given")
        if (given.config or given.catalog or given.state) and len(campaign.fleet.connectors) != 1:
            raise UsageError("--config, --catalog and --state are for one connector", advice="select one with --name")


def read(given: dict[str, Any]) -> RequestedProof | None:
    """Takes the values of the options out of `given`; returns None without --prove. Raises UsageError."""
    previous, is_spec_only = given.pop("previous", None), given.pop("is_spec_only", False)
    behavior = given.pop("behavior", NO_BEHAVIOR_REQUESTED)
    if previous:
        return RequestedProof(previous=previous, is_spec_only=is_spec_only, behavior=behavior)
    if previous is not None:
        raise UsageError("--prove is empty", advice="name an image, or leave out the =")
    if is_spec_only or behavior != NO_BEHAVIOR_REQUESTED:
        raise UsageError(
            "--config, --catalog, --state, --live, --ignore-parameter, --network, --timeout and --spec-only need a "
            "proof",
            advice="add --prove",
        )
    return None
