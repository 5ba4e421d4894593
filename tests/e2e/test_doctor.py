"""`doctor`: its report matches what was tried."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.command import Result, airbyte_ci

pytestmark = pytest.mark.slow


def doctor(folder: Path, *, home: Path | None = None, **environment: str) -> tuple[Result, dict[str, Any]]:
    """The command, and what it found by name."""
    result = airbyte_ci("doctor", "--json", cwd=folder, home=home or folder / "home", env=environment)
    return result, {item["name"]: item for item in json.loads(result.out)["checks"]}


def test_a_machine_that_builds_is_well(tmp_path: Path, registry: str) -> None:
    """Everything required works on a machine that runs these tests; each registry is contacted."""
    dead = "127.0.0.1:1"
    (tmp_path / ".airbyte-ci.toml").write_text(
        f'base-image-repositories = ["{registry}/base", "localhost/base"]\nmirrors = {{"docker.io" = ["{dead}/hub"]}}\n'
    )
    result, found = doctor(tmp_path)
    assert result.code == 0 and json.loads(result.out)["ok"], result.out
    others = {name: item["status"] for name, item in found.items() if item["status"] != "ok"}
    assert others == {f"registry {dead}": "limited", "pythons of base images": "untried"}
    assert found[f"registry {registry}"]["told"] == "it answers"
    assert {"user namespaces", "overlay mount", "hook modules", "network of the sandbox", "seccomp"} <= set(found)
    assert found[f"registry {dead}"]["cost"]
    assert found[f"registry {dead}"]["errorId"] == "registry-unreachable"
    assert found[f"registry {dead}"]["next"] == f"curl --verbose http://{dead}/v2/"
    told = airbyte_ci("--offline", "--quiet", "doctor", cwd=tmp_path, home=tmp_path / "home").out
    assert f"– registry {registry}" in told and "overlay" not in told and "this machine can build" in told


def test_a_proxy_that_commands_do_not_reach_is_said(tmp_path: Path) -> None:
    """At loopback it serves this machine and no sandbox; one that does not answer here shows nothing about sandboxes.

    An optional daemon is contacted, and its absence reported.
    """
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        port = proxy.getsockname()[1]
        address = f"unix://{tmp_path}/none"
        result, found = doctor(tmp_path, https_proxy=f"http://127.0.0.1:{port}", DOCKER_HOST=address)
    _, closed = doctor(tmp_path, https_proxy=f"http://127.0.0.1:{port}")
    assert closed["network access of the sandbox"]["status"] == "untried"
    assert result.code == 0
    way = found["network access of the sandbox"]
    assert way["status"] == "limited" and "on this machine's loopback" in way["told"] and way["cost"]
    assert way["next"].startswith(f"ss -tlnp 'sport = :{port}'")
    assert "no daemon responds" in found["docker"]["told"] and "--output=docker" in found["docker"]["cost"]
    assert found["pythons of base images"]["status"] == "untried"


def test_what_is_missing_comes_with_its_cost_and_its_command(tmp_path: Path) -> None:
    """Without programs, and without a writable store: exit code 1, and each line has the fix."""
    result, found = doctor(tmp_path, PATH="/nonexistent")
    assert result.code == 1
    assert found["tools"]["status"] == "missing" and "apt-get install" in found["tools"]["next"]
    assert found["hook modules"]["cost"] and found["git"]["next"] == "apt-get install git"
    (tmp_path / "file").write_text("")
    result, found = doctor(tmp_path, home=tmp_path / "file")
    assert result.code == 1
    assert found["store"]["status"] == "missing" and "AIRBYTE_CI_HOME" in found["store"]["next"]


def test_a_namespace_with_one_identity_is_seen(tmp_path: Path) -> None:
    """Its root can create namespaces and mounts, but still no image: that is reported first, with a workaround."""
    command = [*("unshare", "--user", "--map-root-user", "--mount"), sys.executable, "-m", "airbyte_ci", "doctor"]
    environment = {**os.environ, "AIRBYTE_CI_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [*command, "--json"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    first, *_ = json.loads(done.stdout)["checks"]
    assert done.returncode == 1
    assert (first["name"], first["status"]) == ("user", "missing") and "--map-auto" in first["next"]


@pytest.mark.parametrize(
    "broken",
    ["doctor.machine._overlay", "doctor.programs.check_git", "doctor.machine._small_root", "doctor.probes._hook"],
)
def test_a_probe_that_fails_takes_no_other_along(tmp_path: Path, broken: str) -> None:
    """An unexpected failure of a probe is its own line with the reason; all other lines are present.

    The same holds for a user who cannot read the folder of the Python that runs hooks.
    """
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import airbyte_ci.doctor.machine, airbyte_ci.doctor.probes, airbyte_ci.doctor.programs\n"
        "def fail(*_):\n    raise PermissionError(13, 'Permission denied', '/opt/python')\n"
        f"airbyte_ci.{broken} = fail\n"
    )
    result, found = doctor(tmp_path, PYTHONPATH=str(folder))
    reasons = [item["told"] for item in found.values() if "Permission denied: /opt/python" in item["told"]]
    assert len(reasons) == 1 and "Traceback" not in result.err, result.err
    assert {"user", "store", "tools", "hook modules", "git", "docker", "pythons of base images"} <= found.keys()
