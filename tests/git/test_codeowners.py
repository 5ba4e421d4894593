"""CODEOWNERS as GitHub reads it."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from airbyte_ci.git import codeowners
from airbyte_ci.git.codeowners import matches, parse


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
        ("Docs/", ["Docs/a"], ["docs/a"]),  # case matters
        ("/", [], ["a"]),
    ],
)
def test_a_pattern_is_about_these_paths(pattern: str, matching: list[str], others: list[str]) -> None:
    """As GitHub's documentation has it: .gitignore's patterns, but `docs/*` stays on its level."""
    assert [path for path in [*matching, *others] if matches(pattern, path)] == matching


def test_the_last_line_that_matches_counts_alone() -> None:
    """The last match wins, also if it removes ownership; lines that GitHub rejects are left out."""
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


@pytest.mark.parametrize(
    "text",
    [
        "# a comment\u2028/x @hidden",
        "# a comment\x85/x @hidden",
        "# a comment\x0c/x @hidden",
        "# a comment\x0b/x @hidden",
        "# a comment\r/x @hidden",
        "# a comment\x1c/x @hidden",
        "/x\u00a0@hidden",
        "/x\u3000@hidden",
        "/x @real\u00a0@hidden",
        "\\#x @hidden",
        "!x @hidden",
        "^[Section] @hidden",
    ],
)
def test_what_github_does_not_read_owns_nothing(text: str) -> None:
    """Only a line feed ends a line, only spaces and tabs separate words; lines that GitHub rejects are left out."""
    line = parse(f"* @all\n{text}\n", "CODEOWNERS").of("x")
    assert line is not None and line.owners == ("@all",)


@pytest.mark.parametrize(
    "raw",
    [
        b"\xef\xbb\xbf/x @owner",
        b"/x @owner\r\n",
        b"/x\t \t@owner",
        b"  /x @owner # comment @other",
        b"/x @owner #comment",
        b"* @all\r\n/x @owner\r\n/y @z\r\n",
        b"# odd bytes \xff\xfe\n/x @owner",
        b"# a comment\xe2\x80\xa8 goes on\n/x @owner",
    ],
)
def test_what_github_reads_owns(tmp_path: Path, raw: bytes) -> None:
    """A byte order mark, carriage returns before line feeds, tabs and comments lose no line."""
    (tmp_path / "CODEOWNERS").write_bytes(raw)
    found = codeowners.load(tmp_path)
    assert found is not None
    line = found.of("x")
    assert line is not None and line.owners == ("@owner",)


_NAMES = st.text("ab.", min_size=1, max_size=3).filter(lambda name: name not in (".", "..") and name != "...")
_PARTS = st.one_of(st.text("ab.*?", min_size=1, max_size=4), st.just("**"), st.just("*"))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(_PARTS, min_size=1, max_size=4),
    st.booleans(),
    st.booleans(),
    st.lists(st.lists(_NAMES, min_size=1, max_size=5).map("/".join), min_size=1, max_size=30, unique=True),
)
def test_patterns_are_gits(tmp_path: Path, parts: list[str], leading: bool, trailing: bool, paths: list[str]) -> None:
    """`git check-ignore` is the oracle; GitHub differs from it only in a lone star at the end, and rejects `***`."""
    pattern = ("/" if leading else "") + "/".join(parts) + ("/" if trailing else "")
    assume("***" not in pattern and not (parts[-1] == "*" and not trailing and (leading or len(parts) > 1)))
    assume(pattern.strip("/.") and not any(part in (".", "..") for part in parts))
    if not (tmp_path / ".git").exists():
        subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / ".gitignore").write_text(f"{pattern}\n")
    asked = subprocess.run(
        ["git", "-C", tmp_path, "-c", "core.excludesFile=", "check-ignore", "--no-index", "-z", "--stdin"],
        input="\0".join(paths).encode(),
        capture_output=True,
        check=False,
    )
    ignored = set(asked.stdout.decode().split("\0")) - {""}
    assert {path for path in paths if matches(pattern, path)} == ignored


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*a" * 2_000 + "b", "a" * 4_000),
        ("/" + "**/a/" * 500 + "b", "a/" * 2_000 + "c"),
        ("**/*" * 500 + "/b", "a/" * 2_000 + "c"),
        ("/".join(["*a*a*a*"] * 50), "/".join(["a" * 200] * 20)),
        ("?*" * 1_000 + "b", "a" * 4_000),
    ],
)
def test_no_pattern_takes_long(pattern: str, path: str) -> None:
    """A pattern that would make a backtracking matcher try for hours is decided at once."""
    assert not matches(pattern, path)
