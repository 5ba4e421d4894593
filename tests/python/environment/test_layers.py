"""Layers: how packages are grouped, so that connectors that are planned alone share what they have in common."""

import random
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.layer import Segment, make_segment
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry
from airbyte_ci.python.environment import environment, layers
from airbyte_ci.python.environment.environment import Choice, Environment, Package
from airbyte_ci.python.packages.lock import LockedFile
from tests.python.interpreters import cpython

LARGE, SMALL = 1 << 20, 10 << 10
SITE = "usr/local/lib/python3.11/site-packages"
FILE = LockedFile("x-1-py3-none-any.whl", "a" * 64)


def package(name: str, size: int = SMALL) -> Package:
    """A package of so many compressed bytes."""
    segment = Segment(Digest.of(name.encode()), size * 3, Digest.of(b"z" + name.encode()), size)
    return Package(name=name, version="1.0", wheel=FILE, segments=(segment,), paths=(f"{SITE}/{name}.py",), fresh=False)


def names(packages: list[Package]) -> list[list[str]]:
    return [[item.name for item in group] for group in layers.grouped(packages)]


SMALLS = [package(f"small-{number}") for number in range(60)]
LARGES = [package(f"large-{number}", LARGE + number) for number in range(10)]


def test_the_order_in_which_packages_come_does_not_count() -> None:
    """The same set is grouped the same, and each package is in one group."""
    expected = names([*SMALLS, *LARGES])
    for seed in range(20):
        mixed = random.Random(seed).sample([*SMALLS, *LARGES], 70)
        assert names(mixed) == expected
    assert sorted(name for group in expected for name in group) == sorted(item.name for item in [*SMALLS, *LARGES])


def test_what_is_large_is_alone_and_what_is_small_is_not() -> None:
    """A large wheel's layer is shared by all that have it; small ones never cost a layer each."""
    groups = names([*SMALLS, *LARGES])
    assert [group for group in groups if group[0].startswith("large")] == [[item.name] for item in LARGES]
    assert len(groups) == len(LARGES) + 8


def test_there_is_a_budget_of_layers() -> None:
    """However many large packages there are: images have at most 127 layers, and old Dockers fewer."""
    many = [package(f"large-{number:03}", LARGE + number) for number in range(200)]
    assert len(names([*many, *SMALLS])) <= 32
    alone = {group[0] for group in names([*many, *SMALLS]) if len(group) == 1}
    assert alone == {f"large-{number:03}" for number in range(176, 200)}, "the largest are those worth a layer"
    assert names([]) == []


@pytest.mark.parametrize("other", [package("another"), package("another-large", 2 * LARGE)], ids=lambda item: item.name)
def test_one_package_more_or_less_moves_no_other(other: Package) -> None:
    """All layers but that one's stay what they are: their bytes are shared before and after."""
    before = {tuple(group) for group in names([*SMALLS, *LARGES])}
    after = {tuple(group) for group in names([*SMALLS, *LARGES, other])}
    assert len(before - after) <= 1
    assert len(after - before) == 1
    assert {name for group in after - before for name in group} - {
        name for group in before - after for name in group
    } == {other.name}


def test_a_layer_has_each_folder_once_and_before_its_files(tmp_path: Path) -> None:
    """Packages that share a folder share its entry, in each layer of its own; the key is on every part."""
    store = Store(tmp_path)
    packages = []
    for number in range(30):
        paths = [f"{SITE}/shared/deep/{number}.py", f"{SITE}/own{number}/a.py", f"usr/local/bin/tool{number}"]
        segment = make_segment(store, [Entry(path=path, content=b"x") for path in paths])
        packages.append(
            Package(name=f"p{number}", version="1", wheel=FILE, segments=(segment,), paths=tuple(paths), fresh=False)
        )
    key = Digest("b" * 64)
    with ThreadPoolExecutor(4) as pool:
        made = layers.install(store, Environment(tuple(packages)), cpython(), key=key, executor=pool).layers
    seen: set[str] = set()
    for number, layer in enumerate(made, 1):
        assert layer.descriptor.annotations == {layers.PART: f"{key} {number}/{len(made)}"}
        found = [member.name for member in _members(store, layer.descriptor.digest)]
        assert len(found) == len(set(found))
        for position, name in enumerate(found):
            parent = name.rpartition("/")[0]
            assert not parent.startswith(f"{SITE}/") or parent in found[:position]
            assert name.startswith((f"{SITE}/", "usr/local/bin/")), "folders above are the base's"
        seen |= {name for name in found if name.endswith(".py") or "/tool" in name}
    assert seen == {path for item in packages for path in item.paths}


def _members(store: Store, digest: Digest) -> list[tarfile.TarInfo]:
    with tarfile.open(store.path(digest), "r:gz") as archive:
        return archive.getmembers()


def test_the_key_of_an_environment_does_not_contain_its_base() -> None:
    """It contains all inputs of the layers, so that they outlive base upgrades, and changes with each of them."""
    choices = (Choice("a", "1.0", LockedFile("a-1.0-py3-none-any.whl", "a" * 64)),)
    source = (Choice("a", "1.0", LockedFile("a-1.0.tar.gz", "a" * 64)),)
    python = cpython()
    key = environment.key(choices, python, compiled=True)
    assert environment.key(choices, cpython(libc="glibc 2.41"), compiled=True) == key, "another base, the same Python"
    others = [
        environment.key(choices, python, compiled=False),
        environment.key(choices, cpython("3.11.3"), compiled=True),
        environment.key(choices, cpython("3.10.3"), compiled=True),
        environment.key(source, python, compiled=True),
        environment.key(source, python, compiled=True, natives="a wheel"),
        environment.key(source, cpython(machine="aarch64"), compiled=True, natives="a wheel"),
        environment.key((), python, compiled=True),
    ]
    assert len({key, *others}) == 8
    assert environment.key(source, cpython(machine="aarch64"), compiled=True) == others[3], "pure ones serve all"
