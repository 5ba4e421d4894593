"""Docker takes our images, which run there as here; and its own image of a Dockerfile is compared with ours."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from airbyte_ci.images import docker_build
from airbyte_ci.images.docker import load
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Index, Platform
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from tests.e2e.command import GIT
from tests.e2e.conftest import Base, Command
from tests.e2e.http_source import MAIN, Api
from tests.e2e.tiny import NAME as TINY
from tests.e2e.tiny import Tiny

pytestmark = pytest.mark.slow
NAME = "--name=source-tides"
TAG = "acme/source-tides:dev"
OLD_BASE = "localhost/acme/old-base:1.0.0"
# System packages, variables, files, a user and a certificate, as they are found in hand-written Dockerfiles.
DOCKERFILE = f"""FROM {OLD_BASE}
USER root
WORKDIR /airbyte/integration_code
COPY . ./
RUN python -m pip install --no-index --no-deps --no-compile wheels/*.whl && rm -rf wheels
ENV API_LIMIT=10 LANG=de_DE.UTF-8
RUN mkdir -p /opt/tool && echo data > /opt/tool/data && chmod 4755 /opt/tool/data
RUN echo corporate > /usr/local/share/corporate.crt
ENV AIRBYTE_ENTRYPOINT "python /airbyte/integration_code/main.py"
ENTRYPOINT ["python", "/airbyte/integration_code/main.py"]
LABEL io.airbyte.version=1.0.0 io.airbyte.name=acme/source-tiny team=data
"""


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


# --- comparisons -----------------------------------------------------------------------------------


@pytest.fixture
def migratable(tiny: Tiny, base: Base, store: Store, docker: str, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """One connector with such a Dockerfile; Docker has its base image."""
    monkeypatch.setenv("DOCKER_HOST", docker)
    tiny.env["DOCKER_HOST"] = docker
    reference = Reference.parse(base.address)
    assert reference.digest is not None
    manifest = store.manifest(reference.digest)
    image = store.image(manifest.manifests[0].digest if isinstance(manifest, Index) else reference.digest)
    load(store, image, [OLD_BASE])
    folder = tiny.connector()
    (folder / "wheels").mkdir()
    for name in ("bigdep", "tinydep"):
        for wheel in tiny.folder.parent.glob(f"{name}*.whl"):
            (folder / "wheels" / wheel.name).write_bytes(wheel.read_bytes())
    (folder / "main.py").write_text(f"import bigdep, tinydep\n{MAIN}")
    (folder / "metadata.yaml").write_text("data:\n  dockerRepository: acme/source-tiny\n  dockerImageTag: 1.0.0\n")
    (folder / "Dockerfile").write_text(DOCKERFILE)
    (folder / ".dockerignore").write_text("*\n!main.py\n!source_tiny\n!wheels\n")
    (tiny.folder / "base-images.yaml").write_text(base.catalog)
    repository = next(iter(yaml.safe_load(base.catalog)))
    with (tiny.folder / ".airbyte-ci.toml").open("a") as file:
        file.write(f'base-image-repositories = ["{repository}"]\n')
    _commit(tiny)
    return tiny


def test_a_layer_that_the_daemon_cannot_read_is_built_again(
    migratable: Tiny, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker sometimes fails to save what it built: the image is built anew, and saved then."""
    calls = tmp_path / "calls"
    wrapper = tmp_path / "bin/docker"
    wrapper.parent.mkdir()
    wrapper.write_text(
        f"""#!/bin/sh
echo "$1" >> {calls}
[ "$1" != save ] || [ "$(grep -c save {calls})" -gt 1 ] || {{ echo 'no such file' >&2; exit 1; }}
exec {shutil.which("docker")} "$@"
"""
    )
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(f"FROM {OLD_BASE}\nRUN echo data > /srv/data\n")
    built = docker_build.build(store, context, Platform("linux", "amd64"), OLD_BASE)
    assert built.base and built.image.config.diff_ids[:-1] == built.base.config.diff_ids
    assert [call for call in calls.read_text().split() if call in ("build", "save")] == ["build", "save"] * 2


def _commit(tiny: Tiny) -> None:
    for arguments in (("add", "-A"), ("commit", "-qm", "work")):
        subprocess.run([*GIT, *arguments], cwd=tiny.folder, check=True)


def test_a_migration_is_proven_or_names_what_it_loses(migratable: Tiny, api: Api) -> None:
    """A migration that carries over everything is proven, also by the records that both images read from the source's
    recorded answers; without its draft, exactly the Dockerfile's work is lost."""
    subprocess.run([*GIT, "switch", "-qc", "migrate"], cwd=migratable.folder, check=True)
    migrate = ("connectors", f"--name={TINY}", "migrate_to_base_image", "--no-changelog", "--prove")
    api.write_config(migratable.connector() / "secrets" / "config.json")
    migrated = migratable.run(*migrate, "--network=host", "--ignore-parameter=nonce", env=api.environment)
    assert migrated.code == 0, migrated.out + migrated.err
    assert "✓ proven: 1 expected" in migrated.out
    assert "compared spec, check, discover, read" in migrated.out
    assert api.paths == ["/ping", "/items?since=0", "/items?since=3"]
    folder = migratable.connector()
    draft = yaml.safe_load((folder / "build_customization.yaml").read_text())
    del draft["env"]["API_LIMIT"]
    (folder / "build_customization.yaml").write_text(yaml.safe_dump(draft))
    module = (folder / "build_customization.py").read_text()
    lines = [line for line in module.splitlines() if "chmod" not in line and "corporate" not in line]
    (folder / "build_customization.py").write_text("\n".join(lines) + "\n")
    assert migratable.build().code == 0
    compare = ("connectors", f"--name={TINY}", "compare", "--old-dockerfile", "--json")
    compared = migratable.run(*compare, "--diffed-branch=main")
    assert compared.code == 1 and compared.out, compared.out + compared.err
    rows = [row for row in compared.json["rows"] if row["verdict"] in ("lost", "unexplained")]
    assert {(row["kind"], row["name"]): row["verdict"] for row in rows} == {
        ("variable", "API_LIMIT"): "lost",
        ("file", "usr/local/share/corporate.crt"): "lost",
        ("file", "opt/tool/data"): "unexplained",
    }
    assert next(row["change"] for row in rows if row["name"] == "opt/tool/data") == "mode 4755 → 644"
