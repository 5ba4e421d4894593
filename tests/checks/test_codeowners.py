"""CODEOWNERS as GitHub reads it."""

from pathlib import Path

import pytest

from airbyte_ci.checks import codeowners
from airbyte_ci.checks.codeowners import matches, parse


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("*", ["a", "a/b/c.py"], []),
        ("**", ["a", "a/b/c.py"], []),
        ("*.py", ["a.py", "a/b/c.py"], ["a.pyc", "a.py.txt"]),
        ("/*.py", ["a.py"], ["a/b.py"]),
        ("/build/logs/", ["build/logs/a", "build/logs/b/c"], ["build/logs", "x/build/logs/a"]),
        ("docs/*", ["docs/a.md"], ["docs/b/c.md", "x/docs/a.md", "docs"]),
        ("apps/", ["apps/a", "x/apps/a/b"], ["apps", "myapps/a"]),
        ("apps", ["apps", "apps/a", "x/apps/a"], ["myapps/a", "apps.py"]),
        ("/docs/", ["docs/a", "docs/b/c"], ["x/docs/a"]),
        ("/apps/github", ["apps/github", "apps/github/a"], ["apps/github.py"]),
        ("docs/a", ["docs/a", "docs/a/b"], ["x/docs/a"]),  # a slash inside anchors as one in front does
        ("**/logs", ["logs", "a/logs", "a/b/logs/c"], ["a/mylogs"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b/c"], ["ab", "a/xb"]),
        ("a/**", ["a/b", "a/b/c"], ["a", "b/a/c"]),
        ("/c/**/hook.py", ["c/x/hook.py", "c/hook.py"], ["hook.py", "x/c/hook.py"]),
        ("b_?.py", ["b_1.py", "x/b_2.py"], ["b_.py", "b_/.py", "b_12.py"]),
        ("a\\ b.py", ["a b.py"], ["a.py"]),
        ("a.b", ["a.b"], ["axb"]),
        ("Docs/", ["Docs/a"], ["docs/a"]),  # case counts
        ("/", [], ["a"]),
    ],
)
def test_a_pattern_is_about_these_paths(pattern: str, matching: list[str], others: list[str]) -> None:
    """As GitHub's documentation has it: .gitignore's patterns, but `docs/*` stays on its level."""
    assert [path for path in [*matching, *others] if matches(pattern, path)] == matching


def test_the_last_line_that_matches_counts_alone() -> None:
    """Later lines win, also those that take ownership away; what GitHub cannot read is left out as it does."""
    text = """
        # a comment
        *            @all
        *.py         @python # who else
        /a/          @org/a-team someone@example.com
        /a/b/
        [Section]    @gitlab
        !/a/c.py     @negated
        [ab].py      @range
        d.py         not-an-owner
    """
    owners = parse(text, "CODEOWNERS")
    found = {}
    for path in ("x", "x.py", "a/x.py", "a/b/c.py", "a.py", "d.py"):
        line = owners.of(path)
        assert line is not None
        found[path] = line.owners, line.number
    assert found == {
        "x": (("@all",), 3),
        "x.py": (("@python",), 4),
        "a/x.py": (("@org/a-team", "someone@example.com"), 5),
        "a/b/c.py": ((), 6),
        "a.py": (("@python",), 4),
        "d.py": (("@python",), 4),
    }
    assert parse("*.md @x", "CODEOWNERS").of("a.py") is None


def test_the_first_place_counts_and_a_file_that_is_too_large_is_none(tmp_path: Path) -> None:
    """.github before the root before docs; GitHub loads nothing of 3 MB and more."""
    assert codeowners.load(tmp_path) is None
    for place in reversed(codeowners.PLACES):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_text("* @x\n")
        found = codeowners.load(tmp_path)
        assert found is not None and found.path == place
    (tmp_path / codeowners.PLACES[0]).write_text("* @x\n" + "#" * (3 << 20))
    found = codeowners.load(tmp_path)
    assert found is not None and found.of("a") is None
