"""The manifest of a manifest-only connector fits the framework that its base image holds."""

from packaging.version import InvalidVersion, Version

from airbyte_ci.base_images.catalogue import Catalogue
from airbyte_ci.base_images.entry import MANIFEST_SERIES
from airbyte_ci.checks import places
from airbyte_ci.checks.base_image_address import reference_of
from airbyte_ci.checks.mending import Mending
from airbyte_ci.checks.rule import OK, Place, Rule, Verdict, failed, inapplicable
from airbyte_ci.checks.texts import Texts
from airbyte_ci.connectors import manifest
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import ConnectorError

RULE = Rule(
    id="manifest-valid",
    point=0,
    label="manifest",
    title="manifest.yaml is not newer than its base image, and components.py has every class that it names.",
    why="The framework refuses a manifest that is newer than itself, and a class that is missing, when a sync starts.",
)


def check(connector: Connector, catalogue: Catalogue, texts: Texts, mending: Mending) -> Verdict:
    if connector.language != "manifest-only":
        return inapplicable("not a manifest-only connector")
    place = places.file(connector, manifest.MANIFEST)
    try:
        found = manifest.read(connector)
        missing = manifest.missing_components(connector, found)
    except ConnectorError as error:
        return failed(error.message, mending.edit(place), place)
    if missing:
        line = places.line_with(texts.text(connector.folder / manifest.MANIFEST) or "", "class_name")
        components = places.file(connector, manifest.COMPONENTS)
        reason = f"{place.path} names {', '.join(missing)}, which {components.path} does not have"
        return failed(reason, mending.edit(components), Place(place.path, line))
    if newest := _too_old(connector, catalogue, found.version):
        line = places.line_with(texts.text(connector.folder / manifest.MANIFEST) or "", "version:")
        return failed(
            f"its manifest is of version {found.version}, and its base image holds the framework {newest}",
            mending.upgrade(connector, "latest"),
            Place(place.path, line),
        )
    return OK


def _too_old(connector: Connector, catalogue: Catalogue, wanted: str) -> str:
    """The framework's version in the base image where it is older than wanted; empty where it is not, or unknown.

    The versions of the published series are the framework's own; another repository may number its images as it likes.
    """
    reference = reference_of(connector)
    if isinstance(reference, Verdict) or not reference.repository.endswith(f"/{MANIFEST_SERIES}"):
        return ""
    known = catalogue.find(str(reference))
    version = known.version if known else reference.tag or ""
    try:
        return version if Version(version) < Version(wanted) else ""
    except InvalidVersion:
        return ""
