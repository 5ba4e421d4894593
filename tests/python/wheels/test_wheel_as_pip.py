"""Wheels with faults that others pass over: what lies in the image is what pip installs."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from airbyte_ci.oci import tar
from airbyte_ci.python.wheels import wheel
from tests.python import sample_wheels
from tests.python.interpreters import cpython

pytestmark = pytest.mark.slow

INFO, DATA = "demo-1.0.dist-info", "demo-1.0.data"
POINTS = f"{INFO}/entry_points.txt"
SITE = "usr/local/lib/python3.11/site-packages/"
SCRIPT = "#!python\nprint('script')\n"
CASES: dict[str, dict[str, str | bytes]] = {
    "a script and an entry point": {
        "demo/x.py": "",
        f"{DATA}/scripts/pw": SCRIPT,
        POINTS: "[console_scripts]\npw = a:b\n",
    },
    "a script and a graphical one": {f"{DATA}/scripts/pw": SCRIPT, POINTS: "[gui_scripts]\npw = a:b\n"},
    "the wrappers of an entry point": {
        f"{DATA}/scripts/pw-script.py": SCRIPT,
        f"{DATA}/scripts/pw.exe": b"MZ",
        f"{DATA}/scripts/other-script.py": SCRIPT,
        POINTS: "[console_scripts]\npw = a:b\n",
    },
    "an entry point twice": {POINTS: "[console_scripts]\npw = a:b\npw = c:d\n"},
    "a console script that is a graphical one too": {POINTS: "[console_scripts]\npw = a:b\n[gui_scripts]\npw = c:d\n"},
    "a module in both places": {"demo.py": "root", f"{DATA}/purelib/demo.py": "data"},
    "a module in both places, the other way": {f"{DATA}/platlib/demo.py": "data", "demo.py": "root"},
    "a script in two schemes": {f"{DATA}/scripts/pw": "#!/bin/sh\n", f"{DATA}/data/bin/pw": "data"},
    "a data file in the place of an entry point": {
        f"{DATA}/data/bin/pw": "data",
        POINTS: "[console_scripts]\npw = a:b\n",
    },
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("record", ["right", "empty"])
def test_the_same_files_as_by_pip(tmp_path: Path, name: str, record: str) -> None:
    """Of two files for one place the same stays; an entry point stays before a script; RECORD decides nothing."""
    path = sample_wheels.make(tmp_path, files=CASES[name], record=None if record == "right" else [])
    assert ours(path) == by_pip(path, tmp_path / "target")
    installed = wheel.read(path, path.name, cpython())
    assert bool(installed.defects) == (record == "empty" or name != "an entry point twice")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_later_of_two_members_stays(tmp_path: Path) -> None:
    """A name that is in the archive twice is the later file, for pip and here."""
    path = sample_wheels.make(tmp_path, files={"demo/a.py": "first"})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(zipfile.ZipInfo("demo/a.py"), "second")
    assert ours(path)[f"{SITE}demo/a.py"] == b"second"
    assert ours(path) == by_pip(path, tmp_path / "target")
    defects = wheel.read(path, path.name, cpython()).defects
    assert "1 of its files are in the archive twice; the later ones are installed" in defects


def ours(path: Path) -> dict[str, bytes]:
    """The files in the image without what installers write of their own."""
    found = wheel.read(path, path.name, cpython()).entries
    return {entry.path: plain(b"".join(tar.content(entry))) for entry in found if not is_own(entry.path)}


def by_pip(path: Path, target: Path) -> dict[str, bytes]:
    """The files that pip installs, at the places of the image."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--no-index", "--no-compile", "--root-user-action=ignore", "--prefix", str(target), str(path)]
    subprocess.run(command, check=True, capture_output=True)
    found = {}
    for file in target.rglob("*"):
        place = file.relative_to(target).as_posix().replace("local/", "")
        place = place.replace("dist-packages", "site-packages")
        if file.is_file() and not is_own(place):
            found[f"usr/local/{place}"] = plain(file.read_bytes())
    return found


def plain(content: bytes) -> bytes:
    """Scripts without the lines that installers write: only what starts is compared."""
    if not content.startswith(b"#!") or b"python" not in content.splitlines()[0]:
        return content
    body = content.splitlines()[1:]
    imports = [line for line in body if line.startswith(b"from ")]
    return b"\n".join(imports or body)


def is_own(place: str) -> bool:
    return place.rpartition("/")[2] in ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
