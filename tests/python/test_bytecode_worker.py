"""The byte-code worker, run by real CPythons as an image's would run it, without a sandbox."""

import io
import json
import marshal
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from airbyte_ci.python import bytecode

WORKER = Path(bytecode.__file__).with_name("bytecode_worker.py")
SITE = "usr/local/lib/python3.11/site-packages"
# Code whose byte code differs from run to run when nobody cares: sets, shared constants, interned names, nested code.
SOURCES = {
    f"{SITE}/demo/__init__.py": "NAMES = {'a', 'b', 'c', 'd'}\nif 'x' in {'x', 'y', 'z', 'w'}: pass\n",
    f"{SITE}/demo/a.py": "def f(a, *, b='shared'):\n    return [lambda: (a, b, 'shared', 1.5, 10**20) for _ in ()]\n",
    f"{SITE}/demo/b.py": "class C:\n    'doc'\n    x: int = 1\n    def f(self): return frozenset({'p', 'q'}), 'doc'\n",
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


def compiled(python: str, folder: Path, *jobs: Path, seed: str = "random") -> list[bytes]:
    """What the worker wrote for each segment."""
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    listed = [[str(job), str(out / f"{number}"), f"/{SITE}"] for number, job in enumerate(jobs)]
    (folder / "jobs.json").write_text(json.dumps(listed))
    subprocess.run(
        [python, "-I", "-S", "-B", str(WORKER), str(folder / "jobs.json")],
        check=True,
        env={"PATH": "/usr/bin:/bin", "PYTHONHASHSEED": seed, "LC_ALL": "C"},
        capture_output=True,
    )
    assert not list(out.glob("*.partial"))
    return [(out / f"{number}").read_bytes() for number in range(len(jobs))]


def files(answer: bytes) -> dict[str, bytes]:
    head, _, body = answer.partition(b"\n")
    result, start = {}, 0
    for path, size in json.loads(head):
        result[path] = body[start : start + size]
        start += size
    assert start == len(body)
    return result


@every_python
@pytest.mark.slow
def test_the_same_bytes_every_time(python: str, tmp_path: Path) -> None:
    """Neither another run, nor the caller's hash seed, nor the order of files and jobs shows in the bytes."""
    one = segment(tmp_path, SOURCES)
    other = segment(tmp_path, {f"{SITE}/other.py": "x = {'k', 'l', 'm'}\n"}, "other")
    turned = segment(tmp_path, dict(reversed(SOURCES.items())), "turned")
    first = compiled(python, tmp_path, one, other)
    assert compiled(python, tmp_path, one, other, seed="1") == first
    assert compiled(python, tmp_path, other, one, seed="42") == first[::-1]
    assert compiled(python, tmp_path, turned)[0] == first[0]


@every_python
def test_what_is_compiled_and_how(python: str, tmp_path: Path) -> None:
    """Python files of site-packages that are Python, beside their sources, unchecked, named by their final paths."""
    found = files(compiled(python, tmp_path, segment(tmp_path, SOURCES))[0])
    tag = subprocess.run(
        [python, "-I", "-c", "import sys; print(sys.implementation.cache_tag)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    cache = f"{SITE}/demo/__pycache__"
    assert list(found) == [f"{cache}/{name}.{tag}.pyc" for name in ("__init__", "a", "b", "latin")]
    for code in found.values():
        assert int.from_bytes(code[4:8], "little") == 0b01  # hash-based, never checked (PEP 552)
    if python == sys.executable:
        names = {marshal.loads(code[16:]).co_filename for code in found.values()}
        assert names == {f"/{SITE}/demo/{name}.py" for name in ("__init__", "a", "b", "latin")}


def test_python_imports_what_was_compiled(tmp_path: Path) -> None:
    """The byte code is found and used where its source is, even when the source says something else by then."""
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
    """A segment that cannot be read ends the worker with an error; nothing half-written is taken for a result."""
    (tmp_path / "broken").write_bytes(b"not a tar")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        compiled(sys.executable, tmp_path, tmp_path / "broken")
    assert b"compiling failed" in caught.value.stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_entries_are_read_back(tmp_path: Path) -> None:
    """What the worker writes is what `bytecode` reads."""
    answer = compiled(sys.executable, tmp_path, segment(tmp_path, SOURCES))[0]
    assert {entry.path: entry.content for entry in bytecode._entries(answer)} == files(answer)
