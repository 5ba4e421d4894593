"""Our installation of whole locks against that of `uv pip install --target`, file by file.

python -m tests.oracles.folders FOLDER [NAME…]     every poetry.lock below the folder, or those of the named connectors

Needs a package index. The store is AIRBYTE_CI_HOME, or that of the end-to-end tests.
"""

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from airbyte_ci.errors import LockError
from airbyte_ci.oci import tar
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.environment import environment
from airbyte_ci.python.environment.environment import Choice
from airbyte_ci.python.index.package_index import PackageIndex
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.locks import poetry
from airbyte_ci.python.wheels import wheel
from tests.oracles.images import HOME
from tests.oracles.wheels import Installed, by_uv, differences, running


def targeted(folder: Path) -> Interpreter:
    """This Python as it is with everything in one folder, as uv lays that out."""
    place = str(folder)
    python = replace(running(), purelib=place, platlib=place, data=place, site=(place,))
    return replace(python, scripts=f"{place}/bin", headers=f"{place}/include")


def ours(wheels: Sequence[Path], python: Interpreter, folder: Path) -> Installed:
    """The files that airbyte-ci would install; of a path of several wheels the last one's stays."""
    files: dict[str, bytes] = {}
    runnable: set[str] = set()
    with tempfile.TemporaryDirectory() as scratch:
        for number, path in enumerate(wheels):
            place = Path(scratch, str(number))
            place.mkdir()
            for entry in wheel.read(path, path.name, python, place).entries:
                name = entry.path.removeprefix(f"{str(folder).strip('/')}/")
                files[name] = b"".join(tar.content(entry))
                (runnable.add if entry.mode & 0o111 else runnable.discard)(name)
    return Installed(files, frozenset(runnable))


def compare(wheels: Sequence[Path]) -> Iterator[str]:
    """The differences between airbyte-ci's installation of some wheels and uv's; scripts by this Python."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "target")
        mine = ours(wheels, targeted(folder), folder)
        yield from differences(mine, by_uv(wheels, folder), launchers=False)


def fetched(choices: Sequence[Choice], store: Store, index: PackageIndex, folder: Path) -> list[Path]:
    """The wheels among the choices, under their names."""
    found = []
    for choice in choices:
        if not choice.is_source:
            index.fetch(store, choice.name, choice.file)
            found.append(folder / choice.file.name)
            found[-1].symlink_to(store.path(Digest(choice.file.sha256)))
    return found


def main() -> None:
    store, index, python = Store(HOME), PackageIndex.from_environment(os.environ), running()
    wrong = count = 0
    for path in sorted(Path(sys.argv[1]).rglob("poetry.lock")):
        folder = path.parent
        if sys.argv[2:] and folder.name not in sys.argv[2:]:
            continue
        try:
            lock = poetry.select(
                path.read_text("utf-8"), (folder / "pyproject.toml").read_text("utf-8"), python, "lock"
            )
        except LockError as error:
            print(f"{folder.name}: {error.message}")
            continue
        with tempfile.TemporaryDirectory() as name:
            wheels = fetched(environment.choose(lock, python), store, index, Path(name))
            said = list(compare(wheels))
        count, wrong = count + 1, wrong + bool(said)
        print(f"{folder.name}: {len(wheels)} wheels, {'; '.join(said[:5]) or 'the same'}", flush=True)
    print(f"{count} locks, {wrong} installed otherwise")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
