"""Links between the Markdown pages, without the generator of the site."""

import importlib.util
import os
import re
from pathlib import Path, PurePosixPath
from types import ModuleType
from urllib.parse import unquote

import pytest

PROJECT = Path(__file__).parents[2]


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("documentation", PROJECT / "scripts/documentation.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


DOCUMENTATION = _load()
PAGES = ["README.md", *DOCUMENTATION.find_pages()]
_LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"\s]+)\"")


def _prose(page: str) -> str:
    lines = DOCUMENTATION.find_prose((PROJECT / page).read_text("utf-8"))
    return re.sub(r"`[^`\n]*`", "", "\n".join(line for _, line in lines))


def _anchors(page: str) -> set[str]:
    text = (PROJECT / page).read_text("utf-8")
    return {anchor for _, anchor in DOCUMENTATION.find_headings(text)} | {*re.findall(r"<a id=\"([^\"]+)\"", text)}


def broken_links(page: str) -> list[str]:
    """The links of a page to files and headings that do not exist."""
    broken = []
    for link in (first or second for first, second in _LINK.findall(_prose(page))):
        target, _, anchor = link.partition("#")
        if ":" in target:
            continue
        found = os.path.normpath(PurePosixPath(page).parent / unquote(target)) if target else page
        if not (PROJECT / found).exists() or (
            anchor and found.endswith(".md") and unquote(anchor) not in _anchors(found)
        ):
            broken.append(link)
    return broken


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    """Each relative link names an existing file, and each anchor a heading in it, as GitHub makes it."""
    assert broken_links(page) == []


@pytest.mark.parametrize("page", DOCUMENTATION.find_pages())
def test_a_list_follows_a_blank_line(page: str) -> None:
    """The site's generator takes a list directly below a paragraph for a part of it, unlike GitHub."""
    previous, wrong = "", []
    for number, line in DOCUMENTATION.find_prose((PROJECT / page).read_text("utf-8")):
        is_item = re.match(r"(?:[*-]|\d+\.) ", line)
        if is_item and previous.strip() and not re.match(r"(?:[*-]|\d+\.| ) ?", previous):
            wrong.append(f"{page}:{number + 1}")
        previous = line
    assert wrong == []


@pytest.mark.parametrize("page", DOCUMENTATION.find_pages())
def test_a_page_has_one_title(page: str) -> None:
    """The first line is the page's only heading of the first level, which the navigation shows."""
    lines = [line for _, line in DOCUMENTATION.find_prose((PROJECT / page).read_text("utf-8"))]
    assert [line for line in lines if line.startswith("# ")] == [lines[0]]


def test_every_listed_page_exists() -> None:
    """The navigation names each page once, and none that was removed or renamed."""
    pages = {DOCUMENTATION.page_name(page) for page in DOCUMENTATION.find_pages()}
    listed = [page for section in DOCUMENTATION.SECTIONS.values() for page in section]
    assert {*listed} <= pages
    assert len(listed) == len({*listed})


@pytest.mark.parametrize(
    ("text", "anchors"),
    [
        ("# A b\n## A b\n", ["a-b", "a-b-1"]),
        ("## `build --watch`, twice\n", ["build---watch-twice"]),
        ("## A – b & [c](d.md)\n", ["a--b--c"]),
        ("```\n# no heading\n```\n# Yes #\n", ["yes"]),
        ("````\n```\n# no\n```\n````\n~~~ x\n# no\n~~~\n### 1. ok_1\n", ["1-ok_1"]),
    ],
)
def test_anchors_are_those_of_github(text: str, anchors: list[str]) -> None:
    """Punctuation is removed, blanks become dashes, repeated headings are numbered, and code has no headings."""
    assert [anchor for _, anchor in DOCUMENTATION.find_headings(text)] == anchors


def test_the_site_is_prepared_with_working_links(tmp_path: Path) -> None:
    """Links from page to page stay relative, and links to other files become addresses of the repository."""
    DOCUMENTATION.stage(tmp_path / "site")
    docs = tmp_path / "site/docs"
    guide = (docs / "guide.md").read_text("utf-8")
    assert "](https://github.com/airbyte-ci/airbyte-ci/tree/main/examples/fleet)" in guide
    assert "](checks/no-dockerfile.md)" in guide
    assert "](ARCHITECTURE.md)" in (docs / "SECURITY.md").read_text("utf-8")
    for page in docs.rglob("*.md"):
        for link in DOCUMENTATION.LINK.finditer(page.read_text("utf-8")):
            assert (page.parent / link[2]).exists(), f"{page.name}: {link[2]}"
