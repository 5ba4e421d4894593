"""Threads and processes that need the same action: one does it, the others wait, and never in a circle."""

import json
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from airbyte_ci import interruption
from airbyte_ci.errors import PackageError
from airbyte_ci.oci.store.store import Store, action_key
from airbyte_ci.oci.store.turns import Role, Turns, as_worker

# Far more than anything here takes, so that a circle fails the test and does not stop the suite.
PATIENCE = 120
THREADS = 8
# Another process that needs the action. It makes the result when it reads a line, and reports what it does.
OTHER = """
import sys
from pathlib import Path
from airbyte_ci.oci.store.store import Store

def report(text):
    print(text, flush=True)

def make():
    report("making")
    sys.stdin.readline()
    return {"by": "another process"}

report(Store(Path(sys.argv[1])).reuse("test", 1, "input", make, say=report)["by"])
"""
WAITING = "waiting for another process that does the same"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@contextmanager
def workers(role: Role | None, width: int = THREADS) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(width, initializer=as_worker(role) if role else None) as pool:
        yield pool


def at_once(pool: ThreadPoolExecutor, work: Callable[[], Any], count: int = THREADS) -> list[Future[Any]]:
    """Starts the work in several threads, all of which have begun before any goes on."""
    barrier = threading.Barrier(count)

    def begin() -> Any:
        barrier.wait(PATIENCE)
        return work()

    return [pool.submit(begin) for _ in range(count)]


@pytest.mark.parametrize("role", [Role.SUBJECT, Role.TASK])
def test_one_thread_does_what_all_need(store: Store, role: Role) -> None:
    """The action is done once, and each thread gets its result."""
    done: list[int] = []

    def make() -> dict[str, Any]:
        done.append(1)
        threading.Event().wait(0.05)
        return {"made": len(done)}

    with workers(role) as pool:
        found = at_once(pool, lambda: store.reuse("test", 1, "input", make))
        assert [item.result(PATIENCE) for item in found] == [{"made": 1}] * THREADS


def test_after_a_failure_the_next_thread_tries(store: Store) -> None:
    """A failed action fails for its own thread only."""
    tried: list[int] = []

    def make() -> dict[str, Any]:
        tried.append(1)
        threading.Event().wait(0.02)
        if len(tried) < 3:
            raise PackageError("no answer")
        return {"tries": len(tried)}

    with workers(Role.SUBJECT) as pool:
        found = at_once(pool, lambda: store.reuse("test", 1, "input", make))
        ended = [item.exception(PATIENCE) or item.result() for item in found]
    assert sum(isinstance(item, PackageError) for item in ended) == 2
    assert ended.count({"tries": 3}) == THREADS - 2


def test_a_waiting_thread_ends_when_all_work_stops(store: Store) -> None:
    """It does not wait for the owner, which may be slow to stop."""
    begun, released = threading.Event(), threading.Event()

    def make() -> dict[str, Any]:
        begun.set()
        released.wait(PATIENCE)
        return {}

    with workers(Role.SUBJECT, 2) as pool:
        owner = pool.submit(store.reuse, "test", 1, "input", make)
        assert begun.wait(PATIENCE)
        waiting = pool.submit(store.reuse, "test", 1, "input", make)
        interruption.begin()
        try:
            assert isinstance(waiting.exception(PATIENCE), KeyboardInterrupt)
            assert not owner.done()
        finally:
            interruption.end()
            released.set()


@pytest.mark.parametrize("waiting", [None, Role.TASK])
def test_who_must_not_wait_does_it_again(store: Store, waiting: Role | None) -> None:
    """The owner may need a place in the pool of this thread, so it does not wait for that owner."""
    begun, released = threading.Event(), threading.Event()

    def make() -> dict[str, Any]:
        begun.set()
        released.wait(PATIENCE)
        return {"by": "owner"}

    with workers(Role.SUBJECT, 1) as subjects, workers(waiting, 1) as others:
        owner = subjects.submit(store.reuse, "test", 1, "input", make)
        assert begun.wait(PATIENCE)
        again = others.submit(store.reuse, "test", 1, "input", lambda: {"by": "other"})
        assert again.result(PATIENCE) == {"by": "other"}
        assert not owner.done()
        released.set()


def test_threads_share_a_batch(store: Store) -> None:
    """Of overlapping sets of actions, each thread gets those that no other one does now."""
    keys = [store.put(bytes([number])) for number in range(3)]
    with store.turns.take(*keys[:2]) as first, store.turns.take(*keys) as second:
        assert (first, second) == (tuple(keys[:2]), (keys[2],))


