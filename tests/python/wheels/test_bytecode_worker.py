"""The byte-code worker, run by real CPythons as an image's would run it, without a sandbox."""

import io
import keyword
import os
import re
import shutil
import struct
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from airbyte_ci.python.wheels import bytecode

WORKER = Path(bytecode.__file__).with_name("bytecode_worker.py")
COMPILER = WORKER.with_name("bytecode_compiler.py")
SITE = "usr/local/lib/python3.11/site-packages"
# None's hash is its address up to Python 3.11, and a set's order is that of hashes: 60 sets, so that some differ.
NONES = "".join(
    f"def f{n}(x):\n    return x in {{None, {', '.join(repr(f'k{n}_{i}') for i in range(n % 7 + 2))}}}\n"
    for n in range(60)
)
CONSTANTS = f"""
A = 1, -1, 2**31, -2**31, 2**200, -2**77, 1.5, -0.0, 1e400, 2j, b'\\0', b'', '', ..., True, 'a b', '{"x" * 300}'
B = ({", ".join(map(str, range(300)))})
def f(x, y=('shared', (None, 'shared'))):
    return x in {{(None, 1), ..., 1.5, b'q'}} or x in {{(1, (2, (None,)))}} or x in {{True, 'shared'}}
def g(a, /, b, *c, d: 'int' = 1, **e):
    def h():
        nonlocal b
        return [lambda a=a: (a, b, i, 'shared') for i in c if i in {{None, 'p', 'q'}}]
    return f'{{h!r:>{{d}}}} {{b}}', h
class C:
    class D:
        def f(self):
            return __class__, 'doc', 3.25, self.__private
"""
# Code whose byte code would differ between runs: sets, shared constants, interned names, nested code.
SOURCES = {
    f"{SITE}/demo/__init__.py": "NAMES = {'a', 'b', 'c', 'd'}\nif 'x' in {'x', 'y', 'z', 'w'}: pass\n",
    f"{SITE}/demo/a.py": "def f(a, *, b='shared'):\n    return [lambda: (a, b, 'shared', 1.5, 10**20) for _ in ()]\n",
    f"{SITE}/demo/b.py": "class C:\n    'doc'\n    x: int = 1\n    def f(self): return frozenset({'p', 'q'}), 'doc'\n",
    f"{SITE}/demo/nones.py": NONES,
    f"{SITE}/demo/constants.py": CONSTANTS,
    f"{SITE}/demo/names.py": "# coding: utf-8\nname = 'caf\\xe9'\nother = '\\ud800', '\\U0001f600'\n",
    f"{SITE}/demo/syntax.py": "print 'python 2'\n",
    f"{SITE}/demo/template.py": "{% if cookiecutter %}\n",
    f"{SITE}/demo/nul.py": "a = 1\0\n",
    f"{SITE}/demo/latin.py": "# -*- coding: latin-1 -*-\nname = '\xe9'\n",
    f"{SITE}/demo/data.txt": "not Python\n",
    "usr/local/bin/script.py": "a = 1\n",
}


def pythons() -> list[str]:
    """The CPythons of this machine, one for each version from 3.9 on, newest last; their own names when linked."""
    found: dict[tuple[int, ...], str] = {}
    folders = [Path(name) for name in os.environ.get("PATH", "").split(":")]
    candidates = [Path(sys.executable), *Path("~/.pyenv/versions").expanduser().glob("3.*/bin/python3")]
    candidates += [folder / f"python3.{minor}" for folder in folders for minor in range(9, 20)]
    for path in candidates:
        if path.is_file() and (answer := _version(path)) is not None and answer >= (3, 9):
            found.setdefault(answer[:2], str(path))
    return [found[version] for version in sorted(found)]


def _version(path: Path) -> tuple[int, int] | None:
    code = "import sys; print(sys.version_info[0], sys.version_info[1], sys.implementation.name)"
    try:
        said = subprocess.run([path, "-I", "-c", code], capture_output=True, text=True, check=True).stdout.split()
    except (OSError, subprocess.CalledProcessError):
        return None
    return (int(said[0]), int(said[1])) if said[2] == "cpython" else None


