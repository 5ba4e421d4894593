"""Bytecode: compiled once per wheel by the image's own Python, with the same bytes every time."""

import contextlib
import os
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from airbyte_ci.errors import SandboxError
from airbyte_ci.oci import compress, tar
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.layer import Segment, make_segment
from airbyte_ci.oci.store.store import Store, action_key
from airbyte_ci.oci.tar import Entry
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.wheels.contents import MemberContents
from airbyte_ci.rootfs.tree import Tree
from airbyte_ci.sandbox import sandbox
from airbyte_ci.sandbox.output_files import OutputRefused, open_output

FORMAT_VERSION = 3
# The files that run in the image, by name. The compiler needs bytecode_marshal before 3.11.
_PROGRAMS = ("bytecode_compiler.py", "bytecode_worker.py", "bytecode_marshal.py")
# No site, no user packages, no own bytecode, UTF-8 in any locale. Marshal's output depends on the hash seed.
OPTIONS = ("-S", "-s", "-B", "-X", "utf8", "-W", "ignore")
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONHASHSEED": "0"}
_PLACE = "/.airbyte-ci"
_QUESTIONS = sandbox.Purpose(
    "sources to compile",
    "input",
    source="files in the run's own scratch folder",
    target=f"`{_PLACE}/questions`",
    written_by="airbyte-ci",
)
_ANSWERS = sandbox.Purpose(
    "compiled byte code",
    "output",
    source="an empty folder in the run's own scratch folder",
    target=f"`{_PLACE}/answers`",
    written_by="none",
)
_TOOL = sandbox.Purpose(
    "byte code compiler",
    "input",
    source="airbyte-ci's own files",
    target=", ".join(f"`{_PLACE}/{name}`" for name in _PROGRAMS),
    written_by="the installer of airbyte-ci",
)


@dataclass(frozen=True, slots=True)
class Bytecode:
    """The compiled files of one wheel: their segment and paths."""

    segment: Segment
    paths: tuple[str, ...]


def compile_all(
    store: Store,
    root: Callable[[], Tree],
    interpreter: Interpreter,
    segments: Sequence[Segment],
    executor: Executor,
    say: Callable[[str], None],
) -> Mapping[Digest, Bytecode]:
    """Returns bytecode for each segment, by the segment's raw digest; compiles only segments that are not cached."""
    keys = {segment.raw: _key(segment, interpreter) for segment in segments}
    result: dict[Digest, Bytecode] = {}

    def find_missing() -> dict[Digest, Digest]:
        """Returns the segments without bytecode by their keys."""
        known = {raw: _recall(store, key) for raw, key in keys.items() if raw not in result}
        result.update({raw: found for raw, found in known.items() if found})
        return {keys[raw]: raw for raw, found in known.items() if not found}

    while missing := find_missing():
        tree = root()  # takes turns itself
        # Other connectors may be compiling some of them.
        with store.turns.take(*missing, say=say) as mine:
            missing = find_missing()
            if wanted := {missing[key]: key for key in mine if key in missing}:
                result |= _compile(store, tree, interpreter, wanted, executor)
    return result


def _key(segment: Segment, interpreter: Interpreter) -> Digest:
    # The segment holds the final paths and bytecode is portable, so only version and tag remain in the key.
    inputs = {
        "segment": str(segment.raw),
        "python": interpreter.version,
        "tag": interpreter.cache_tag,
        "compressor": compress.identity(),
    }
    return action_key("bytecode", FORMAT_VERSION, inputs)


def _recall(store: Store, key: Digest) -> Bytecode | None:
    known = store.recall(key)
    if known is None:
        return None
    segment = Segment.from_json(known["segment"])
    return Bytecode(segment, tuple(known["paths"])) if segment.in_store(store) else None


def _compile(
    store: Store, root: Tree, interpreter: Interpreter, keys: Mapping[Digest, Digest], executor: Executor
) -> dict[Digest, Bytecode]:
    roots = (interpreter.purelib, interpreter.platlib)

    def ask(folder: Path) -> None:
        for raw in keys:
            write_question(store.verified(raw), folder / raw.hex, roots)

    with compiled(store, root, interpreter, ask) as answers:
        made = executor.map(lambda item: _remember(store, item[1], answers, item[0]), keys.items())
        return dict(zip(keys, made, strict=True))


