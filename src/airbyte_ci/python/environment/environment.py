"""The environment: a lock's packages as layer segments, each created once per wheel and shared by all connectors.

Handles wheels, segments and collisions, not connectors or the grouping of layers. Choosing files is pure; preparing
fetches, builds, converts and compiles.
"""

import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from packaging.utils import parse_wheel_filename
from packaging.version import Version

from airbyte_ci.errors import PackageError
from airbyte_ci.oci import compress, tar
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.layer import Segment, make_segment
from airbyte_ci.oci.store import turns
from airbyte_ci.oci.store.store import Store, action_key
from airbyte_ci.python.environment import consistency, libraries
from airbyte_ci.python.environment.consistency import Unmet
from airbyte_ci.python.index.package_index import PackageIndex
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.packages.lock import (
    THE_INDEX,
    FromIndex,
    Lock,
    LockedFile,
    LockedPackage,
    Origin,
    origin_from_json,
    origin_to_json,
)
from airbyte_ci.python.sources import sdist, trees
from airbyte_ci.python.wheels import bytecode, collisions, wheel
from airbyte_ci.python.wheels.collisions import Collision
from airbyte_ci.rootfs.tree import Tree

FORMAT_VERSION = 1
# Wheels of all connectors: each holds some megabytes in memory, and compresses others.
_UNPACKED_AT_ONCE = (os.cpu_count() or 1) + 1
_memory = threading.BoundedSemaphore(_UNPACKED_AT_ONCE)


@dataclass(frozen=True, slots=True)
class Choice:
    """The selected file of a locked package: its wheel, or the source from which its wheel is built."""

    name: str
    version: str
    file: LockedFile
    origin: Origin = THE_INDEX

    @property
    def is_source(self) -> bool:
        return not self.file.name.endswith(".whl")

    @property
    def is_tree(self) -> bool:
        return self.file.name.endswith(trees.SUFFIX)

    def to_json(self) -> dict[str, Any]:
        document: dict[str, Any] = {
            "name": self.name,
            "version": self.version,
            "file": self.file.name,
            "sha256": self.file.sha256,
        }
        if self.origin != THE_INDEX:
            document["origin"] = origin_to_json(self.origin)
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Choice":
        origin = origin_from_json(document["origin"]) if "origin" in document else THE_INDEX
        return cls(document["name"], document["version"], LockedFile(document["file"], document["sha256"]), origin)


Obtain = Callable[[LockedPackage], LockedFile]


def choose(lock: Lock, interpreter: Interpreter, obtain: Obtain | None = None) -> tuple[Choice, ...]:
    """Returns the best file of each package for the interpreter; raises PackageError if a package has none.

    `obtain` fetches packages that no index has: folders, commits and files with their own location.
    """
    order = wheel.tag_order(interpreter)
    return tuple(_choose(package, order, interpreter, obtain) for package in lock.packages)


def _choose(package: LockedPackage, order: wheel.TagOrder, interpreter: Interpreter, obtain: Obtain | None) -> Choice:
    if not isinstance(package.origin, FromIndex):
        if obtain is None:
            raise PackageError(
                f"{package.name} comes from {package.origin}, but only packages from an index are supported here"
            )
        return Choice(package.name, package.version, obtain(package), package.origin)
    file = wheel.choose(package.files, order)
    if file is None:
        file = next((item for item in package.files if item.name.endswith((".tar.gz", ".zip"))), None)
    if file is None:
        raise PackageError(
            f"{package.name} {package.version} has no wheel for Python {interpreter.version} on "
            f"{interpreter.markers['platform_machine']} ({interpreter.libc or 'musl'}) and no sdist in the lock",
            advice="choose another version, or another base image",
            error_id="no-wheel",
        )
    return Choice(package.name, package.version, file, package.origin)


