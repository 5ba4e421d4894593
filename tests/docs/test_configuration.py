"""The page and the JSON Schema of the configuration match the table in the code."""

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["configuration.md", "configuration.schema.json"])
def test_what_is_published_is_generated_from_the_code(tmp_path: Path, name: str) -> None:
    """`make reference` was run after the last change of a key, a variable, a check or a migration."""
    (tmp_path / "configuration.md").write_bytes((PROJECT / "docs/configuration.md").read_bytes())
    subprocess.run([sys.executable, "scripts/configuration.py", str(tmp_path)], cwd=PROJECT, check=True)
    assert (tmp_path / name).read_text() == (PROJECT / "docs" / name).read_text(), "run `make reference`"
