"""`--prove` of migrations and upgrades: compares the images before and after each change, and reports the result."""

import dataclasses
from typing import Any

import click

from airbyte_ci.app import App
from airbyte_ci.attest.compare.compare import compare_images
from airbyte_ci.campaigns.changes.change import Change
from airbyte_ci.campaigns.changes.proof import Proof
from airbyte_ci.campaigns.changes.task import Task
from airbyte_ci.campaigns.proof import previous_image
from airbyte_ci.campaigns.proof.changed_image import build_change
from airbyte_ci.cli import resolving
from airbyte_ci.cli.behavior_options import NO_BEHAVIOR_REQUESTED, RequestedBehavior, with_behavior
from airbyte_ci.cli.changes.campaign import Campaign, Planner
from airbyte_ci.cli.progress import Progress
from airbyte_ci.connector_tests import secrets
from airbyte_ci.connector_tests.behavior.compare import BehaviorOptions, add_behavior
from airbyte_ci.connector_tests.read_inputs import CATALOG, with_own_catalog
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import AirbyteCiError, ConnectorError, UsageError
from airbyte_ci.reports import comparison as report

_NEEDS = " Needs --prove."

OPTIONS = (
    click.option(
        "--prove",
        "previous",
        is_flag=False,
        flag_value=previous_image.AUTOMATIC,
        default=None,
        metavar="[IMAGE]",
        help="Build the connector before and after the change, and compare both images and their `spec`; with a "
        "configuration of the connector also check, discover, and two reads. IMAGE is the image before, and may "
        "contain {name} and {version} (default: build the Dockerfile with docker, or the connector as it is). The exit "
        "code is 1 if something is lost, or differs unexplained; the change is made nevertheless.",
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

    def behavior_of(self, connector: Connector, app: App) -> BehaviorOptions:
        """Returns how to run the connector's images: with its configuration, if there is one. Raises ConnectorError."""
        found = secrets.load(connector, self.behavior.config, app.configuration.test_secrets, app.environment)
        missing = "--spec-only" if self.is_spec_only else "--offline" if app.offline else found.missing
        if missing:
            return self.behavior.options(None, missing=missing)
        if found.problem:
            raise ConnectorError(found.problem, advice="correct it, or compare without it: --spec-only")
        inputs = with_own_catalog(connector, self.behavior.inputs(found))
        return self.behavior.options(inputs, kind=connector.kind)


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


def planner(campaign: Campaign, plan: Planner, app: App, progress: Progress, requested: RequestedProof) -> Planner:
    """Returns the planner that adds a proof to each change of `plan`. Raises UsageError."""
    requested.refuse_misuse(campaign)
    order = resolving.trial_order(app)
    root = campaign.fleet.configuration.root

    def prove(task: Task) -> Change:
        change = plan(task)
        connector = task.connector
        if change.base_image is None:
            return change  # only the changelog
        try:
            options = requested.behavior_of(connector, app)
            tools = app.tools(connector.name)
            before = previous_image.find_previous(connector, order, tools, requested.previous)
            after = build_change(connector, change, root=root, order=order, tools=tools)
            tools.say("comparing both images")
            found = compare_images(tools.store, before, after, change.intended)
            found = add_behavior(found, before.image, after.image, tools, options)
        except AirbyteCiError as error:
            raise ConnectorError(f"cannot prove {connector.name}: {error.message}", advice=error.advice) from error
        finally:
            progress.clear(connector.name)
        proof = Proof(
            is_proven=not found.has_failures,
            summary=report.proof_line(found),
            text=click.unstyle(report.text(found)),
            markdown=report.markdown(found),
        )
        return dataclasses.replace(change, proof=proof)

    return prove
