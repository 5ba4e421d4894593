"""What builds and tests of a connector's files gave, kept for point 5 of `connectors check`. Light to import."""

from collections.abc import Sequence
from typing import Literal

from airbyte_ci import app
from airbyte_ci.build.fingerprint import Fingerprint
from airbyte_ci.build.order import Order
from airbyte_ci.cli import console, ending
from airbyte_ci.cli.settings import Settings
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import ConnectorError
from airbyte_ci.oci.store import Store
from airbyte_ci.outcomes import Outcome, Status

Kind = Literal["built", "tested"]


def state(connector: Connector) -> str:
    """The state of the connector's files, taken before something is done with them."""
    return Fingerprint((connector.folder,)).digest


def is_of_the_files(order: Order) -> bool:
    """Whether what is built is what the files say and was asked for `spec`: no other base, framework or plan."""
    return order.verify and not (order.override or order.framework or order.plan)


def keep_build(store: Store, connector: Connector, before: str, order: Order, outcomes: list[Outcome]) -> None:
    """Keeps how a build ended, if it says something of the files. Where nothing changed, it is known already."""
    if not is_of_the_files(order):
        return
    from airbyte_ci.checks import results

    if all(outcome.facts.get("unchanged") for outcome in outcomes) and results.is_known(store, connector):
        return
    # What this machine runs was asked for `spec`; of other platforms nothing is known but that there is an image.
    for status in ("failed", "ok"):
        if found := [outcome for outcome in outcomes if outcome.status == status]:
            keep(store, connector, before, "built", status, found[0].reason or found[0].summary)
            return
    keep(store, connector, before, "built", "unverified", not_run(outcomes))


def not_run(outcomes: Sequence[Outcome]) -> str:
    """Why images were not asked for `spec`."""
    return "; ".join(f"{outcome.facts['platform']}: {outcome.reason}" for outcome in outcomes)


def keep(store: Store, connector: Connector, before: str, kind: Kind, status: Status, summary: str) -> None:
    """Keeps a result under the files as they are now, if they are still those of `before` and nobody interrupted."""
    from airbyte_ci.checks import results
    from airbyte_ci.checks.results import Result

    try:
        inputs = results.inputs_of(connector)
        connector.image_repository  # noqa: B018  # what has none is known by nothing
    except ConnectorError:
        return
    if state(connector) == before and not ending.is_ending():
        now = app.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        first = summary.partition("\n")[0]
        results.remember(store, connector, inputs, kind, Result(status, first, now))


def tell_unfinished(
    settings: Settings, connectors: Sequence[Connector], outcomes: Sequence[Outcome], done: str
) -> None:
    """Reports the connectors that an interrupted run did not finish; `done` is the word for the others."""
    from airbyte_ci.reports import terminal

    known = {outcome.subject for outcome in outcomes}
    names = [item.name for item in connectors if item.name not in known]
    if settings.as_json:
        for name in names:
            console.document(Outcome(name, "skipped", reason="interrupted").to_json())
    console.line(terminal.unfinished(names, len(connectors), done), err=True)
