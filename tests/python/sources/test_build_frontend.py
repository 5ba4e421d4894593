"""The PEP 517 front end that runs in images: what a build sees and receives. Runs here as it runs there."""

import importlib.metadata
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from airbyte_ci.python.sources import build_frontend

# A back end that puts what it sees into the wheel's place.
BACKEND = """
import importlib.util, json, os, pathlib, sys
def get_requires_for_build_wheel(settings):
    return json.loads(os.environ.get("ASKS", "[]"))
def build_wheel(out, settings):
    names = ["asked", "needed", "idle", "backend", "pytest", "own"]
    seen = [name for name in names if importlib.util.find_spec(name)]
    told = {"seen": seen, "folder": os.getcwd(), "files": sorted(os.listdir("."))}
    pathlib.Path(out, "seen-1-py3-none-any.whl").write_text(json.dumps(told))
    print("built")
"""
PROJECT = '[build-system]\nrequires = ["backend"]\nbuild-backend = "backend"\n'


@dataclass
class Bench:
    folder: Path

    def tool(self, name: str, version: str = "1.0", requires: tuple[str, ...] = (), code: str = "") -> None:
        """A tool as the tools' layer has it."""
        place = self.folder / "tools" / name
        (place / f"{name}-{version}.dist-info").mkdir(parents=True)
        lines = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {item}" for item in requires)]
        (place / f"{name}-{version}.dist-info/METADATA").write_text("\n".join(lines) + "\n\ntext\nRequires-Dist: no\n")
        (place / f"{name}.py").write_text(code)

    def build(self, files: dict[str, str], *inside: str, **variables: str) -> subprocess.CompletedProcess[str]:
        for name in ("work", "out"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
            (self.folder / name).mkdir()
        archive = self.folder / "demo-1.tar.gz"
        with tarfile.open(archive, "w:gz") as tar:
            for name, text in files.items():
                member = tarfile.TarInfo(name)
                member.size, member.uid, member.uname = len(text), 4711, "someone"
                tar.addfile(member, io.BytesIO(text.encode()))
        return self.run(archive, *inside, **variables)

    def run(self, archive: Path, *inside: str, **variables: str) -> subprocess.CompletedProcess[str]:
        places = [str(self.folder / "tools"), str(archive), str(self.folder / "work"), str(self.folder / "out")]
        command = [sys.executable, "-s", "-S", "-B", build_frontend.__file__, *places, *inside]
        environment = {**os.environ, **variables}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    @property
    def told(self) -> dict[str, object]:
        (wheel,) = (self.folder / "out").iterdir()
        return dict(json.loads(wheel.read_text()))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path)
    made.tool("backend", code=BACKEND)
    made.tool("asked", requires=("needed; extra == 'deep'",))
    made.tool("needed")
    made.tool("idle")
    packaging = importlib.metadata.distribution("packaging")
    for file in packaging.files or ():
        if file.suffix in (".py", "") and ".." not in file.parts:
            target = tmp_path / "tools/packaging" / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(packaging.locate_file(file)), target)
    return made


def test_a_build_sees_what_it_asked_for(bench: Bench) -> None:
    """Neither other tools nor packages next to the interpreter; the current folder is the project's."""
    ended = bench.build({"demo-1/pyproject.toml": PROJECT, "demo-1/demo.py": ""})
    assert ended.returncode == 0, ended.stderr
    assert bench.told["seen"] == ["backend"]
    assert bench.told["files"] == ["demo.py", "pyproject.toml"]


def test_what_a_tool_needs_comes_along(bench: Bench) -> None:
    """With the requested extras, but without those that only another package's extra needs."""
    for text, seen in (("asked", ["asked", "backend"]), ("Asked[deep]>=1", ["asked", "needed", "backend"])):
        ended = bench.build({"demo-1/pyproject.toml": PROJECT.replace('["backend"]', f'["backend", "{text}"]')})
        assert ended.returncode == 0, ended.stderr
        assert bench.told["seen"] == seen


def test_what_the_back_end_asks_for_comes_along(bench: Bench) -> None:
    """The back end reports its requirements before it builds, and receives them."""
    ended = bench.build({"demo-1/pyproject.toml": PROJECT}, ASKS='["idle<2"]')
    assert ended.returncode == 0, ended.stderr
    assert bench.told["seen"] == ["idle", "backend"]


@pytest.mark.parametrize("text", ["idle>=2", "unknown", "idle @ https://example.com/idle.whl"])
def test_what_is_not_there_is_told_and_all_is_tried(bench: Bench, text: str) -> None:
    """A build that requests an unavailable tool may not need it: it sees all tools."""
    ended = bench.build({"demo-1/pyproject.toml": PROJECT.replace('["backend"]', f'["backend", "{text}"]')})
    assert ended.returncode == 0, ended.stderr
    assert f"its build requires {text}, which is not among airbyte-ci's pinned build tools" in ended.stderr
    assert bench.told["seen"] == ["asked", "needed", "idle", "backend"]


def test_a_back_end_of_the_project_itself(bench: Bench) -> None:
    """`backend-path` is where it lies."""
    text = '[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["tools"]\n'
    ended = bench.build({"demo-1/pyproject.toml": text, "demo-1/tools/own.py": BACKEND})
    assert ended.returncode == 0, ended.stderr
    assert bench.told["seen"] == ["own"]


def test_a_zip_and_a_folder_of_a_tree(bench: Bench, tmp_path: Path) -> None:
    """sdists may be zips; in a tree, the project is in the named folder."""
    ended = bench.build({"a/pyproject.toml": "broken", "b/c/pyproject.toml": PROJECT}, "b/c")
    assert ended.returncode == 0, ended.stderr
    assert str(bench.told["folder"]).endswith("source/b/c")
    with zipfile.ZipFile(tmp_path / "demo-1.zip", "w") as archive:
        archive.writestr("demo-1/pyproject.toml", PROJECT)
        script = zipfile.ZipInfo("demo-1/run.sh")
        script.external_attr = 0o100755 << 16
        archive.writestr(script, "#!/bin/sh\n")
    for name in ("work", "out"):
        shutil.rmtree(tmp_path / name)
        (tmp_path / name).mkdir()
    ended = bench.run(tmp_path / "demo-1.zip")
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "work/source/demo-1/run.sh").stat().st_mode & 0o111


@pytest.mark.parametrize(
    ("files", "last"),
    [
        ({"demo-1/pyproject.toml": PROJECT.replace('"backend"\n', '"nowhere"\n')}, "No module named 'nowhere'"),
        ({"demo-1/pyproject.toml": PROJECT + "requires = 1\n"}, "Cannot overwrite a value"),
        ({"demo-1/pyproject.toml": PROJECT.replace('["backend"]', "1")}, "is not a valid list of requirements"),
        ({"demo-1/pyproject.toml": PROJECT.replace('["backend"]', '["a b"]')}, "which is not a valid requirement"),
        ({"one/a": "", "two/b": ""}, "an archive must have exactly one top-level folder"),
        (
            {
                "demo-1/pyproject.toml": PROJECT.replace('"backend"\n', '"own"\nbackend-path = ["."]\n'),
                "demo-1/own.py": "def build_wheel(out, settings): raise SystemExit('error: no compiler')",
            },
            "error: no compiler",
        ),
    ],
)
def test_a_build_that_fails_says_why_last(bench: Bench, files: dict[str, str], last: str) -> None:
    """The last line is the reason, and the exit code is not 0."""
    ended = bench.build(files)
    assert ended.returncode not in (0, 3)
    assert last in ended.stderr.strip().splitlines()[-1]
    assert not list((bench.folder / "out").iterdir())
