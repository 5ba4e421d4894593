"""Docker takes our images: loaded into a daemon, run by it, and sent without the layers that it has."""

import json
import subprocess
from pathlib import Path

import pytest

from airbyte_ci.images.docker import load
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import Store
from tests.e2e.conftest import Base, Command

pytestmark = pytest.mark.slow
NAME = "--name=source-tides"
TAG = "acme/source-tides:dev"


def _docker(host: str, *arguments: str) -> str:
    command = ["docker", "--host", host, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_docker_loads_and_runs_the_image(run: Command, cataloged: Path, base: Base, docker: str, store: Store) -> None:
    """`--output=docker` gives the daemon an image with our configuration's digest, and it answers spec there."""
    build = ("connectors", NAME, "build", f"--base-image={base.address}", "--output=docker", "--json")
    built = run(*build, env={"DOCKER_HOST": docker})
    assert built.code == 0, built.out + built.err
    config = store.image(Digest.parse(built.json["digest"])).manifest.config.digest
    assert json.loads(_docker(docker, "image", "inspect", TAG))[0]["Id"] == str(config)
    spec = _docker(docker, "run", "--rm", "--network=none", TAG, "spec")
    assert json.loads(spec.splitlines()[-1])["type"] == "SPEC"


def test_docker_is_not_sent_what_it_has(
    run: Command,
    cataloged: Path,
    base: Base,
    docker: str,
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a changed line only the code goes over: a store that holds nothing else of the image is enough."""
    build = ("connectors", NAME, "build", f"--base-image={base.address}", "--json")
    assert run(*build, "--output=docker", env={"DOCKER_HOST": docker}).code == 0
    main = cataloged / "airbyte-integrations/connectors/source-tides/main.py"
    main.write_text(main.read_text() + "# one line more\n")
    again = run(*build)
    image = store.image(Digest.parse(again.json["digest"]))
    poor = Store(tmp_path / "poor")
    for digest in (image.digest, image.manifest.config.digest, image.manifest.layers[-1].digest):
        poor.put(store.read(digest))
    monkeypatch.setenv("DOCKER_HOST", docker)
    load(poor, poor.image(image.digest), [TAG])
    seen = json.loads(_docker(docker, "image", "inspect", TAG))[0]
    assert seen["RootFS"]["Layers"] == again.json["diffIds"]


def test_no_daemon_is_one_clear_line(run: Command, cataloged: Path, base: Base, tmp_path: Path) -> None:
    """Without a daemon, the build is kept, and the output fails with Docker's message."""
    build = ("connectors", NAME, "build", f"--base-image={base.address}", "--output=docker")
    failed = run(*build, env={"DOCKER_HOST": f"unix://{tmp_path}/nothing.sock"})
    assert failed.code == 1
    assert "Docker" in failed.out
