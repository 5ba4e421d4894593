"""Makes the bill of materials of an image from its layers, its build plan and the facts about its release."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from airbyte_ci.attest.sbom import image_packages, layer_roles, package_url, requirement_graph
from airbyte_ci.attest.sbom.bill import BillOfMaterials, Component, ComponentOrigin
from airbyte_ci.attest.sbom.found_package import DEB, GENERIC, NO_LICENSE, PYPI, SYSTEMS, FoundPackage, LicenseText
from airbyte_ci.attest.sbom.image_packages import ImagePackages, PlacedPackage
from airbyte_ci.attest.sbom.layer_roles import LayerRole
from airbyte_ci.attest.sbom.requirement_graph import RequirementGraph
from airbyte_ci.base_images.making.lock import PlatformLock
from airbyte_ci.images.distribution import kind_of
from airbyte_ci.images.plan import BuildPlan
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Image
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.environment.environment import Choice
from airbyte_ci.python.packages.lock import FromGit

FRAMEWORK = "airbyte-cdk"
# A distribution in a folder of another one, such as `site-packages/setuptools/_vendor/wheel-0.46.3.dist-info`.
_BUNDLED = re.compile(r"(?:site|dist)-packages/([^/]+)/")
_ORIGINS: Mapping[LayerRole, ComponentOrigin] = {
    LayerRole.BASE: "base",
    LayerRole.PACKAGES: "connector",
    LayerRole.CODE: "connector",
    LayerRole.HOOK: "customization",
    LayerRole.UNKNOWN: "unknown",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BillFacts:
    """Facts about an image that its layers do not have.

    `repository` is the image's, with its registry if that is known. Without `base_layers` and `plan`, as for an image
    of another tool whose base is not known, components are of unknown origin. `license` is that of the connector's
    code. `lock` has the inputs of an image that is a base image itself. `created` is RFC 3339, and `tool` the version
    of airbyte-ci.
    """

    repository: str
    created: str
    tool: str
    plan: BuildPlan | None = None
    base: Reference | None = None
    base_layers: int | None = None
    license: str = ""
    lock: PlatformLock | None = None


def make(store: Store, image: Image, facts: BillFacts, bring: Callable[[], None]) -> BillOfMaterials:
    """Returns the bill of an image; `bring` puts its layers into the store if one was never read.

    Raises ImageError for a damaged layer, BlobNotFound and RegistryError for one that is nowhere.
    """
    found = image_packages.of_image(store, image, bring)
    platform = image.config.platform
    roles = layer_roles.of_image(image, facts.base_layers)
    own = [item.package for item in found.placed if _is_own(item.package)]
    graph = requirement_graph.of_packages(store, own, platform, FRAMEWORK)
    packages = _Packages(image, found, roles, graph, _files(facts))
    components = list(packages.components())
    base = _base(facts)
    connector = _connector(image, roles, facts)
    if connector:
        connector = replace(connector, depends=_direct(components, graph))
    if base:
        base = replace(base, depends=tuple(sorted(item.ref for item in components if item.origin == "base")))
    extra = [item for item in (connector, base, _system(found.system, roles)) if item]
    everything = sorted((*components, *extra), key=lambda item: item.ref)
    below = {ref for item in everything for ref in item.depends}
    root = Component(
        ref=package_url.of_image(facts.repository, image.digest, platform),
        kind="container",
        name=facts.repository,
        version=str(image.digest),
        purl=package_url.of_image(facts.repository, image.digest, platform),
        origin="connector",
        depends=tuple(item.ref for item in everything if item.ref not in below),
    )
    return BillOfMaterials(
        root=root,
        components=tuple(everything),
        platform=platform,
        system=found.system,
        created=facts.created,
        tool=facts.tool,
        unread=found.unread,
    )


# --- packages ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Packages:
    """The packages of an image on their way to components."""

    image: Image
    found: ImagePackages
    roles: Sequence[LayerRole]
    graph: RequirementGraph
    files: Mapping["_FileKey", "_File"]

    def components(self) -> Iterator[Component]:
        refs = self._refs()
        by_name = _by_name(self.found.placed, refs)
        inside = self._inside(refs)
        diff_ids = [str(item) for item in self.image.config.diff_ids]
        framework = self.graph.closure(FRAMEWORK)
        for ref, item in zip(refs, self.found.placed, strict=True):
            package = item.package
            required = self.graph.requires.get(package.name, ()) if _is_own(package) else ()
            depends = {other for name in required for other in by_name.get(name, ())}
            if not package.is_bundled:
                depends |= set(inside.get(_owner(package), ()))
            made = Component(
                ref=ref,
                kind="library",
                name=package.name,
                version=package.version,
                purl=self._purl(package),
                origin=self._origin(item, framework),
                group=package.group,
                license=package.license,
                sha256=package.sha256,
                layer=diff_ids[item.layer],
                path=package.path,
                package=package,
                depends=tuple(sorted(depends)),
            )
            file = self.files.get(_file_key(self.roles[item.layer], package))
            if file is not None and not package.is_bundled:
                made = replace(made, sha256=file.sha256, file=file.name, repository=file.repository)
            yield made

    def _inside(self, refs: Sequence[str]) -> dict[str, list[str]]:
        """Returns the refs of packages that are parts of another one, by that one."""
        found: dict[str, list[str]] = {}
        for item, ref in zip(self.found.placed, refs, strict=True):
            if item.package.is_bundled:
                found.setdefault(_owner(item.package), []).append(ref)
        return found

    def _refs(self) -> list[str]:
        """Returns the URL of each package, with its path if several packages have the same URL."""
        urls = [self._purl(item.package) for item in self.found.placed]
        several = {url for url in urls if urls.count(url) > 1}
        return [
            f"{url}#{item.package.path}" if url in several else url
            for url, item in zip(urls, self.found.placed, strict=True)
        ]

    def _purl(self, package: FoundPackage) -> str:
        return package_url.of_package(package, self.found.system)

    def _origin(self, item: PlacedPackage, framework: frozenset[str]) -> ComponentOrigin:
        role, package = self.roles[item.layer], item.package
        if role is LayerRole.OTHER:  # Only a Dockerfile's commands install system packages above a base.
            origin: ComponentOrigin = "customization" if package.ecosystem in SYSTEMS else "connector"
        else:
            origin = _ORIGINS[role]
        if origin != "connector":
            return origin
        if package.ecosystem == PYPI:
            return "framework" if _owner(package) in framework else "connector"
        outer = _owner(package)
        is_framework = outer.endswith(".jar") and kind_of(f"lib/{outer.rpartition('/')[2]}", "") == "framework"
        return "framework" if is_framework else "connector"


def _direct(components: Sequence[Component], graph: RequirementGraph) -> tuple[str, ...]:
    """Returns the refs of the distributions above the base that no other one requires: the connector does."""
    roots = set(graph.roots)
    above = (item for item in components if item.origin in ("connector", "framework"))
    return tuple(sorted(item.ref for item in above if item.package and _is_own(item.package) and item.name in roots))


def _owner(package: FoundPackage) -> str:
    """Returns the distribution or jar that a package belongs to: the package itself, or the one that bundles it."""
    if package.ecosystem != PYPI:
        return package.path.partition(":")[0]
    found = _BUNDLED.search(package.path) if package.is_bundled else None
    return _canonical(found[1]) if found else package.name


def _canonical(folder: str) -> str:
    return folder.lower().replace("_", "-").replace(".", "-")


def _is_own(package: FoundPackage) -> bool:
    """Whether it is a distribution of the image's Python, and not part of another one."""
    return package.ecosystem == PYPI and not package.is_bundled