@pytest.mark.parametrize("seed", range(6))
def test_nested_actions_in_any_order_end(store: Store, seed: int) -> None:
    """Actions that need others in random orders, also through a small pool, even in circles."""
    keys = range(6)
    made: Counter[int] = Counter()
    with workers(Role.TASK, 2) as tasks, workers(Role.SUBJECT) as subjects, workers(None, 2) as unknown:

        def need(key: int, chance: random.Random, depth: int, *, is_task: bool) -> None:
            def make() -> dict[str, Any]:
                made[key] += 1
                below = chance.sample(keys, 3) if depth else []
                threading.Event().wait(chance.random() / 500)
                if below and not is_task and chance.random() < 0.5:
                    running = [
                        chance.choice([tasks, tasks, unknown]).submit(
                            need, item, random.Random(chance.random()), depth - 1, is_task=True
                        )
                        for item in below
                    ]
                    for ended in running:
                        ended.result(PATIENCE)
                else:
                    for item in below:
                        need(item, chance, depth - 1, is_task=is_task)
                if chance.random() < 0.1:
                    raise PackageError("by chance")
                return {"key": key}

            try:
                # Never whole: each time it is done again, so turns are taken all the time.
                store.reuse("test", 1, key, make, is_whole=lambda _: chance.random() < 0.3)
            except PackageError:
                return

        def run(number: int) -> None:
            chance = random.Random(f"{seed} {number}")
            for _ in range(6):
                need(chance.choice(keys), chance, 3, is_task=False)

        for ended in [subjects.submit(run, number) for number in range(THREADS)]:
            ended.result(PATIENCE)
    assert set(made) == set(keys)
    with store.turns.take(store.put(json.dumps(seed).encode())) as mine:
        assert len(mine) == 1


# --- processes -----------------------------------------------------------------------------------


class Other:
    """A process that runs OTHER on the store."""

    def __init__(self, store: Store) -> None:
        command = (sys.executable, "-c", OTHER, str(store.root))
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def read(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().rstrip()

    def go_on(self) -> None:
        assert self.process.stdin
        with suppress(OSError):
            self.process.stdin.write("\n")
            self.process.stdin.flush()


@pytest.fixture
def others(store: Store) -> Iterator[Callable[[], Other]]:
    started: list[Other] = []

    def start() -> Other:
        started.append(Other(store))
        return started[-1]

    yield start
    for other in started:
        with other.process as process:
            process.kill()


def reuse(store: Store, said: list[str] | None = None) -> dict[str, Any]:
    say = said.append if said is not None else lambda _: None
    return store.reuse("test", 1, "input", lambda: {"by": "this process"}, say=say)


def test_a_process_takes_what_another_one_has_made(others: Callable[[], Other]) -> None:
    """The second process reports that it waits, and makes nothing."""
    first = others()
    assert first.read() == "making"
    second = others()
    assert second.read() == WAITING
    first.go_on()
    assert second.read() == first.read() == "another process"


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_after_a_process_died_the_next_one_does_it(others: Callable[[], Other], sign: signal.Signals) -> None:
    """A lock is never stale."""
    first = others()
    assert first.read() == "making"
    second = others()
    assert second.read() == WAITING
    first.process.send_signal(sign)
    assert second.read() == "making"


def test_a_waiting_process_ends_at_ctrl_c(others: Callable[[], Other]) -> None:
    """It does not wait for the other process."""
    first = others()
    assert first.read() == "making"
    second = others()
    assert second.read() == WAITING
    second.process.send_signal(signal.SIGINT)
    assert second.process.wait(PATIENCE) == -signal.SIGINT
    assert first.process.poll() is None


def test_a_thread_that_waits_for_a_process_ends_when_all_work_stops(store: Store, others: Callable[[], Other]) -> None:
    """Only the main thread learns of Ctrl-C by itself."""
    first = others()
    assert first.read() == "making"
    with workers(Role.SUBJECT, 1) as pool:
        said = threading.Event()
        waiting = pool.submit(store.reuse, "test", 1, "input", dict[str, Any], say=lambda _: said.set())
        assert said.wait(PATIENCE)
        interruption.begin()
        try:
            assert isinstance(waiting.exception(PATIENCE), KeyboardInterrupt)
        finally:
            interruption.end()
    assert first.process.poll() is None


def test_nobody_waits_forever_for_a_stopped_process(store: Store, others: Callable[[], Other]) -> None:
    """When the patience ends, this process does it too, and both get a result."""
    store.turns = Turns(store.root / "turns", patience=0.1)
    first = others()
    assert first.read() == "making"
    first.process.send_signal(signal.SIGSTOP)
    said: list[str] = []
    assert reuse(store, said) == {"by": "this process"}
    assert said == [WAITING]
    first.process.send_signal(signal.SIGCONT)
    first.go_on()
    assert first.read() == "another process"


def test_who_must_not_wait_for_a_process_does_it_again(store: Store, others: Callable[[], Other]) -> None:
    """Tasks do not wait for the main thread of another process; nor does who excludes others, or may need a pool."""
    first = others()
    assert first.read() == "making"
    said: list[str] = []
    for role in (Role.TASK, None):
        with workers(role, 1) as pool:
            assert pool.submit(reuse, store, said).result(PATIENCE) == {"by": "this process"}
        (store.root / "actions").rename(store.root / f"actions-{role}")
        (store.root / "actions").mkdir()
    with store.turns.take(store.put(b"another action"), say=said.append):
        assert reuse(store, said) == {"by": "this process"}
    assert not said


def test_a_process_gets_the_part_of_a_batch_that_others_leave(store: Store, others: Callable[[], Other]) -> None:
    """Of several actions, it does those that no other process does now."""
    first = others()
    assert first.read() == "making"
    taken = action_key("test", 1, "input")
    free = action_key("test", 1, "other input")
    said: list[str] = []
    with store.turns.take(taken, free, say=said.append) as mine:
        assert mine == (free,)
    first.go_on()
    assert first.read() == "another process"
    with store.turns.take(taken, free, say=said.append) as mine:
        assert mine == (taken, free)
    assert not said
