"""Pages: safe whatever they show, complete without network and script, small, and the same bytes each time."""

import base64
import hashlib
import re
from collections.abc import Iterator
from html.parser import HTMLParser

import html5lib
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airbyte_ci.reports.page import render
from airbyte_ci.reports.page.blocks import (
    Bar,
    Code,
    Column,
    DataRow,
    DataTable,
    Facts,
    Fold,
    History,
    Link,
    Log,
    Mark,
    Number,
    Page,
    Paragraph,
    Point,
    Section,
    Several,
    Tile,
)

_TAG = "{http://www.w3.org/1999/xhtml}"


def _page(text: str) -> Page:
    """A page with this text in each place that takes one."""
    columns = (
        Column(text),
        Column("State"),
        Column("Size", is_number=True),
        Column(text, series=(text, "b"), unit=text),
    )
    cells = (
        Several((text, Code(text), Link(text, text))),
        Mark("failed", text),
        Number(1, text),
        Bar((1.0, 2.0), text),
    )
    short = (text, Mark("ok", text, is_short=True), Number(2, text), Bar((0.0, 0.5), text))
    blocks = (
        Paragraph(text),
        Facts(((text, text), (text, Code(text)), (text, Mark("ok", text)))),
        DataTable(text, columns, (DataRow(cells), DataRow(short))),
        History(text, (Point(text, 1, text), Point(text, 2, text))),
        Fold(text, (Log(text), Paragraph(text)), "failed", anchor=text),
    )
    return Page(text, text, (Tile(text, text, "ok"), Tile(text, text)), (Section(text, blocks),) * 3, text)


class _Structure(HTMLParser):
    """The elements of a page with the names of their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.values: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.values += [value or "" for _, value in attrs]

    def handle_data(self, data: str) -> None:
        self.values.append(data)

    def handle_comment(self, data: str) -> None:
        pytest.fail(f"a comment: {data}")


_HOSTILE = st.text(min_size=1, max_size=40) | st.lists(
    st.sampled_from(
        ["<", ">", "&", '"', "'", "--", "]]>", "</script>", "</style>", "{{", "{%", "javascript:", "\x1b[31m"]
    ),
    min_size=1,
    max_size=8,
).map("".join)


@settings(max_examples=40, deadline=None)
@given(_HOSTILE)
@example("<script>alert(1)</script>")
@example("</textarea></title><img src=x onerror=alert(1)>")
@example("javascript:alert(1)")
@example('" onmouseover="alert(1)')
@example("{{ 7 * 7 }}{% raw %}")
@example("\x1b]8;;https://a.invalid\x07link\x1b]8;;\x07 \u202egnp\u2066.exe\r\x00\ud800\x9b31m")
def test_no_text_changes_a_page(text: str) -> None:
    """Whatever a connector says, a page has the elements and attributes that it has with a plain word."""
    shown = _Structure(render.page(_page(text)))
    assert shown.tags == _Structure(render.page(_page("word"))).tags
    for value in shown.values:
        assert all(mark.isprintable() or mark in "\n\t" for mark in value), repr(value)


def _elements(html: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The elements as browsers parse them; a violation of HTML's grammar fails."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=True)
    for element in parser.parse(html).iter():
        if isinstance(element.tag, str):
            yield element.tag.removeprefix(_TAG), dict(element.attrib)


def test_a_page_is_valid_and_needs_nothing_else() -> None:
    """A page follows HTML's grammar, has each id once, and names no address that a browser would request."""
    blocks = _page("word").sections[0].blocks
    html = render.page(Page("word", sections=(Section("a", blocks), *(Section(part, blocks[:4]) for part in "bc"))))
    found = list(_elements(html))
    ids = [attributes["id"] for _, attributes in found if "id" in attributes]
    assert ids == ["a", "word", "b", "c"]
    for tag, attributes in found:
        assert tag not in ("img", "link", "iframe", "object", "embed", "form", "base"), tag
        assert not {"src", "srcset", "style", "action"} & attributes.keys()
        assert not [name for name in attributes if name.startswith("on")]
        assert attributes.get("href", "#").startswith("#")
    assert "url(" not in html and "@import" not in html


def test_only_known_addresses_are_links() -> None:
    """Other schemes and addresses with markup are text."""
    addresses = [
        "https://example.org/a?b=c&d",
        "#part",
        "javascript:alert(1)",
        "http://a.org",
        "data:,x",
        " https://b.org",
        "//c.org",
    ]
    cells = Several(tuple(Link("x", address) for address in addresses))
    html = render.page(Page("x", sections=(Section("x", (DataTable("x", (Column("x"),), (DataRow((cells,)),)),)),)))
    linked = [attributes["href"] for tag, attributes in _elements(html) if tag == "a"]
    assert linked == ["https://example.org/a?b=c&d", "#part"]


def test_the_policy_permits_only_the_pages_own_style_and_script() -> None:
    """The hashes of the policy are those of the page's style and script, and nothing else is permitted."""
    html = render.page(_page("word"))
    (policy_text,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', html)
    policy = dict(part.split(" ", 1) for part in policy_text.split("; "))
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        assert policy[directive] == f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
    assert policy["default-src"] == "'none'"


def test_a_page_has_the_same_bytes_each_time() -> None:
    """Nothing of a page depends on the time, the process or earlier pages."""
    assert render.page(_page("word")) == render.page(_page("word"))


def test_a_log_shows_its_begin_and_its_end() -> None:
    """Colors are removed, lines stay, and of a long log the middle is left out with its length."""
    lines = "\n".join(f"\x1b[32mline {number}\x1b[0m <&>" for number in range(20_000))
    html = render.page(Page("x", sections=(Section("x", (Log(lines),)),)))
    (log,) = re.findall(r"<pre[^>]*>(.*?)</pre>", html, re.DOTALL)
    assert log.startswith("line 0 &lt;&amp;&gt;\nline 1 ") and log.endswith("line 19999 &lt;&amp;&gt;")
    assert re.search(r"\n… [\d,]+ characters are not shown …\n", log)
    assert len(log.encode()) < 41_000


@pytest.mark.parametrize("text", ["<'&>\u202e" * 2_000, "\x1b[0m\ud800" * 9_000, "Ж" * 9_000])
def test_400_connectors_with_long_logs_are_less_than_a_megabyte(text: str) -> None:
    """Logs share a limit in bytes, whatever they contain."""
    steps = ("build", "unit", "spec", "check", "rules")
    columns = (Column("Connector"), *map(Column, steps), Column("Time", series=steps, unit="s"))
    rows = tuple(
        DataRow(
            (f"source-number-{number}", *(Mark("ok", is_short=True) for _ in steps), Bar((1.5, 2.5, 0.1, 7, 8), "19 s"))
        )
        for number in range(400)
    )
    folds = tuple(Fold(f"source-number-{number}", (Log(text),), "failed") for number in range(400))
    page = Page("Tests", sections=(Section("All", (DataTable("All", columns, rows),)), Section("Failures", folds)))
    assert len(render.page(page).encode()) < 1_000_000
