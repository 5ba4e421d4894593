"""`verify`: checks a published image against its signature, its provenance, its contents, and a second build."""

from collections.abc import Mapping
from pathlib import Path

import click

from airbyte_ci import config
from airbyte_ci.app import now
from airbyte_ci.attest.signing.keys import SigningKey, read_signing_key
from airbyte_ci.attest.statement import COSIGN_SIGN
from airbyte_ci.attest.verification import trust
from airbyte_ci.attest.verification.finding import ImageFinding, is_refused
from airbyte_ci.attest.verification.published import PublishedRelease
from airbyte_ci.attest.verification.trust import TrustPolicy
from airbyte_ci.attest.verification.verify import Demand
from airbyte_ci.cli import console, workbench
from airbyte_ci.cli.options import json_option
from airbyte_ci.cli.settings import Settings
from airbyte_ci.config import Configuration
from airbyte_ci.errors import ImageError
from airbyte_ci.oci.reference import Reference
from airbyte_ci.python.environment.tools import Tools
from airbyte_ci.reports import verification as report


@click.command("verify")
@click.argument("image")
@click.option(
    "--key",
    "keys",
    multiple=True,
    metavar="FILE|env:NAME",
    help="Require a signature with this public key; repeatable, one is sufficient (default: the key of `trust`).",
)
@click.option("--rebuild", is_flag=True, help="Build the image again from what was published, and compare digests.")
@click.option(
    "--policy",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Use the rules of this file (default: `trust` in the configuration).",
)
@click.option(
    "--sign-key",
    metavar="FILE|env:NAME",
    help="Attach a summary of a successful verification to the image, signed with this private key.",
)
@json_option
@click.pass_obj
def verify(
    settings: Settings,
    image: str,
    keys: tuple[str, ...],
    policy: Path | None,
    sign_key: str | None,
    *,
    rebuild: bool,
    as_json: bool,
) -> int:
    """Verify a published IMAGE: its signature, provenance, build plan, base and SBOM, for every platform.

    IMAGE is an address with a tag, a digest or both. With --rebuild, the image is built again in an empty store from
    what was published alone: the plan, the inputs attached to the image, and packages from the index. The exit code is
    1 if a check fails.
    """
    settings = settings.also(as_json=as_json)
    reference = Reference.parse(image)
    configuration = workbench.find_configuration(settings)
    with workbench.open_app(settings, configuration) as (app, progress):
        tools = app.tools(reference.name)
        key = read_signing_key(sign_key, app.environment) if sign_key else None
        demand = _demand(reference, keys, policy, configuration, app.environment, rebuild=rebuild)
        from airbyte_ci.attest.verification import published, verify

        tools.say("fetching documents")
        found = published.fetch(reference, tools)
        width = max(len(name) for name in ("index", *(item.name for item in found.images)))
        findings: list[ImageFinding] = []
        for item in verify.verify(found, demand, tools, app.native):
            findings.append(item)
            if not settings.as_json and not (settings.quiet and item.status == "ok"):
                progress.clear()
                console.block(report.line(item, width))
        if key and not is_refused(findings):
            _attach_summary(found, demand, findings, key, tools)
    if settings.as_json:
        console.document(report.to_json(str(found.reference), str(found.digest), findings))
    else:
        console.line(report.summary(str(found.reference), findings))
    return int(is_refused(findings))


def _attach_summary(
    found: PublishedRelease, demand: Demand, findings: list[ImageFinding], key: SigningKey, tools: Tools
) -> None:
    from airbyte_ci.attest.signing import attest
    from airbyte_ci.attest.verification import summary
    from airbyte_ci.publish.release import make_artifact

    moment = now()
    statement = summary.make(found, demand, findings, moment)
    attachment = attest.attach_signed(key, statement, moment.strftime("%Y-%m-%dT%H:%M:%SZ"))
    described = found.index.descriptor if found.index else found.images[0].image.manifest.descriptor
    artifact = make_artifact(attachment, described)
    tools.registries.target(found.reference).attach(tools.store, found.digest, [artifact], ())


def _demand(
    reference: Reference,
    keys: tuple[str, ...],
    file: Path | None,
    configuration: Configuration,
    environment: Mapping[str, str],
    *,
    rebuild: bool,
) -> Demand:
    """Returns the demands of the policy, with the keys of the command line instead of its own."""
    policy = (
        TrustPolicy(config.read_policy(file), file.parent)
        if file
        else TrustPolicy(configuration.trust, configuration.root)
    )
    rule = policy.rule_for(reference)
    if file and rule is None:
        name = f"{reference.registry}/{reference.repository}"
        raise ImageError(f"cannot verify {reference}: {file} has no rule for {name}", advice=f"add [trust.{name!r}]")
    demand = policy.demand(rule, environment) if rule else Demand()
    if own := trust.read_keys(keys, environment):
        demand = Demand(own, demand.required | {COSIGN_SIGN})
    return Demand(demand.keys, demand.required, rebuild)
