"""Environments: from a lock to layers, without byte code, on an index of this process."""

import gzip
import hashlib
import io
import json
import os
import tarfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from airbyte_ci.errors import PackageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.layer import Layer
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.environment import environment, layers
from airbyte_ci.python.environment.environment import Environment
from airbyte_ci.python.index import package_index as indexes
from airbyte_ci.python.index.package_index import PackageIndex
from airbyte_ci.python.interpreter import installed
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.interpreter.inventory import Inventory
from airbyte_ci.python.packages.lock import Lock, LockedFile, LockedPackage
from airbyte_ci.python.wheels import wheel
from airbyte_ci.python.wheels.collisions import Collision
from airbyte_ci.rootfs.tree import Tree
from tests.python import package_index, sample_wheels
from tests.python.interpreters import cpython
from tests.python.package_index import Index

CPUS = os.cpu_count() or 1
WIDTH = CPUS + 4
SITE = "usr/local/lib/python3.11/site-packages"


@dataclass
class Shop:
    """An index with wheels, a store, and the progress messages."""

    folder: Path
    index: Index
    said: list[str] = field(default_factory=list)

    @property
    def store(self) -> Store:
        return Store(self.folder / "store")

    def wheel(self, name: str, version: str, *files: str, locked: str = "", claims: str = "") -> LockedPackage:
        """A wheel on the index and its entry in a lock; `locked` and `claims` are other names and versions there."""
        contents: dict[str, str | bytes] = dict.fromkeys(files or (f"{name}.py",), f"of {name}\n")
        path = sample_wheels.make(self.folder, name, version, contents)
        project = locked or name
        sha256 = self.index.add(project, path.name, path.read_bytes())
        return LockedPackage(project, claims or version, (LockedFile(path.name, sha256),))

    def prepare(self, *packages: LockedPackage, interpreter: Interpreter | None = None) -> Environment:
        def no_root() -> Tree:
            raise AssertionError("no command should have to run")

        python = interpreter or cpython()
        with ThreadPoolExecutor(WIDTH) as pool:
            workshop = environment.Workshop(
                store=self.store,
                index=PackageIndex(main=self.index.url),
                root=no_root,
                interpreter=python,
                executor=pool,
                progress=self.said.append,
            )
            return environment.prepare(environment.choose(Lock("test", packages), python), workshop, compiled=False)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    indexes._api.cache_clear()
    with package_index.running(Index()) as index:
        yield Shop(tmp_path, index)


def members(store: Store, layer: Layer) -> dict[str, tarfile.TarInfo]:
    """A layer's members; a path that occurs twice, and a file before its folder, are errors."""
    raw = gzip.decompress(store.read(layer.descriptor.digest))
    assert Digest.of(raw) == layer.diff_id
    found: dict[str, tarfile.TarInfo] = {}
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        for member in archive:
            assert member.name not in found
            found[member.name] = member
    return found


def install(store: Store, prepared: Environment) -> tuple[Layer, ...]:
    with ThreadPoolExecutor(WIDTH) as pool:
        return layers.install(store, prepared, cpython(), key=KEY, executor=pool).layers


def added(shop: Shop, prepared: Environment) -> list[dict[str, tarfile.TarInfo]]:
    """The members of each layer."""
    return [members(shop.store, layer) for layer in install(shop.store, prepared)]


KEY = Digest("a" * 64)
NOTHING = Inventory(cpython(), (), ())


def test_packages_become_a_layer(shop: Shop) -> None:
    """Every file of every wheel, in its place, owned by root, after its folders, at one fixed time."""
    prepared = shop.prepare(shop.wheel("one", "1.0", "one/a.py", "one/deep/b.py"), shop.wheel("two", "2.0"))
    files = {path for package in prepared.packages for path in package.paths}
    assert {f"{SITE}/one/a.py", f"{SITE}/one/deep/b.py", f"{SITE}/two.py"} <= files
    for found in added(shop, prepared):
        assert {(item.uid, item.gid, item.uname, item.mtime) for item in found.values()} == {(0, 0, "", 1)}
        names = list(found)
        for name in names:
            parent = name.rpartition("/")[0]
            assert not parent.startswith(f"{SITE}/") or names.index(parent) < names.index(name)
        assert not any(SITE.startswith(name) for name in names), "folders of the base keep the base's modes"
        files -= {name for name, item in found.items() if item.isfile()}
    assert files == set()


