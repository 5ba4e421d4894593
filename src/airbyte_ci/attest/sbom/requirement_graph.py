"""The requirements between the Python distributions of an image, from their metadata."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airbyte_ci.attest.sbom.found_package import FoundPackage
from airbyte_ci.oci.image import Platform
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.environment import consistency

_FORMAT_VERSION = 1
_FOLDER = re.compile(r"/python(\d+)\.(\d+)/")
# The names of `uname -m`, which markers use, by OCI (GOARCH) name.
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64", "386": "i686"}


@dataclass(frozen=True, slots=True)
class RequirementGraph:
    """The names that each distribution requires; only installed ones, by normalized name."""

    requires: Mapping[str, tuple[str, ...]]

    def closure(self, name: str) -> frozenset[str]:
        """Returns the distribution and everything that it requires, directly or not; empty if it is not installed."""
        found: set[str] = set()
        pending = [name] if name in self.requires else []
        while pending:
            current = pending.pop()
            if current not in found:
                found.add(current)
                pending += self.requires[current]
        return frozenset(found)

    @property
    def roots(self) -> tuple[str, ...]:
        """Returns the distributions that no other one requires."""
        required = {other for name, others in self.requires.items() for other in others if other != name}
        return tuple(name for name in self.requires if name not in required)


def of_packages(store: Store, packages: Sequence[FoundPackage], platform: Platform, framework: str) -> RequirementGraph:
    """Returns the graph of an image's distributions, computed once for the same ones.

    An image does not record which extras a connector requested. An extra of the framework, or of a distribution that
    nothing requires, is treated as requested if everything that it requires is installed.
    """
    markers = _markers(packages, platform)
    texts = [[item.name, list(item.requires), list(item.extras)] for item in packages]
    inputs = {"packages": texts, "markers": markers, "framework": framework}

    def make() -> dict[str, Any]:
        return {name: list(required) for name, required in _made(packages, markers, framework).requires.items()}

    known = store.reuse("requirement graph", _FORMAT_VERSION, inputs, make)
    return RequirementGraph({name: tuple(required) for name, required in known.items()})


def _made(packages: Sequence[FoundPackage], markers: Mapping[str, str], framework: str) -> RequirementGraph:
    texts = {item.name: item.requires for item in packages}
    plain = _graph(texts, markers, consistency.NO_EXTRAS)
    asked = {
        item.name: _complete_extras(item, texts, markers)
        for item in packages
        if item.extras and item.name in {*plain.roots, framework}
    }
    return _graph(texts, markers, asked) if any(asked.values()) else plain


def _graph(
    texts: Mapping[str, Collection[str]], markers: Mapping[str, str], asked: consistency.Extras
) -> RequirementGraph:
    extras = consistency.close_extras(texts, markers, asked)
    return RequirementGraph(
        {name: _required(name, found, texts, markers, extras[name]) for name, found in texts.items()}
    )


def _required(
    name: str,
    requires: Collection[str],
    installed: Collection[str],
    markers: Mapping[str, str],
    extras: Collection[str],
) -> tuple[str, ...]:
    from packaging.utils import canonicalize_name

    found = set()
    for requirement in filter(None, map(consistency.read, requires)):
        other = str(canonicalize_name(requirement.name))
        if other in installed and other != name and consistency.applies(requirement, markers, extras):
            found.add(other)
    return tuple(sorted(found))


def _complete_extras(package: FoundPackage, installed: Collection[str], markers: Mapping[str, str]) -> frozenset[str]:
    """Returns the extras of a distribution whose requirements are all installed."""
    from packaging.utils import canonicalize_name

    requirements = [item for item in map(consistency.read, package.requires) if item and item.marker]
    optional = [item for item in requirements if not consistency.applies(item, markers)]
    found = set()
    for extra in package.extras:
        names = [canonicalize_name(item.name) for item in optional if consistency.applies(item, markers, (extra,))]
        if names and all(name in installed for name in names):
            found.add(str(canonicalize_name(extra)))
    return frozenset(found)


def _markers(packages: Sequence[FoundPackage], platform: Platform) -> dict[str, str]:
    """Returns the marker environment of the Python that has most of the distributions (PEP 508)."""
    counts = Counter(found.groups() for item in packages if (found := _FOLDER.search(f"/{item.path}")))
    major, minor = max(counts, key=lambda item: (counts[item], item), default=("3", "11"))
    version = f"{major}.{minor}"
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{version}.0",
        "os_name": "posix",
        "platform_machine": _MACHINES.get(platform.architecture, platform.architecture),
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{version}.0",
        "python_version": version,
        "sys_platform": "linux",
    }