def key(choices: Sequence[Choice], interpreter: Interpreter, *, compiled: bool, natives: str = "") -> Digest:
    """Returns the key of the environment's layers. It excludes the base: layers outlive base upgrades.

    `natives` names the native wheels that were built from source, if any (`natives()`).
    """
    inputs = {
        "packages": [[item.name, item.version, item.file.name, item.file.sha256] for item in choices],
        "python": [interpreter.version, interpreter.cache_tag, interpreter.executable, *_schemes(interpreter)],
        "formats": [wheel.FORMAT_VERSION, tar.FORMAT_VERSION, compress.identity()],
        "bytecode": bytecode.FORMAT_VERSION if compiled else None,
        "builds": sdist.identity() if any(choice.is_source for choice in choices) else None,
        # Wheels that were built here fit only this machine; index wheels name their platforms.
        "natives": f"{natives} {interpreter.markers['platform_machine']}" if natives else "",
    }
    return action_key("environment", FORMAT_VERSION, inputs)


def _schemes(interpreter: Interpreter) -> list[str]:
    return [interpreter.purelib, interpreter.platlib, interpreter.scripts, interpreter.data, interpreter.headers]


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """An installed package: its wheel, its segments, and all paths that it owns.

    `defects` are the faults of a wheel that was unpacked in this run, so that they are reported once.
    """

    name: str
    version: str
    wheel: LockedFile
    segments: tuple[Segment, ...]
    paths: tuple[str, ...]
    fresh: bool
    is_native: bool = False
    defects: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Returns the number of compressed bytes in a layer."""
        return sum(segment.size for segment in self.segments)


@dataclass(frozen=True, slots=True)
class Environment:
    """All packages of a connector, sorted by name.

    `collisions` are paths of several packages. `libraries` are shared libraries, by soname, that the image must have.
    `unmet` are requirements that no package satisfies.
    """

    packages: tuple[Package, ...]
    collisions: tuple[Collision, ...] = ()
    libraries: tuple[str, ...] = ()
    unmet: tuple[Unmet, ...] = ()

    @property
    def repaired(self) -> tuple[str, ...]:
        """Returns the wheels that have faults, with the first fault of each."""
        found = [item for item in self.packages if item.defects]
        return tuple(f"{item.wheel.name}: {item.defects[0]}{_more(item.defects)}" for item in found)

    @property
    def natives(self) -> str:
        """Returns the name of the native wheels that were built here: they depend on the root of their build."""
        return _named(package.wheel for package in self.packages if package.is_native)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """The resources for preparing an environment: the store, the index, the image's root and Python, threads.

    `context` names everything that the root consists of. `host` is the Python in `root` if that is a stand-in for an
    image of another architecture with the same Python. `clean` and `domain` are as in `sdist.Builder`.
    """

    store: Store
    index: PackageIndex
    root: Callable[[], Tree]
    interpreter: Interpreter
    executor: Executor
    progress: Callable[[str], None]
    context: str = ""
    host: Interpreter | None = None
    clean: Callable[[], Tree] | None = None
    domain: str = ""


def prepare(choices: Sequence[Choice], workshop: Workshop, *, compiled: bool = True) -> Environment:
    """Fetches, builds, converts and compiles packages that are not cached; raises PackageError, SandboxError."""
    wheels, packages = _ready(choices, workshop)
    files = [file for file, _ in wheels]
    chosen = list(zip(choices, files, strict=True))
    shared = collisions.shared({package.name: package.paths for package in packages})
    if shared:
        packages = [
            _convert(choice, file, workshop, _ceded(package, shared))
            for (choice, file), package in zip(chosen, packages, strict=True)
        ]
    unmet = _confirm(chosen, packages, workshop)
    if compiled:
        packages = _compile(packages, workshop)
    return Environment(
        tuple(replace(package, is_native=native) for package, (_, native) in zip(packages, wheels, strict=True)),
        _judged(shared, chosen, workshop),
        libraries.missing(workshop.executor.map(lambda file: libraries.of_wheel(workshop.store, file), files)),
        unmet,
    )


def natives(choices: Sequence[Choice], workshop: Workshop, *, build: bool) -> str:
    """Names the native wheels that the environment's sources become in this root; empty if there are none.

    Builds missing wheels if `build` is set, else returns an empty text. Raises PackageError, SandboxError.
    """
    sources = [choice for choice in choices if choice.is_source]
    if not build and not all(sdist.known(_builder(workshop), choice.file, _version(choice)) for choice in sources):
        return ""
    files = [
        file for file, is_native in workshop.executor.map(lambda item: _wheel(item, workshop), sources) if is_native
    ]
    return _named(files)


def _more(defects: Sequence[str]) -> str:
    return f" (and {len(defects) - 1} more)" if len(defects) > 1 else ""


def _named(files: Iterable[LockedFile]) -> str:
    return " ".join(sorted(f"{file.name} {file.sha256}" for file in files))


def _ready(
    choices: Sequence[Choice], workshop: Workshop
) -> tuple[Sequence[tuple[LockedFile, bool]], Sequence[Package]]:
    """Returns the packages' wheels, whether each was built natively, and the packages as segments."""
    wheels: list[tuple[LockedFile, bool]] = []
    # Threads of their own: those that wait for memory here would keep others from downloading.
    with ThreadPoolExecutor(_UNPACKED_AT_ONCE, initializer=turns.as_worker(turns.Role.TASK)) as unpacking:
        try:
            started = []
            fetched = workshop.executor.map(lambda choice: _wheel(choice, workshop), choices)
            for choice, (file, native) in zip(choices, fetched, strict=True):
                wheels.append((file, native))
                started.append(unpacking.submit(_convert, choice, file, workshop))
            return wheels, [future.result() for future in started]
        except BaseException:
            unpacking.shutdown(wait=False, cancel_futures=True)
            raise


