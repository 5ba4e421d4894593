"""Pools of threads, and their end."""

import os
import threading
from concurrent.futures import Future

import pytest

from airbyte_ci import interruption
from airbyte_ci.cli import ending
from airbyte_ci.sandbox import launch


class _Failed(Exception):
    """The block of a pool fails."""


def _until_clear() -> None:
    for _ in range(1000):
        if not interruption.is_stopping():
            return
        threading.Event().wait(0.01)
    pytest.fail("the flag stays set")


@pytest.mark.parametrize("error", [KeyboardInterrupt, _Failed])
def test_threads_that_wait_for_a_process_stop(error: type[BaseException]) -> None:
    """When the block ends early, they stop with KeyboardInterrupt, and what has not begun never begins."""
    reading, writing = os.pipe()
    begun = threading.Event()

    def wait() -> None:
        begun.set()
        launch.wait_for(reading, None)

    with pytest.raises(error), ending.pool(1) as pool:
        first, second = pool.submit(wait), pool.submit(wait)
        begun.wait()
        raise error
    assert isinstance(first.exception(), KeyboardInterrupt)
    assert second.cancelled()
    _until_clear()
    os.close(reading)
    os.close(writing)


def test_a_thread_that_hangs_is_abandoned() -> None:
    """It does not delay the end for long; all work counts as stopping until it ends after all."""
    begun, released = threading.Event(), threading.Event()
    running: list[Future[bool]] = []

    def hang() -> bool:
        begun.set()
        return released.wait(60)

    with pytest.raises(KeyboardInterrupt), ending.pool(1) as pool:
        running.append(pool.submit(hang))
        begun.wait()
        raise KeyboardInterrupt
    assert not running[0].done()
    assert interruption.is_stopping()
    released.set()
    _until_clear()


def test_a_pool_in_a_thread_stops_no_other_work() -> None:
    """What fails in one connector is that connector's failure: the others go on."""

    def fail() -> None:
        with ending.pool(1):
            raise _Failed

    with ending.pool(2) as pool:
        assert isinstance(pool.submit(fail).exception(), _Failed)
        assert not interruption.is_stopping()
        assert pool.submit(lambda: 7).result() == 7
