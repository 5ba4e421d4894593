"""A small dose of what `make fuzz` does at length to the files that are edited."""

import pytest

from airbyte_ci.edits import yaml_text
from airbyte_ci.edits.changelog import Row, insert_row
from tests.fuzz import edits


@pytest.fixture(scope="module")
def sources() -> list[edits.Source]:
    return edits.sources(edits.EXAMPLES)


def test_mutated_files_are_edited_exactly_or_refused(sources: list[edits.Source]) -> None:
    """For any damage of a file: exactly the intended change, or one plain line."""
    told: list[str] = []
    assert edits.fuzz(75, 1, sources, told.append) == 0, "\n".join(told)


def test_a_wrong_edit_is_seen(sources: list[edits.Source], monkeypatch: pytest.MonkeyPatch) -> None:
    """Edits that lose a line, or write something else, do not pass."""

    def lossy(page: str, row: Row, *, default_url: str | None) -> str:
        result = insert_row(page, row, default_url=default_url)
        return result if result == page else result.replace("## ", "", 1)

    monkeypatch.setattr(edits, "insert_row", lossy)
    monkeypatch.setattr(yaml_text, "upsert_scalar", lambda text, path, value: text + "more: x\n")
    pages = [source for source in sources if source.name.endswith(".md") and "docs/" in source.name]
    metadata = [source for source in sources if source.name.endswith("metadata.yaml")]
    for source in (pages[0], metadata[0]):
        with pytest.raises(AssertionError):
            source.examine(source.text)