def _confirm(
    chosen: Sequence[tuple[Choice, LockedFile]], packages: Sequence[Package], workshop: Workshop
) -> tuple[Unmet, ...]:
    """Returns the packages' unmet requirements; raises PackageError for a source tree that is newer than its lock."""
    versions = {package.name: package.version for package in packages}
    files = [file for _, file in chosen]
    requires = list(workshop.executor.map(lambda file: consistency.of_wheel(workshop.store, file), files))
    others = []
    for (choice, _), texts in zip(chosen, requires, strict=True):
        if choice.is_tree:
            consistency.confirm(choice.name, texts, versions, workshop.interpreter)
        else:
            others.append((choice.name, texts))
    return consistency.unmet(others, versions, workshop.interpreter)


def _wheel(choice: Choice, workshop: Workshop) -> tuple[LockedFile, bool]:
    """Returns the package's wheel in the store, selected or built from source, and whether that build was native."""
    if not workshop.store.has(Digest(choice.file.sha256)):
        workshop.progress(f"fetching {choice.file.name}")
    if isinstance(choice.origin, FromIndex):
        workshop.index.fetch(workshop.store, choice.name, choice.file, choice.origin)
    if not choice.is_source:
        return choice.file, False
    try:
        built = sdist.to_wheel(_builder(workshop), choice.file, workshop.progress, _version(choice))
    except PackageError as error:
        if workshop.host is None:
            raise
        # Even with a compiler, the result would be for this machine, not for the other one.
        last = error.message.splitlines()[-1].strip()
        raise _for_another_machine(choice, workshop, f"building one from its source failed ({last})") from error
    native = not built.name.endswith("-none-any.whl")
    if native and workshop.host:
        raise _for_another_machine(choice, workshop, "its sdist builds native code")
    return built, native


def _builder(workshop: Workshop) -> sdist.Builder:
    interpreter = workshop.host or workshop.interpreter
    return sdist.Builder(
        store=workshop.store,
        index=workshop.index,
        root=workshop.root,
        interpreter=interpreter,
        context=workshop.context,
        clean=workshop.clean,
        domain=workshop.domain,
    )


def _version(choice: Choice) -> str:
    """Returns the version for back ends that would ask git, because a tree has no history."""
    return choice.version if choice.is_tree else ""


def _for_another_machine(choice: Choice, workshop: Workshop, reason: str) -> PackageError:
    """Returns the error for a source package that cannot be built for another machine: only portable wheels can."""
    machine = workshop.interpreter.markers["platform_machine"]
    return PackageError(
        f"{choice.name} {choice.version} has no wheel for {machine}, and {reason}",
        advice=f"lock a version that has a wheel for {machine}, publish one on your own index, "
        f"or build on a machine that is {machine}",
        error_id="no-wheel",
    )


