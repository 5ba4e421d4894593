"""The README's picture."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
IMAGES = PROJECT / "docs/images"


@pytest.mark.parametrize("name", ["light", "dark"])
def test_the_picture_shows_the_readmes_commands(name: str) -> None:
    """Each picture is an image that loads nothing, with the commands of the README's example."""
    text = (IMAGES / f"session-{name}.svg").read_text("utf-8")
    root = ET.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert re.findall(r"https?://[^\s\"<&]+|url\(|@import|<script", text.replace("http://json-schema.org", "")) == [
        "http://www.w3.org/2000/svg"
    ]
    shown = {"".join(row.itertext()) for row in root.iter("{http://www.w3.org/2000/svg}text")}
    commands = {line for line in shown if line.startswith("$ ")}
    assert len(commands) == 3
    assert commands <= {*(PROJECT / "README.md").read_text().splitlines()}


def test_the_pictures_differ_only_in_colors() -> None:
    """Light and dark show the same session."""
    light, dark = (
        re.sub("#[0-9a-f]{6}", "", (IMAGES / f"session-{name}.svg").read_text()) for name in ("light", "dark")
    )
    assert light == dark


def test_the_readme_fits_a_screen() -> None:
    """A first-time reader sees what it is, how to install it and an example without much scrolling."""
    assert len((PROJECT / "README.md").read_text().splitlines()) <= 70
