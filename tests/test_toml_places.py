"""Lines of keys in TOML texts."""

import pytest

from airbyte_ci import toml_places


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ("a = 1\nb = 2\n", ["b"], 2),
        ("# b = 0\n\nb = 2", ["b"], 3),
        ("a = '''\nb = 1\n'''\nb = 2", ["b"], 4),
        ("a = [\n  1,\n]\nb.c = 2", ["b"], 4),
        ("a = [\n  1,\n]\nb.c = 2", ["b", "c"], 4),
        ("[t]\na = 1\n[t.b]\nc = 1", ["t", "b"], 3),
        ("[t]\n'a-b' = 1", ["t", "a-b"], 2),
        ("[tool]\nairbyte-ci.mirrors = { x = [] }", ["tool", "airbyte-ci", "mirrors", "x"], 2),
        ("[[a]]\nb = 1\n[[a]]\nb = 2", ["a", "b"], 2),
        ("a = 1", ["b"], None),
    ],
)
def test_a_key_is_on_the_first_line_that_sets_it(text: str, path: list[str], line: int | None) -> None:
    """Keys of tables, dotted and quoted keys are found; comments and text in strings are not keys."""
    assert toml_places.find_line(text, path) == line
