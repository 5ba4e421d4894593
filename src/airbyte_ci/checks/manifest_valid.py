"""Checks that the manifest of a manifest-only connector fits the framework in its base image."""

from packaging.version import InvalidVersion, Version

from airbyte_ci.base_images.catalog.catalog import Catalog
from airbyte_ci.base_images.catalog.entry import MANIFEST_SERIES
from airbyte_ci.checks import places
from airbyte_ci.checks.base_image_address import reference_of
from airbyte_ci.checks.mending import Mending
from airbyte_ci.checks.rule import OK, Location, Rule, Verdict, failed, inapplicable
from airbyte_ci.checks.texts import Texts
from airbyte_ci.connectors import manifest
from airbyte_ci.connectors.connector import COMPONENTS, MANIFEST, Connector
from airbyte_ci.errors import ConnectorError

RULE = Rule(
    id="manifest-valid",
    point=0,
    label="manifest",
    title="manifest.yaml is not newer than the base image, and components.py has every class that it names.",
    why="When a sync starts, the framework rejects a manifest that is newer than the framework, and missing classes.",
)


def check(connector: Connector, catalog: Catalog, texts: Texts, mending: Mending) -> Verdict:
    if connector.language != "manifest-only":
        return inapplicable("not a manifest-only connector")
    place = places.file(connector, MANIFEST)
    try:
        found = manifest.read(connector)
        missing = manifest.missing_components(connector, found)
    except ConnectorError as error:
        return failed(error.message, mending.edit(place), place, error.error_id)
    if missing:
        line = places.line_with(texts.text(connector.folder / MANIFEST) or "", "class_name")
        components = places.file(connector, COMPONENTS)
        reason = f"{place.path} names {', '.join(missing)}, which {components.path} does not have"
        return failed(reason, mending.edit(components), Location(place.path, line))
    if newest := _too_old(connector, catalog, found.version):
        line = places.line_with(texts.text(connector.folder / MANIFEST) or "", "version:")
        return failed(
            f"the manifest has version {found.version}, but the base image contains framework {newest}",
            mending.upgrade(connector, "latest"),
            Location(place.path, line),
        )
    return OK


def _too_old(connector: Connector, catalog: Catalog, wanted: str) -> str:
    """Returns the framework's version in the base image if it is older than `wanted`; else, or if unknown, empty.

    Only versions of the published series equal the framework's versions; other repositories may use other numbers.
    """
    reference = reference_of(connector)
    if isinstance(reference, Verdict) or not reference.repository.endswith(f"/{MANIFEST_SERIES}"):
        return ""
    known = catalog.find(str(reference))
    version = known.version if known else reference.tag or ""
    try:
        return version if Version(version) < Version(wanted) else ""
    except InvalidVersion:
        return ""
