"""Builds of one connector at the same time, next to a collection that takes all it may, round after round.

python -m tests.chaos.building [ROUNDS]     what `make chaos` runs
"""

import sys
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from tests.e2e.command import PROJECT, Result, airbyte_ci
from tests.e2e.conftest import make_fleet
from tests.e2e.tiny import NAME, Tiny, tiny_fleet, with_base

_BUILDS = 6


def build_at_once(tiny: Tiny, rounds: int) -> list[str]:
    """The errors: a failed build, two digests of one connector, damage, an image that does not answer."""
    problems: list[str] = []
    _keep(Store(tiny.home), tiny.base)
    for number in range(rounds):
        # Something to unpack, to compile and to build of source that the store does not have.
        tiny.require(tiny.small(f"1.{number}"), tiny.wheel(f"round{number}", "1.0", {f"round{number}.py": "a = 1\n"}))
        main = tiny.connector() / "main.py"
        main.write_text(f"{main.read_text()}# {number}\n")
        with ThreadPoolExecutor(_BUILDS + 1) as pool:
            running = [pool.submit(tiny.build) for _ in range(_BUILDS)]
            collecting = pool.submit(_collect, tiny, running)
            results = [item.result() for item in running]
            problems += [f"round {number}: {text}" for text in collecting.result()]
        problems += [f"round {number}: {item.out} {item.err}" for item in results if item.code]
        if len(digests := {_digest(item) for item in results if item.code == 0}) > 1:
            problems.append(f"round {number}: digests {digests}")
        for command in (("store", "check", "--deep"), ("connectors", f"--name={NAME}", "run", "--", "spec")):
            if (looked := tiny.run(*command)).code:
                problems.append(f"round {number}: {command}: {looked.out} {looked.err}")
    return problems


def _keep(store: Store, base: str) -> None:
    """Gives the base image a name: it comes from no registry, and a collection takes what has none."""
    digest = Reference.parse(base).digest
    assert digest is not None
    store.tag("localhost/chaos/base:kept", store.manifest(digest).descriptor)


def _digest(result: Result) -> str:
    found: str = result.json["digest"]
    return found


def _collect(tiny: Tiny, running: list[Future[Result]]) -> list[str]:
    """Collections one after the other, for as long as a build runs."""
    said = []
    while not all(item.done() for item in running):
        collected = tiny.run("store", "gc", "--max-size", "1MB")
        if collected.code:
            said.append(f"store gc: {collected.out} {collected.err}")
    return said


def main(arguments: list[str]) -> int:
    rounds = int(arguments[0]) if arguments else 5
    with tempfile.TemporaryDirectory() as folder:
        home = PROJECT / ".scratch" / "test-store"
        fleet = make_fleet(Path(folder) / "fleet")
        base = airbyte_ci("base-images", "build", "--root", "debian", cwd=fleet, home=home)
        if base.code:
            print(base.err)
            return 1
        address = base.out.splitlines()[-1]
        own = with_base(Store(home), address, Path(folder) / "store")
        with tiny_fleet(Path(folder), own, address) as tiny:
            problems = build_at_once(tiny, rounds)
    print("\n".join(problems) or f"{rounds} rounds of {_BUILDS} builds next to `store gc`: nothing was lost")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
