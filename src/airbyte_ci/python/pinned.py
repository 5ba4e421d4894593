"""Hashed requirements → the files that serve an interpreter; remembered, so that a second time asks no index."""

from packaging.utils import canonicalize_name

from airbyte_ci.errors import PackageError
from airbyte_ci.oci.store import Store, action_key
from airbyte_ci.python import requirements, wheel
from airbyte_ci.python.index import PackageIndex
from airbyte_ci.python.interpreter import Interpreter
from airbyte_ci.python.lock import Lock, LockedFile, LockedPackage

FORMAT_VERSION = 1


def lock(store: Store, index: PackageIndex, interpreter: Interpreter, text: str, what: str) -> Lock:
    """The requirements that apply to the interpreter, each with the one wheel that serves it best.

    Raises LockError for a text that is not pinned, PackageError when no index has a wheel.
    """
    order = wheel.tag_order(interpreter)
    packages = []
    for pinned in requirements.parse(text, what):
        if pinned.marker is None or pinned.marker.evaluate(dict(interpreter.markers)):
            file = _file(store, index, interpreter, pinned, order)
            packages.append(LockedPackage(canonicalize_name(pinned.name), pinned.version, (file,)))
    return Lock("requirements", tuple(sorted(packages, key=lambda item: item.name)))


def _file(
    store: Store,
    index: PackageIndex,
    interpreter: Interpreter,
    pinned: requirements.Pinned,
    order: wheel.TagOrder,
) -> LockedFile:
    inputs = {
        "hashes": sorted(pinned.hashes),
        "python": interpreter.version,
        "machine": interpreter.markers["platform_machine"],
        "libc": interpreter.libc,
    }
    key = action_key("requirement", FORMAT_VERSION, inputs)
    if known := store.recall(key):
        return LockedFile(known["name"], known["sha256"])
    files = index.files(pinned.name, pinned.hashes)
    # Only what has no wheel comes as an sdist, and then only the one whose hash is in the file.
    file = wheel.choose(files, order) or next(iter(item for item in files if item.name.endswith(".tar.gz")), None)
    if file is None:
        raise PackageError(f"fetching {pinned.name} {pinned.version}: no index has a file with a required hash")
    store.remember(key, {"name": file.name, "sha256": file.sha256})
    return file
