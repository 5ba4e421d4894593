"""The guide's point 6, held to: the customisation changes nothing of a kind that its owners have not approved."""

from airbyte_ci.build import approval, customized
from airbyte_ci.checks import hook_owned, places
from airbyte_ci.checks.mending import Mending
from airbyte_ci.checks.rule import OK, Rule, Verdict, failed, inapplicable, unverified
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.connectors.customization import LOCK
from airbyte_ci.errors import AirbyteCiError, ConnectorError
from airbyte_ci.oci.store import Store

RULE = Rule(
    id="hook-effect",
    point=6,
    label="hook",
    title="What the customisation changes in the image is of the kinds that build_customization.lock has.",
    why="A review sees the code; what it installs today may be more than on that day.",
    severity="error",
)
_SHOWN = 4


def check(connector: Connector, store: Store | None, mending: Mending) -> Verdict:
    """`store` is None where there is none yet, so nothing was ever built here."""
    if not hook_owned.customizes(connector):
        return hook_owned.NO_HOOK
    if LOCK not in connector.names:
        return inapplicable("its effect is not kept in build_customization.lock")
    place = places.file(connector, LOCK)
    try:
        approved = approval.parse((connector.folder / LOCK).read_text("utf-8", errors="replace"), place.path)
    except ConnectorError as error:
        return failed(error.message, mending.approve(connector), place)
    try:
        found = customized.of_connector(store, connector) if store else {}
    except AirbyteCiError as error:
        return unverified(error.message, error.advice or "")
    if not found:
        return unverified("not built since its customisation or its base changed", mending.build(connector))
    new = approval.new_since(approved, approval.kinds(found.values()))
    if not new:
        return OK
    more = f" and {len(new) - _SHOWN} more" if len(new) > _SHOWN else ""
    return failed(f"new since it was approved: {', '.join(new[:_SHOWN])}{more}", mending.approve(connector), place)
