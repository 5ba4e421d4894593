"""The output of a process, limited to its last bytes while it runs, so that memory and disk stay free."""

import contextlib
import threading
from collections import deque
from collections.abc import Callable
from typing import IO

_CHUNK = 1 << 16


class Capture:
    """Reads a pipe to its end in a thread; `tail` holds the last bytes, at most `limit`.

    `heard` receives all output in that thread. If it raises BrokenPipeError, the pipe is closed.
    """

    def __init__(self, pipe: IO[bytes], limit: int, heard: Callable[[bytes], None] | None = None) -> None:
        self._pipe = pipe
        self._limit = limit
        self._heard = heard
        self._chunks: deque[bytes] = deque()
        self._held = 0
        self.size = 0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with self._pipe, contextlib.suppress(BrokenPipeError):
            while chunk := self._pipe.read1(_CHUNK):  # type: ignore[attr-defined]  # a buffered reader
                if self._heard:
                    self._heard(chunk)
                with self._lock:
                    self._chunks.append(chunk)
                    self._held += len(chunk)
                    self.size += len(chunk)
                    while self._held - len(self._chunks[0]) >= self._limit:
                        self._held -= len(self._chunks.popleft())

    def wait(self, timeout: float | None = None) -> None:
        """Waits until the other side has closed the pipe."""
        self._thread.join(timeout)

    @property
    def tail(self) -> bytes:
        with self._lock:
            whole = b"".join(self._chunks)
        return whole[max(0, len(whole) - self._limit) :]
