"""The bytecode of a base's standard library, as one layer that all images with the same standard library share.

Published bases ship their standard library without bytecode and run as a user who cannot write it, so each start of a
connector would compile it again.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from airbyte_ci.errors import SandboxError
from airbyte_ci.oci import compress, tar
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import canonical_json
from airbyte_ci.oci.layer import Layer, layer_of, reuse_layer
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry
from airbyte_ci.python.interpreter.base import Base
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.wheels import bytecode
from airbyte_ci.recipe.evaluate import Evaluator
from airbyte_ci.rootfs.tree import Tree, read_node

FORMAT_VERSION = 1
# Parts that no connector imports: distributions, tests, and programs for people.
_LEFT_OUT = frozenset(
    {
        *("site-packages", "dist-packages", "lib-dynload", "__pycache__"),
        *("test", "tests", "idle_test", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "tkinter", "turtledemo"),
    }
)
# Files are compiled by this many processes.
_PARTS = 4
_LIMIT = 64 << 20
# PEP 552: bytecode that is valid only for the source with the hash that it names. A hook may change a source.
_CHECKED = (0b11).to_bytes(4, "little")


def compile_library(store: Store, base: Base, say: Callable[[str], None]) -> Layer | None:
    """Returns the bytecode that the base's standard library lacks; None if it lacks none. Raises SandboxError."""
    base = base.runs
    interpreter = base.python.interpreter
    evaluator = Evaluator(store, base.image, bring=base.bring)

    # Read only where the store has no answer yet, and then once.
    @functools.cache
    def tree() -> Tree:
        return evaluator.tree(evaluator.state(()))

    @functools.cache
    def sources() -> Mapping[str, bytes]:
        return dict(sorted(_find_sources(tree(), interpreter)))

    inputs = {
        "layers": [str(item) for item in base.image.config.diff_ids],
        "library": interpreter.library,
        "tag": interpreter.cache_tag,
    }
    known = store.reuse("standard library sources", FORMAT_VERSION, inputs, lambda: _describe(sources()), say=say)
    if not known["sources"]:
        return None
    made_from = {
        "sources": known["sources"],
        "python": interpreter.version,
        "formats": [bytecode.FORMAT_VERSION, tar.FORMAT_VERSION, compress.identity()],
    }
    return reuse_layer(
        store,
        "standard library bytecode",
        version=FORMAT_VERSION,
        inputs=made_from,
        make=lambda: _compile(store, tree(), sources(), interpreter),
        say=say,
    )


def _describe(sources: Mapping[str, bytes]) -> dict[str, str]:
    """Returns what the sources are: the digest of their paths and contents, empty without any."""
    found = [[path, str(Digest.of(source))] for path, source in sources.items()]
    return {"sources": str(Digest.of(canonical_json(found))) if found else ""}


def _find_sources(tree: Tree, interpreter: Interpreter) -> Iterator[tuple[str, bytes]]:
    """Yields the source files without bytecode, by path in the image."""
    for library in interpreter.library:
        for node in tree.walk(library.strip("/"), _LEFT_OUT):
            if node.is_link or not node.path.endswith(".py"):
                continue
            if tree.entry(_place(node.path, interpreter)) is None and (source := read_node(node)) is not None:
                yield node.path, source


def _compile(store: Store, tree: Tree, sources: Mapping[str, bytes], interpreter: Interpreter) -> Layer:
    parts = {f"{number}": list(sources)[number::_PARTS] for number in range(_PARTS)}

    def ask(folder: Path) -> None:
        for name, paths in parts.items():
            (folder / name).write_bytes(b"".join(bytecode.record(path, sources[path]) for path in paths))

    with bytecode.compiled(store, tree, interpreter, ask) as answers:
        found = dict(bytecode.read_answers(answers, parts, _LIMIT))
    if strange := found.keys() - {_place(path, interpreter) for path in sources}:
        raise SandboxError(f"cannot compile the standard library: the image's Python compiled {min(strange)}")
    files = [Entry(path=path, content=code[:4] + _CHECKED + code[8:]) for path, code in found.items()]
    folders = {entry.path.rpartition("/")[0] for entry in files}
    return layer_of(store, [*map(tar.directory, sorted(folders)), *files])


def _place(path: str, interpreter: Interpreter) -> str:
    """Returns the path of a source's bytecode (PEP 3147)."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/__pycache__/{name[:-3]}.{interpreter.cache_tag}.pyc"
