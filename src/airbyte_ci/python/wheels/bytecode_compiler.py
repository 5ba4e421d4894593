"""Compiles the sources of one wheel inside an image: sources on stdin, bytecode on stdout.

With arguments, `compiler.py WORKER QUESTIONS ANSWERS`, it executes the worker, which continues here in a copy of this
process for each file of the folder of questions.

The process imports nothing from a file. Loading a module interns its names, and marshal writes shared names differently
from unshared ones. A process without standard library modules therefore writes the same bytes in every build of one
Python version.
"""

import _imp
import marshal
import sys
from _frozen_importlib_external import MAGIC_NUMBER


def main() -> None:
    """Reads `<path length: 4><size: 8><path><source>` records, little-endian; writes them with bytecode if possible."""
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    while head := questions.read(12):
        path = questions.read(int.from_bytes(head[:4], "little")).decode("utf-8", "surrogateescape")
        size = int.from_bytes(head[4:], "little")
        source = questions.read(size)
        if len(source) != size or len(head) != 12:
            sys.exit("a question is cut off")
        body = _compiled(source, "/" + path)
        if body is not None:
            folder, _, name = path.rpartition("/")
            place = f"{folder}/__pycache__/{name[:-3]}.{sys.implementation.cache_tag}.pyc"
            encoded = place.encode("utf-8", "surrogateescape")
            answers.write(len(encoded).to_bytes(4, "little") + len(body).to_bytes(8, "little") + encoded + body)


def _compiled(source: bytes, path: str) -> "bytes | None":
    try:
        code = compile(source, path, "exec", dont_inherit=True, optimize=-1)
        body = marshal.dumps(code) if sys.version_info >= (3, 11) else _before_3_11(code)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        return None  # Templates and tests for other Pythons fail here, as their import would.
    # Unchecked hash (PEP 552): the image does not change, so imports need no comparison.
    digest = _imp.source_hash(int.from_bytes(MAGIC_NUMBER, "little"), source)
    return MAGIC_NUMBER + (0b01).to_bytes(4, "little") + digest + body


def _before_3_11(code: object) -> bytes:
    """Marshals code with sets in a fixed order: before 3.11, the order depends on None's address (bpo-37596)."""
    import bytecode_marshal  # type: ignore[import-not-found]  # lies beside this file

    return bytes(bytecode_marshal.dumps(code))


if __name__ == "__main__":
    if sys.argv[1:]:
        # The worker returns in a copy of this process for each question. What it defined is removed, and the names
        # here are those of builtins or of this file, so that marshal sees the same process as without a worker.
        answers = {"__name__": "bytecode_worker"}
        exec(open(sys.argv[1], encoding="utf8").read(), answers)  # noqa: PTH123, SIM115  # it imports nothing
        answers.clear()
        del answers
    main()
