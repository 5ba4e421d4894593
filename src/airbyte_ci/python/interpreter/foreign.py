"""The inventory of an image that cannot run here, from a twin that can: same release, another architecture.

The twin's Python describes both images if they have the same standard library. The library, the folders and the C
library are read from the other image's files. Nothing runs in that image, so no emulator is needed.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from airbyte_ci.errors import ImageError
from airbyte_ci.oci.image import Image
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.interpreter import inventory as inventories
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.interpreter.inventory import Inventory, read
from airbyte_ci.recipe.evaluate import Evaluator
from airbyte_ci.rootfs.tree import Tree

FORMAT_VERSION = 3
# The `uname -m` names that markers and wheel tags use, by OCI (GOARCH) name.
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64", "386": "i686", "ppc64le": "ppc64le", "s390x": "s390x"}
_LIBC = re.compile(rb"GNU C Library [^\n]{0,80} version (\d+\.\d+)")


def inventory(store: Store, image: Image, bring: Callable[[], None], twin_image: Image, twin: Inventory) -> Inventory:
    """Returns the inventory of the image; raises ImageError if its Python differs from the twin's."""
    layers = [[str(item) for item in one.config.diff_ids] for one in (image, twin_image)]
    inputs = {
        "layers": layers,
        "variables": [image.config.environment, twin_image.config.environment],
        # The twin's inventory is part of the result, in its own format.
        "inventory": inventories.FORMAT_VERSION,
    }

    def make() -> dict[str, Any]:
        trees = []
        for one in (image, twin_image):
            evaluator = Evaluator(store, one, bring=bring if one is image else lambda: None)
            trees.append(evaluator.tree(evaluator.state(())))
        tree, twin_tree = trees
        return read(tree, _interpreter(tree, twin_tree, image, twin.interpreter)).to_json()

    return Inventory.from_json(store.reuse("foreign inventory", FORMAT_VERSION, inputs, make))


def _interpreter(tree: Tree, twin_tree: Tree, image: Image, twin: Interpreter) -> Interpreter:
    platform = image.config.platform
    doing = f"cannot inspect the Python of the base image for {platform}"
    machine = _MACHINES.get(platform.architecture)
    if machine is None:
        raise ImageError(f"{doing}: Python packaging does not support this architecture")
    if tree.resolve(twin.executable) is None:
        raise ImageError(f"{doing}: it has no {twin.executable}, but the image for this machine does")
    folder = _standard_library(twin_tree, twin)
    if folder is None or _digest(tree, folder) != _digest(twin_tree, folder):
        raise ImageError(
            f"{doing}: its standard library differs from that of Python {twin.version} in the image for this machine",
            advice="choose a base image whose platforms all have the same release",
        )
    libc = _libc(tree, machine) if twin.libc.startswith("glibc") else twin.libc
    return replace(twin, libc=libc, markers={**twin.markers, "platform_machine": machine})


def _standard_library(tree: Tree, interpreter: Interpreter) -> str | None:
    version = interpreter.markers["python_version"]
    folders = (interpreter.purelib.rpartition("/")[0], f"/usr/lib/python{version}", f"/usr/local/lib/python{version}")
    return next((folder for folder in folders if tree.resolve(f"{folder}/opcode.py")), None)


def _digest(tree: Tree, folder: str) -> str:
    """Returns a digest of the top-level modules: every Python release changes some, and no architecture does."""
    digest = hashlib.sha256()
    for name in tree.names(folder):
        if name.endswith(".py") and not name.startswith("_sysconfigdata"):
            digest.update(name.encode() + b"\0" + hashlib.sha256(tree.read(f"{folder}/{name}") or b"").digest())
    return digest.hexdigest()


def _libc(tree: Tree, machine: str) -> str:
    for folder in (f"usr/lib/{machine}-linux-gnu", f"lib/{machine}-linux-gnu", "usr/lib64", "lib64", "usr/lib", "lib"):
        data = tree.read(f"{folder}/libc.so.6")
        if data and (found := _LIBC.search(data)):
            return f"glibc {found[1].decode()}"
    raise ImageError(
        f"cannot find the C library of the base image for {machine}: libc.so.6 is not in the standard folders"
    )
