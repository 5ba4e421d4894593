"""Escapes untrusted text for people and CI systems, so that it cannot move a cursor, forge a line or send a command.

Everything that airbyte-ci prints or writes to a report passes one of these functions; `cli.console` prints it. JSON
keeps every value exactly, because it has its own escapes. `plural` counts nouns in such text.
"""

import json
import re
from collections.abc import Iterable

# Longer values are truncated, and their length is shown.
MESSAGE_LIMIT = 4_000
CELL_LIMIT = 200
# The limit of a spreadsheet's cell: https://support.microsoft.com/office/excel-specifications-and-limits
_CSV_LIMIT = 32_767

# The start of a quoted line in a message, indented to distinguish it from airbyte-ci's own lines.
QUOTED = "\n    "

# The styles that `cli` and `reports` use, as click.style writes them.
_STYLE = re.compile(r"\x1b\[(?:0|1|2|31|32|33|36|90)m")

# Control sequences of terminals (ECMA-48, 5.4 and 5.6): colors and cursors, titles and links, strings, single commands.
_SEQUENCE = r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[PX^_][^\x1b]*\x1b\\|\x1b[ -/]*[0-Z\\^-~]"

# A runner trims a line and then searches for `::`; the old form and those of Azure and TeamCity may be anywhere.
# https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs
_COMMAND = r"(?m:^(\s*):(?=:))"
_OLD_COMMAND = r"##(?=(?:vso|teamcity)?\[)"

# First characters that make a spreadsheet compute a cell: https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r")  # also the full-width forms


def escape(text: str, limit: int | None = None) -> str:
    """Returns one line: line ends, control, format and other invisible characters become escapes, `\\n` and `\\u202e`.

    With a limit, a longer text is truncated and shows its length.
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


def with_id(message: str, error_id: str, *, is_dim: bool = False) -> str:
    """Returns the message with the id of the error in brackets at the end of its first line; as it is without an id."""
    if not error_id:
        return message
    first, mark, rest = message.partition(QUOTED)
    shown = f"\x1b[2m[{error_id}]\x1b[0m" if is_dim else f"[{error_id}]"
    return f"{first} {shown}{mark}{rest}"


def join_lines(lines: Iterable[str]) -> str:
    """Returns the lines, each with a line feed at its end; line ends within a line are escaped. Styles stay."""
    return "".join(f"{escape_line(line)}\n" for line in lines)


def escape_line(line: str) -> str:
    """Returns one line of output and its quoted lines; keeps styles and disarms commands to a CI system."""
    if line.isprintable():
        return disarm(line)
    return disarm(QUOTED.join(_escape_styled(part) for part in line.split(QUOTED)))


def escape_lines(text: str) -> str:
    """Returns text of several lines; keeps line feeds and tabs, and escapes all other control characters."""
    if text.isprintable():
        return text
    return "".join(mark if mark in "\n\t" else _escape(mark) for mark in text)


def plain_lines(text: str) -> str:
    """Returns output of a program without its colors and other control sequences; all else as `escape_lines`.

    A line that overwrites itself, as progress does, becomes several lines.
    """
    if text.isprintable():
        return text
    return escape_lines(re.sub(_SEQUENCE, "", text).replace("\r\n", "\n").replace("\r", "\n"))


def escape_block(text: str) -> str:
    """Returns lines that airbyte-ci formatted; keeps line feeds, tabs and styles, and escapes everything else."""
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
    """Returns the text without commands to a CI system: `::error::`, `##[error]`, `##vso[…]`."""
    if "::" in text:
        text = re.sub(_COMMAND, r"\1\\x3a", text)
    return disarm_old(text)


def disarm_old(text: str) -> str:
    """Returns the text without the commands that may be anywhere in a line: `##[error]`, `##vso[…]`."""
    return re.sub(_OLD_COMMAND, r"#\\x23", text) if "##" in text else text


def plural(number: int, noun: str) -> str:
    """Returns the number with its noun: `1 file`, `2 files`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def dump_json(document: object, *, indent: int | None = None, sort_keys: bool = False) -> str:
    """Returns JSON that every parser reads as exactly this document, and that is safe to print."""
    text = json.dumps(document, ensure_ascii=False, indent=indent, sort_keys=sort_keys)
    # Outside of strings, JSON has only printable ASCII and line feeds, and no `#`.
    if not text.isprintable():
        text = "".join(mark if mark.isprintable() or mark == "\n" else json.dumps(mark)[1:-1] for mark in text)
    return re.sub(_OLD_COMMAND, r"#\\u0023", text) if "##" in text else text


def escape_csv(value: object) -> str:
    """Returns a spreadsheet cell that is one line and not a formula; a leading apostrophe marks it as text."""
    text = escape("" if value is None else str(value), _CSV_LIMIT)
    return f"'{text}" if str(value)[:1] in _FORMULA and text else text


def escape_markdown(text: str) -> str:
    """Returns one line of Markdown without active columns, links, code or HTML."""
    return re.sub(r"([\\`\[<|])", r"\\\1", escape(text))


def encoding_of(content: bytes) -> str:
    """Returns the encoding of the byte order mark, or UTF-8 without one; decoding keeps the mark."""
    marks = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
    return marks.get(content[:2], "utf-8")


def decode_file(content: bytes) -> str:
    """Returns the text of a user's file in UTF-8, or in any encoding with a byte order mark."""
    return content.decode(encoding_of(content), "replace").removeprefix("\ufeff")
