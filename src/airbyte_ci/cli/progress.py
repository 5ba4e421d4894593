"""Shows progress on stderr: each subject with its step and time, and how many are done.

On a terminal, live lines stay below the results. Elsewhere, as in a CI log, a line is printed after ten seconds
without output. --quiet disables both.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from airbyte_ci import interruption, text
from airbyte_ci.cli import console
from airbyte_ci.cli.settings import Settings

# Seconds between two drawings, so that the time of a long step advances.
_BEAT = 0.2
_MOST_LINES = 8
# Seconds without output after which a line is due, if stderr is not a terminal.
_SILENCE = 10.0
_MOST_NAMES = 3
# The width of a terminal that does not report one.
_COLUMNS = 80


class Progress:
    """Live lines on a terminal, else occasional lines. Threads may share it; use it in a `with`, which cleans up.

    `total` is the number of subjects, if known; `silence` (seconds) is for tests.
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
        """Returns the function that reports a subject's step; each step restarts the time and the byte count.

        It raises KeyboardInterrupt if all work is being stopped, as `moved` does: threads stop where they report.
        """

        def say(step: str) -> None:
            interruption.check()
            with self._lock:
                self._steps[subject] = (step, time.monotonic())
                self._bytes.pop(subject, None)

        return say

    def moved(self, subject: str, what: object, done: int, total: int) -> None:
        """Reports how many bytes of something have been transferred."""
        interruption.check()
        with self._lock:
            self._bytes.setdefault(subject, {})[what] = (done, total)

    def clear(self, subject: str = "") -> None:
        """Reports that the subject, or everything, is done."""
        with self._lock:
            self._steps = {name: step for name, step in self._steps.items() if subject and name != subject}
            self._bytes.pop(subject, None)
            self._done += bool(subject)
            self._draw()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Hides the live lines while a result is printed."""
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
        """Prints a line if stderr is not a terminal and has been silent long enough."""
        now = time.monotonic()
        if not self._told or not self._steps or now - self._last < self._silence:
            return
        self._last = now
        names = list(self._steps)
        shown = ", ".join(self._line(name) for name in names[:_MOST_NAMES])
        more = f", and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        console.line(f"{self._count()}{shown}{more}", err=True)

    def _count(self) -> str:
        """Returns `3 of 26 done, 1 min 20 s: `; for a single subject, only the time."""
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
    """Returns a readable time: 42 s, 3 min 20 s, 1 h 5 min."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
