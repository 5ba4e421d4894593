"""Shared by `sbom` and `vulnerabilities`: the bill of a built connector, or of any image."""

from dataclasses import dataclass, replace
from pathlib import Path

from airbyte_ci.attest import gather
from airbyte_ci.attest.sbom import examine
from airbyte_ci.attest.sbom.bill import BillOfMaterials
from airbyte_ci.base_images.catalog import catalog
from airbyte_ci.cli import fleet as fleets
from airbyte_ci.cli.options import SelectionOptions
from airbyte_ci.cli.settings import Settings
from airbyte_ci.config import Configuration
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import BlobNotFound, ConfigurationError, UsageError
from airbyte_ci.images.locate_image import LocatedImage, locate_image
from airbyte_ci.images.order import DEFAULT_TAG
from airbyte_ci.images.outputs import ImageDestination
from airbyte_ci.oci.image import Platform
from airbyte_ci.oci.reference import Reference
from airbyte_ci.python.environment.tools import Tools


@dataclass(frozen=True, slots=True)
class Inspected:
    """The images to inspect: connectors of the repository, or other images by name."""

    configuration: Configuration
    connectors: tuple[Connector, ...]
    images: tuple[str, ...]

    @property
    def subjects(self) -> tuple[Connector | str, ...]:
        return (*self.connectors, *self.images)


def select(settings: Settings, asked: SelectionOptions, names: tuple[str, ...], verb: str) -> Inspected:
    """Returns what NAMES mean: a connector's name its built image, everything else an image.

    Without names, the selected connectors. Raises UsageError.
    """
    if not names:
        fleet = fleets.load_for_change(settings, asked, verb)
        return Inspected(fleet.configuration, fleet.connectors, ())
    if asked.selection or asked.everything:
        raise UsageError(f"cannot {verb}: names and filters exclude each other", advice="leave out one of them")
    try:
        fleet = fleets.load(settings, replace(asked, everything=True), may_be_empty=True)
    except ConfigurationError:
        raise
    except UsageError:  # outside of a repository
        return Inspected(Configuration(root=settings.repo), (), names)
    known = {item.name: item for item in fleet.connectors}
    connectors = tuple(known[name] for name in dict.fromkeys(names) if name in known)
    return Inspected(fleet.configuration, connectors, tuple(name for name in names if name not in known))


def bill_of(
    subject: Connector | str, configuration: Configuration, tools: Tools, platform: Platform
) -> BillOfMaterials:
    """Returns the bill of a connector's built image, as a publication attaches it, or of any other image.

    Raises AirbyteCiError.
    """
    if isinstance(subject, Connector):
        return _of_connector(subject, configuration, tools, platform)
    is_name = not any(mark in subject for mark in "/:@") and not Path(subject).exists()
    if is_name and tools.store.resolve(subject) is None:
        raise UsageError(
            f"no connector, file or image in the store is called {subject!r}", advice="airbyte-ci connectors list"
        )
    located = locate_image(tools, subject, platform)
    bases = catalog.load(configuration.catalog_path).versions
    digests = {digest for item in bases for digest in (item.address.digest, *dict(item.platforms).values())}
    own = {str(located.image.digest), str(located.reference.digest) if located.reference else ""}
    is_base = not own.isdisjoint(map(str, digests))
    return examine.examine(tools, located, _repository(subject, located), is_base=is_base)


def _of_connector(
    connector: Connector, configuration: Configuration, tools: Tools, platform: Platform
) -> BillOfMaterials:
    name = f"{connector.image_repository}:{DEFAULT_TAG}"
    if tools.store.resolve(name) is None:
        raise BlobNotFound(
            f"cannot inspect {connector.name}: {name} is not built yet",
            advice=f"airbyte-ci connectors --name={connector.name} build",
        )
    located = locate_image(tools, name, platform)
    release = ImageDestination("registry", configuration.registry).reference(connector.image_repository, DEFAULT_TAG)
    source = gather.source_state(configuration.root, [str(connector.folder)])
    return examine.examine(
        tools,
        located,
        f"{release.registry}/{release.repository}",
        license_text=str(connector.data.get("license") or ""),
        created=source.created if source else "",
    )


def _repository(text: str, located: LocatedImage) -> str:
    """Returns the repository of an image; that of an archive is the name in the image's labels, or the file's."""
    if Path(text).exists():
        labels = located.image.config.execution.get("Labels") or {}
        return str(labels.get("io.airbyte.name") or Path(text).stem or "image")
    place = located.reference or Reference.parse(text)
    return f"{place.registry}/{place.repository}"
