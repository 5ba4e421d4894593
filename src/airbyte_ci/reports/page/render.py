"""Renders a page as HTML. Imports Jinja2, so import this module only where a page is written."""

import base64
import functools
import hashlib
import math
import re
from collections.abc import Iterable, Iterator
from importlib import resources

import jinja2
from markupsafe import Markup, escape

from airbyte_ci import __version__
from airbyte_ci.reports.page import charts
from airbyte_ci.reports.page.blocks import Bar, Block, Fold, Log, Mark, Number, Page, Section, State
from airbyte_ci.reports.page.blocks import rank as rank_of
from airbyte_ci.text import CELL_LIMIT, MESSAGE_LIMIT, plain_lines
from airbyte_ci.text import escape as escape_text

# In bytes of HTML: all logs of a page together, and one log at most and at least.
LOGS_LIMIT = 300_000
_LOG_MOST = 40_000
_LOG_LEAST = 600
_FACT_LIMIT = 1_000
# A table with more rows gets a field to filter it.
_FILTERED = 15

_SIGNS: dict[State, str] = {"failed": "✗", "warning": "!", "unverified": "?", "skipped": "–", "ok": "✓", "info": "•"}
_WORDS: dict[State, str] = {
    "failed": "failed",
    "warning": "warning",
    "unverified": "not verified",
    "skipped": "skipped",
    "ok": "ok",
    "info": "info",
}
# Addresses that a page links to. Every other scheme is shown as text.
_LINKED = re.compile(r"https://[^\s\"'<>]+|#[a-z0-9-]+")


def page(value: Page) -> str:
    """Returns the page as one HTML document that needs no network."""
    style, script = _part("page.css"), _part("page.js")
    policy = f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; base-uri 'none'"
    return _template().render(
        page=value,
        policy=Markup(f"{policy}; form-action 'none'"),
        style=Markup(style),
        script=Markup(script),
        version=__version__,
        logged=functools.partial(_log, limit=_log_limit(value.sections)),
    )


def anchor(text: str) -> str:
    """Returns the target of links for a text: lower-case letters, digits and dashes. Different texts stay different."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60]
    return (
        plain if plain == text else f"{plain or 'at'}-{hashlib.sha256(text.encode(errors='replace')).hexdigest()[:8]}"
    )


@functools.cache
def _template() -> jinja2.Template:
    made = jinja2.Environment(
        loader=jinja2.FunctionLoader(_part),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "anchor": anchor,
        "kind": lambda value: type(value).__name__,
        "sign": _SIGNS.__getitem__,
        "word": lambda mark: mark.text or _WORDS[mark.state],
        "cut": lambda text: escape_text(text, CELL_LIMIT),
        "cut_fact": lambda text: escape_text(text, _FACT_LIMIT),
        "sort_key": _sort_key,
        "is_linked": lambda text: bool(_LINKED.fullmatch(text)),
        "scale": charts.scale,
        "colors": charts.colors,
        "segments": charts.segments,
        "described": charts.described,
        "points": charts.line,
    }
    made.globals |= {"WIDTH": charts.WIDTH, "HEIGHT": charts.HEIGHT, "FILTERED": _FILTERED}
    return made.get_template("page.html.jinja")


def _finalize(value: object) -> object:
    """Makes each text of a template safe to show: one line without control characters. Runs before HTML's escapes."""
    return value if isinstance(value, (Markup, int)) else escape_text(str(value), MESSAGE_LIMIT)


def _sort_key(cell: object) -> str:
    """Returns the value to sort a cell by, or an empty text if its own text is."""
    match cell:
        case Mark(state=state):
            return str(rank_of(state))
        case Number(value=value) if math.isfinite(value):
            return f"{value:g}"
        case Bar(values=values):
            return f"{sum(values):g}"
    return ""


def _log_limit(sections: Iterable[Section]) -> int:
    number = sum(1 for section in sections for _ in _logs(section.blocks))
    return max(_LOG_LEAST, min(_LOG_MOST, LOGS_LIMIT // max(number, 1)))


def _logs(blocks: Iterable[Block]) -> Iterator[Log]:
    for block in blocks:
        if isinstance(block, Log):
            yield block
        elif isinstance(block, Fold):
            yield from _logs(block.blocks)


def _log(item: Log, *, limit: int) -> Markup:
    """Returns the log as HTML of at most `limit` bytes and one line about what was left out: its end matters most."""
    raw = item.text
    # Escaping all of a very long text would take long; a cut sequence of a color is escaped.
    whole = plain_lines(raw if len(raw) <= 8 * limit else raw[: 4 * limit] + raw[-4 * limit :])
    if len(whole) <= limit and len((html := escape(whole)).encode()) <= limit:
        return html
    begin = _fit(whole[:limit], limit // 4)
    end = _fit(whole[-limit:][::-1], limit - limit // 4)[::-1]
    left = max(len(raw), len(whole)) - len(begin) - len(end)
    return escape(begin) + f"\n… {left:,} characters are not shown …\n" + escape(end)


def _fit(text: str, limit: int) -> str:
    """Returns the longest beginning of a text whose HTML has at most `limit` bytes."""
    size = 0
    for position, mark in enumerate(text):
        size += len(escape(mark).encode())
        if size > limit:
            return text[:position]
    return text


@functools.cache
def _part(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
