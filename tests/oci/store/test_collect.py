"""Garbage collection takes what is old, never what is named or in use, and leaves a whole store."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from airbyte_ci.errors import StoreError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Index, Platform
from airbyte_ci.oci.store import sessions
from airbyte_ci.oci.store.check import check
from airbyte_ci.oci.store.collect import Policy, collect
from airbyte_ci.oci.store.stats import stats
from airbyte_ci.oci.store.store import Store, action_key
from airbyte_ci.testing.images import random_image

DAY = 86400.0


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def _age(store: Store, digest: Digest, days: float) -> None:
    moment = time.time() - days * DAY
    os.utime(store.path(digest), (moment, moment))


def _age_all(store: Store, days: float) -> None:
    for path in (store.root / "blobs" / "sha256").iterdir():
        _age(store, Digest(path.name), days)


def test_what_was_not_used_for_long_goes(store: Store) -> None:
    """older_than removes by the time of the last use, not of creation."""
    old, used = store.put(b"old"), store.put(b"used")
    _age(store, old, 40)
    _age(store, used, 40)
    assert Store(store.root).has(used)
    collected = collect(store, Policy(older_than=30 * DAY))
    assert (collected.removed, store.has(old), store.has(used)) == (1, False, True)


def test_the_longest_unused_go_until_the_store_is_small_enough(store: Store) -> None:
    """max_size removes the oldest first and stops as soon as it may."""
    blobs = [store.put(bytes([number]) * 1000) for number in range(5)]
    for number, digest in enumerate(blobs):
        _age(store, digest, 10 - number)
    collect(store, Policy(max_size=2500))
    assert [store.has(digest) for digest in blobs] == [False, False, False, True, True]


def test_named_images_stay_whole(store: Store) -> None:
    """Everything that a name reaches stays, however old; without the name it goes."""
    image = random_image(store, seed=1, platform=Platform("linux", "amd64"))
    store.tag("acme/source-x:dev", image.manifest.descriptor)
    _age_all(store, 400)
    collect(store, Policy(older_than=DAY, max_size=0))
    assert check(store).damages == ()
    store.untag("acme/source-x:dev")
    _age_all(store, 400)
    collect(store, Policy(older_than=DAY))
    assert not store.has(image.digest)


def test_the_platforms_of_an_index_that_are_here_stay(store: Store) -> None:
    """Another machine has made the others of a base image's version: that neither costs this one nor is damage."""
    here = random_image(store, seed=1, platform=Platform("linux", "amd64"))
    elsewhere = random_image(store, seed=2, platform=Platform("linux", "arm64"))
    index = Index.make((here.manifest.descriptor, elsewhere.manifest.descriptor), {})
    store.put(index.raw)
    store.tag("acme/base:1.0.0", index.descriptor)
    for digest in (elsewhere.digest, *(layer.digest for layer in elsewhere.manifest.layers)):
        store.path(digest).unlink()
    _age_all(store, 400)
    collect(store, Policy(max_size=0))
    assert store.holds(store.image(here.digest))
    assert (stats(store).names, check(store).damages) == (1, ())


