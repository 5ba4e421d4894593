"""Foreign text as people and CI systems may see it: nothing in it moves a cursor, forges a line or gives a command.

Everything that airbyte-ci prints or writes into a report passes one of these functions; `cli.console` is what prints.
JSON keeps every value exactly, because JSON has escapes of its own.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

# Longer values are cut, with their length: a person reads no more of them, and a terminal scrolls for minutes.
MESSAGE_LIMIT = 4_000
CELL_LIMIT = 200
# What a cell of a spreadsheet holds: https://support.microsoft.com/office/excel-specifications-and-limits
_CSV_LIMIT = 32_767

# A quoted line of a message: indented, so that it looks like no line of airbyte-ci's own.
QUOTED = "\n    "

# The styles that `cli` and `reports` use, as click.style writes them.
_STYLE = re.compile(r"\x1b\[(?:0|1|2|31|32|33|36|90)m")

# A runner trims a line and then looks for `::`; the older form and Azure's and TeamCity's may stand anywhere in it.
# https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs
_COMMAND = re.compile(r"^(\s*):(?=:)", re.MULTILINE)
_OLD_COMMAND = re.compile(r"##(?=(?:vso|teamcity)?\[)")

# First characters that make a spreadsheet compute a cell: https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r")  # the wide forms count too


def escape(text: str, limit: int | None = None) -> str:
    """Returns one line: line ends, control, format and other invisible characters become escapes, `\\n` and `\\u202e`.

    With a limit, a longer text is cut and says how long it is.
    """
    if limit is not None and len(text) > limit:
        text, rest = text[:limit], f"… ({len(text):,} characters)"
    else:
        rest = ""
    return (text if text.isprintable() else "".join(map(_escape, text))) + rest


def _escape(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()


def escape_message(text: str, limit: int = MESSAGE_LIMIT) -> str:
    """Returns a message whose further lines are all quoted, indented by four; every other line end is escaped."""
    if text.isprintable() and len(text) <= limit:
        return text
    first, *quoted = text[:limit].split(QUOTED)
    rest = f"… ({len(text):,} characters)" if len(text) > limit else ""
    return QUOTED.join(map(escape, (first, *quoted))) + rest


def join_lines(lines: Iterable[str]) -> str:
    """Returns lines that each end with a line feed; what ends a line within one of them is escaped. Styles stay."""
    return "".join(f"{escape_line(line)}\n" for line in lines)


def escape_line(line: str) -> str:
    """Returns one line of output, with quoted lines below it if it has some; styles stay, commands to a CI do not."""
    if line.isprintable():
        return disarm(line)
    return disarm(QUOTED.join(_escape_styled(part) for part in line.split(QUOTED)))


def escape_lines(text: str) -> str:
    """Returns text of several lines, with its line feeds and tabs, and every other control character escaped."""
    if text.isprintable():
        return text
    return "".join(mark if mark in "\n\t" else _escape(mark) for mark in text)


def escape_block(text: str) -> str:
    """Returns lines that airbyte-ci laid out itself: line feeds, tabs and styles stay, everything else is escaped."""
    styles = [*_STYLE.findall(text), ""]
    parts = map(escape_lines, _STYLE.split(text))
    return disarm("".join(part + style for part, style in zip(parts, styles, strict=True)))


def _escape_styled(text: str) -> str:
    if text.isprintable():
        return text
    styles = [*_STYLE.findall(text), ""]
    parts = map(escape, _STYLE.split(text))
    return "".join(part + style for part, style in zip(parts, styles, strict=True))


def disarm(text: str) -> str:
    """Returns the text without anything that a CI system takes as a command: `::error::`, `##[error]`, `##vso[…]`."""
    if "::" in text:
        text = _COMMAND.sub(r"\1\\x3a", text)
    return disarm_old(text)


def disarm_old(text: str) -> str:
    """Returns the text without the commands that may stand anywhere in a line: `##[error]`, `##vso[…]`."""
    return _OLD_COMMAND.sub(r"#\\x23", text) if "##" in text else text


def dump_json(document: Any, *, indent: int | None = None, sort_keys: bool = False) -> str:
    """Returns JSON that any parser reads as exactly this document, and that is safe to show as it stands."""
    text = json.dumps(document, ensure_ascii=False, indent=indent, sort_keys=sort_keys)
    # Outside of strings JSON has printable ASCII and line feeds only, and no `#`.
    if not text.isprintable():
        text = "".join(mark if mark.isprintable() or mark == "\n" else json.dumps(mark)[1:-1] for mark in text)
    return _OLD_COMMAND.sub(r"#\\u0023", text)


def escape_csv(value: object) -> str:
    """Returns a cell that is one line and no formula; the apostrophe in front is a spreadsheet's sign for text."""
    text = escape("" if value is None else str(value), _CSV_LIMIT)
    return f"'{text}" if str(value)[:1] in _FORMULA and text else text


def escape_markdown(text: str) -> str:
    """Returns one line of Markdown in which nothing is a column, a link, code or HTML."""
    return re.sub(r"([\\`\[<|])", r"\\\1", escape(text))


def encoding_of(content: bytes) -> str:
    """Returns the encoding that a byte order mark names, and UTF-8 without one; decoding with it keeps the mark."""
    marks = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
    return marks.get(content[:2], "utf-8")


def decode_file(content: bytes) -> str:
    """Returns the text of a file that people wrote, in any encoding with a byte order mark, or in UTF-8."""
    return content.decode(encoding_of(content), "replace").removeprefix("\ufeff")
