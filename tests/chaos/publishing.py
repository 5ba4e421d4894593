"""Kills `connectors publish` at random moments, and looks after each whether a tag points to something incomplete.

python -m tests.chaos.publishing [KILLS] [SEED]     what `make chaos` runs
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Index, Manifest
from airbyte_ci.oci.store.store import Store
from airbyte_ci.registry.client import RegistryClient
from airbyte_ci.testing.clients import quick_client
from airbyte_ci.testing.docker_registry import docker_registry
from tests.e2e.command import PROJECT, airbyte_ci
from tests.e2e.conftest import make_fleet
from tests.e2e.tiny import NAME, tiny_fleet, with_base
from tests.publish.releasing import Releasing


def kill(releasing: Releasing, kills: int, seed: int) -> list[str]:
    """Publishes version after version, each run killed until one ends by itself; returns what was wrong."""
    chance = random.Random(seed)
    problems: list[str] = []
    version, done = 0, 0
    # The first run fills the store; the second one takes as long as those that are killed.
    for _ in range(2):
        _next_version(releasing, version)
        started = time.monotonic()
        out, error = _start(releasing, "--main-release").communicate()
        duration = time.monotonic() - started
        version += 1
        if not releasing.tags():
            return [f"the first run published nothing: {out}{error}"]
    _next_version(releasing, version)
    while done < kills:
        options = () if version % 3 == 2 else ("--main-release",)
        started = time.monotonic()
        process = _start(releasing, *options)
        limit = chance.random() * duration * 1.1
        with contextlib.suppress(Exception):
            process.wait(limit)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            done += 1
            # On a slow machine no run would ever end.
            duration *= 1.02
            if done % 20 == 0:
                print(f"{done} kills, {version} versions, {len(problems)} problems", file=sys.stderr, flush=True)
        out, error = process.communicate()
        problems += [f"kill {done}: {item}" for item in _incomplete(releasing)]
        if process.returncode >= 0:
            duration = time.monotonic() - started
            if process.returncode:
                problems.append(f"kill {done}: the next run ended with {process.returncode}: {out}{error}")
            problems += [f"kill {done}: {item}" for item in _different(releasing, *options)]
            version += 1
            _next_version(releasing, version)
    return problems


def _start(releasing: Releasing, *options: str) -> "subprocess.Popen[str]":
    command = ("connectors", f"--name={NAME}", "publish", f"--registry={releasing.prefix}", *options)
    return releasing.tiny.start(*command, home=releasing.tiny.home)


def _next_version(releasing: Releasing, number: int) -> None:
    main = releasing.tiny.connector() / "main.py"
    main.write_text(f"{main.read_text()}# {number}\n")
    releasing.release(f"1.{number}.0")


def _incomplete(releasing: Releasing) -> list[str]:
    """Returns what a tag of a release needs and the registry does not have."""
    missing: list[str] = []
    with quick_client() as client:
        for tag, digest in releasing.tags().items():
            try:
                index = client.manifest(releasing.repository.with_digest(digest))
            except AirbyteCiError as error:
                missing.append(f"{tag}: {error}")
                continue
            if not isinstance(index, Index):
                missing.append(f"{tag} is not an index")
                continue
            for part in (digest, *(item.digest for item in index.manifests)):
                missing += [f"{tag}: {item}" for item in _missing_of(releasing, client, part)]
    return missing


def _missing_of(releasing: Releasing, client: RegistryClient, digest: Digest) -> list[str]:
    """Returns the manifests and blobs of one image that are missing, and whether it has no attachments."""
    place = releasing.repository.with_digest(digest)
    try:
        manifest = client.manifest(place)
        listed = client.referrers(place)
        attached = [client.manifest(releasing.repository.with_digest(item.digest)) for item in listed]
    except AirbyteCiError as error:
        return [str(error)]
    needed = [item for item in (manifest, *attached) if isinstance(item, Manifest)]
    blobs = {blob.digest for item in needed for blob in (item.config, *item.layers)}
    target = client.target(releasing.repository)
    missing = [f"blob {blob} of {digest}" for blob in blobs if not target.uploader.present(target.place, blob)]
    return missing if attached else [*missing, f"{digest} has no attachments"]


def _different(releasing: Releasing, *options: str) -> list[str]:
    """Returns how a release differs from one that was never interrupted: another run must find it complete."""
    again = releasing.publish("--json", *options)
    if again.code or not again.json["already"]:
        return [f"the run after it was not done: {again.out}{again.err}"]
    record = again.json
    found: list[str] = []
    with quick_client() as client:
        for part in (record["digest"], *(item["digest"] for item in record["platforms"])):
            listed = {
                str(item.digest) for item in client.referrers(releasing.repository.with_digest(Digest.parse(part)))
            }
            expected = {item["digest"] for item in record["attachments"] if item["about"] == part}
            if listed != expected:
                found.append(f"{part} has the attachments {sorted(listed)}, and not {sorted(expected)}")
    return found


def main(arguments: list[str]) -> int:
    kills = int(arguments[0]) if arguments else 200
    seed = int(arguments[1]) if len(arguments) > 1 else time.time_ns()
    with tempfile.TemporaryDirectory() as name, docker_registry(Path(name) / "registry") as host:
        folder = Path(name)
        home = PROJECT / ".scratch" / "test-store"
        base = airbyte_ci("base-images", "build", "--root", "debian", cwd=make_fleet(folder / "fleet"), home=home)
        if base.code:
            print(base.err)
            return 1
        address = base.out.splitlines()[-1]
        own = with_base(Store(home), address, folder / "store")
        with tiny_fleet(folder, own, address) as tiny:
            releasing = Releasing(tiny, f"{host}/chaos")
            releasing.describe(address)
            releasing.commit("first")
            problems = kill(releasing, kills, seed)
            versions = len(releasing.tags())
    print("\n".join(problems) or f"{kills} kills of `publish` (seed {seed}): {versions} tags, all complete")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
