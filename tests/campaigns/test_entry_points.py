"""The build can start what a Dockerfile starts, or the migration refuses with the reason."""

from pathlib import Path

import pytest

from airbyte_ci.base_images.catalog import catalog
from airbyte_ci.campaigns.conversion import carry_over
from airbyte_ci.campaigns.conversion.carried import CODE, CarriedOver
from airbyte_ci.campaigns.conversion.connector_folder import ConnectorFolder
from airbyte_ci.campaigns.dockerfile import stages
from airbyte_ci.errors import EditRefused

BASE = catalog.shipped().named("docker.io/airbyte/python-connector-base:1.1.0")
SETUP = (
    'setup(entry_points={"console_scripts": ["source-x = source_x.run:run", "none=source_x.run", "gone=source_y:a"]})'
)


def decided(folder: Path, entry_point: str, *files: str, workdir: str = CODE) -> CarriedOver:
    for path in ("source_x/__init__.py", "source_x/run.py", "source_x/cli/__main__.py", *files):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    (folder / "setup.py").write_text(SETUP)
    text = f"FROM python:3.9-slim\nWORKDIR {workdir}\nCOPY . .\nRUN pip install .\nENTRYPOINT {entry_point}\n"
    return carry_over.decide(stages.read(text), BASE, ConnectorFolder(folder, "source_x"))


@pytest.mark.parametrize(
    ("entry_point", "line"),
    [
        ('["python", "-m", "source_x.run"]', 'runpy.run_module("source_x.run", run_name="__main__", alter_sys=True)'),
        ("python3 -m source_x.cli", 'runpy.run_module("source_x.cli", run_name="__main__", alter_sys=True)'),
        ('["source-x"]', "from source_x.run import run"),
        ('["poetry", "run", "source-x"]', "from source_x.run import run"),
        ("exec /usr/local/bin/source-x", "from source_x.run import run"),
    ],
)
def test_a_main_file_is_written(tmp_path: Path, entry_point: str, line: str) -> None:
    """A module or a console script gets a main.py that starts it; it compiles."""
    text = decided(tmp_path, entry_point).entry_point.main_text
    compile(text, "main.py", "exec")
    assert line in text


@pytest.mark.parametrize(
    ("entry_point", "workdir", "arguments", "main_file"),
    [
        ('["python", "main.py"]', "/app", (), None),
        ('["python", "/app/main.py"]', "/app", (), None),
        ("python main.py", CODE, (), None),
        ('["python", "src/main.py"]', "/app", (), "src/main.py"),
        ('["python", "-u", "main.py"]', "/app", ("python", "-u", f"{CODE}/main.py"), None),
        ('["tini", "--", "python", "/app/main.py"]', "/app", ("tini", "--", "python", f"{CODE}/main.py"), None),
        ('python main.py "$@"', CODE, ("/bin/sh", "-c", 'python main.py "$@"'), None),
        ('["python", "-m", "source_x.run"]', CODE, ("python", "-m", "source_x.run"), None),
    ],
)
def test_a_main_file_that_is_there(
    tmp_path: Path, entry_point: str, workdir: str, arguments: tuple[str, ...], main_file: str | None
) -> None:
    """The main file is found anywhere in the Dockerfile's code folder; other arguments stay."""
    found = decided(tmp_path, entry_point, "main.py", "src/main.py", workdir=workdir)
    assert (found.entry_point.arguments, found.entry_point.main_file) == (arguments, main_file)
    assert found.workdir is None and found.customization.workdir is None
    # Nothing installs the package: a main file in a folder finds it on the path.
    assert ("PYTHONPATH" in found.customization.env) == (main_file is not None)


@pytest.mark.parametrize(
    ("entry_point", "reason"),
    [
        ('["python", "main.py"]', "starts main.py, and the connector's folder has no such file"),
        ('["python", "-m", "source_x.no"]', "starts the module source_x.no"),
        ('["none"]', "setup.py: the script none names no function"),
        ('["gone"]', "setup.py: the script gone is source_y:a, and the connector has no source_y.py"),
        ('["other"]', "starts other, and the connector has no main.py"),
        ("[]", "starts no entry point, and the connector has no main.py"),
    ],
)
def test_what_could_not_be_started_is_refused(tmp_path: Path, entry_point: str, reason: str) -> None:
    """An entry point that the build would refuse later is refused now, in one line."""
    with pytest.raises(EditRefused) as refused:
        decided(tmp_path, entry_point)
    assert reason in refused.value.message
    assert "\n" not in refused.value.message