def _by_name(placed: Sequence[PlacedPackage], refs: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for item, ref in zip(placed, refs, strict=True):
        if _is_own(item.package):
            found.setdefault(item.package.name, []).append(ref)
    return found


# --- the files of packages -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _File:
    """The file that a plan or a lock names for a package; `sha256` is hex, `repository` its version control."""

    name: str
    sha256: str
    repository: str = ""


_FileKey = tuple[LayerRole, str, str, str, str]


def _file_key(role: LayerRole, package: FoundPackage) -> _FileKey:
    """Returns what identifies a package among the inputs: a plan has each distribution once, a lock may not."""
    if role is LayerRole.PACKAGES:
        return role, package.ecosystem, package.name, "", ""
    return role, package.ecosystem, package.name, package.version, package.architecture


def _files(facts: BillFacts) -> Mapping[_FileKey, _File]:
    """Returns the files of the packages: those above a base image are in the plan, a base image's own in its lock."""
    found: dict[_FileKey, _File] = {}
    for choice in facts.plan.packages if facts.plan else ():
        file = _File(choice.file.name, choice.file.sha256, _repository(choice))
        found[LayerRole.PACKAGES, PYPI, choice.name, "", ""] = file
    if facts.lock:
        for wheel in facts.lock.wheels:
            found[LayerRole.BASE, PYPI, wheel.name, wheel.version, ""] = _File(wheel.file, wheel.sha256)
        for deb in facts.lock.debian.debs if facts.lock.debian else ():
            key = (LayerRole.BASE, DEB, deb.package, deb.version, deb.architecture)
            found[key] = _File(deb.file_name, deb.sha256)
    return found


def _repository(choice: Choice) -> str:
    # A folder of this machine means nothing elsewhere.
    if isinstance(choice.origin, FromGit) and not choice.origin.url.startswith(("file:", "/")):
        return f"git+{choice.origin.url}@{choice.origin.commit}"
    return ""


# --- components that are no packages -------------------------------------------------------------


def _base(facts: BillFacts) -> Component | None:
    base = facts.base
    if base is None or base.digest is None:
        return None
    repository = f"{base.registry}/{base.repository}"
    purl = package_url.of_image(repository, base.digest, tag=base.tag or "")
    return Component(ref=purl, kind="container", name=repository, version=str(base.digest), purl=purl, origin="base")


def _connector(image: Image, roles: Sequence[LayerRole], facts: BillFacts) -> Component | None:
    """Returns the connector itself, which only the image's labels name. Its hash is that of its layer."""
    labels = image.config.execution.get("Labels") or {}
    name, version = labels.get("io.airbyte.name"), labels.get("io.airbyte.version")
    # A base image may have the labels of the image that it is built on.
    if not name or not version or all(role is LayerRole.BASE for role in roles):
        return None
    folder, _, last = str(name).rpartition("/")
    purl = package_url.assemble(GENERIC, last, str(version), namespace=folder)
    code = [number for number, role in enumerate(roles) if role is LayerRole.CODE]
    layer: Digest | None = image.config.diff_ids[code[-1]] if code else None
    return Component(
        ref=purl,
        kind="application",
        name=str(name),
        version=str(version),
        purl=purl,
        origin="connector",
        license=LicenseText(names=(facts.license,)) if facts.license else NO_LICENSE,
        sha256=layer.hex if layer else "",
        layer=str(layer) if layer else "",
    )


def _system(system: Mapping[str, str], roles: Sequence[LayerRole]) -> Component | None:
    name = system.get("ID")
    if not name:
        return None
    version = system.get("VERSION_ID", "")
    origin: ComponentOrigin = "base" if LayerRole.BASE in roles else "unknown"
    return Component(
        ref=f"os:{name}@{version}", kind="operating-system", name=name, version=version, purl="", origin=origin
    )
