"""Records the results of builds and tests, for point 5 of `connectors check`. Cheap to import."""

from collections.abc import Sequence
from typing import Literal

from airbyte_ci import app, interruption
from airbyte_ci.cli import console
from airbyte_ci.cli.settings import Settings
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import ConnectorError
from airbyte_ci.images.fingerprint import Fingerprint
from airbyte_ci.images.order import Order
from airbyte_ci.oci.store.store import Store
from airbyte_ci.outcomes import Outcome, Status

Kind = Literal["built", "tested"]


def state(connector: Connector) -> str:
    """Returns a fingerprint of the connector's files, to be taken before a build or test."""
    return Fingerprint((connector.folder,)).digest


def is_of_the_files(order: Order) -> bool:
    """Returns whether a build uses only the connector's files and runs `spec`: no other base, framework or plan."""
    return order.verify and not (order.override or order.framework or order.plan)


def keep_build(store: Store, connector: Connector, before: str, order: Order, outcomes: list[Outcome]) -> None:
    """Records the result of a build that used only the connector's files, unless it is already recorded."""
    if not is_of_the_files(order):
        return
    from airbyte_ci.checks import results

    if all(outcome.facts.get("unchanged") for outcome in outcomes) and results.is_known(store, connector):
        return
    # `spec` ran only on this machine's platform; for other platforms, only the existence of an image is known.
    for status in ("failed", "ok"):
        if found := [outcome for outcome in outcomes if outcome.status == status]:
            keep(store, connector, before, "built", status, found[0].reason or found[0].summary)
            return
    keep(store, connector, before, "built", "unverified", not_run(outcomes))


def not_run(outcomes: Sequence[Outcome]) -> str:
    """Returns why `spec` was not run in the images."""
    return "; ".join(f"{outcome.facts['platform']}: {outcome.reason}" for outcome in outcomes)


def keep(store: Store, connector: Connector, before: str, kind: Kind, status: Status, summary: str) -> None:
    """Records a result for the current files, if they still match `before` and the run was not interrupted."""
    from airbyte_ci.checks import results
    from airbyte_ci.checks.results import RecordedResult

    try:
        inputs = results.inputs_of(connector)
        connector.image_repository  # noqa: B018  # raises if the connector has none: then there is no key to record under
    except ConnectorError:
        return
    if state(connector) == before and not interruption.is_stopping():
        now = app.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        first = summary.partition("\n")[0]
        results.remember(store, connector, inputs, kind, RecordedResult(status, first, now))


def tell_unfinished(
    settings: Settings, connectors: Sequence[Connector], outcomes: Sequence[Outcome], command: str, done: str
) -> None:
    """Reports the connectors that an interrupted command did not finish; `done` is the participle for the others."""
    from airbyte_ci.reports import terminal

    known = {outcome.subject for outcome in outcomes}
    names = [item.name for item in connectors if item.name not in known]
    if settings.as_json:
        for name in names:
            console.document(Outcome(subject=name, status="skipped", reason="interrupted").to_json(command))
    console.line(terminal.unfinished(names, len(connectors), done), err=True)
