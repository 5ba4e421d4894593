"""Our installation of wheels against those of `pip` and `installer`, file by file and byte by byte.

python -m tests.oracles.wheels FOLDER     every wheel below the folder that the running Python accepts
"""

import csv
import posixpath
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import installer
from installer.destinations import SchemeDictionaryDestination
from installer.sources import WheelFile
from packaging.tags import sys_tags
from packaging.utils import parse_wheel_filename

from airbyte_ci.python.interpreter.interpreter import PROBE, Interpreter
from airbyte_ci.python.wheels import wheel

# The installers' own files; pip's launchers have another text than installer's, with the same meaning.
_OWN = frozenset({"INSTALLER", "REQUESTED", "RECORD", "uv_cache.json"})


@dataclass(frozen=True)
class Installed:
    """The files of a virtual environment after an installation: contents and executable bits, by path."""

    files: dict[str, bytes]
    executable: frozenset[str]


def environment(folder: Path) -> Interpreter:
    """A new virtual environment, as its own Python describes itself."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    said = subprocess.run([folder / "bin/python", "-I", "-c", PROBE], capture_output=True, text=True, check=True)
    return Interpreter.parse(said.stdout)


def ours(path: Path, python: Interpreter, folder: Path) -> Installed:
    """The files that airbyte-ci would install into the environment."""
    entries = {entry.path: entry for entry in wheel.read(path, path.name, python).entries}
    prefix = str(folder).strip("/") + "/"
    places = {place.removeprefix(prefix): entry for place, entry in entries.items()}
    return Installed(
        {place: entry.content for place, entry in places.items() if isinstance(entry.content, bytes)},
        frozenset(place for place, entry in places.items() if entry.mode & 0o111),
    )


def by_pip(path: Path, folder: Path) -> Installed:
    """pip's installation, without byte code; from an index-like folder, so that no direct_url.json is written."""
    before = _look(folder).files
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(folder / "bin/python"),
        "--quiet",
        "--disable-pip-version-check",
    ]
    name, version = path.name.split("-")[:2]
    found = ["--no-index", "--find-links", str(path.parent), "--no-deps", "--no-compile", f"{name}=={version}"]
    subprocess.run([*pip, "install", *found], check=True, env={"PIP_CONFIG_FILE": "/dev/null", "PATH": "/usr/bin:/bin"})
    return _without(_look(folder), before)


def running() -> Interpreter:
    """The Python that runs this, as it describes itself."""
    said = subprocess.run([sys.executable, "-I", "-c", PROBE], capture_output=True, text=True, check=True)
    return Interpreter.parse(said.stdout)


def by_uv(paths: Sequence[Path], folder: Path) -> Installed:
    """uv's installation of some wheels of one folder into another that it makes; as of an index: no direct_url.json."""
    pins = ["==".join(map(str, parse_wheel_filename(path.name)[:2])) for path in paths]
    uv = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet", "--no-config", "--no-cache"]
    found = ["--no-deps", "--no-index", f"--find-links={paths[0].parent}", "--link-mode=copy"]
    subprocess.run([*uv, *found, f"--python={sys.executable}", f"--target={folder}", *pins], check=True)
    (folder / ".lock").unlink(missing_ok=True)
    return _look(folder)


def by_installer(path: Path, python: Interpreter, folder: Path) -> Installed:
    """The reference library's installation at the same places."""
    before = _look(folder).files
    schemes = {"purelib": python.purelib, "platlib": python.platlib, "scripts": python.scripts, "data": python.data}
    schemes["headers"] = f"{python.headers}/{path.name.partition('-')[0]}"
    destination = SchemeDictionaryDestination(schemes, python.executable, "posix")
    with WheelFile.open(path) as source:
        installer.install(source, destination, {})
    return _without(_look(folder), before)


def _look(folder: Path) -> Installed:
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return Installed(
        {str(path.relative_to(folder)): path.read_bytes() for path in files},
        frozenset(str(path.relative_to(folder)) for path in files if path.stat().st_mode & 0o111),
    )


def _without(after: Installed, before: Iterable[str]) -> Installed:
    return Installed({place: body for place, body in after.files.items() if place not in before}, after.executable)


def differences(mine: Installed, other: Installed, launchers: bool) -> Iterator[str]:
    """The differences except the installers' own files; `launchers`: whether entry points' launchers are compared."""
    for place in sorted(mine.files.keys() | other.files.keys()):
        one, two = mine.files.get(place), other.files.get(place)
        if "/__pycache__/" in place:
            continue  # pip installs what a wheel has of it; installer and we do not
        if place.rpartition("/")[2] in _OWN and ".dist-info/" in place:
            if place.endswith("/RECORD") and one and two:
                yield from _records(place, one, two, launchers)
        elif one is None or two is None:
            yield f"{place} is only {'theirs' if one is None else 'ours'}"
        elif one != two and (launchers or b"sys.argv[0] = re.sub(" not in one):
            yield f"{place} has other bytes"
        elif (place in mine.executable) != (place in other.executable):
            yield f"{place} can be run {'by us' if place in mine.executable else 'by them'} only"


def _records(place: str, one: bytes, two: bytes, launchers: bool) -> Iterator[str]:
    rows = (csv.reader(body.decode().splitlines()) for body in (one, two))
    mine, theirs = ({(posixpath.normpath(path), *rest) for path, *rest in found} for found in rows)
    for row in sorted(mine ^ theirs):
        if "/__pycache__/" in row[0]:
            continue
        if row[0].rpartition("/")[2] not in _OWN and (launchers or not row[0].startswith(("../../../bin/", "bin/"))):
            yield f"{place}: {','.join(row)} is only {'ours' if row in mine else 'theirs'}"


def compare(path: Path) -> list[str]:
    """The differences between airbyte-ci's installation of a wheel and pip's and installer's."""
    told = []
    with tempfile.TemporaryDirectory() as name:
        for kind in ("pip", "installer"):
            folder = Path(name) / kind
            python = environment(folder)
            mine = ours(path, python, folder)
            other = by_pip(path, folder) if kind == "pip" else by_installer(path, python, folder)
            told += [f"{kind}: {said}" for said in differences(mine, other, kind == "installer")]
    return told


def main() -> None:
    tags = frozenset(sys_tags())
    wheels = [path for path in sorted(Path(sys.argv[1]).rglob("*.whl")) if parse_wheel_filename(path.name)[3] & tags]
    wrong = 0
    for path in wheels:
        said = compare(path)
        wrong += bool(said)
        print(f"{path.name}: {'; '.join(said[:5]) or 'the same'}", flush=True)
    print(f"{len(wheels)} wheels, {wrong} installed otherwise")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
