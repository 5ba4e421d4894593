"""A thread pool that runs all work through one function. Apart from `ending`, because its import is slow."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class TrackedPool(ThreadPoolExecutor):
    """Calls `run(work, …)` in a thread instead of `work(…)`."""

    def __init__(self, width: int, *, initializer: Callable[[], None], run: Callable[..., Any]) -> None:
        super().__init__(width, initializer=initializer)
        self._run = run

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return super().submit(self._run, fn, *args, **kwargs)
