"""What fixes a finding: a newer base image, an upgrade of the lock, or a release of what requires the old version."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from airbyte_ci.attest.sbom.bill import BillOfMaterials, Component
from airbyte_ci.attest.sbom.found_package import PYPI
from airbyte_ci.attest.vulnerabilities.finding import VulnerabilityFinding
from airbyte_ci.base_images.inspection.osv_database import Advisories, AuditedPackage, order_of
from airbyte_ci.python.environment import consistency

# Whether another version of the package of a finding has the fix.
IsFixed = Callable[[VulnerabilityFinding, AuditedPackage], bool]


@dataclass(frozen=True, slots=True)
class NewerBase:
    """A newer version of the base image, and the packages in it."""

    version: str
    packages: frozenset[AuditedPackage]

    def of(self, finding: VulnerabilityFinding) -> list[AuditedPackage]:
        """Returns the package of a finding in this version, which may be built on another release of its system."""
        kind = finding.ecosystem.partition(":")[0]
        return [
            item for item in self.packages if item.name == finding.package and item.ecosystem.partition(":")[0] == kind
        ]


@dataclass(frozen=True, slots=True)
class Remedies:
    """Finds the remedy of each finding about one image.

    `connector` is its name if it was built from this repository; `newer` are the versions of its base image whose
    contents are known, oldest first.
    """

    bill: BillOfMaterials
    connector: str
    newer: Sequence[NewerBase]
    is_fixed: IsFixed

    def of(self, finding: VulnerabilityFinding) -> VulnerabilityFinding:
        """Returns the finding with its remedy."""
        if finding.origin == "base":
            return self._of_base(finding)
        pinned = self._pinned_by(finding)
        if pinned:
            return replace(finding, remedy=pinned)
        if finding.origin == "customization":
            text = "upgrade it in the build customization" if finding.fixed else ""
            return replace(finding, remedy=text)
        if not finding.fixed or finding.origin == "unknown":
            return finding
        command = "upgrade_dependencies"
        text = f"airbyte-ci connectors --name={self.connector} {command}" if self.connector else "upgrade the lock"
        return replace(finding, remedy=text if finding.components[0].startswith("pkg:pypi/") else "upgrade the jar")

    def _of_base(self, finding: VulnerabilityFinding) -> VulnerabilityFinding:
        for base in self.newer:
            # A version that no longer has the package does not have its vulnerabilities either.
            if all(self.is_fixed(finding, item) for item in base.of(finding)):
                return replace(finding, remedy=f"base {base.version} fixes it", fixed_by=base.version)
        if self.newer:
            return replace(finding, remedy=f"base {self.newer[-1].version} does not fix it")
        return finding

    def _pinned_by(self, finding: VulnerabilityFinding) -> str:
        """Names the installed distributions whose requirements exclude the version that fixes a finding."""
        component = next((item for item in self.bill.components if item.purl in finding.components), None)
        if component is None or component.package is None or not finding.fixed:
            return ""
        if component.package.ecosystem != PYPI:
            return ""
        if component.package.is_bundled:
            outer = next((item for item in self.bill.components if component.ref in item.depends), None)
            return f"a copy inside {outer.name} {outer.version}: upgrade {outer.name}" if outer else ""
        pins = [
            f"{item.name} {item.version} requires {text}"
            for item in self.bill.components
            if component.ref in item.depends and item.package
            for text in _excluding(item, component.name, finding.fixed)
        ]
        return "; ".join(pins[:3])


def _excluding(item: Component, name: str, version: str) -> list[str]:
    """Returns the requirements of a distribution on another one that exclude a version."""
    assert item.package is not None
    try:
        wanted = Version(version)
    except InvalidVersion:
        return []
    found = [requirement for requirement in map(consistency.read, item.package.requires) if requirement]
    return [
        f"{requirement.name}{requirement.specifier}"
        for requirement in found
        if canonicalize_name(requirement.name) == name and not requirement.specifier.contains(wanted, prereleases=True)
    ]


def by_advisories(advisories: Advisories) -> IsFixed:
    """Decides by the database whether another version of a package is affected."""

    def is_fixed(finding: VulnerabilityFinding, package: AuditedPackage) -> bool:
        is_covered = package.ecosystem in advisories.ecosystems
        return is_covered and finding.name not in {found.name for found in advisories.affecting(package)}

    return is_fixed


def by_version(finding: VulnerabilityFinding, package: AuditedPackage) -> bool:
    """Decides by the version that a scanner names as the fix in the same release of the system."""
    if not finding.fixed or package.ecosystem != finding.ecosystem:
        return False
    order = order_of(package.ecosystem)
    try:
        return bool(order(package.version) >= order(finding.fixed))
    except (InvalidVersion, ValueError):
        return False
