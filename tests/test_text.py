"""Untrusted text on a terminal, in CI logs, in spreadsheets and in JSON stays text."""

import ast
import csv
import io
import json
import re
import unicodedata
from pathlib import Path

import pytest
from click import style
from hypothesis import example, given
from hypothesis import strategies as st

import airbyte_ci
from airbyte_ci import text
from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.outcomes import Outcome
from airbyte_ci.reports import columns, terminal

# Any text, and those that terminals, log viewers and CI systems have commands for.
_ATTACKS = (
    "\n::error::x",
    "\r::warning::x",
    "\u2028::add-mask::x",
    "\x85##[group]x",
    "\x0c  ::stop-commands::x",
    "##vso[task.setvariable variable=x]y",
    "##teamcity[buildStatus]",
    "\x1b[2J\x1b]0;owned\x07",
    "\x9b2J\x9d0;owned\x9c",
    "\u202egnp.exe",
    "a\u2066b\u200bc\ufeff",
    "\x1b[8mhidden",
    "section_start:1:x\r\x1b[0K",
    "\x7f\x08\x08\x08",
    "\udc80 not UTF-8",
)
_TEXTS = (
    st.text(max_size=40)
    | st.sampled_from(_ATTACKS)
    | st.tuples(st.text(max_size=5), st.sampled_from(_ATTACKS)).map("".join)
)
_STYLES = re.compile(r"\x1b\[(?:0|1|2|31|32|33|36|90)m")


def _is_safe(line: str) -> bool:
    """An independent rule: by Unicode's categories, and by how runners look for commands in a line."""
    kinds = {unicodedata.category(mark) for mark in _STYLES.sub("", line)}
    trimmed = line.strip()
    old = any(f"##{name}[" in line for name in ("", "vso", "teamcity"))
    return not kinds & {"Cc", "Cf", "Cs", "Zl", "Zp"} and not trimmed.startswith("::") and not old


@given(_TEXTS, _TEXTS, _TEXTS)
def test_an_outcome_is_as_many_lines_as_it_has_parts(subject: str, reason: str, detail: str) -> None:
    """No text of an outcome begins a line of its own, moves a cursor, or commands a CI system."""
    shown = terminal.outcome(Outcome(subject=subject, status="failed", reason=reason, details=(detail,))).split("\n")
    assert len(shown) == 2 + reason.count(text.QUOTED)
    assert all(map(_is_safe, shown))


@given(st.lists(st.tuples(_TEXTS, _TEXTS), min_size=1))
def test_a_table_has_a_line_for_each_row(rows: list[tuple[str, str]]) -> None:
    """No cell forges a row."""
    shown = columns.lines(rows, lambda row, column: lambda cell: style(cell, fg="green")).split("\n")
    assert len(shown) == len(rows) + 1 and all(map(_is_safe, shown))


@given(_TEXTS)
def test_what_is_printed_is_safe_whoever_made_it(value: str) -> None:
    """The last function before a stream escapes what no other one did."""
    assert all(map(_is_safe, text.escape_block(value).replace("\t", " ").split("\n")))
    assert all(map(_is_safe, text.escape_line(value).split(text.QUOTED)))
    assert all(map(_is_safe, str(AirbyteCiError(text.disarm(value))).split(text.QUOTED)))


@given(st.recursive(_TEXTS | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(_TEXTS, inner)))
def test_json_is_exact_and_safe(value: object) -> None:
    """A JSON parser reads exactly the value; a terminal and a CI system find nothing in the text."""
    shown = text.dump_json(value)
    assert json.loads(shown) == value
    assert _is_safe(shown) and shown.encode()


@given(st.lists(_TEXTS | st.sampled_from(("=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "＝1")), min_size=1))
@example(["=cmd|' /C calc'!A0"])
def test_a_csv_cell_is_a_line_and_no_formula(cells: list[str]) -> None:
    """A file of one row has one line, and no spreadsheet computes a cell of it."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(map(text.escape_csv, cells))
    lines = out.getvalue().split("\n")
    assert len(lines) == 2
    (read,) = csv.reader(lines[:1]) if lines[0] else ([""],)
    assert len(read) == len(cells) and not any(cell.startswith(("=", "+", "-", "@", "＝", "\t", "\r")) for cell in read)


@pytest.mark.parametrize("size", [text.CELL_LIMIT + 1, 100_000, 10_000_000])
def test_a_huge_value_is_cut(size: int) -> None:
    """A message, a detail and a cell state the length of a value that they do not show whole."""
    value = "x" * size
    for shown in (text.escape(value, text.CELL_LIMIT), columns.lines([(value,)])):
        assert len(shown) < 300 and f"({size:,} characters)" in shown
    error = AirbyteCiError(value, details=(value,))
    assert len(error.message) <= text.MESSAGE_LIMIT + 50 and len(error.details[0]) <= text.MESSAGE_LIMIT + 50


def test_only_the_console_prints() -> None:
    """Every command prints through `cli.console`: no other module writes to a stream of the process."""
    package = Path(airbyte_ci.__file__).parent
    # Two run inside of sandboxes, where what they print is an answer to airbyte-ci; one answers a shell, without Click.
    apart = {
        "cli/console.py",
        "cli/completion/answer.py",
        "python/sources/build_frontend.py",
        "python/wheels/bytecode_compiler.py",
    }
    found = []
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            writes = called in ("print", "click.echo", "click.secho") or re.fullmatch(
                r"(sys|click)\.(stdout|stderr)(\.buffer)?\.write(lines)?", called
            )
            if writes and str(path.relative_to(package)) not in apart:
                found.append(f"{path.relative_to(package)}:{getattr(node, 'lineno', 0)} {called}")
    assert not found


def test_reports_join_their_lines_in_one_way() -> None:
    """Reports for people consist of lines by `text.join_lines`, which lets no value begin a line."""
    folder = Path(airbyte_ci.__file__).parent / "reports"
    joined = {
        path.name
        for path in folder.glob("*.py")
        if re.search(r"\\n\" for |\"\\n\"\.join|\+ \"\\n\"", path.read_text("utf-8"))
    }
    # Formats with rules of their own: XML, workflow commands, JSON on one line, Markdown, TOML, the text of HTML's
    # blocks, and tables of whole lines below each other.
    assert joined <= {
        "junit.py",
        "configuration.py",
        "annotations.py",
        "listing.py",
        "connector_tests.py",
        "base_images_diff.py",
        "base_images_page.py",
        "publish.py",
        "comparison.py",
        "results_summary.py",
        "results_page.py",
        "campaign.py",
    }
