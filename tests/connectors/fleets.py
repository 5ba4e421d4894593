"""Fleets for these tests: small ones written into a folder, and the real one of October 2023."""

import os
import tarfile
from pathlib import Path

import pytest
import yaml

from airbyte_ci.connectors.connector import Connector

# The folder of the real fleet's archives.
REAL = Path(os.environ.get("AIRBYTE_CI_FLEET") or Path(__file__).parents[2] / ".." / "shared" / "fleet")
MONOREPO = "airbyte-integrations/connectors"


def connector(name: str, names: tuple[str, ...] = (), /, **data: object) -> Connector:
    """A connector that lies nowhere, by its metadata and the names in its folder."""
    return Connector(name, Path("/nowhere") / name, relative=f"{MONOREPO}/{name}", data=data, names=frozenset(names))


def write(root: Path, folder: str, *files: str, **data: object) -> Path:
    """A connector's folder with metadata, and empty files and folders (ending in /) of these names."""
    place = root / folder
    place.mkdir(parents=True, exist_ok=True)
    (place / "metadata.yaml").write_text(yaml.safe_dump({"metadataSpecVersion": "1.0", "data": data}))
    for name in files:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).mkdir() if name.endswith("/") else (place / name).touch()
    return place


def real(name: str) -> Path:
    """A file of the real fleet; the test is skipped if it is not available."""
    path = REAL / name
    if not path.exists():
        pytest.skip(f"the real fleet (../shared/fleet/{name}, or in AIRBYTE_CI_FLEET) is not here")
    return path


def unpacked(root: Path, ending: str = "metadata.yaml") -> None:
    """The real fleet's metadata.yaml files (or others, by the ending of their names), as the monorepo holds them."""
    with tarfile.open(real("fleet-2023-10.tar.xz")) as tar:
        for member in tar:
            reader = tar.extractfile(member) if member.isfile() and member.name.endswith(ending) else None
            if reader:
                target = root / member.name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(reader.read())


def languages() -> dict[str, tuple[str, list[str]]]:
    """Of each connector's folder: the language as the original detects it, and the telling files that it has."""
    lines = real("fleet-2023-10.tsv").read_text().splitlines()[1:]
    rows = (line.split("\t") for line in lines)
    return {row[0]: (row[1], row[2].split() if len(row) > 2 else []) for row in rows}
