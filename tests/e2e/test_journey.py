"""The main job: from a Dockerfile to a built, verified and running image."""

import json
import subprocess
from pathlib import Path

import pytest

from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.validate import validate
from tests.e2e.conftest import Base, Command

pytestmark = pytest.mark.slow
NAME = "--name=source-parcels"
FOLDER = Path("airbyte-integrations/connectors/source-parcels")


def _messages(text: str, kind: str) -> list[dict[str, object]]:
    found = []
    for line in text.splitlines():
        message = json.loads(line)
        if message["type"] == kind:
            found.append(message)
    return found


def test_a_connector_moves_from_its_dockerfile_to_a_running_image(
    run: Command, cataloged: Path, base: Base, store: Store
) -> None:
    """Migrated, built, and then it answers spec, check, discover and read with its real records."""
    migrated = run("connectors", NAME, "migrate_to_base_image", "4711")
    assert migrated.code == 0, migrated.err
    assert not (cataloged / FOLDER / "Dockerfile").exists()
    assert base.address in (cataloged / FOLDER / "metadata.yaml").read_text()

    built = run("connectors", NAME, "build", "--json")
    assert built.code == 0, built.out + built.err
    assert built.json["baseImage"] == base.address
    assert built.json["platform"] == "linux/amd64"
    validate(store, Digest.parse(built.json["digest"]))

    lend = ("--mount", f"{FOLDER}/integration_tests/sample_data:/data:ro", "--")
    config = ("--config", f"{FOLDER}/integration_tests/sample_config.json")
    catalog = ("--catalog", f"{FOLDER}/integration_tests/configured_catalog.json")
    spec = run("connectors", NAME, "run", "--", "spec")
    assert len(_messages(spec.out, "SPEC")) == 1
    check = run("connectors", NAME, "run", *lend, "check", *config)
    assert '"status":"SUCCEEDED"' in check.out
    discover = run("connectors", NAME, "run", *lend, "discover", *config)
    assert len(_messages(discover.out, "CATALOG")) == 1
    read = run("connectors", NAME, "run", *lend, "read", *config, *catalog)
    assert (read.code, len(_messages(read.out, "RECORD"))) == (0, 11)


def test_an_environment_is_explained_before_it_is_built(run: Command, cataloged: Path, base: Base) -> None:
    """The dependents of a package, its replaced version, and the version of the last build."""
    name = "--name=source-exchange-rates-archive"
    assert run("connectors", name, "build", f"--base-image={base.address}").code == 0
    shown = run("connectors", name, "environment", f"--base-image={base.address}", "--json")
    assert shown.code == 0, shown.err
    packages = {item["name"]: item for item in shown.json}
    assert packages["requests"]["requiredBy"] == ["the connector"]
    assert packages["urllib3"]["requiredBy"] == ["requests"]
    assert packages["urllib3"]["replaces"] == "2.0.6"
    assert packages["urllib3"]["lastBuild"] == packages["urllib3"]["version"]


def test_a_failing_connector_gives_its_own_exit_code(run: Command, cataloged: Path, base: Base) -> None:
    """`run` ends as the connector does."""
    name = "--name=source-tides"
    assert run("connectors", name, "build", f"--base-image={base.address}").code == 0
    assert run("connectors", name, "run", "--", "no-such-command").code not in (0, 3)


def test_dry_run_prints_a_diff_that_git_applies_and_changes_nothing(run: Command, cataloged: Path) -> None:
    """The diff of a dry run is the edit that a real run makes."""
    dry = run("connectors", NAME, "migrate_to_base_image", "4711", "--dry-run")
    status = ["git", "status", "--porcelain", "--", str(FOLDER), "docs"]
    assert subprocess.run(status, cwd=cataloged, capture_output=True, text=True, check=True).stdout == ""
    subprocess.run(["git", "apply", "-"], cwd=cataloged, input=dry.out, text=True, check=True)
    applied = subprocess.run(["git", "diff"], cwd=cataloged, capture_output=True, text=True, check=True).stdout
    subprocess.run(["git", "checkout", "-q", "--", "."], cwd=cataloged, check=True)
    assert run("connectors", NAME, "migrate_to_base_image", "4711").code == 0
    real = subprocess.run(["git", "diff"], cwd=cataloged, capture_output=True, text=True, check=True).stdout
    assert applied == real


def test_a_second_migration_has_nothing_to_do(run: Command, cataloged: Path) -> None:
    """A connector that was named and cannot be migrated is a failure, and nothing is touched."""
    assert run("connectors", NAME, "migrate_to_base_image", "4711").code == 0
    before = (cataloged / FOLDER / "metadata.yaml").read_bytes()
    again = run("connectors", NAME, "migrate_to_base_image", "4711")
    assert again.code == 1
    assert "migrated already" in again.out
    assert (cataloged / FOLDER / "metadata.yaml").read_bytes() == before


def test_the_low_code_connector_reads_from_a_server(run: Command, cataloged: Path, base: Base) -> None:
    """A second connector of the framework reads over HTTP, in the host's network because the server is on loopback."""
    folder = cataloged / "airbyte-integrations/connectors/source-weather-stations/integration_tests"
    name = "--name=source-weather-stations"
    assert run("connectors", name, "build", f"--base-image={base.address}").code == 0
    server = subprocess.Popen(["python3", str(folder / "station_server.py")], stdout=subprocess.PIPE, text=True)
    try:
        files = ("--config", str(folder / "sample_config.json"), "--catalog", str(folder / "configured_catalog.json"))
        read = run("connectors", name, "run", "--network=host", "--", "read", *files)
    finally:
        server.terminate()
        server.communicate()
    assert read.code == 0, read.err
    assert _messages(read.out, "RECORD")


def test_mounted_code_runs_without_a_build(run: Command, cataloged: Path, base: Base) -> None:
    """--mount-code shows the working tree's code, the image's environment."""
    name = "--name=source-tides"
    assert run("connectors", name, "build", f"--base-image={base.address}").code == 0
    main = cataloged / "airbyte-integrations/connectors/source-tides/main.py"
    main.write_text("print('edited, not built')\n")
    assert run("connectors", name, "run", "--mount-code", "--", "spec").out == "edited, not built\n"
    assert "edited" not in run("connectors", name, "run", "--", "spec").out


def test_a_shell_looks_around_in_the_image(run: Command, cataloged: Path, base: Base) -> None:
    """--shell runs a shell with the image's environment and folder."""
    name = "--name=source-tides"
    assert run("connectors", name, "build", f"--base-image={base.address}").code == 0
    shell = run("connectors", name, "run", "--shell", "--", "-c", "pwd; echo $AIRBYTE_ENTRYPOINT")
    assert shell.out.split("\n")[:2] == [
        "/airbyte/integration_code",
        "python /airbyte/integration_code/main.py",
    ]