def test_nothing_that_a_running_process_used_goes(store: Store) -> None:
    """Another process uses an old blob and lives on: the blob stays until the process ends, however it ends."""
    digest = store.put(b"in use")
    _age(store, digest, 400)
    script = (
        "import sys, pathlib; from airbyte_ci.oci.store.store import Store; from airbyte_ci.oci.digest import Digest; "
        "store = Store(pathlib.Path(sys.argv[1])); "
        "print(store.has(Digest(sys.argv[2])), flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(store.root), digest.hex]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        collect(store, Policy(max_size=0), now=time.time() + 1000 * DAY)
        assert store.path(digest).exists()
        process.kill()
    collect(store, Policy(max_size=0), now=time.time() + 1000 * DAY)
    assert not store.path(digest).exists()


def test_leftovers_of_killed_processes_go(store: Store) -> None:
    """Half-written files and folders of dead processes are removed, those of living ones are not."""
    stale, fresh = store.root / "ingest" / "stale", store.root / "ingest" / "fresh"
    for path in (stale, fresh):
        path.write_bytes(b"half")
    (store.root / "scratch" / "bundle" / "deep").mkdir(parents=True)
    past = time.time() - DAY
    for path in (stale, store.root / "scratch" / "bundle"):
        os.utime(path, (past, past))
    os.utime(fresh, (time.time() + 60, time.time() + 60))
    collect(store, Policy())
    assert (stale.exists(), fresh.exists(), (store.root / "scratch" / "bundle").exists()) == (False, True, False)


def test_only_one_collects_at_a_time(store: Store) -> None:
    """A second collection reports the first one instead of waiting."""
    with (store.root / "collecting").open("a") as file:
        assert sessions.is_free(file.fileno())
        with pytest.raises(StoreError, match="another process"):
            collect(store, Policy())


def test_actions_go_like_everything_else(store: Store) -> None:
    """An action that was not used lately is removed; using it marks it."""
    keys = [action_key("test", 1, number) for number in range(2)]
    for key in keys:
        store.remember(key, {"value": 1})
    past = time.time() - DAY
    for path in (store.root / "actions").glob("*/*"):
        os.utime(path, (past, past))
    assert Store(store.root).recall(keys[0]) == {"value": 1}
    collect(store, Policy(older_than=60))
    assert [store.recall(key) for key in keys] == [{"value": 1}, None]


def _cached(store: Store, place: str, size: int) -> Path:
    """A cached file whose own times, set by a server or a command, are in the future."""
    path = store.root / "caches" / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    os.utime(path, (time.time() + DAY, time.time() + DAY))
    return path


def test_shared_downloads_count_and_go_by_their_last_use(store: Store) -> None:
    """max_size includes shared caches, by the day of their last use; empty days are removed too."""
    today = int(time.time() // DAY)
    oldest = _cached(store, f"apt/{today - 20}/a_1_all.deb", 1000)
    blob = store.put(bytes(1000))
    _age(store, blob, 10)
    newer, newest = _cached(store, f"http-v2/{today - 5}/{'a' * 56}", 1000), _cached(store, f"apt/{today}/b.deb", 1000)
    counted = stats(store)
    assert (counted.caches, counted.cache_bytes) == (3, 3000)
    collected = collect(store, Policy(max_size=3000))
    assert (collected.removed, collected.kept, collected.size) == (1, 3, 3000)
    assert (oldest.parent.exists(), store.path(blob).exists()) == (False, True)
    collect(store, Policy(max_size=1500))
    assert (store.path(blob).exists(), newer.exists(), newest.exists()) == (False, False, True)
    collect(store, Policy(max_size=0), now=time.time() + 1)
    assert not newest.exists()


def test_a_mounted_folder_goes_by_the_time_of_its_last_mount(store: Store) -> None:
    """A folder that a hook mounts is one entry; commands inside neither age nor keep it."""
    named = store.root / "caches" / "named"
    for name, days in (("used", 1), ("old", 40)):
        _cached(store, f"named/{name}/deep/file", 500)
        (named / f".{name}.lock").touch()
        os.utime(named / f".{name}.lock", (time.time() - days * DAY, time.time() - days * DAY))
    collected = collect(store, Policy(older_than=30 * DAY))
    assert (collected.removed, collected.freed, collected.kept) == (1, 500, 1)
    assert sorted(path.name for path in named.iterdir()) == [".old.lock", ".used.lock", "used"]


Damage = Callable[[Store], None]


def _flip(store: Store) -> None:
    path = store.path(store.put(b"a blob that will be damaged"))
    path.chmod(0o644)
    path.write_bytes(b"A blob that will be damaged")


def _shorten(store: Store) -> None:
    path = store.path(store.put(b"a blob that will be shorter"))
    path.chmod(0o644)
    path.write_bytes(b"a blob")


def _stranger(store: Store) -> None:
    (store.root / "blobs" / "sha256" / "not-a-digest").write_bytes(b"x")


def _action(store: Store) -> None:
    store.remember(action_key("test", 1, "x"), {"value": 1})
    (path,) = (store.root / "actions").glob("*/*")
    path.write_bytes(path.read_bytes()[:-1] + b"x")


def _incomplete(store: Store) -> None:
    image = random_image(store, seed=1, platform=Platform("linux", "amd64"))
    store.tag("acme/source-x:dev", image.manifest.descriptor)
    store.path(image.manifest.layers[0].digest).unlink()


@pytest.mark.parametrize(
    ("damage", "subject"),
    [
        (_flip, "blob "),
        (_shorten, "blob "),
        (_stranger, "file not-a-digest"),
        (_action, "action "),
        (_incomplete, "image acme/source-x:dev"),
    ],
    ids=["flipped byte", "shorter", "stranger", "action", "named image without a layer"],
)
def test_damage_is_found_named_and_dropped(damage: Damage, subject: str, store: Store) -> None:
    """check names damaged items; drop removes them, and a second check finds nothing."""
    random_image(store, seed=2, platform=Platform("linux", "amd64"))
    damage(store)
    (found,) = check(store).damages
    assert found.subject.startswith(subject)
    assert len(check(store, drop=True).damages) == 1
    assert check(store).damages == ()
