"""Checks point 6 of the guide: the customization changes only what its owners have approved."""

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
    title="Everything that the customization changes in the image is listed in build_customization.lock.",
    why="Reviewers see the code, but the packages that it installs can change after the review.",
    severity="error",
)
_SHOWN = 4


def check(connector: Connector, store: Store | None, mending: Mending) -> Verdict:
    """`store` is None when this machine has no store yet, so nothing was ever built here."""
    if not hook_owned.customizes(connector):
        return hook_owned.NO_HOOK
    if LOCK not in connector.names:
        return inapplicable("there is no build_customization.lock")
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
        return unverified("not built since the customization or the base image changed", mending.build(connector))
    new = approval.new_since(approved, approval.kinds(found.values()))
    if not new:
        return OK
    more = f" and {len(new) - _SHOWN} more" if len(new) > _SHOWN else ""
    return failed(f"new since the last approval: {', '.join(new[:_SHOWN])}{more}", mending.approve(connector), place)