PYTHONS = pythons()
every_python = pytest.mark.parametrize(
    "python", PYTHONS, ids=lambda path: path.removesuffix("/bin/python3").split("/")[-1]
)


def segment(folder: Path, sources: dict[str, str], name: str = "segment") -> Path:
    """A tar of files, as a wheel's segment holds them."""
    path = folder / name
    with tarfile.open(path, "w") as archive:
        for place, text in sources.items():
            content = text.encode("latin-1")
            member = tarfile.TarInfo(place)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def compiled(python: str, folder: Path, *jobs: Path, env: Mapping[str, str] = {}) -> list[bytes]:
    """The worker's output for each segment, run in this environment."""
    out, asked = folder / "out", folder / "asked"
    for place in (out, asked):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
    for number, job in enumerate(jobs):
        bytecode.write_question(job, asked / f"{number}", [f"/{SITE}"])
    subprocess.run(
        [python, *bytecode.OPTIONS, COMPILER, WORKER, asked, out],
        check=True,
        env={**env, **bytecode.ENVIRONMENT},
        capture_output=True,
    )
    return [(out / f"{number}").read_bytes() for number in range(len(jobs))]


def files(answer: bytes) -> dict[str, bytes]:
    result, start = {}, 0
    while start < len(answer):
        length, size = struct.unpack_from("<IQ", answer, start)
        path, start = answer[start + 12 : start + 12 + length].decode(), start + 12 + length
        result[path], start = answer[start : start + size], start + size
    assert start == len(answer)
    return result


@every_python
def test_the_same_bytes_every_time(python: str, tmp_path: Path) -> None:
    """Neither another run, nor the locale, nor modules of a site, nor the order of files and jobs shows."""
    one = segment(tmp_path, SOURCES)
    other = segment(tmp_path, {f"{SITE}/other.py": "x = {'k', 'l', 'm', None}\n"}, "other")
    turned = segment(tmp_path, dict(reversed(SOURCES.items())), "turned")
    preload = tmp_path / "preload"
    preload.mkdir()
    names = "shared = 'shared', 'doc', 'k1_1', 'private'\n"
    for name in ("sitecustomize.py", "usercustomize.py"):
        (preload / name).write_text(f"import asyncio, ctypes, decimal, email.message, http.client, unittest\n{names}")
    first = compiled(python, tmp_path, one, other)
    for _ in range(2):
        assert compiled(python, tmp_path, one, other) == first
    assert compiled(python, tmp_path, other, one, env={"PYTHONPATH": str(preload), "LC_ALL": "C"}) == first[::-1]
    assert compiled(python, tmp_path, turned, env={"PYTHONUTF8": "0"})[0] == first[0]


@every_python
def test_a_copy_compiles_as_a_new_process(python: str, tmp_path: Path) -> None:
    """Names that the worker holds, and files that were compiled before, change no byte of a copy's answer."""
    words = sorted({*re.findall(r"[A-Za-z_]\w*", WORKER.read_text() + COMPILER.read_text())} - {*keyword.kwlist})
    once = {f"{SITE}/demo/word{n}.py": f"x.{word}\n" for n, word in enumerate(words)}
    jobs = [segment(tmp_path, sources, f"job{n}") for n, sources in enumerate((SOURCES, once, SOURCES))]
    for job, answer in zip(jobs, compiled(python, tmp_path, *jobs), strict=True):
        bytecode.write_question(job, tmp_path / "question", [f"/{SITE}"])
        with (tmp_path / "question").open("rb") as question:
            new = subprocess.run(
                [python, *bytecode.OPTIONS, COMPILER], stdin=question, env=bytecode.ENVIRONMENT, capture_output=True
            )
        assert new.stdout == answer
        assert len(files(answer)) > len(SOURCES) // 2


_COMPARE = """
import marshal, pathlib, sys, types
code = type(compile("", "", "exec"))
def same(a, b):
    if type(a) is not type(b):
        return False
    if isinstance(a, code):
        names = [name for name in dir(a) if name.startswith("co_") and not callable(getattr(a, name))]
        return all(same(getattr(a, name), getattr(b, name)) for name in names)
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return repr(a) == repr(b) if isinstance(a, (float, complex)) else a == b
for source, path, body in zip(*[iter(sys.argv[1:])] * 3):
    expected = compile(pathlib.Path(source).read_bytes(), path, "exec", dont_inherit=True)
    assert same(marshal.loads(pathlib.Path(body).read_bytes()[16:]), expected), path
"""