def test_a_second_time_is_ready_and_the_same(shop: Shop) -> None:
    """A prepared package is neither fetched nor unpacked again, in any other environment."""
    one, two = shop.wheel("one", "1.0"), shop.wheel("two", "1.0")
    first = shop.prepare(one)
    assert shop.said == ["fetching one-1.0-py3-none-any.whl", "unpacking one-1.0-py3-none-any.whl"]
    shop.said.clear()
    both = shop.prepare(one, two)
    assert shop.said == ["fetching two-1.0-py3-none-any.whl", "unpacking two-1.0-py3-none-any.whl"]
    assert both.packages[0].segments == first.packages[0].segments
    assert [package.fresh for package in both.packages] == [False, True]


def test_the_layer_does_not_depend_on_what_was_ready(shop: Shop, tmp_path: Path) -> None:
    """A warm store and an empty one give the same layer."""
    packages = (shop.wheel("one", "1.0"), shop.wheel("two", "1.0"))
    shop.prepare(packages[1])
    warm = install(shop.store, shop.prepare(*packages))
    other = Shop(tmp_path / "other", shop.index)
    assert install(other.store, other.prepare(*packages)) == warm


def test_another_layout_is_another_segment(shop: Shop) -> None:
    """The interpreter's folders and name are in the bytes, so they are in the key."""
    package = shop.wheel("one", "1.0")
    paths = [
        set(shop.prepare(package, interpreter=cpython(version)).packages[0].paths) for version in ("3.11.2", "3.9.18")
    ]
    assert not paths[0] & paths[1]


def test_of_a_path_of_several_the_last_by_name_stays(shop: Shop) -> None:
    """Two wheels with one path: the layer has it once, as if they were installed in order, and both are reported."""
    one = shop.wheel("aaa", "1.0", "tests/__init__.py", "aaa.py")
    two = shop.wheel("bbb", "1.0", "tests/__init__.py", "bbb.py")
    prepared = shop.prepare(one, two)
    (collision,) = prepared.collisions
    assert collision == Collision(f"{SITE}/tests/__init__.py", "bbb", ("aaa",), differ=True)
    assert Collision.from_json(collision.to_json()) == collision
    found = [name for layer in added(shop, prepared) for name, item in layer.items() if item.isfile()]
    assert found.count(f"{SITE}/tests/__init__.py") == 1
    assert {f"{SITE}/aaa.py", f"{SITE}/bbb.py"} <= set(found)
    owner = next(package for package in prepared.packages if f"{SITE}/tests/__init__.py" in package.paths)
    assert owner.name == "bbb"
    assert f"{SITE}/tests/__init__.py" in shop.prepare(one).packages[0].paths


def test_other_bytes_at_one_path_are_told_apart(shop: Shop) -> None:
    """Whether something is lost is in the bytes, however large they are; the package that stays is the last by name."""
    large = bytes(9 << 20)
    packages = []
    for name, module, data in (("aaa", b"A", large), ("bbb", b"B", large), ("ccc", b"A", large + b"\0")):
        path = sample_wheels.make(shop.folder, name, "1.0", {"shared/x.py": module, "shared/data.bin": data})
        sha256 = shop.index.add(name, path.name, path.read_bytes())
        packages.append(LockedPackage(name, "1.0", (LockedFile(path.name, sha256),)))
    assert {(item.path, item.kept, item.others, item.differ) for item in shop.prepare(*packages[:2]).collisions} == {
        (f"{SITE}/shared/x.py", "bbb", ("aaa",), True),
        (f"{SITE}/shared/data.bin", "bbb", ("aaa",), False),
    }
    assert {(item.kept, item.others, item.differ) for item in shop.prepare(*packages).collisions} == {
        ("ccc", ("aaa", "bbb"), True)
    }


