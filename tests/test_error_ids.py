"""The ids of errors: each has one explanation, and each explanation shows a message that the code writes."""

import ast
import functools
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import airbyte_ci
from airbyte_ci.error_pages import SECTIONS, ErrorPage

PACKAGE = Path(airbyte_ci.__file__).parent
PAGES = [page for pages in SECTIONS.values() for page in pages]
# A literal that is nothing but an id, such as a value of `registry.failures`' table by status.
_ID = re.compile(r"[a-z]+(?:-[a-z0-9]+)+")


@functools.cache
def _raised() -> dict[str, list[str]]:
    """Returns the patterns of the messages that have each id; a value in a message matches any text."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        source = path.read_text("utf-8")
        if "error_id" not in source or path.name == "error_pages.py":
            continue
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call):
                for keyword in node.keywords:
                    if keyword.arg == "error_id":
                        for name in _literals(keyword.value):
                            found[name].append(_pattern(node.args[0]) if node.args else ".*")
            elif isinstance(node, ast.Assign) and path.name == "failures.py":
                for name in _literals(node.value):
                    found[name].append(".*")
    return found


def _literals(node: ast.AST) -> Iterator[str]:
    for item in ast.walk(node):
        if isinstance(item, ast.Constant) and isinstance(item.value, str) and _ID.fullmatch(item.value):
            yield item.value


def _pattern(message: ast.expr) -> str:
    """Returns the regular expression of an f-string's texts."""
    if isinstance(message, ast.Constant):
        return re.escape(str(message.value))
    if isinstance(message, ast.JoinedStr):
        parts = (re.escape(str(item.value)) if isinstance(item, ast.Constant) else ".*" for item in message.values)
        return "".join(parts)
    return ".*"


def test_every_raised_id_is_explained() -> None:
    """An id without an explanation helps nobody, and an explanation without an error is out of date."""
    assert set(_raised()) == {page.id for page in PAGES}
    assert len({page.id for page in PAGES}) == len(PAGES)


@pytest.mark.parametrize("page", PAGES, ids=[page.id for page in PAGES])
def test_the_example_is_a_message_of_the_code(page: ErrorPage) -> None:
    """The example has the words of an error with this id, so that a search for the message finds the page."""
    patterns = _raised()[page.id]
    assert any(re.search(pattern, page.example, re.DOTALL) for pattern in patterns), patterns
    assert page.title.endswith(".") and page.cause.endswith(".") and page.fixes
    assert all(fix.endswith((".", "`")) for fix in page.fixes)
