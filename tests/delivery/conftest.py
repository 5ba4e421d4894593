"""A fleet with a bare repository as its remote, and the command in it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from airbyte_ci.campaigns.delivery import pull_requests
from airbyte_ci.cli import main
from tests.campaigns.repositories import copied, git
from tests.github.hub import TOKEN

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example fleet, pushed to a bare repository that is its `origin`."""
    root = copied("fleet", tmp_path / "fleet")
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "remote.git")
    git(root, "remote", "add", "origin", f"file://{tmp_path}/remote.git")
    git(root, "push", "-q", "origin", "main")
    git(root, "remote", "set-head", "origin", "-a")
    for key, value in {"user.name": "Ann", "user.email": "ann@example.com"}.items():
        git(root, "config", key, value)
    monkeypatch.setenv("AIRBYTE_CI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1709208000")
    monkeypatch.setattr(pull_requests, "_SECONDS_BETWEEN_WRITES", 0)
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def run(fleet: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main.run([*arguments])
        out, err = capfd.readouterr()
        assert code != 3, err
        assert TOKEN not in out + err
        return code, out, err

    return call
