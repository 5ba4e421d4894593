"""Runs the commands of a documentation page's `console` blocks, and compares their output."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FENCE = re.compile(r"^```(\w*)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What differs from day to day and from machine to machine, while the page stays true.
# A progress line that only a slow machine prints.
_PROGRESS = re.compile(r"^(?:\d+ min )?[\d.]+ s: \S.*\n", re.MULTILINE)
_VARYING = (
    (_PROGRESS, ""),
    (re.compile(r"sha256:[0-9a-f]{12,64}"), "sha256:…"),
    (re.compile(r"\b20\d\d-\d\d-\d\d\b"), "DAY"),
    (re.compile(r"\b\d+ packages? cached(, \d+ new)?"), "# packages cached"),
    (re.compile(r"\b[\d.]+ (MB|s|inputs|new)\b"), r"# \1"),
    (re.compile(r"\b3\.11\.\d+"), "3.11.#"),
    (re.compile(r"[+−]\d+\b"), "±#"),
    (re.compile(r" +"), " "),
)


@dataclass(frozen=True)
class Step:
    """One command, whose further lines (`> …`) belong to it, and what it printed."""

    command: str
    output: str


@dataclass(frozen=True)
class ShownFile:
    """A file that the reader saves: a block with its path as the title."""

    path: str
    text: str


def steps(page: str) -> list[Step]:
    """All commands of a page in their order."""
    return [step for block in _BLOCK.findall(page) for step in _steps(block)]


def _steps(block: str) -> list[Step]:
    found = re.finditer(r"^\$ (.*\n(?:>(?: .*)?\n)*)((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    return [Step(re.sub(r"\n> ?", "\n", match[1].removesuffix("\n")), match[2]) for match in found]


def run(step: Step, folder: Path, home: Path) -> tuple[int, str]:
    """The command's exit code and all that it printed, as a person sees it."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    finished = subprocess.run(
        ["bash", "-c", step.command],
        cwd=folder,
        env={**os.environ, "AIRBYTE_CI_HOME": str(home), "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    return finished.returncode, finished.stdout


def parts(page: str) -> Iterator[Step | ShownFile]:
    """Yields the commands of a page and the files that it shows, in their order."""
    for match in _FENCE.finditer(page):
        if match[1] == "console":
            yield from _steps(match[3])
        elif match[2]:
            yield ShownFile(match[2], match[3])


def follow(page: Path, folder: Path, home: Path, replaced: Mapping[str, str] | None = None) -> None:
    """Runs a page's commands in order, beginning in the folder; each must succeed and print what the page shows.

    A block with a path as its title is a file, which is written when its turn comes.
    A line that ends with an ellipsis is the beginning of the printed one, and a line with nothing else stands for all
    further lines. `replaced` maps text of the page to what it is in this run. With UPDATE_DOCS set, the page is written
    again.
    """
    outputs = []
    for part in parts(page.read_text()):
        if isinstance(part, ShownFile):
            (folder / part.path).write_text(part.text)
            continue
        command = part.command
        for shown, real in (replaced or {}).items():
            command = command.replace(shown, real)
        code, output = run(Step(command, part.output), folder, home)
        assert code == 0, f"{command}\n{output}"
        if moved := re.search(r"(?:^|&& )cd (\S+)", command):
            folder = (folder / moved[1]).resolve()
        for shown, real in (replaced or {}).items():
            output = output.replace(real, shown)
        outputs.append(part.output if "…\n" in part.output else output)
        if not os.environ.get("UPDATE_DOCS"):
            assert _shortened(steady(output), steady(part.output)) == steady(part.output), command
    if os.environ.get("UPDATE_DOCS"):
        page.write_text(rewritten(page.read_text(), outputs))


def _shortened(printed: str, shown: str) -> str:
    """Returns the printed text with the ellipses of the shown one, where it begins in the same way."""
    lines = printed.split("\n")
    for number, line in enumerate(shown.split("\n")[: len(lines)]):
        if line == "…":
            return "\n".join([*lines[:number], line])
        if line.endswith("…") and lines[number].startswith(line.removesuffix("…")):
            lines[number] = line
    return "\n".join(lines)


def steady(text: str) -> str:
    """Without versions of Debian packages, how many files and bytes they have, and times."""
    return re.sub(r"^(  ✓ build) .*$", r"\1", without_versions(text), flags=re.MULTILINE)


def same(text: str) -> str:
    """The text without what may differ."""
    for pattern, replacement in _VARYING:
        text = pattern.sub(replacement, text)
    return text.strip()


def without_versions(text: str) -> str:
    """The same without versions of Debian packages, and how many files and bytes they have."""
    text = re.sub(r"^(  package +\+ \S+) .*$", r"\1", same(text), flags=re.MULTILINE)
    return re.sub(r"\d+ (that belong|in files)", r"# \1", text)


def rewritten(page: str, outputs: list[str]) -> str:
    """The page with these outputs, in the order of its commands."""
    remaining = iter(outputs)

    def block(match: re.Match[str]) -> str:
        commands = (
            re.sub(r"> $", ">", step.command.replace("\n", "\n> "), flags=re.MULTILINE) for step in _steps(match[1])
        )
        shown = "".join(f"$ {command}\n{_PROGRESS.sub('', next(remaining))}" for command in commands)
        return f"```console\n{shown}```"

    return _BLOCK.sub(block, page)
