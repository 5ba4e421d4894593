"""Tables that fit a terminal: the least important columns go first, then texts are cut."""

from hypothesis import given
from hypothesis import strategies as st

from airbyte_ci.reports import columns

ROWS = [("NAME", "KIND", "STATE"), ("source-with-a-long-name", "python", "10 behind + Dockerfile")]


def test_a_table_that_fits_is_whole() -> None:
    """As it is without a limit."""
    whole = columns.lines(ROWS)
    assert columns.lines(ROWS, width=max(map(len, whole.splitlines())), drop=(1,), shorten=(0,)) == whole


def test_columns_go_before_texts_are_cut() -> None:
    """A dropped column takes nothing from the others; a cut text has an ellipsis before its end."""
    assert columns.lines(ROWS, width=50, drop=(1,), shorten=(0,)).splitlines() == [
        "NAME                     STATE",
        "source-with-a-long-name  10 behind + Dockerfile",
    ]
    assert columns.lines(ROWS, width=39, drop=(1,), shorten=(0,)).splitlines() == [
        "NAME             STATE",
        "source-wi…-name  10 behind + Dockerfile",
    ]


def test_a_cut_text_keeps_its_last_word() -> None:
    """In an image's name it is the version, which says more than the end of the name."""
    rows = [("source-declarative-manifest 4.5.4",), ("python-connector-base 2.0.0",), ("a-short-one",)]
    assert columns.lines(rows, width=13, shorten=(0,)).splitlines() == [
        "source… 4.5.4",
        "python… 2.0.0",
        "a-short-one",
    ]


@given(st.lists(st.tuples(*[st.text("abc…é ", max_size=60)] * 4), min_size=1, max_size=5), st.integers(60, 200))
def test_a_table_fits(rows: list[tuple[str, ...]], width: int) -> None:
    """With any content, if every column may be cut."""
    text = columns.lines(rows, width=width, drop=(1,), shorten=(0, 2, 3))
    assert all(len(line) <= width for line in text.splitlines())
