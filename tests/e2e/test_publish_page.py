"""The page "Publish and verify": every command of it, and what it prints."""

import os
import re
from pathlib import Path

import pytest

from tests.e2e import console
from tests.e2e.conftest import PROJECT

pytestmark = pytest.mark.slow
PAGE = PROJECT / "docs" / "publish.md"
# The registry of the page; the test has its own.
HOST = "localhost:5000"


def test_the_page_is_true(cataloged: Path, home: Path, registry: str) -> None:
    """Its commands, run in order, print the documented output. With UPDATE_DOCS set, it is written again."""
    page, outputs = PAGE.read_text(), []
    prefix = "export GIT_AUTHOR_NAME=test GIT_AUTHOR_EMAIL=test@example.com "
    prefix += "GIT_COMMITTER_NAME=test GIT_COMMITTER_EMAIL=test@example.com; "
    for step in console.steps(page):
        command = step.command.replace(HOST, registry)
        code, output = console.run(console.Step(prefix + command, step.output), cataloged, home)
        output = output.replace(registry, HOST)
        assert code == 0, f"{step.command}\n{output}"
        outputs.append(output)
        if not os.environ.get("UPDATE_DOCS"):
            assert steady(output) == steady(step.output), step.command
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(console.rewritten(page, outputs))


def steady(text: str) -> str:
    """Without commits, keys, and the versions of what was built."""
    text = re.sub(r"key [\w+/]{43}=", "key KEY", text)
    return re.sub(r"-dev\.[0-9a-f]{10}", "-dev.COMMIT", console.same(text))
