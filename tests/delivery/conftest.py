"""A fleet with a bare repository as its remote, and the command in it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from airbyte_ci.campaigns.delivery import pull_requests
from airbyte_ci.cli import main
from tests.campaigns.repositories import copied, with_remote
from tests.github.hub import TOKEN

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example fleet, pushed to a bare repository that is its `origin`."""
    root = copied("fleet", tmp_path / "fleet")
    with_remote(root)
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