def _convert(choice: Choice, file: LockedFile, workshop: Workshop, excluded: frozenset[str] = frozenset()) -> Package:
    """Returns the package's files as a segment, without the paths that another package owns."""
    _refuse_other(choice, file)
    built = str(parse_wheel_filename(file.name)[1])
    version = built if choice.is_tree else choice.version or built
    interpreter = workshop.interpreter
    inputs = {
        "wheel": file.sha256,
        "name": file.name,
        "executable": interpreter.executable,
        "schemes": _schemes(interpreter),
        "excluded": sorted(excluded),
        "compressor": compress.identity(),
    }
    store = workshop.store
    # The defects of the wheel, if it is unpacked now.
    unpacked: list[tuple[str, ...]] = []

    def make() -> dict[str, Any]:
        workshop.progress(f"unpacking {file.name}")
        with _memory, store.scratch() as scratch:
            installed = wheel.read(store.verified(Digest(file.sha256)), file.name, interpreter, scratch)
            entries = [entry for entry in installed.entries if entry.path not in excluded]
            segment = make_segment(store, entries)
        unpacked.append(installed.defects)
        return {"segment": segment.to_json(), "paths": sorted(entry.path for entry in entries)}

    def is_whole(known: dict[str, Any]) -> bool:
        return Segment.from_json(known["segment"]).in_store(store)

    known = store.reuse("wheel", wheel.FORMAT_VERSION, inputs, make, is_whole=is_whole, say=workshop.progress)
    return Package(
        name=choice.name,
        version=version,
        wheel=file,
        segments=(Segment.from_json(known["segment"]),),
        paths=tuple(known["paths"]),
        fresh=bool(unpacked),
        defects=unpacked[0] if unpacked else (),
    )


def _refuse_other(choice: Choice, file: LockedFile) -> None:
    """Raises PackageError if a lock names the file of another project or version, by mistake or by attack."""
    name, version, _, _ = parse_wheel_filename(file.name)
    if name != choice.name:
        raise PackageError(f"the lock's file for {choice.name} is a wheel of {name}: {file.name}")
    # A tree is named by its digest and reports its current version; `consistency` compares that version.
    if choice.version and not choice.is_tree and version != Version(choice.version):
        raise PackageError(f"the lock's file for {choice.name} {choice.version} has another version: {file.name}")


def _judged(
    shared: Mapping[str, Sequence[str]], chosen: Iterable[tuple[Choice, LockedFile]], workshop: Workshop
) -> tuple[Collision, ...]:
    """Returns the paths of several packages, with whether their bytes differ, read from the wheels again."""
    files = {choice.name: file for choice, file in chosen}

    def contents(name: str) -> Mapping[str, str]:
        path = workshop.store.verified(Digest(files[name].sha256))
        with workshop.store.scratch() as scratch:
            entries = wheel.read(path, files[name].name, workshop.interpreter, scratch).entries
            return {entry.path: Digest.of_pieces(tar.content(entry)).hex for entry in entries if entry.path in shared}

    return collisions.judged(shared, contents)


def _ceded(package: Package, shared: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """Returns the paths of the package that another package owns."""
    return frozenset(path for path in package.paths if shared.get(path, (package.name,))[-1] != package.name)


def _compile(packages: Sequence[Package], workshop: Workshop) -> list[Package]:
    segments = [package.segments[0] for package in packages]
    if not segments:
        return []
    codes: Mapping[Digest, bytecode.Bytecode] = bytecode.compile_all(
        workshop.store,
        workshop.clean or workshop.root,
        interpreter=workshop.interpreter,
        segments=segments,
        executor=workshop.executor,
        say=workshop.progress,
    )
    compiled = []
    for package in packages:
        code = codes[package.segments[0].raw]
        compiled.append(
            replace(package, segments=(*package.segments, code.segment), paths=(*package.paths, *code.paths))
        )
    return compiled
