"""Builds an image of every lock and inspects it: each distribution once, at the lock's version; `pip check`.

python -m tests.oracles.images FOLDER [NAME…]     every poetry.lock below the folder, or those of the named connectors

Needs everything that a build needs: root, runc, a package index. The store is AIRBYTE_CI_HOME, or that of the
end-to-end tests.
"""

import json
import os
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from airbyte_ci.connectors import metadata
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Image, Index, Platform
from airbyte_ci.oci.store.store import Store
from airbyte_ci.recipe import evaluate
from airbyte_ci.sandbox import sandbox
from tests.e2e.conftest import PROJECT, airbyte_ci, make_fleet
from tests.oracles import plans

HOME = Path(os.environ.get("AIRBYTE_CI_HOME") or PROJECT / ".scratch" / "test-store")
_ASK = """
import importlib.metadata, json
print(json.dumps([[found.metadata["Name"], found.version] for found in importlib.metadata.distributions()]))
"""


@dataclass(frozen=True)
class Seen:
    """An image's report: its distributions (normalized names), duplicate names, and pip's complaints."""

    versions: Mapping[str, str]
    twice: tuple[str, ...]
    complaints: tuple[str, ...]


def look(store: Store, image: Image) -> Seen:
    """Runs the image's own Python and its own pip."""
    found = json.loads(_run(store, image, "python", "-c", _ASK).splitlines()[-1])
    names = [re.sub(r"[-_.]+", "-", name).lower() for name, _ in found]
    checked = _run(store, image, "python", "-m", "pip", "check").splitlines()
    complaints = [line for line in checked if " has requirement " in line or " requires " in line]
    twice = tuple(name for name, count in Counter(names).items() if count > 1)
    return Seen(dict(zip(names, (version for _, version in found), strict=True)), twice, tuple(complaints))


def _run(store: Store, image: Image, *arguments: str) -> str:
    tree, command = evaluate.prepare(store, image, arguments, use_entrypoint=False)
    return sandbox.run(store, tree, replace(command, timeout=300)).stdout.decode()


def wrong(seen: Seen, base: Seen, locked: Mapping[str, str]) -> list[str]:
    """The differences of an image from the lock (name → version) and, for other distributions, from the base."""
    expected = {**base.versions, **locked}
    twice = [f"{name} is named twice" for name in seen.twice]
    names = sorted(expected.keys() | seen.versions.keys())
    pairs = [(name, seen.versions.get(name, "absent"), expected.get(name, "absent")) for name in names]
    return [*twice, *(f"{name} is {is_} and should be {should}" for name, is_, should in pairs if is_ != should)]


def explained(complaint: str, locked: Mapping[str, str]) -> str:
    """The cause of a line of `pip check`: the base's own distributions, or the lock."""
    name = re.sub(r"[-_.]+", "-", complaint.split()[0]).lower()
    return "lock" if name in locked else "base"


# --- a fleet of nothing but locks ------------------------------------------------------------------


def fleet_of(folders: Sequence[Path], target: Path) -> Path:
    """A fleet whose connectors have these locks and no code."""
    make_fleet(target)
    connectors = target / "airbyte-integrations" / "connectors"
    shutil.rmtree(connectors)
    for folder in folders:
        place = connectors / folder.name
        place.mkdir(parents=True)
        for name in ("poetry.lock", "pyproject.toml", "metadata.yaml"):
            shutil.copy(folder / name, place)
        (place / "main.py").write_text("")
        (place / folder.name.replace("-", "_")).mkdir()
    return target


def main() -> None:
    wanted = sys.argv[2:]
    found = (path.parent for path in sorted(Path(sys.argv[1]).rglob("poetry.lock")))
    folders = [folder for folder in found if not wanted or folder.name in wanted]
    with tempfile.TemporaryDirectory() as name:
        fleet = fleet_of(folders, Path(name) / "fleet")
        made = airbyte_ci("base-images", "build", "--root", "debian", cwd=fleet, home=HOME)
        if made.code:
            sys.exit(made.err)
        base = made.out.splitlines()[-1]
        built = airbyte_ci(
            *("--json", "connectors", "--all", "build", "--no-verify", "--tag", "oracle", "--base-image", base),
            cwd=fleet,
            home=HOME,
            timeout=7200,
        )
    print(built.err, file=sys.stderr)
    outcomes = [json.loads(line) for line in built.out.splitlines() if line.startswith("{")]
    sys.exit(1 if list(_report(folders, outcomes, base)) else 0)


def _report(folders: Sequence[Path], outcomes: Sequence[Mapping[str, str]], base: str) -> Iterator[str]:
    """Prints each image's report; returns the names of the wrong ones."""
    store = Store(HOME)
    python = "3.11.2", "x86_64"
    answers = plans.asked_of_poetry(folders, [python])
    bare = look(store, base_image(store, base))
    print(f"base: {len(bare.versions)} distributions, {len(bare.complaints)} complaints")
    complaints: Counter[str] = Counter()
    for folder, outcome in zip(folders, sorted(outcomes, key=lambda item: item["name"]), strict=True):
        answer = answers[str(folder)][" ".join(python)]
        if outcome["status"] != "ok" or isinstance(answer, str):
            print(f"{folder.name}: {outcome['status']} {outcome.get('reason', '')}; poetry: {answer!s:.80}")
            if not (outcome["status"] != "ok" and isinstance(answer, str)):
                yield folder.name
            continue
        locked = {item[0]: item[1] for item in answer}
        image = image_of(store, folder)
        seen = look(store, image)
        said = wrong(seen, bare, locked)
        complaints.update(f"{explained(line, locked)}: {line}" for line in seen.complaints)
        print(
            f"{folder.name}: {len(locked)} locked, {len(seen.complaints)} complaints{''.join('; ' + x for x in said)}"
        )
        if said:
            yield folder.name
    print("\npip check, by how many images say it:")
    for line, count in complaints.most_common():
        print(f"{count:4} {line}")


def base_image(store: Store, address: str) -> Image:
    manifest = store.manifest(Digest.parse(address.partition("@")[2]))
    assert isinstance(manifest, Index)
    return store.image(manifest.select(Platform("linux", "amd64"), address).digest)


def image_of(store: Store, folder: Path) -> Image:
    data = metadata.load(folder / "metadata.yaml", folder.name)
    descriptor = store.resolve(f"{data['dockerRepository']}:oracle")
    assert descriptor is not None
    return store.image(descriptor.digest)


if __name__ == "__main__":
    main()
