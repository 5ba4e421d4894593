"""Dockerfiles are read as BuildKit reads them: variables, settings and copied files, of generated inputs.

BUILDKIT_SEEDS=N takes N of each instead of a few (`make buildkit`).
"""

import os
import random
import re
from pathlib import Path

import pytest

from airbyte_ci.base_images.catalog import catalog
from airbyte_ci.campaigns.conversion import carrier, carry_over
from airbyte_ci.campaigns.conversion.carried import CODE
from airbyte_ci.campaigns.conversion.connector_folder import ConnectorFolder
from airbyte_ci.campaigns.dockerfile import stages
from airbyte_ci.connectors.customization import ImageFile
from tests.campaigns import buildkit
from tests.campaigns.dockerfiles import copies, dockerfile

pytestmark = pytest.mark.slow
SEEDS = int(os.environ.get("BUILDKIT_SEEDS") or 24)
BASE = catalog.shipped().named("docker.io/airbyte/python-connector-base:1.1.0")
FILES = {
    "main.py": 0o755,
    "source_x/__init__.py": 0o644,
    "source_x/schemas/a.json": 0o644,
    "helpers/__init__.py": 0o644,
    "helpers/deep/er.py": 0o755,
    "lookup/b.json": 0o644,
    "lookup/c.json": 0o644,
    "run.sh": 0o755,
    "notes.txt": 0o644,
    "unit_tests/test_a.py": 0o644,
    "README.md": 0o644,
    "setup.py": 0o644,
}

IGNORED = ("**/deep\n", "lookup/*\n!lookup/c.json\n", "*.txt\n", "helpers\n", "# why\n\n/notes.txt\n")


@pytest.mark.parametrize("seed", range(SEEDS))
def test_variables_and_settings(docker: str, tmp_path: Path, seed: int) -> None:
    """Variables, folder, user, entry point, arguments and labels are those of the image that BuildKit makes."""
    text = dockerfile(seed)
    (tmp_path / "Dockerfile").write_text(text)
    read = stages.read(text)
    try:
        theirs = buildkit.build(docker, tmp_path).config
    except buildkit.Unbuildable as error:
        pytest.skip(str(error)[-80:])
    ours = stages.values(read, read.final)
    variables = dict(item.partition("=")[::2] for item in theirs["Env"] or ())
    if "PATH" not in ours.env:
        variables.pop("PATH")
    assert (ours.env, ours.labels) == (variables, theirs["Labels"] or {})
    assert (ours.workdir, ours.user) == (theirs["WorkingDir"] or "/", theirs["User"])
    assert (ours.entrypoint, ours.cmd) == (theirs["Entrypoint"] or [], theirs["Cmd"] or [])


@pytest.mark.parametrize("seed", range(SEEDS))
def test_copied_files(docker: str, tmp_path: Path, seed: int) -> None:
    """Each carried file is where BuildKit has it, with its content and mode; every other one is accounted for."""
    chance = random.Random(seed)
    for path, mode in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(f"{path}\n")
        (tmp_path / path).chmod(mode)
    if chance.random() < 0.4:
        ignored = chance.choice(
            ("**/deep\n", "lookup/*\n!lookup/c.json\n", "*.txt\n", "helpers\n", "# x\n\n/notes.txt\n")
        )
        (tmp_path / ".dockerignore").write_text(ignored)
    text = copies(seed)
    (tmp_path / "Dockerfile").write_text(text)
    try:
        theirs = buildkit.build(docker, tmp_path, files=True).files
    except buildkit.Unbuildable as error:
        pytest.skip(str(error)[-80:])
    read, folder = stages.read(text), ConnectorFolder(tmp_path, "source_x")
    found = carry_over.decide(read, BASE, folder, catalog.shipped())
    root = carrier.find_root(read, folder)
    # The build has the code in its own folder, independent of the Dockerfile.
    theirs = {re.sub(rf"^{re.escape(root)}(?=/)", CODE, path): content for path, content in theirs.items()}
    carried: dict[str, tuple[int, bytes]] = {}
    for place, item in found.customization.files.items():
        carried |= expanded(tmp_path, place, item)
    wrong = {path for path, content in carried.items() if theirs.get(path) != content}
    assert not wrong, (text, sorted(theirs))
    in_code = (path for path in FILES if path == "main.py" or path.startswith("source_x/"))
    code = {f"{CODE}/{path}": (FILES[path], f"{path}\n".encode()) for path in in_code}
    missing = {path for path, content in theirs.items() if {**code, **carried}.get(path) != content}
    is_told = any(item.fate == "reported" or "not in the image" in item.note for item in found.findings)
    assert is_told or all(path.endswith(("/setup.py", "/README.md")) for path in missing), (text, missing)


def expanded(folder: Path, place: str, item: ImageFile) -> dict[str, tuple[int, bytes]]:
    """A declared file or folder as files of the image."""
    if item.source is None:
        return {place: (int(item.mode or "644", 8), (item.content or "").encode())}
    source, result = folder / item.source, {}
    for path in [source] if source.is_file() else source.rglob("*"):
        if path.is_file():
            mode = int(item.mode, 8) if item.mode else FILES[str(path.relative_to(folder))]
            result[place if source.is_file() else f"{place}/{path.relative_to(source)}"] = mode, path.read_bytes()
    return result
