"""Byte code: compiled once per wheel by the image's own Python, the same bytes every time (design, decision 4)."""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from airbyte_ci.container import sandbox
from airbyte_ci.container.tree import Tree
from airbyte_ci.errors import SandboxError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.layer import Segment, make_segment
from airbyte_ci.oci.store import Store, action_key
from airbyte_ci.oci.tar import Entry
from airbyte_ci.python.interpreter import Interpreter

FORMAT_VERSION = 1
_WORKER = Path(__file__).with_name("bytecode_worker.py")


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
) -> Mapping[Digest, Bytecode]:
    """Byte code for each segment, by the segment's raw digest. Only what was never compiled is."""
    keys = {segment.raw: _key(segment, interpreter) for segment in segments}
    known = {raw: _recall(store, key) for raw, key in keys.items()}
    missing = [raw for raw, found in known.items() if found is None]
    if missing:
        _compile(store, root(), interpreter, {raw: keys[raw] for raw in missing}, executor)
    result = {}
    for raw, key in keys.items():
        found = known[raw] or _recall(store, key)
        assert found is not None
        result[raw] = found
    return result


def _key(segment: Segment, interpreter: Interpreter) -> Digest:
    # The segment holds the final paths, and byte code has no architecture: version and tag are all that is left.
    inputs = {"segment": str(segment.raw), "python": interpreter.version, "tag": interpreter.cache_tag}
    return action_key("bytecode", FORMAT_VERSION, inputs)


def _recall(store: Store, key: Digest) -> Bytecode | None:
    known = store.recall(key)
    if known is None:
        return None
    segment = Segment.from_json(known["segment"])
    return Bytecode(segment, tuple(known["paths"])) if segment.in_store(store) else None


def _compile(
    store: Store, root: Tree, interpreter: Interpreter, keys: Mapping[Digest, Digest], executor: Executor
) -> None:
    with store.scratch() as folder:
        roots = sorted({interpreter.purelib, interpreter.platlib})
        jobs = [[f"/.airbyte-ci/blobs/{raw.hex}", f"/.airbyte-ci/out/{raw.hex}", *roots] for raw in keys]
        (folder / "jobs.json").write_text(json.dumps(jobs))
        (folder / "out").mkdir()
        command = sandbox.Command(
            (interpreter.executable, "-I", "-S", "-B", "/.airbyte-ci/worker.py", "/.airbyte-ci/jobs.json"),
            {"PATH": "/usr/local/bin:/usr/bin:/bin"},
            mounts=(
                sandbox.Mount(store.path(next(iter(keys))).parent, "/.airbyte-ci/blobs"),
                sandbox.Mount(folder / "out", "/.airbyte-ci/out", writable=True),
                sandbox.Mount(folder / "jobs.json", "/.airbyte-ci/jobs.json"),
                sandbox.Mount(_WORKER, "/.airbyte-ci/worker.py"),
            ),
            timeout=1800,
        )
        finished = sandbox.run(store, root, command)
        if finished.returncode:
            last = finished.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise SandboxError(f"compiling byte code with the image's Python: {''.join(last)}")
        for raw, key in keys.items():
            entries = _entries((folder / "out" / raw.hex).read_bytes())
            segment = make_segment(store, entries, executor)
            paths = [entry.path for entry in entries]
            store.remember(key, {"segment": segment.to_json(), "paths": paths})


def _entries(answer: bytes) -> list[Entry]:
    head, _, body = answer.partition(b"\n")
    entries, start = [], 0
    for path, size in json.loads(head):
        entries.append(Entry(path, content=body[start : start + size]))
        start += size
    return entries
