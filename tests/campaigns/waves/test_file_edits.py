"""Edits of campaign files keep every other byte."""

import pytest

from airbyte_ci.campaigns.waves import campaign_file, file_edits
from airbyte_ci.errors import EditRefused

TEXT = "# Why.\nmigration: bump_version\nwaves:\n  - name: a # first\n\n# The rate.\nrate: {hours: 8-18}\n"


@pytest.mark.parametrize("text", [TEXT, TEXT.rstrip("\n"), "migration: bump_version\n", TEXT.replace("\n", "\r\n")])
def test_hold_and_resume_are_inverse(text: str) -> None:
    """`resume` removes exactly what `hold` added, apart from a missing line feed at the end."""
    held = file_edits.set_key(text, "hold", "it's broken: see #7", "f")
    assert campaign_file.parse(held.encode(), "f", "f").hold == "it's broken: see #7"
    assert file_edits.remove_key(held, "hold", "f").rstrip() == text.rstrip()


@pytest.mark.parametrize("value", ["hold: |\n  two\n  lines\n", "hold: >-\n  folded\n", "hold: 'quoted' # why\n"])
def test_a_key_is_removed_with_all_of_its_lines(value: str) -> None:
    """Block scalars have several lines; the comment of the next key stays."""
    text = f"migration: bump_version\n{value}# The rate.\nrate: {{hours: 8-18}}\n"
    assert file_edits.remove_key(text, "hold", "f") == text.replace(value, "")


def test_what_cannot_be_removed_alone_is_refused() -> None:
    """A flow mapping on one line has no lines of its own."""
    with pytest.raises(EditRefused, match="cannot be removed alone"):
        file_edits.remove_key("{migration: bump_version, hold: x}\n", "hold", "f")
    with pytest.raises(EditRefused, match="there is no key hold"):
        file_edits.remove_key(TEXT, "hold", "f")
