"""Completion in shells: real bash with the printed script, and the forms of the other shells."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from airbyte_ci.checks import all_checks
from tests.e2e.command import airbyte_ci

BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the index of commands."""
    folder = tmp_path_factory.mktemp("completion")
    script = airbyte_ci("completion", "bash", cwd=folder, home=folder / "home")
    assert script.code == 0
    (folder / "script").write_text(script.out)
    return folder


def _bash(home: Path, fleet: Path, *words: str) -> list[str]:
    """What bash offers for the last word."""
    line = " ".join(f"'{word}'" for word in ("airbyte-ci", *words))
    code = (
        f"source {home}/script; COMP_WORDS=({line}); COMP_CWORD={len(words)}; _airbyte_ci_completion airbyte-ci;"
        ' printf "%s\\n" "${COMPREPLY[@]}"'
    )
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "AIRBYTE_CI_HOME": str(home / "home")}
    done = subprocess.run(["bash", "-c", code], cwd=fleet, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("comp",), ["completion"]),
        (("connectors", "upgrade-b"), ["upgrade_base_image"]),
        (("connectors", "check", "--json", "--jun"), ["--junit"]),
        (("connectors", "--name", "source-t"), ["source-tides"]),
        (("connectors", "build", "--name", "=", "source-p"), ["source-parcels"]),
        (("connectors", "build", "--name=source-p"), ["--name=source-parcels"]),
        (("connectors", "test", "--language", "ja"), ["java"]),
        (("connectors", "test", "--only-step", "un"), ["unit"]),
        (("connectors", "upgrade_base_image", "--to", "1.0."), ["1.0.0"]),
        (("completion", ""), ["bash", "zsh", "fish"]),
        (("connectors", "check", "--severity", "no-dockerfile=w"), ["no-dockerfile=warning"]),
        (("nonsense", "--na"), []),
    ],
    ids=" ".join,
)
def test_bash_offers_what_can_follow(home: Path, fleet: Path, words: tuple[str, ...], offered: list[str]) -> None:
    """Commands in both spellings, unused options, values that a command knows, and those of the repository."""
    assert _bash(home, fleet, *words) == offered


def test_every_check_can_be_completed(home: Path, fleet: Path) -> None:
    """The ids are those of the code."""
    assert _bash(home, fleet, "connectors", "check", "--only", "") == list(all_checks.IDS)


@pytest.mark.parametrize(("shell", "shown"), [("zsh", "plain\nsource-tides\n_\n"), ("fish", "plain,source-tides\n")])
def test_other_shells_read_their_own_form(home: Path, fleet: Path, shell: str, shown: str) -> None:
    """zsh reads three lines for a suggestion, fish one with a tab before the help."""
    word = "source-ti" if shell == "fish" else "3"
    line = {"COMP_WORDS": "airbyte-ci connectors --name source-ti", "COMP_CWORD": word}
    done = airbyte_ci(cwd=fleet, home=home / "home", env={**line, "_AIRBYTE_CI_COMPLETE": f"{shell}_complete"})
    assert (done.code, done.out) == (0, shown)
    assert airbyte_ci("completion", shell, cwd=fleet, home=home / "home").out.startswith(("#compdef", "function"))


def test_a_completion_imports_no_command(home: Path, fleet: Path) -> None:
    """Neither click nor any command is imported, because a person waits; errors of the repository print nothing."""
    code = (
        "import runpy, sys\n"
        "try:\n    runpy.run_module('airbyte_ci', run_name='__main__')\n"
        "except SystemExit as end:\n    print(end.code, {'click', 'yaml', 'requests'} & {*sys.modules})"
    )
    (fleet / ".airbyte-ci.toml").write_text("connectors = [")
    line = {"COMP_WORDS": "airbyte-ci connectors --name source-ti", "COMP_CWORD": "3"}
    variables = {**line, "_AIRBYTE_CI_COMPLETE": "bash_complete", "AIRBYTE_CI_HOME": str(home / "home")}
    environment = {**os.environ, **variables}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=fleet, env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("0 set()\n", "")


@pytest.mark.parametrize("damage", [b"{", b'{"state": 1}'])
def test_a_damaged_index_is_made_again(tmp_path: Path, fleet: Path, damage: bytes) -> None:
    """It is a cache: whatever is in its file, the answer is the same."""
    (tmp_path / "completion.json").write_bytes(damage)
    line = {"COMP_WORDS": "airbyte-ci comp", "COMP_CWORD": "1", "_AIRBYTE_CI_COMPLETE": "bash_complete"}
    assert airbyte_ci(cwd=fleet, home=tmp_path, env=line).out == "plain,completion\n"
    assert (tmp_path / "completion.json").stat().st_size > 10_000