@every_python
def test_what_is_compiled_and_how(python: str, tmp_path: Path) -> None:
    """Valid Python files of site-packages, next to their sources, unchecked, with Python's own bytecode."""
    found = files(compiled(python, tmp_path, segment(tmp_path, SOURCES))[0])
    tag = subprocess.run(
        [python, "-I", "-c", "import sys; print(sys.implementation.cache_tag)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    cache = f"{SITE}/demo/__pycache__"
    names = ("__init__", "a", "b", "constants", "latin", "names", "nones")
    assert list(found) == [f"{cache}/{name}.{tag}.pyc" for name in names]
    arguments: list[str] = []
    for name, code in zip(names, found.values(), strict=True):
        assert int.from_bytes(code[4:8], "little") == 0b01  # hash-based, never checked (PEP 552)
        path = f"{SITE}/demo/{name}.py"
        (tmp_path / f"{name}.py").write_bytes(SOURCES[path].encode("latin-1"))
        (tmp_path / f"{name}.pyc").write_bytes(code)
        arguments += [str(tmp_path / f"{name}.py"), f"/{path}", str(tmp_path / f"{name}.pyc")]
    subprocess.run([python, "-I", "-c", _COMPARE, *arguments], check=True)


def test_python_imports_what_was_compiled(tmp_path: Path) -> None:
    """Python finds and uses the bytecode next to its source, even if the source changes later."""
    found = files(compiled(sys.executable, tmp_path, segment(tmp_path, SOURCES))[0])
    for path, code in found.items():
        place = tmp_path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(code)
    (tmp_path / SITE / "demo/__init__.py").write_text("NAMES = 'from the source'\n")
    command = [
        sys.executable,
        "-I",
        "-c",
        f"import sys; sys.path.insert(0, {str(tmp_path / SITE)!r}); import demo; print(sorted(demo.NAMES))",
    ]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.strip() == "['a', 'b', 'c', 'd']"


def test_a_segment_without_python_gives_nothing(tmp_path: Path) -> None:
    """Data only: an empty list, not an error."""
    assert files(compiled(sys.executable, tmp_path, segment(tmp_path, {f"{SITE}/a.txt": ""}))[0]) == {}


def test_a_job_that_fails_is_told(tmp_path: Path) -> None:
    """A question that is cut off ends the worker with an error, so that no answer of it is taken for a result."""
    asked, out = tmp_path / "asked", tmp_path / "out"
    asked.mkdir()
    out.mkdir()
    bytecode.write_question(segment(tmp_path, SOURCES), asked / "whole", [SITE])
    (asked / "broken").write_bytes((asked / "whole").read_bytes()[:-1])
    said = subprocess.run(
        [sys.executable, *bytecode.OPTIONS, COMPILER, WORKER, asked, out],
        env=bytecode.ENVIRONMENT,
        capture_output=True,
        check=False,
    )
    assert said.returncode == 1
    assert b"compiling failed: the compiler of broken ended with 1" in said.stderr


def test_entries_are_read_back(tmp_path: Path) -> None:
    """`bytecode` parses the worker's output."""
    answer = compiled(sys.executable, tmp_path, segment(tmp_path, SOURCES))[0]
    (tmp_path / "answer").write_bytes(answer)
    assert dict(bytecode.read_answers(tmp_path, ["answer"], 1 << 20)) == files(answer)


def test_a_folder_that_only_begins_like_site_packages_is_left_alone(tmp_path: Path) -> None:
    """Files that Python never imports are not compiled."""
    sources = {f"{SITE}-other/a.py": "a = 1\n", f"{SITE}/a.py": "a = 1\n"}
    (path,) = files(compiled(sys.executable, tmp_path, segment(tmp_path, sources))[0])
    assert path.startswith(f"{SITE}/__pycache__/a.")
