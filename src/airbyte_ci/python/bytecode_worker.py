"""Runs inside an image: compiles the Python files of wheel segments, each segment in a fresh process.

Standard library of Python 3.9 only. Which modules are loaded, the order of files and the hash seed all show in
marshal's reference flags, so they are the same for everyone: one process per segment, sorted files, seed 0.
"""

import json
import os
import subprocess
import sys
import tarfile
from importlib import _bootstrap_external as external
from importlib.util import source_hash

_WIDTH = 2


def compile_segment(source: str, target: str, roots: "list[str]") -> None:
    """Reads a tar of installed files, writes `[[path, size], …]` as a line and then the byte code."""
    index, bodies = [], []
    with tarfile.open(source) as archive:
        for member in sorted(archive, key=lambda item: item.name):
            path = "/" + member.name
            if not member.isfile() or not path.endswith(".py") or not path.startswith(tuple(roots)):
                continue
            reader = archive.extractfile(member)
            assert reader is not None
            code = _compiled(reader.read(), path)
            if code is not None:
                folder, _, name = member.name.rpartition("/")
                index.append([f"{folder}/__pycache__/{name[:-3]}.{sys.implementation.cache_tag}.pyc", len(code)])
                bodies.append(code)
    with open(target + ".partial", "wb") as file:
        file.write(json.dumps(index).encode() + b"\n")
        file.writelines(bodies)
    os.rename(target + ".partial", target)


def _compiled(source: bytes, path: str) -> "bytes | None":
    try:
        code = compile(source, path, "exec", dont_inherit=True, optimize=-1)
    except (SyntaxError, ValueError, RecursionError):
        return None  # templates and tests for other Pythons: the import would fail in the same way
    # Unchecked hash (PEP 552): the image does not change, so nothing is compared when a module is imported.
    return bytes(
        external._code_to_hash_pyc(  # type: ignore[attr-defined]
            code, source_hash(source), False
        )
    )


def main() -> None:
    """`worker.py JOBS` starts one process for each job; `worker.py -1 SOURCE TARGET ROOT…` is such a process."""
    if sys.argv[1] == "-1":
        compile_segment(sys.argv[2], sys.argv[3], sys.argv[4:])
        return
    with open(sys.argv[1], encoding="utf-8") as file:
        jobs = json.load(file)
    command = [sys.executable, "-S", "-s", "-B", "-W", "ignore", __file__, "-1"]
    environment = {"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "PATH": os.environ.get("PATH", "")}
    running = []
    for job in jobs:
        running.append(subprocess.Popen([*command, *job], env=environment, cwd="/"))
        if len(running) >= _WIDTH:
            _finish(running.pop(0))
    for process in running:
        _finish(process)


def _finish(process: "subprocess.Popen[bytes]") -> None:
    if process.wait():
        sys.exit("compiling failed: " + str(process.args))


if __name__ == "__main__":
    main()
