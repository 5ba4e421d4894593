"""Checks point 5 of the guide: the store has results of a build and a test of the connector's current files."""

from airbyte_ci.checks import results
from airbyte_ci.checks.mending import Mending
from airbyte_ci.checks.rule import Location, Rule, Verdict, failed, inapplicable, unverified
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.oci.store.store import Store

BUILT = Rule(
    id="built",
    point=5,
    label="built",
    title="The last build of the current files succeeded, and its image answered `spec` on this machine.",
    why="The other checks read files; this check shows that the files result in a working image.",
)
TESTED = Rule(
    id="tested",
    point=5,
    label="tested",
    title="The last test of the current files ran more than `spec`, and no step failed.",
    why="An image that answers `spec` may still fail to read data.",
)
_VERBS: dict[results.Kind, str] = {"built": "build", "tested": "test"}


def check(connector: Connector, store: Store | None, kind: results.Kind, mending: Mending) -> Verdict:
    """`store` is None when this machine has no store yet, so nothing was ever built here."""
    if not connector.is_built:
        return inapplicable("airbyte-ci does not build connectors of its language")
    if not isinstance(connector.data.get("dockerRepository"), str):
        return inapplicable("dockerRepository is missing")
    command = mending.build(connector) if kind == "built" else mending.test(connector)
    if store is None or not results.is_known(store, connector):
        return unverified(f"not {kind}", command)
    result = results.recall(store, connector, results.inputs_of(connector), kind)
    if result is None:
        return unverified(f"not {kind} since its files changed", command)
    if result.status == "failed":
        return failed(f"the last {_VERBS[kind]} failed: {result.summary}", command, Location(connector.relative))
    if result.status != "ok":
        return unverified(f"not {kind}: {result.summary}", command)
    day = result.at.partition("T")[0]
    return Verdict("ok", " · ".join(part for part in (result.summary, day) if part))
