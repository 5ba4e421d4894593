"""The pinned build backends that ship with airbyte-ci, as one layer with bytecode over a root.

Each lies in its own folder; `build_frontend` puts the requested ones on the path of a build. They are unpacked and
compiled once: installing them for each build, as frontends do, took nine tenths of the build time.
"""

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib import resources
from pathlib import Path

from airbyte_ci.oci import tar
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.layer import Layer, Segment, assemble, make_segment, reuse_layer
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.index.package_index import PackageIndex
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.packages.lock import LockedPackage
from airbyte_ci.python.wheels import bytecode, wheel
from airbyte_ci.rootfs import snapshot
from airbyte_ci.rootfs.tree import Tree

FOLDER = ".airbyte-ci/tools"
FORMAT_VERSION = 2


def requirements() -> str:
    """Returns the pinned build requirements that ship with airbyte-ci."""
    return resources.files("airbyte_ci.python.sources").joinpath("build-requirements.txt").read_text("utf-8")


@functools.cache
def identity() -> str:
    """Returns the digest of the pinned build requirements, which identifies the tools."""
    return str(Digest.of(requirements().encode()))


def packages(store: Store, index: PackageIndex, interpreter: Interpreter) -> tuple[LockedPackage, ...]:
    """Returns the tools for an interpreter, each with its wheel in the store; raises PackageError."""
    from airbyte_ci.python.index import pinned  # Imported here because it is slow and most builds compile no source.

    lock = pinned.lock(store, index, interpreter, requirements(), "build-requirements.txt")
    for package in lock.packages:
        index.fetch(store, package.name, package.files[0])
    return lock.packages


def over(
    root: Tree,
    store: Store,
    index: PackageIndex,
    interpreter: Interpreter,
    clean: Callable[[], Tree],
    say: Callable[[str], None],
) -> Tree:
    """Returns the root with the tools in a folder; raises PackageError, SandboxError.

    The Python of the `clean` root compiles them. Every later build uses the result, so no hook may have changed that
    root.
    """
    layer = _layer(clean, store, index, interpreter, say)
    (folder,) = snapshot.unpack(store, [(layer.descriptor, layer.diff_id)]).tree.layers
    return root.over(folder)


def _layer(
    root: Callable[[], Tree], store: Store, index: PackageIndex, interpreter: Interpreter, say: Callable[[str], None]
) -> Layer:
    inputs = {
        "requirements": identity(),
        "python": interpreter.version,
        "tag": interpreter.cache_tag,
        "machine": interpreter.markers["platform_machine"],
        "executable": interpreter.executable,
        "wheel": wheel.FORMAT_VERSION,
        "bytecode": bytecode.FORMAT_VERSION,
    }
    return reuse_layer(
        store,
        "build tools",
        version=FORMAT_VERSION,
        inputs=inputs,
        make=lambda: _make(root, store, index, interpreter, say),
        say=say,
    )


def _make(
    root: Callable[[], Tree], store: Store, index: PackageIndex, interpreter: Interpreter, say: Callable[[str], None]
) -> Layer:
    segments: list[Segment] = []
    paths: list[str] = []
    for package in packages(store, index, interpreter):
        segment, names = _installed(store, package, interpreter)
        segments.append(segment)
        paths += names
    with ThreadPoolExecutor(1) as executor:
        compiled = bytecode.compile_all(
            store, root, interpreter=_in(interpreter, ""), segments=segments, executor=executor, say=say
        )
    for code in compiled.values():
        segments.append(code.segment)
        paths += code.paths
    return assemble(store, [tar.directory(folder) for folder in sorted(tar.folders(paths))], segments)


def _installed(store: Store, package: LockedPackage, interpreter: Interpreter) -> tuple[Segment, list[str]]:
    file = package.files[0]
    with store.scratch() as scratch:
        place = _in(interpreter, f"/{package.name}")
        entries = wheel.read(store.verified(Digest(file.sha256)), file.name, place, Path(scratch)).entries
        return make_segment(store, entries), [entry.path for entry in entries]


def _in(interpreter: Interpreter, folder: str) -> Interpreter:
    """Returns the interpreter as if its packages were installed in a folder of the tools."""
    place = f"/{FOLDER}{folder}"
    return replace(
        interpreter, purelib=place, platlib=place, scripts=f"{place}/bin", data=place, headers=f"{place}/include"
    )
