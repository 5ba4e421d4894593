"""The environment: a lock's packages as layer segments, each made once per wheel and shared by the whole fleet.

Knows wheels, segments and collisions; nothing of connectors and of how layers are grouped.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

from packaging.utils import parse_wheel_filename
from packaging.version import Version

from airbyte_ci.container.tree import Tree
from airbyte_ci.errors import PackageError
from airbyte_ci.oci import tar
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.layer import Segment, make_segment
from airbyte_ci.oci.store import Store, action_key
from airbyte_ci.oci.tar import Entry
from airbyte_ci.python import bytecode, sdist, wheel
from airbyte_ci.python.index import PackageIndex
from airbyte_ci.python.interpreter import Interpreter
from airbyte_ci.python.lock import Lock, LockedFile, LockedPackage


@dataclass(frozen=True, slots=True)
class Package:
    """An installed package: which wheel it came from, its segments, and every path that it owns."""

    name: str
    version: str
    wheel: LockedFile
    segments: tuple[Segment, ...]
    paths: tuple[str, ...]
    fresh: bool


@dataclass(frozen=True, slots=True)
class Environment:
    """All packages of a connector, sorted by name; `collisions` are paths of several, with their owner."""

    packages: tuple[Package, ...]
    collisions: Mapping[str, str] = field(default_factory=dict)

    @property
    def segments(self) -> tuple[Segment, ...]:
        return tuple(segment for package in self.packages for segment in package.segments)

    @property
    def paths(self) -> frozenset[str]:
        return frozenset(path for package in self.packages for path in package.paths)

    def directories(self, interpreter: Interpreter) -> list[Entry]:
        """The folders inside site-packages. Those above it belong to the base, with its modes and owners."""
        roots = {interpreter.purelib.strip("/") + "/", interpreter.platlib.strip("/") + "/"}
        folders = {parent for path in self.paths for parent in tar.parents(path)}
        return [tar.directory(folder) for folder in sorted(folders) if folder.startswith(tuple(roots))]

    def to_json(self) -> list[dict[str, Any]]:
        return [
            {
                "name": package.name,
                "version": package.version,
                "wheel": package.wheel.name,
                "sha256": package.wheel.sha256,
            }
            for package in self.packages
        ]


@dataclass(frozen=True, slots=True)
class Workshop:
    """What preparing an environment needs: the store, the index, the image's root and Python, threads."""

    store: Store
    index: PackageIndex
    root: Callable[[], Tree]
    interpreter: Interpreter
    executor: Executor
    progress: Callable[[str], None]


def prepare(lock: Lock, workshop: Workshop, *, compiled: bool = True) -> Environment:
    """Fetches, builds, converts and compiles what is not ready; raises PackageError, SandboxError."""
    order = wheel.tag_order(workshop.interpreter)
    files = list(workshop.executor.map(lambda package: _wheel(package, order, workshop), lock.packages))
    chosen = list(zip(lock.packages, files, strict=True))
    packages = tuple(workshop.executor.map(lambda pair: _convert(pair[0], pair[1], workshop), chosen))
    collisions = _collisions(packages)
    if collisions:
        packages = tuple(
            _convert(locked, file, workshop, _ceded(package, collisions))
            for (locked, file), package in zip(chosen, packages, strict=True)
        )
    if compiled:
        packages = _compile(packages, workshop)
    return Environment(packages, collisions)


def _wheel(package: LockedPackage, order: wheel.TagOrder, workshop: Workshop) -> LockedFile:
    """The package's wheel in the store: the best locked one, or the one built of its sdist."""
    file = wheel.choose(package.files, order)
    if file is not None:
        if not workshop.store.has(Digest(file.sha256)):
            workshop.progress(f"fetching {file.name}")
        workshop.index.fetch(workshop.store, package.name, file)
        return file
    source = next((item for item in package.files if item.name.endswith((".tar.gz", ".zip"))), None)
    if source is None:
        interpreter = workshop.interpreter
        raise PackageError(
            f"{package.name} {package.version} has no wheel for Python {interpreter.version} on "
            f"{interpreter.markers['platform_machine']} ({interpreter.libc or 'musl'}) and no sdist in the lock",
            advice="choose another version, or another base image",
        )
    workshop.index.fetch(workshop.store, package.name, source)
    workshop.progress(f"building {source.name}")
    return sdist.to_wheel(workshop.store, workshop.index, workshop.root(), workshop.interpreter, source)


def _convert(
    package: LockedPackage, file: LockedFile, workshop: Workshop, excluded: frozenset[str] = frozenset()
) -> Package:
    """The package's files as a segment, without the paths that another package owns."""
    _refuse_other(package, file)
    interpreter = workshop.interpreter
    inputs = {
        "wheel": file.sha256,
        "name": file.name,
        "executable": interpreter.executable,
        "schemes": [
            interpreter.purelib,
            interpreter.platlib,
            interpreter.scripts,
            interpreter.data,
            interpreter.headers,
        ],
        "excluded": sorted(excluded),
    }
    key = action_key("wheel", wheel.FORMAT_VERSION, inputs)
    known = workshop.store.recall(key)
    if known is not None and (segment := Segment.from_json(known["segment"])).in_store(workshop.store):
        return Package(package.name, package.version, file, (segment,), tuple(known["paths"]), fresh=False)
    workshop.progress(f"unpacking {file.name}")
    installed = wheel.read(workshop.store.path(Digest(file.sha256)), file.name, interpreter)
    entries = [entry for entry in installed.entries if entry.path not in excluded]
    segment = make_segment(workshop.store, entries)
    paths = sorted(entry.path for entry in entries)
    workshop.store.remember(key, {"segment": segment.to_json(), "paths": paths})
    return Package(package.name, package.version, file, (segment,), tuple(paths), fresh=True)


def _refuse_other(package: LockedPackage, file: LockedFile) -> None:
    """A lock that was edited by hand, or by an attacker, may name another project's or version's file."""
    name, version, _, _ = parse_wheel_filename(file.name)
    if name != package.name:
        raise PackageError(f"the lock's file for {package.name} is a wheel of {name}: {file.name}")
    if version != Version(package.version):
        raise PackageError(f"the lock's file for {package.name} {package.version} is of another version: {file.name}")


def _collisions(packages: Iterable[Package]) -> dict[str, str]:
    """Paths that several packages install, with the one that owns it: the last by name, as if installed in order."""
    owners: dict[str, str] = {}
    shared: dict[str, str] = {}
    for package in packages:
        for path in package.paths:
            if path in owners:
                shared[path] = package.name
            owners[path] = package.name
    return shared


def _ceded(package: Package, collisions: Mapping[str, str]) -> frozenset[str]:
    """The paths of a package that another one owns."""
    return frozenset(path for path in package.paths if collisions.get(path, package.name) != package.name)


def _compile(packages: Sequence[Package], workshop: Workshop) -> tuple[Package, ...]:
    segments = [package.segments[0] for package in packages]
    if not segments:
        return ()
    codes: Mapping[Digest, bytecode.Bytecode] = bytecode.compile_all(
        workshop.store, workshop.root, workshop.interpreter, segments, workshop.executor
    )
    compiled = []
    for package in packages:
        code = codes[package.segments[0].raw]
        compiled.append(
            Package(
                package.name,
                package.version,
                package.wheel,
                (*package.segments, code.segment),
                (*package.paths, *code.paths),
                package.fresh,
            )
        )
    return tuple(compiled)
