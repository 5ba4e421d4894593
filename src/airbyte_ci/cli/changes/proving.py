"""The proofs of `--prove`: compares the images before and after each change, and reports the result."""

import dataclasses

import click

from airbyte_ci.app import App
from airbyte_ci.attest.compare.compare import compare_images
from airbyte_ci.campaigns.changes.change import Change
from airbyte_ci.campaigns.changes.proof import Proof
from airbyte_ci.campaigns.changes.task import Task
from airbyte_ci.campaigns.proof import previous_image
from airbyte_ci.campaigns.proof.changed_image import build_change
from airbyte_ci.cli import resolving
from airbyte_ci.cli.changes.campaign import Campaign, Planner
from airbyte_ci.cli.changes.prove_option import RequestedProof
from airbyte_ci.cli.progress import Progress
from airbyte_ci.connector_tests import secrets
from airbyte_ci.connector_tests.behavior.compare import BehaviorOptions, add_behavior
from airbyte_ci.connector_tests.read_inputs import with_own_catalog
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import AirbyteCiError, ConnectorError
from airbyte_ci.reports import comparison as report


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
            options = _behavior_of(connector, app, requested)
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


def _behavior_of(connector: Connector, app: App, requested: RequestedProof) -> BehaviorOptions:
    """Returns how to run the connector's images: with its configuration, if there is one. Raises ConnectorError."""
    behavior = requested.behavior
    found = secrets.load(connector, behavior.config, app.configuration.test_secrets, app.environment)
    missing = "--spec-only" if requested.is_spec_only else "--offline" if app.offline else found.missing
    if missing:
        return behavior.options(None, missing=missing)
    if found.problem:
        raise ConnectorError(found.problem, advice="correct it, or compare without it: --spec-only")
    inputs = with_own_catalog(connector, behavior.inputs(found))
    return behavior.options(inputs, kind=connector.kind)
