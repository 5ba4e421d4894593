"""Draws the README's picture: a real terminal session of migrate, build and run (`make picture`).

picture.py FLEET FOLDER   runs the session in a copy of the example fleet, and writes FOLDER/session-{light,dark}.svg
"""

import os
import pty
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

SESSION = (
    "airbyte-ci connectors --name=source-parcels migrate_to_base_image 4711",
    "airbyte-ci connectors --name=source-parcels build",
    "airbyte-ci connectors --name=source-parcels run -- spec",
)
WIDTH = 112
# The size of a character of a monospaced font, and of the margins, in pixels.
_CELL, _LINE, _MARGIN, _FONT = 7.8, 19, 16, 13
_STYLE = re.compile(r"\x1b\[([0-9;]*)m")


@dataclass(frozen=True, slots=True)
class Colors:
    """The colors of a picture, by the codes of the terminal (ECMA-48)."""

    background: str
    text: str
    codes: Mapping[str, str]


LIGHT = Colors(
    "#ffffff", "#1f2328", {"2": "#59636e", "31": "#cf222e", "32": "#1a7f37", "33": "#9a6700", "36": "#1b7c83"}
)
DARK = Colors(
    "#0d1117", "#e6edf3", {"2": "#9198a1", "31": "#ff7b72", "32": "#3fb950", "33": "#d29922", "36": "#39c5cf"}
)


def record(command: str, folder: Path) -> list[str]:
    """Returns the lines that a command prints to a terminal, with its styles."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    process = subprocess.Popen(
        shlex.split(command), cwd=folder, env=environment, stdout=theirs, stderr=subprocess.DEVNULL, stdin=theirs
    )
    os.close(theirs)
    printed = b"".join(_chunks(ours))
    if process.wait() != 0:
        raise SystemExit(f"{command} failed:\n{printed.decode()}")
    return printed.decode().replace("\r\n", "\n").splitlines()


def _chunks(descriptor: int) -> Iterator[bytes]:
    while True:
        try:
            chunk = os.read(descriptor, 65536)
        except OSError:  # Linux reports a closed terminal as an error
            return
        if not chunk:
            return
        yield chunk


def draw(lines: Sequence[str], colors: Colors) -> str:
    """Returns the lines as SVG, each shortened to the width of the terminal."""
    width, height = round(WIDTH * _CELL + 2 * _MARGIN), len(lines) * _LINE + 2 * _MARGIN
    rows = "\n".join(
        f'<text x="{_MARGIN}" y="{_MARGIN + _LINE * number + _FONT}">{_spans(line, colors)}</text>'
        for number, line in enumerate(lines)
        if line
    )
    label = escape(" ".join(_STYLE.sub("", line) for line in lines if line.startswith("$")))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{label}">\n'
        "<style>text { font: "
        f"{_FONT}px ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace; fill: {colors.text}; "
        "white-space: pre }</style>\n"
        f'<rect width="100%" height="100%" rx="8" fill="{colors.background}" stroke="{colors.codes["2"]}" '
        'stroke-opacity="0.4"/>\n'
        f"{rows}\n</svg>\n"
    )


def _spans(line: str, colors: Colors) -> str:
    """Returns a line's parts, each with its color and weight; a long line ends with an ellipsis."""
    spans, room, codes = [], WIDTH, set[str]()
    parts = _STYLE.split(line)
    is_long = len("".join(parts[::2])) > WIDTH
    for number, part in enumerate(parts):
        if number % 2:
            codes = codes | {*part.split(";")} if part not in ("", "0") else set()
            continue
        shown = part[:room]
        room -= len(shown)
        color = next((colors.codes[code] for code in sorted(codes, reverse=True) if code in colors.codes), "")
        style = (f' fill="{color}"' if color else "") + (' font-weight="bold"' if "1" in codes else "")
        if shown:
            spans.append(f"<tspan{style}>{escape(shown)}</tspan>" if style else escape(shown))
    return "".join(spans)[: None if not is_long else -1] + ("…" if is_long else "")


def main(fleet: Path, folder: Path) -> None:
    """Runs the session and writes both pictures."""
    lines: list[str] = []
    for command in SESSION:
        lines += ["", f"$ \x1b[1m{command}\x1b[0m"] if lines else [f"$ \x1b[1m{command}\x1b[0m"]
        lines += record(command, fleet)
    folder.mkdir(parents=True, exist_ok=True)
    for name, colors in (("light", LIGHT), ("dark", DARK)):
        (folder / f"session-{name}.svg").write_text(draw(lines, colors), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