def test_what_the_base_has_is_replaced(shop: Shop) -> None:
    """Its removals are a layer below that knows nothing of what comes: the same for every version and connector."""
    files = tuple(f"{SITE}/{path}" for path in ("demo/kept.py", "demo/gone.py", "demo-1.0.dist-info/RECORD"))
    other = installed.Distribution("other", "1.0", (f"{SITE}/other.py",))
    base = Inventory(cpython(), (installed.Distribution("demo", "1.0", files), other), (*files, *other.files))
    gone = layers.removals(shop.store, ["demo", "fresh"], base, "this base")
    assert gone is not None
    assert set(members(shop.store, gone)) == {f"{SITE}/.wh.demo", f"{SITE}/.wh.demo-1.0.dist-info"}
    assert layers.removals(shop.store, ["stranger", "demo"], base, "this base") == gone
    assert layers.removals(Store(shop.folder / "cold"), ["demo"], base, "this base") == gone
    assert layers.removals(shop.store, ["fresh"], base, "this base") is None
    lock = Lock("test", (shop.wheel("demo", "2.0", "demo/kept.py"), shop.wheel("fresh", "1.0")))
    assert layers.replaced(environment.choose(lock, cpython()), base) == (("demo", "1.0", "2.0"),)


def test_few_wheels_are_in_memory_at_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many threads download: each wheel that is being unpacked holds some megabytes."""
    counting, reading, most = threading.Lock(), 0, 0
    read = wheel.read

    def counted(*arguments: Any) -> wheel.InstalledWheel:
        nonlocal reading, most
        with counting:
            reading += 1
            most = max(most, reading)
        try:
            time.sleep(0.01)  # the others come here, if they may
            return read(*arguments)
        finally:
            with counting:
                reading -= 1

    monkeypatch.setattr(wheel, "read", counted)
    prepared = shop.prepare(*(shop.wheel(f"demo{number}", "1.0") for number in range(4 * WIDTH)))
    assert len(prepared.packages) == 4 * WIDTH
    assert most <= CPUS + 1


def test_no_packages_no_layers(shop: Shop) -> None:
    """A connector without dependencies adds nothing to its base."""
    assert added(shop, shop.prepare()) == []


def test_a_wheel_of_something_else_is_refused(shop: Shop) -> None:
    """A lock whose file is a wheel of another project or version was made by hand, or is an attack."""
    with pytest.raises(PackageError, match=r"the lock's file for one is a wheel of two: two-1\.0-py3"):
        shop.prepare(shop.wheel("two", "1.0", locked="one"))
    good = shop.wheel("three", "1.0")
    shop.prepare(good)
    with pytest.raises(PackageError, match=r"the lock's file for three 0\.9 has another version: three-1\.0-py3"):
        shop.prepare(replace(good, version="0.9"))


def test_versions_may_be_spelt_differently(shop: Shop) -> None:
    """`1.0` in the lock and `1.0.0` in the wheel's name are one version."""
    assert shop.prepare(shop.wheel("one", "1.0.0", claims="1.0")).packages


def test_what_has_no_file_for_this_python_is_told(shop: Shop) -> None:
    """Neither a wheel that fits nor an sdist: which package, which Python, which machine."""
    sha256 = hashlib.sha256(b"x").hexdigest()
    windows = LockedPackage("one", "1.0", (LockedFile("one-1.0-cp311-cp311-win_amd64.whl", sha256),))
    with pytest.raises(PackageError, match=r"one 1\.0 has no wheel for Python 3\.11\.2 on x86_64 \(glibc 2\.36\)"):
        shop.prepare(windows)


def test_an_inventory_survives_json() -> None:
    """The stored data about a base reads back unchanged."""
    base = Inventory(cpython(), (installed.Distribution("demo", "1.0", ("a", "b")),), ("a", "b", "c"))
    assert Inventory.from_json(json.loads(json.dumps(base.to_json()))) == base
