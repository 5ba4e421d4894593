"""The page about SBOMs and vulnerabilities: every command of it, and what it prints."""

import os
import re
from pathlib import Path

import pytest

from tests.e2e import console
from tests.e2e.conftest import PROJECT

pytestmark = pytest.mark.slow
PAGE = PROJECT / "docs" / "sbom.md"


def test_the_page_is_true(cataloged: Path, home: Path) -> None:
    """Its commands, run in order, print the documented output. With UPDATE_DOCS set, it is written again."""
    page, outputs = PAGE.read_text(), []
    for step in console.steps(page):
        code, output = console.run(step, cataloged, home)
        assert code == 0, f"{step.command}\n{output}"
        outputs.append(output)
        if not os.environ.get("UPDATE_DOCS"):
            assert steady(output) == steady(step.output), step.command
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(console.rewritten(page, outputs))


def steady(text: str) -> str:
    """Without the version of a Debian package, which changes when Debian does."""
    return re.sub(r"zlib \S+", "zlib VERSION", console.same(text))
