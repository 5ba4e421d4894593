"""The reference matches the command's own help."""

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def test_the_page_of_errors_is_made_from_their_table() -> None:
    """docs/errors.md is what `make reference` writes, so that it says what `airbyte-ci explain` prints."""
    made = subprocess.run(
        [sys.executable, "scripts/errors.py"], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout
    assert (PROJECT / "docs/errors.md").read_text() == made, "run `make reference`"


def test_the_reference_is_made_from_the_help() -> None:
    """docs/reference.md is what `make reference` writes: no option is missing, renamed or left over."""
    made = subprocess.run(
        [sys.executable, "scripts/reference.py"], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout
    assert (PROJECT / "docs/reference.md").read_text() == made, "run `make reference`"
