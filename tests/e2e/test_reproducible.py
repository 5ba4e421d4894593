"""The same image everywhere: folder, user, clock, language, cache, workers and Python do not show in its digest."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from uv import find_uv_bin

from airbyte_ci.oci.store.store import Store
from tests.e2e.command import PROJECT, Result
from tests.e2e.tiny import Tiny, with_base

pytestmark = pytest.mark.slow
# The command with another number of threads, which users cannot choose.
WITH_THREADS = """
import sys
from airbyte_ci.__main__ import main
from airbyte_ci.cli import workbench
workbench._THREADS = int(sys.argv.pop(1))
main()
"""
SETUP = 'from setuptools import setup\nsetup(name="puredep", version="1.0", packages=["puredep"])\n'


@pytest.fixture
def rich(tiny: Tiny) -> Tiny:
    """A connector with a large wheel, a small one, an sdist, and a folder of the repository."""
    library = tiny.folder / "lib"
    (library / "locallib").mkdir(parents=True)
    (library / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "locallib"\nversion = "9.0"\n[tool.setuptools]\npackages = ["locallib"]\n'
    )
    (library / "locallib/__init__.py").write_text("NAMES = {'a', 'b', 'c'}\n")
    pure = tiny.sdist("puredep", "1.0", {"setup.py": SETUP, "puredep/__init__.py": "VALUES = {'x', 'y'}\n"})
    tiny.require(tiny.small(), pure, "-e ../../lib\n")
    return tiny


def _copied(tiny: Tiny, folder: Path) -> Path:
    """The repository in another place, checked out with another umask and old times."""
    shutil.copytree(tiny.folder, folder)
    for path in folder.rglob("*"):
        if not path.is_symlink() and ".git/" not in str(path):
            path.chmod(0o700 if path.is_dir() else 0o600)
            os.utime(path, (1, 1))
    return folder


def test_nothing_of_the_place_shows(rich: Tiny, store: Store, tmp_path: Path) -> None:
    """Another folder, umask, home, time zone, language, hash seed, one worker, cold store behind a link: one digest."""
    assert rich.build().code == 0
    rich.add("source-second")
    first = rich.run("connectors", "--all", "--concurrency=8", "build", "--json")
    assert first.code == 0, first.out
    copy = _copied(rich, tmp_path / "a folder with a blank" / "copy")
    (tmp_path / "disk").mkdir()
    (tmp_path / "cold store").symlink_to("disk")
    cold = with_base(store, rich.base, tmp_path / "cold store")
    strange = {
        "HOME": str(tmp_path),
        "TZ": "Asia/Tokyo",
        "LC_ALL": "C",
        "LANG": "tr_TR.UTF-8",
        "PYTHONHASHSEED": "1234",
        "USER": "somebody",
    }
    before = os.umask(0o077)
    try:
        second = rich.run(
            *("connectors", "--all", "--concurrency=1", "build", "--json"), cwd=copy, home=cold, env=strange
        )
    finally:
        os.umask(before)
    assert second.code == 0, second.out + second.err
    assert _digests(second) == _digests(first)
    assert len(_digests(first)) == 2


def test_the_number_of_threads_does_not_show(rich: Tiny, store: Store, tmp_path: Path) -> None:
    """In sequence or eight at once, all built from scratch: one digest."""
    digests = set()
    for number in (1, 8):
        home = with_base(store, rich.base, tmp_path / f"store{number}", unpacked=True)
        finished = subprocess.run(
            [sys.executable, "-c", WITH_THREADS, str(number), "connectors", "--name=source-tiny", "build", "--json"],
            cwd=rich.folder,
            env={**os.environ, **rich.environment, "AIRBYTE_CI_HOME": str(home)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert finished.returncode == 0, finished.stdout + finished.stderr
        digests.add(json.loads(finished.stdout)["digest"])
    assert len(digests) == 1


def _digests(result: Result) -> dict[str, str]:
    lines = map(json.loads, result.out.splitlines())
    return {item["name"]: item["digest"] for item in lines}


def _pythons() -> list[Path]:
    """One interpreter of each version that can run the tool and is on this machine."""
    found: dict[tuple[int, ...], Path] = {}
    for folder in (*map(Path, os.environ["PATH"].split(":")), *Path("~/.pyenv/versions").expanduser().glob("*/bin")):
        for path in (folder / "python3", *folder.glob("python3.1[0-9]")):
            if not path.exists():
                continue
            command = [str(path), "-c", "import sys; print(*sys.version_info[:2])"]
            asked = subprocess.run(command, capture_output=True, text=True, check=False)
            if asked.returncode:
                continue
            version = tuple(map(int, asked.stdout.split()))
            if version >= (3, 11):
                found.setdefault(version, path)
    return [found[version] for version in sorted(found)]


def test_the_python_that_runs_the_tool_does_not_show(rich: Tiny, store: Store, tmp_path: Path) -> None:
    """Run by every available CPython, each building everything itself: one digest."""
    expected = rich.build()
    assert expected.code == 0, expected.out
    for number, python in enumerate(_pythons()):
        venv = tmp_path / f"venv{number}"
        subprocess.run([find_uv_bin(), "venv", "--quiet", "--python", python, venv], check=True)
        # What the tool needs, in the pinned versions, without the tools of its developers.
        install = [find_uv_bin(), "pip", "install", "--quiet", "--python", str(venv)]
        pinned = ("-r", str(PROJECT / "pyproject.toml"), "--constraints", str(PROJECT / "requirements.txt"))
        subprocess.run([*install, *pinned], check=True)
        home = with_base(store, rich.base, tmp_path / f"store{number}", unpacked=True)
        finished = subprocess.run(
            [str(venv / "bin/python"), "-m", "airbyte_ci", "connectors", "--name=source-tiny", "build", "--json"],
            cwd=rich.folder,
            env={
                **os.environ,
                **rich.environment,
                "AIRBYTE_CI_HOME": str(home),
                "PYTHONPATH": str(PROJECT / "src"),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        result = Result(finished.returncode, finished.stdout, finished.stderr)
        assert result.code == 0, result.out + result.err
        assert result.json["digest"] == expected.json["digest"], python
        shutil.rmtree(home)


def test_a_build_is_checked_by_building_again(tiny: Tiny) -> None:
    """`--check-reproducible` succeeds if it is, and names the first differing file if a hook is random."""
    hook = tiny.connector() / "build_customization.py"
    for script, said in (
        ("echo a > /opt/a; chmod 600 /opt/a", ""),
        ("echo a > /opt/a; head -c 8 /dev/urandom > /opt/b", "/opt/b has different contents"),
        ("mkdir /opt/$(cat /proc/sys/kernel/random/uuid)", "/opt/"),
    ):
        hook.write_text(
            f"async def pre_connector_install(container):\n    return container.with_exec(['sh', '-c', {script!r}])\n"
        )
        checked = tiny.build("--check-reproducible")
        assert checked.code == (1 if said else 0), checked.out
        if said:
            reason = checked.json["reason"]
            assert reason.startswith(
                "source-tiny is not reproducible: a second build from scratch created a different image: layer "
            )
            assert said in reason
            assert "pin the versions that it installs" in checked.out
