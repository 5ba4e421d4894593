"""The guide's point 5: the connector as it is now was built, and tested, by what the store remembers."""

from airbyte_ci.checks import results
from airbyte_ci.checks.mending import Mending
from airbyte_ci.checks.rule import Place, Rule, Verdict, failed, inapplicable, unverified
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.oci.store import Store

BUILT = Rule(
    id="built",
    point=5,
    label="built",
    title="The last build of exactly these files went well, and its image answered `spec` here.",
    why="Everything else that is checked is only what was written down; this is what comes of it.",
)
TESTED = Rule(
    id="tested",
    point=5,
    label="tested",
    title="The last test of exactly these files ran more than `spec`, and nothing failed.",
    why="An image that answers `spec` may still read nothing.",
)
_VERBS: dict[results.Kind, str] = {"built": "build", "tested": "test"}


def check(connector: Connector, store: Store | None, kind: results.Kind, mending: Mending) -> Verdict:
    """`store` is None where there is none yet, so nothing was ever built here."""
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
        return failed(f"the last {_VERBS[kind]} failed: {result.summary}", command, Place(connector.relative))
    if result.status != "ok":
        return unverified(f"not {kind}: {result.summary}", command)
    day = result.at.partition("T")[0]
    return Verdict("ok", " · ".join(part for part in (result.summary, day) if part))
