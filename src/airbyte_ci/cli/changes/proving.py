"""`--prove` of migrations and upgrades: compares the images before and after each change, and reports the result."""

import dataclasses

import click

from airbyte_ci.app import App, now
from airbyte_ci.attest.compare.compare import compare_images
from airbyte_ci.campaigns.changes.change import Change
from airbyte_ci.campaigns.changes.proof import Proof
from airbyte_ci.campaigns.changes.task import Task
from airbyte_ci.campaigns.proof import previous_image
from airbyte_ci.campaigns.proof.changed_image import build_change
from airbyte_ci.cli.changes import trying
from airbyte_ci.cli.changes.campaign import Campaign, Planner
from airbyte_ci.cli.progress import Progress
from airbyte_ci.connector_tests.behavior.compare import BehaviorOptions, add_behavior
from airbyte_ci.errors import AirbyteCiError, ConnectorError
from airbyte_ci.reports import comparison as report

option = click.option(
    "--prove",
    "previous",
    is_flag=False,
    flag_value=previous_image.AUTOMATIC,
    default=None,
    metavar="[IMAGE]",
    help="Build the connector before and after the change, and compare both images and their `spec`. IMAGE is the "
    "image before, and may contain {name} and {version} (default: build the Dockerfile with docker, or the connector "
    "as it is). The exit code is 1 if something is lost, or differs unexplained; the change is made nevertheless.",
)


def planner(campaign: Campaign, plan: Planner, app: App, progress: Progress, previous: str) -> Planner:
    """Returns the planner that adds a proof to each change of `plan`."""
    order = trying.order_of(campaign, app)
    root = campaign.fleet.configuration.root

    def prove(task: Task) -> Change:
        change = plan(task)
        connector = task.connector
        if change.base_image is None:
            return change  # only the changelog
        try:
            with app.tools(connector.name) as tools:
                before = previous_image.find_previous(connector, order, tools, previous)
                after = build_change(connector, change, root=root, order=order, tools=tools)
                tools.say("comparing both images")
                found = compare_images(tools.store, before, after)
                found = add_behavior(found, before.image, after.image, tools, BehaviorOptions(now=now()))
        except AirbyteCiError as error:
            raise ConnectorError(f"cannot prove {connector.name}: {error.message}", advice=error.advice) from error
        finally:
            progress.clear(connector.name)
        proof = Proof(
            is_proven=not found.has_failures,
            summary=report.verdict_line(found),
            text=click.unstyle(report.text(found)),
            markdown=report.markdown(found),
        )
        return dataclasses.replace(change, proof=proof)

    return prove
