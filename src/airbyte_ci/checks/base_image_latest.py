"""Checks point 2 of the guide: the base image is the latest one that the connector's Python constraint allows."""

from collections.abc import Callable, Sequence
from datetime import date

from packaging.specifiers import SpecifierSet

from airbyte_ci.base_images.catalog.catalog import Catalog
from airbyte_ci.base_images.catalog.latest import latest
from airbyte_ci.checks import base_image_address
from airbyte_ci.checks.base_image_yanked import unknown
from airbyte_ci.checks.mending import Mending
from airbyte_ci.checks.rule import OK, Rule, Verdict, failed, unverified_by
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import LockError

RULE = Rule(
    id="base-image-latest",
    point=2,
    label="latest base",
    title="The base image is the newest release of its major version that the connector's Python constraint allows.",
    why="Frequent small upgrades are safe; a large upgrade after years is not.",
    severity="warning",
)

# Returns the alternative Python constraints of a connector; empty: every Python. Raises LockError.
Admitted = Callable[[Connector], Sequence[SpecifierSet]]


def check(
    connector: Connector, catalog: Catalog, admitted: Admitted, today: date, platform: str, mending: Mending
) -> Verdict:
    """Ignores newer major versions: a person decides about those upgrades."""
    reference = base_image_address.reference_of(connector)
    if isinstance(reference, Verdict):
        return reference
    used = catalog.find(str(reference))
    if used is None:
        return unknown(connector)
    same = [item for item in catalog.of(used.repository) if item.semver.major == used.semver.major]
    newer = [item for item in same if item.semver > used.semver]
    if latest(newer, (), today=today, platform=platform).version is None:
        return OK  # true for every Python constraint, so no file is read
    try:
        newest = latest(newer, admitted(connector), today=today, platform=platform).version
    except LockError as error:
        return unverified_by(error)
    if newest is None:
        return OK
    return failed(
        f"built on {used.address.name} {used.version}, but {newest.version} is available",
        mending.upgrade(connector),
        base_image_address.place(connector),
    )
