"""Kills processes that work on one store at random moments, and looks after each whether the store is whole.

python -m tests.chaos.killing [KILLS] [SEED]     what `make chaos` runs
"""

import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from airbyte_ci.errors import BlobNotFound, StoreError
from airbyte_ci.oci.exchange.contents import ResultKinds
from airbyte_ci.oci.exchange.load import load
from airbyte_ci.oci.exchange.save import export
from airbyte_ci.oci.image import Platform
from airbyte_ci.oci.layer import assemble, layer_of, make_segment
from airbyte_ci.oci.store.check import check
from airbyte_ci.oci.store.collect import Policy, collect
from airbyte_ci.oci.store.store import Store, action_key
from airbyte_ci.oci.tar import Entry, directory
from airbyte_ci.testing.images import random_image

_KINDS = ResultKinds(making={"layer"}, naming={"chaos"})


def _work(root: Path, chance: random.Random) -> None:
    """Everything that changes a store, in random order, for ever."""
    store = Store(root)
    while True:
        number = chance.randrange(50)
        match chance.randrange(8):
            case 0:
                store.put(chance.randbytes(chance.randrange(1, 200_000)))
            case 1:
                key = action_key("chaos", 1, number)
                if (known := store.recall(key)) is not None and known != {"number": number}:
                    os._exit(1)
                store.remember(key, {"number": number})
            case 2:
                image = random_image(store, seed=number, platform=Platform("linux", "amd64"))
                store.tag(f"acme/source-{number % 5}:dev", image.manifest.descriptor)
            case 3:
                entries = [Entry(path=f"a/{name}", content=chance.randbytes(5000)) for name in range(number)]
                assemble(store, [directory("a")], [make_segment(store, entries)])
            case 4:
                layer_of(store, [Entry(path="one", content=bytes([number]) * 1000)])
            case 5:
                # Another process may be collecting, or may have collected an inspected item.
                with contextlib.suppress(StoreError, BlobNotFound):
                    collect(store, Policy(max_size=chance.randrange(2_000_000)))
            case 6:
                export(store, root.with_name("export.tar"), _KINDS, limit=chance.randrange(20_000, 2_000_000))
            case 7:
                if root.with_name("export.tar").exists():
                    load(store, root.with_name("export.tar"), _KINDS, with_results=True)


def _start(root: Path, seed: int) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            _work(root, random.Random(seed))
        except BlobNotFound:
            code = 0  # collected between two uses by a sibling of another session: a miss, not damage
        finally:
            os._exit(code)
    return child


def kill(root: Path, kills: int, seed: int) -> int:
    """Two processes at a time, one of them killed each time; returns how many kills left damage or found one."""
    chance = random.Random(seed)
    bad = 0
    running = [_start(root, chance.randrange(1 << 30)) for _ in range(2)]
    for number in range(kills):
        time.sleep(chance.random() * 0.05)
        victim = running.pop(0)
        os.kill(victim, signal.SIGKILL)
        _, status = os.waitpid(victim, 0)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status):
            print(f"kill {number}: a process ended with {os.WEXITSTATUS(status)} before it was killed")
            bad += 1
        running.append(_start(root, chance.randrange(1 << 30)))
        if number % 5 == 0:
            # A look needs a quiet store: an image whose layers are being collected is not damage.
            for process in running:
                os.kill(process, signal.SIGKILL)
                os.waitpid(process, 0)
            damages = _look(root)
            for damage in damages:
                print(f"kill {number}: {damage}")
            bad += len(damages)
            running = [_start(root, chance.randrange(1 << 30)) for _ in range(2)]
    for process in running:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    return bad + len(_look(root))


def _look(root: Path) -> list[str]:
    """The store's errors, found by a separate process, so that this one never has a session."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        try:
            text = "\n".join(f"{item.subject}: {item.reason}" for item in check(Store(root)).damages)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is damage
            text = f"looking failed: {error!r}"
        with os.fdopen(write, "w") as file:
            file.write(text)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as file:
        text = file.read()
    os.waitpid(child, 0)
    return text.splitlines()


def main() -> None:
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else time.time_ns()
    with tempfile.TemporaryDirectory() as name:
        bad = kill(Path(name) / "store", kills, seed)
    print(f"{kills} kills at random moments (seed {seed}): {bad or 'no'} damage")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
