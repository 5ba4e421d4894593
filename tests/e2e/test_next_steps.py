"""Every printed `next:` command runs unchanged, and there is one for all connectors."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click import unstyle

from tests.e2e.conftest import GIT, Base, Command, Result
from tests.e2e.tiny import NAME, Tiny

pytestmark = pytest.mark.slow
_NEXT = re.compile(r"^\s*next: (.*)$", re.MULTILINE)


def _steps(result: Result) -> list[str]:
    return _NEXT.findall(unstyle(result.out + result.err))


def _run(command: str, folder: Path, home: Path, env: dict[str, str] | None = None) -> None:
    """Runs it in a shell that finds airbyte-ci; editors keep the text they are given."""
    tools = folder.parent / "tools"
    tools.mkdir(exist_ok=True)
    script = tools / "airbyte-ci"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m airbyte_ci "$@"\n')
    script.chmod(0o755)
    environment = {
        **os.environ,
        **(env or {}),
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "AIRBYTE_CI_HOME": str(home),
        "EDITOR": "true",
        "GIT_EDITOR": "sh -c 'echo changed > \"$1\"' -",
        **{f"GIT_{role}_{what}": "a@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def test_the_way_of_a_fleet(run: Command, cataloged: Path, home: Path, base: Base) -> None:
    """Migrated, bumped, planned and delivered together: the fleet's next commands succeed one after the other."""
    subprocess.run([*GIT, "add", "-A"], cwd=cataloged, check=True)
    subprocess.run([*GIT, "commit", "-qm", "catalog"], cwd=cataloged, check=True)
    two = ("connectors", "--name=source-tides", "--name=destination-jsonl-archive")
    for command in (
        (*two, "migrate_to_base_image", "7"),
        (*two, "bump_version", "patch", "8", "text"),
        (*two, "migrate_to_base_image", "--plan", "a plan.jsonl"),
    ):
        done = run(*command)
        steps = _steps(done)
        if command[-1] == "text" or "--plan" not in command:
            assert done.code == 0 and len(steps) == 1, done.out + done.err
        for step in steps:
            _run(step, cataloged, home)
    checked = run("connectors", "--all", "check", "--offline")
    steps = _steps(checked)
    assert len(steps) == len(set(steps)) > 0, checked.out
    verbs = [re.sub(r"--name=\S+ ", "", step) for step in steps if step.startswith("airbyte-ci")]
    assert len(verbs) == len(set(verbs)), "the same command is printed once for all"
    for step in steps:
        if step.startswith("airbyte-ci"):
            parsed = run(*_words(step), "--dry-run") if "bump" in step or "base_image" in step else None
            assert parsed is None or parsed.code != 2, f"{step}\n{parsed.err}"


def _words(command: str) -> list[str]:
    return shlex.split(command)[1:]


def test_an_image_that_fails_spec_can_be_looked_into(tiny: Tiny) -> None:
    """The image is kept under its tag, and the next command opens a shell in it; no output gets it."""
    main = tiny.connector() / "main.py"
    main.write_text("raise SystemExit('it is broken')\n")
    for tag in ((), ("--tag=broken",)):
        layout = tiny.folder.parent / "layout"
        built = tiny.run("connectors", f"--name={NAME}", "build", f"--output=oci:{layout}", *tag)
        assert built.code == 1 and "it is broken" in built.out and not layout.exists()
        (step,) = _steps(built)
        assert step == " ".join(("airbyte-ci connectors", f"--name={NAME}", "run", *tag, "--shell"))
        _run(f"echo 'grep broken /airbyte/integration_code/main.py' | {step}", tiny.folder, tiny.home, tiny.environment)
