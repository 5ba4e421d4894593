"""The guide for connector developers: every command of it, and what it prints."""

import os
import re
from pathlib import Path

import pytest

from tests.e2e import console
from tests.e2e.conftest import PROJECT

pytestmark = pytest.mark.slow
PAGE = PROJECT / "docs" / "guide.md"


def test_the_guide_is_true(cataloged: Path, home: Path) -> None:
    """Its commands, run in order, print the documented output. With UPDATE_DOCS set, it is written again."""
    page, outputs, folder = PAGE.read_text(), [], cataloged
    for step in console.steps(page):
        code, output = console.run(step, folder, home)
        assert code == 0, f"{step.command}\n{output}"
        if step.command.startswith("cd "):
            folder = (folder / step.command.removeprefix("cd ")).resolve()
        outputs.append(output)
        if not os.environ.get("UPDATE_DOCS"):
            assert steady(output) == steady(step.output), step.command
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(console.rewritten(page, outputs))


def steady(text: str) -> str:
    """Without versions of Debian packages, how many files and bytes they have, and times."""
    return re.sub(r"^(  ✓ build) .*$", r"\1", console.without_versions(text), flags=re.MULTILINE)