@contextlib.contextmanager
def compiled(store: Store, root: Tree, interpreter: Interpreter, ask: Callable[[Path], None]) -> Iterator[Path]:
    """Compiles files with the image's Python: `ask` writes questions to a folder, and the folder of answers is given.

    Each question is compiled by a process of its own. Its answer, hostile data, has the same name. Raises SandboxError.
    """
    with store.scratch() as folder:
        for part in ("questions", "answers"):
            (folder / part).mkdir()
        ask(folder / "questions")
        programs = [f"{_PLACE}/{name}" for name in _PROGRAMS]
        command = sandbox.Command(
            arguments=(
                interpreter.executable,
                *OPTIONS,
                *programs[:2],
                f"{_PLACE}/questions",
                f"{_PLACE}/answers",
            ),
            environment=ENVIRONMENT,
            mounts=(
                sandbox.Mount(source=folder / "questions", target=f"{_PLACE}/questions", purpose=_QUESTIONS),
                sandbox.Mount(source=folder / "answers", target=f"{_PLACE}/answers", writable=True, purpose=_ANSWERS),
                *(
                    sandbox.Mount(source=Path(__file__).with_name(name), target=f"{_PLACE}/{name}", purpose=_TOOL)
                    for name in _PROGRAMS
                ),
            ),
            timeout=1800,
        )
        finished = sandbox.run(store, root, command)
        if finished.returncode:
            last = finished.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise SandboxError(f"cannot compile bytecode with the image's Python: {''.join(last)}")
        yield folder / "answers"


def write_question(segment: Path, target: Path, roots: Iterable[str]) -> None:
    """Packs the Python files of a segment below `roots`, sorted."""
    folders = tuple(f"{root.strip('/')}/" for root in roots)
    with segment.open("rb") as archive, target.open("wb") as file:
        for path, position, size in sorted(tar.files(archive)):
            if path.endswith(".py") and path.startswith(folders):
                archive.seek(position)
                file.write(record(path, archive.read(size)))


def record(path: str, source: bytes) -> bytes:
    """Returns one file of a question: `<path length: 4><size: 8><path><source>`, little-endian."""
    name = path.encode("utf-8", "surrogateescape")
    return struct.pack("<IQ", len(name), len(source)) + name + source


def read_answers(answers: Path, names: Iterable[str], limit: int) -> Iterator[tuple[str, bytes]]:
    """Yields the compiled files of several answers by path; raises SandboxError for an invalid answer.

    `limit` is the largest size of an answer in bytes.
    """
    try:
        for name in names:
            with open_output(answers, name, limit) as answer:
                yield from _records(answer)
    except (OSError, OutputRefused, struct.error) as error:
        raise _invalid(error) from error


def _remember(store: Store, key: Digest, answers: Path, raw: Digest) -> Bytecode:
    # Compiled code is about 1.5 times as large as its source.
    limit = 64 * store.size(raw) + (1 << 20)
    try:
        with store.scratch() as folder, open_output(answers, raw.hex, limit) as answer:
            contents = MemberContents(folder)
            entries = [
                Entry(path=path, content=contents.keep(iter((code,))).content) for path, code in _records(answer)
            ]
            segment = make_segment(store, entries)
    except (OSError, OutputRefused, struct.error) as error:
        raise _invalid(error) from error
    made = Bytecode(segment, tuple(entry.path for entry in entries))
    store.remember(key, {"segment": segment.to_json(), "paths": list(made.paths)})
    return made


def _invalid(error: Exception) -> SandboxError:
    return SandboxError(f"cannot compile bytecode with the image's Python: the compiler's answer is invalid: {error}")


def _records(answer: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """Yields the compiler's answer: `<path length: 4><size: 8><path><bytecode>` for each file."""
    left = os.fstat(answer.fileno()).st_size
    while head := answer.read(12):
        length, size = struct.unpack("<IQ", head)
        if (left := left - 12 - length - size) < 0:
            raise OutputRefused("it is truncated")
        yield answer.read(length).decode("utf-8", "surrogateescape"), answer.read(size)
