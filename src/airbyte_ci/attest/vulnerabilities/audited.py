"""The packages of a bill as advisories name them, with the components of the image that each stands for."""

from collections.abc import Mapping
from dataclasses import dataclass

from airbyte_ci.attest.sbom.bill import BillOfMaterials, Component, ComponentOrigin
from airbyte_ci.attest.sbom.found_package import APK, DEB, GENERIC, MAVEN, PYPI
from airbyte_ci.base_images.inspection import osv_database
from airbyte_ci.base_images.inspection.osv_database import AuditedPackage

Groups = Mapping[tuple[AuditedPackage, ComponentOrigin], tuple[Component, ...]]


@dataclass(frozen=True, slots=True)
class AuditedBill:
    """The packages to check, by package and origin, and what cannot be checked by any database."""

    groups: Groups
    unchecked: tuple[str, ...]

    @property
    def packages(self) -> frozenset[AuditedPackage]:
        return frozenset(package for package, _ in self.groups)


def audit(bill: BillOfMaterials) -> AuditedBill:
    """Returns the packages of a bill; several binary packages of one source package are one."""
    groups: dict[tuple[AuditedPackage, ComponentOrigin], list[Component]] = {}
    unknown: dict[str, int] = {}
    for item in bill.components:
        if item.package is None:
            continue
        package = _audited(item, bill.system)
        if package is None:
            kind = _kind(item)
            unknown[kind] = unknown.get(kind, 0) + 1
        else:
            groups.setdefault((package, item.origin), []).append(item)
    unchecked = [f"{count} {kind}" for kind, count in sorted(unknown.items())]
    unchecked += [f"the packages in /{path}, a list in a form that is not read" for path in bill.unread]
    return AuditedBill({key: tuple(items) for key, items in groups.items()}, tuple(unchecked))


def _audited(item: Component, system: Mapping[str, str]) -> AuditedPackage | None:
    package = item.package
    assert package is not None
    name, version = package.source or package.name, package.source_version or package.version
    number = system.get("VERSION_ID", "")
    match package.ecosystem:
        case ecosystem if ecosystem == PYPI:
            return AuditedPackage(osv_database.PYPI, package.name, package.version)
        case ecosystem if ecosystem == MAVEN:
            return AuditedPackage(osv_database.MAVEN, f"{package.group}:{package.name}", package.version)
        case ecosystem if ecosystem == DEB and system.get("ID") == "debian":
            return AuditedPackage(f"{osv_database.DEBIAN}:{number}", name, version)
        case ecosystem if ecosystem == APK and system.get("ID") == "alpine":
            release = ".".join(number.split(".")[:2])
            return AuditedPackage(f"{osv_database.ALPINE}:v{release}", name, version)
    return None


def _kind(item: Component) -> str:
    assert item.package is not None
    if item.package.ecosystem == GENERIC:
        return (
            "jars without Maven coordinates" if item.package.path.endswith(".jar") else "programs outside of packages"
        )
    return f"packages of {item.purl.partition('/')[2].partition('/')[0] or 'an unknown system'}"
