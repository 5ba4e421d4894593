"""Byte code of real wheels, made several times by every CPython of this machine: the same bytes each time.

python -m tests.oracles.bytecode FOLDER     every wheel below the folder
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from airbyte_ci.oci import tar
from airbyte_ci.python.wheels import wheel
from tests.python.interpreters import cpython
from tests.python.wheels.test_bytecode_worker import compiled, files, pythons

_PRELOAD = "import asyncio, ctypes, decimal, email.message, http.client, sqlite3, unittest, xml.dom.minidom\n"
# Circumstances that must not show: the caller's hash seed, locale, options and what a site imports at start.
CIRCUMSTANCES = (
    {"PYTHONHASHSEED": "0"},
    {"PYTHONHASHSEED": "4711", "LC_ALL": "C"},
    {"PYTHONHASHSEED": "random", "PYTHONOPTIMIZE": "2", "PYTHONUTF8": "0"},
)


def segments(folder: Path, target: Path) -> list[Path]:
    """The wheels' files as the segments of an image."""
    made = []
    for path in sorted(folder.rglob("*.whl")):
        entries = [entry for entry in wheel.read(path, path.name, cpython()).entries if entry.path.endswith(".py")]
        with (target / path.name).open("wb") as file:
            tar.write(tar.sorted_entries(entries), file)
            file.write(tar.END)
        made.append(target / path.name)
    return made


def main() -> None:
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "sitecustomize.py").write_text(_PRELOAD)
        jobs = segments(Path(sys.argv[1]), place)
        for python in pythons():
            version = subprocess.run([python, "--version"], capture_output=True, text=True, check=True).stdout.strip()
            first = compiled(python, place, *jobs)
            different = set()
            for number, circumstances in enumerate(CIRCUMSTANCES):
                turned = jobs[::-1] if number % 2 else jobs
                again = compiled(python, place, *turned, env={**circumstances, "PYTHONPATH": name})
                different |= {
                    job.name for job, a, b in zip(jobs, first, again[:: -1 if number % 2 else 1], strict=True) if a != b
                }
            wrong += len(different)
            count = sum(len(files(answer)) for answer in first)
            print(
                f"{version}: {len(jobs)} wheels, {count} modules, {len(CIRCUMSTANCES) + 1} times:",
                ", ".join(different) or "the same",
            )
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
