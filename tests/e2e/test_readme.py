"""The README, and the page that continues its example: every command, and what it prints."""

import subprocess
from pathlib import Path

import pytest

from tests.e2e import console
from tests.e2e.conftest import GIT, PROJECT

pytestmark = pytest.mark.slow
PAGES = (PROJECT / "README.md", PROJECT / "docs/building.md")
REGISTRY = "127.0.0.1:5000"


def test_the_readme_is_true(cataloged: Path, home: Path, registry: str) -> None:
    """Its commands, run in order on the example fleet, succeed and print the documented output, if any.

    A line that ends with an ellipsis is the beginning of the printed one.
    """
    for arguments in (
        ("clone", "-q", "--bare", ".", "../origin.git"),
        ("remote", "add", "origin", "../origin.git"),
        ("fetch", "-q"),
        ("remote", "set-head", "origin", "main"),
    ):
        subprocess.run([*GIT, *arguments], cwd=cataloged, check=True)
    text, folder = "\n".join(page.read_text() for page in PAGES), cataloged
    steps = console.steps(text)
    assert len(steps) == text.count("\n$ ") > 0
    for step in steps:
        command = step.command.replace(REGISTRY, registry)
        code, output = console.run(console.Step(command, step.output), folder, home)
        assert code == 0, f"{command}\n{output}"
        if command.startswith("cd "):
            folder = (folder / command.removeprefix("cd ")).resolve()
        if step.output:
            shown, printed = (console.same(text).split("\n") for text in (step.output, output))
            assert len(printed) == len(shown), f"{command}\n{output}"
            pairs = list(zip(printed, shown, strict=True))
            assert [line for line, said in pairs if not _is(line, said)] == [], f"{command}\n{output}"


def _is(line: str, said: str) -> bool:
    return line.startswith(said.removesuffix("…")) if said.endswith("…") else line == said
