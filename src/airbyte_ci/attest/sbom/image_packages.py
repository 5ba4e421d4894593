"""The packages of an image: the evidence of its layers, merged as the layers are, and the layer of each package."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from airbyte_ci.attest.sbom import layer_evidence
from airbyte_ci.attest.sbom.found_package import DEB, NO_LICENSE, FoundPackage, LayerEvidence, LicenseText
from airbyte_ci.oci.image import Image
from airbyte_ci.oci.store.store import Store

T = TypeVar("T")
_COPYRIGHT = "usr/share/doc/{}/copyright"


@dataclass(frozen=True, slots=True)
class PlacedPackage:
    """A package and the number of the layer that added it (0 is the oldest)."""

    package: FoundPackage
    layer: int


@dataclass(frozen=True, slots=True)
class ImagePackages:
    """All packages of an image, the fields of its os-release, and files about packages that were not read."""

    placed: tuple[PlacedPackage, ...]
    system: Mapping[str, str]
    unread: tuple[str, ...]


def of_image(store: Store, image: Image, bring: Callable[[], None]) -> ImagePackages:
    """Returns the packages of an image; `bring` puts its layers into the store if one was never read.

    Raises ImageError for a damaged layer, BlobNotFound and RegistryError for one that is nowhere.
    """
    return merge([layer_evidence.of_layer(store, *layer, bring) for layer in image.layers])


def merge(layers: Sequence[LayerEvidence]) -> ImagePackages:
    """Merges the layers, oldest first, as overlayfs does.

    A package belongs to the lowest layer since which its file has described it unchanged: a layer that installs one
    more Debian package writes the list of all of them again.
    """
    packages: dict[str, list[PlacedPackage]] = {}
    systems: dict[str, Mapping[str, str]] = {}
    texts: dict[str, LicenseText] = {}
    unread: dict[str, None] = {}
    for number, layer in enumerate(layers):
        _remove(packages, layer)
        _remove(systems, layer)
        _remove(texts, layer)
        _remove(unread, layer)
        for path, found in layer.packages.items():
            before = {item.package.identity: item for item in packages.get(path, ())}
            unique = {item.identity: item for item in found}
            packages[path] = [before.get(key) or PlacedPackage(item, number) for key, item in unique.items()]
        systems |= layer.systems
        texts |= layer.licenses
        unread |= dict.fromkeys(layer.unread)
    placed = (
        PlacedPackage(_licensed(item.package, texts), item.layer) for found in packages.values() for item in found
    )
    system = systems.get("etc/os-release") or systems.get("usr/lib/os-release") or {}
    ordered = sorted(placed, key=lambda item: (item.package.identity, item.layer))
    return ImagePackages(tuple(ordered), system, tuple(sorted(unread)))


def _remove(known: dict[str, T], layer: LayerEvidence) -> None:
    """Removes the paths that a layer hides."""
    if not layer.gone and not layer.opaque:
        return
    gone, opaque = set(layer.gone), set(layer.opaque)
    for path in list(known):
        folders = _parents(path)
        if path in gone or not opaque.isdisjoint(folders) or not gone.isdisjoint(folders):
            del known[path]


def _parents(path: str) -> Iterable[str]:
    parts = path.split("/")
    return ["/".join(parts[:number]) for number in range(len(parts))]


def _licensed(package: FoundPackage, texts: Mapping[str, LicenseText]) -> FoundPackage:
    """Returns a Debian package with the license of its copyright file, else that of its source package's."""
    if package.ecosystem != DEB:
        return package
    for name in (package.name, package.source):
        if found := texts.get(_COPYRIGHT.format(name)):
            return replace(package, license=found)
    return replace(package, license=NO_LICENSE)
