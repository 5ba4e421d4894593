"""Progress on a terminal: one live line for each thing that is worked on, with its step and how long it takes.

Drawn on stderr, below whatever results are printed; silent where nobody looks on or with --quiet.
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
# What a terminal has that does not know its width.
_COLUMNS = 80


class Progress:
    """Live lines. Safe to use from threads; use it as a context manager, so that nothing is left on the screen."""

    def __init__(self, settings: Settings) -> None:
        self._live = sys.stderr.isatty() and not settings.quiet
        self._steps: dict[str, tuple[str, float]] = {}
        self._bytes: dict[str, dict[object, tuple[int, int]]] = {}
        self._drawn = 0
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._beat: threading.Thread | None = None

    def __enter__(self) -> "Progress":
        if self._live:
            self._beat = threading.Thread(target=self._run, daemon=True)
            self._beat.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        with self._lock:
            self._steps.clear()
            self._draw()
            self._live = False

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
            self._draw()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """No live lines while a result is printed."""
        with self._lock:
            kept, self._steps = self._steps, {}
            self._draw()
            yield
            self._steps = kept

    def _run(self) -> None:
        while not self._stop.wait(_BEAT):
            with self._lock:
                self._draw()

    def _draw(self) -> None:
        if not self._live or (not self._steps and not self._drawn):
            return
        lines = [self._line(subject) for subject in list(self._steps)[:_MOST_LINES]]
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
        return f"{subject} · {step}{size}" + (f" · {seconds:.0f} s" if seconds >= 2 else "")
