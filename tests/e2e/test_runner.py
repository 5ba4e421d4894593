"""The same connectors by runc here and in a container of Docker: the same digests, and the commands that run images."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from airbyte_ci.images import docker as docker_images
from airbyte_ci.oci.image import Index
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from tests.e2e.conftest import Base, Result
from tests.e2e.tiny import METADATA, NAME, Tiny, push, with_base

# It installs packages and builds an image, which takes a minute: `make runner`.
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not os.environ.get("RUNNER"), reason="make runner")]
RUNNER_BASE = "acme/runner-base:1"
HOOK = """
async def pre_connector_install(c):
    c = c.with_exec(["sh", "-c", "install -d -o 1000 -g 1001 /srv/ours && echo x > /srv/ours/file && rm /etc/issue"])
    c = c.with_exec(["sh", "-c", "ln /srv/ours/file /srv/ours/again && chown 4321:8765 /srv/ours/file"])
    return c.with_env_variable("ASKED", (await c.with_exec(["stat", "-c", "%u", "/srv/ours/file"]).stdout()).strip())
"""
# The build back end of the sdist is its own: it writes a wheel, and no tool has to be fetched.
BACK_END = """
import zipfile
KIND = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
def get_requires_for_build_wheel(settings=None): return []
def build_wheel(folder, settings=None, metadata=None):
    name = "builtdep-1.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.writestr("builtdep/__init__.py", "VALUE = 7\\n")
        wheel.writestr("builtdep-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: builtdep\\nVersion: 1.0\\n")
        wheel.writestr("builtdep-1.0.dist-info/WHEEL", KIND)
        wheel.writestr("builtdep-1.0.dist-info/RECORD", "")
    return name
"""
SDIST = {
    "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    '[project]\nname = "builtdep"\nversion = "1.0"\n',
    "backend.py": BACK_END,
}


@dataclass(frozen=True)
class Contained:
    """A repository whose commands can run here or in a container; its base image is in a registry."""

    tiny: Tiny
    environment: dict[str, str]

    def run(self, *arguments: str, runner: str, index: bool = True) -> Result:
        more = self.tiny.environment if index else {}
        finished = subprocess.run(
            [sys.executable, "-m", "airbyte_ci", *arguments],
            cwd=self.tiny.folder,
            env={**os.environ, **self.environment, **more, "AIRBYTE_CI_RUNNER": runner},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return Result(finished.returncode, finished.stdout, finished.stderr)

    def digest(self, runner: str) -> str:
        built = self.run("connectors", f"--name={NAME}", "build", "--json", runner=runner)
        assert built.code == 0, built.out + built.err
        return str(built.json["digest"])

    def steps(self, runner: str) -> dict[str, str]:
        """The result of each step of `test`."""
        tested = self.run("connectors", f"--name={NAME}", "test", "--json", runner=runner)
        found = {step["id"]: step["status"] for step in tested.json["steps"]}
        assert found["build"] == found["spec"] == "ok", tested.out + tested.err
        return found


@pytest.fixture
def contained(tiny: Tiny, docker: str, registry: str, store: Store, base: Base, tmp_path: Path) -> Contained:
    """The daemon has the demo's base image as the Debian below the container's image."""
    digest = Reference.parse(base.address).digest
    assert digest is not None
    manifest = store.manifest(digest)
    image = store.image(manifest.manifests[0].digest if isinstance(manifest, Index) else digest)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", docker)
        docker_images.load(store, image, [RUNNER_BASE])
    pushed = push(store, base.address, f"{registry}/acme/runner-test:1")
    (tiny.connector() / "metadata.yaml").write_text(METADATA.format(name=NAME, base=pushed))
    environment = {
        "DOCKER_HOST": docker,
        "AIRBYTE_CI_RUNNER_BASE": RUNNER_BASE,
        "AIRBYTE_CI_HOME": str(with_base(store, base.address, tmp_path / "home", unpacked=True)),
    }
    made = Contained(tiny, environment)
    # Without the tiny packages' index, which has no dependency of airbyte-ci.
    prepared = made.run("store", "stats", runner="docker", index=False)
    assert prepared.code == 0, prepared.err
    return made


def test_digests_do_not_depend_on_the_runner(contained: Contained) -> None:
    """Wheels, then an sdist and a hook whose commands set owners, link and remove files; run and test work as well."""
    assert contained.digest("docker") == contained.digest("native")
    (contained.tiny.connector() / "build_customization.py").write_text(HOOK)
    contained.tiny.require(contained.tiny.small(), contained.tiny.sdist("builtdep", "1.0", SDIST))
    assert contained.digest("docker") == contained.digest("native")
    answered = contained.run("connectors", f"--name={NAME}", "run", "--", "spec", runner="docker")
    assert json.loads(answered.out)["type"] == "SPEC", answered.err
    assert contained.steps("docker") == contained.steps("native")
    checks = {item["name"]: item for item in contained.run("doctor", "--json", runner="docker").json["checks"]}
    assert checks["runner"]["told"] == "runc, in a container of docker, because AIRBYTE_CI_RUNNER is docker"
    assert checks["seccomp"]["status"] == checks["hook modules"]["status"] == "ok"
