"""Progress on stderr: who is at work, with which step, since when, and how many of all are done.

On a terminal these are live lines below whatever results are printed. Elsewhere, as in a CI's log, a line is printed
every ten seconds in which nothing else was. Silent with --quiet.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from airbyte_ci import text
from airbyte_ci.cli import console
from airbyte_ci.cli.settings import Settings

# Lines are drawn again this often (seconds), so that a step that takes long shows that it lives.
_BEAT = 0.2
_MOST_LINES = 8
# Off a terminal a line is due after so many seconds without one.
_SILENCE = 10.0
_MOST_NAMES = 3
# What a terminal has that does not know its width.
_COLUMNS = 80


class Progress:
    """Live lines, or a line now and then. Threads may share it; use it in a `with`, so that nothing is left behind.

    `total` is how many subjects there are, where that is known; `silence` (seconds) is for tests.
    """

    def __init__(self, settings: Settings, total: int = 0, *, silence: float = _SILENCE) -> None:
        self._live = sys.stderr.isatty() and not settings.quiet
        self._told = not self._live and not settings.quiet
        self._total, self._done = total, 0
        self._silence = silence
        self._began = self._last = time.monotonic()
        self._steps: dict[str, tuple[str, float]] = {}
        self._bytes: dict[str, dict[object, tuple[int, int]]] = {}
        self._drawn = 0
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._beat: threading.Thread | None = None

    def __enter__(self) -> "Progress":
        if self._live or self._told:
            self._beat = threading.Thread(target=self._run, daemon=True)
            self._beat.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        with self._lock:
            self._steps.clear()
            self._draw()
            self._live = self._told = False

    def teller(self, subject: str) -> Callable[[str], None]:
        """Tells a subject's step; each one begins its own time and byte count."""

        def say(step: str) -> None:
            with self._lock:
                self._steps[subject] = (step, time.monotonic())
                self._bytes.pop(subject, None)

        return say

    def moved(self, subject: str, what: object, done: int, total: int) -> None:
        """How many bytes of something are through."""
        with self._lock:
            self._bytes.setdefault(subject, {})[what] = (done, total)

    def clear(self, subject: str = "") -> None:
        """The subject, or everything, is done."""
        with self._lock:
            self._steps = {name: step for name, step in self._steps.items() if subject and name != subject}
            self._bytes.pop(subject, None)
            self._done += bool(subject)
            self._draw()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """No live lines while a result is printed."""
        with self._lock:
            kept, self._steps = self._steps, {}
            self._draw()
            yield
            self._steps = kept
            self._last = time.monotonic()

    def _run(self) -> None:
        while not self._stop.wait(_BEAT):
            with self._lock:
                self._draw()
                self._tell()

    def _tell(self) -> None:
        """Prints a line off a terminal, if there was none for so long."""
        now = time.monotonic()
        if not self._told or not self._steps or now - self._last < self._silence:
            return
        self._last = now
        names = list(self._steps)
        shown = ", ".join(self._line(name) for name in names[:_MOST_NAMES])
        more = f", and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        console.line(f"{self._count()}{shown}{more}", err=True)

    def _count(self) -> str:
        """`3 of 26 done, 1 min 20 s: `; only the time where there is one subject."""
        done = f"{self._done} of {self._total} done, " if self._total > 1 else ""
        return f"{done}{duration(time.monotonic() - self._began)}: "

    def _draw(self) -> None:
        if not self._live or (not self._steps and not self._drawn):
            return
        lines = [self._line(subject) for subject in list(self._steps)[:_MOST_LINES]]
        if self._steps and self._total > 1:
            lines.insert(0, self._count().removesuffix(": "))
        if len(self._steps) > _MOST_LINES:
            lines.append(f"… and {len(self._steps) - _MOST_LINES} more")
        width = max(20, (os.get_terminal_size(2).columns or _COLUMNS) - 1)
        back = f"\x1b[{self._drawn}A" if self._drawn else ""
        shown = "".join(f"\r\x1b[2K{text.escape(line)[:width]}\n" for line in lines)
        console.live(f"{back}\r\x1b[J{shown}")
        self._drawn = len(lines)

    def _line(self, subject: str) -> str:
        step, began = self._steps[subject]
        seconds = time.monotonic() - began
        moved = list(self._bytes.get(subject, {}).values())
        size = f" · {sum(m[0] for m in moved) / 1e6:.1f} of {sum(m[1] for m in moved) / 1e6:.1f} MB" if moved else ""
        return f"{subject} · {step}{size}" + (f" · {duration(seconds)}" if seconds >= 2 else "")


def duration(seconds: float) -> str:
    """A time as people read it: 42 s, 3 min 20 s, 1 h 5 min."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
