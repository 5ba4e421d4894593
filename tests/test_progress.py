"""Progress without a terminal: an occasional line, so that silence does not look like a hang."""

import re
import time
from pathlib import Path

import pytest

from airbyte_ci.cli.progress import Progress, duration
from airbyte_ci.cli.settings import Settings


def _wait_for(capsys: pytest.CaptureFixture[str], expected: str) -> str:
    seen = ""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not re.search(expected, seen, re.MULTILINE):
        time.sleep(0.05)
        seen += capsys.readouterr().err
    return seen


def test_a_line_says_who_is_at_work(capsys: pytest.CaptureFixture[str]) -> None:
    """How many of all are done, the time elapsed, and the first few at work with their steps."""
    with Progress(Settings(Path()), 26, silence=0.2) as progress:
        for number in range(5):
            progress.teller(f"source-{number}")("spec")
        progress.clear("source-4")
        seen = _wait_for(capsys, r"^1 of 26 done, \d+ s: source-0 · spec, source-1 · spec, .*, and 1 more$")
    assert re.search(r"1 of 26 done, \d+ s: source-0 · spec.*, source-1 .*, source-2 .*, and 1 more\n", seen), seen


def test_one_subject_has_no_count(capsys: pytest.CaptureFixture[str]) -> None:
    """Its time and its step, as for a base image."""
    with Progress(Settings(Path()), silence=0.2) as progress:
        progress.teller("base")("bootstrapping Debian")
        seen = _wait_for(capsys, "base")
    assert re.match(r"\d+ s: base · bootstrapping Debian", seen)


def test_nothing_is_said_where_nobody_works(capsys: pytest.CaptureFixture[str]) -> None:
    """No subject, no line; and none with --quiet."""
    with Progress(Settings(Path()), 2, silence=0.01):
        time.sleep(0.5)
    with Progress(Settings(Path(), quiet=True), 2, silence=0.01) as progress:
        progress.teller("source-x")("spec")
        time.sleep(0.5)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.9, "59 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (3900, "1 h 5 min")]
)
def test_times_as_people_read_them(seconds: float, text: str) -> None:
    """Seconds, minutes and seconds, hours and minutes."""
    assert duration(seconds) == text
