"""Shared libraries: those that wheels need, those that they contain, and those of an image."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from airbyte_ci.errors import PackageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.environment import libraries
from airbyte_ci.python.environment.libraries import Linked
from airbyte_ci.python.packages.lock import LockedFile
from airbyte_ci.rootfs.tree import Tree
from tests.python import sample_wheels

# A compiled extension that is surely here.
_SPEC = find_spec("zstandard.backend_c")
EXTENSION = Path(str(_SPEC and _SPEC.origin)).read_bytes()


def kept(store: Store, folder: Path, contents: dict[str, str | bytes]) -> LockedFile:
    path = sample_wheels.make(folder, "demo", "1.0", contents, filename="demo-1.0-cp311-cp311-linux_x86_64.whl")
    return LockedFile(path.name, store.put(path.read_bytes()).hex)


def test_a_native_wheel_tells_what_it_is_linked_to(tmp_path: Path) -> None:
    """The sonames of its extension modules, and the names of its own libraries."""
    store = Store(tmp_path / "store")
    file = kept(store, tmp_path, {"demo/native.so": EXTENSION, "demo.libs/libown-1.so": b"no library"})
    found = libraries.of_wheel(store, file)
    assert "libc.so.6" in found.needed
    assert {"native.so", "libown-1.so"} <= found.brought
    store.path(Digest(file.sha256)).unlink()
    assert libraries.of_wheel(store, file) == found, "it is looked at once"


def test_a_pure_wheel_is_not_looked_at(tmp_path: Path) -> None:
    """A wheel for any platform has no native code."""
    assert libraries.of_wheel(Store(tmp_path), LockedFile("a-1-py3-none-any.whl", "0" * 64)) == Linked(
        frozenset(), frozenset()
    )


def test_a_library_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """A truncated library is the wheel's fault, and one line."""
    store = Store(tmp_path / "store")
    file = kept(store, tmp_path, {"demo/native.so": EXTENSION[:100]})
    with pytest.raises(PackageError, match="cannot read the libraries of"):
        libraries.of_wheel(store, file)


def test_what_wheels_bring_for_each_other_is_not_missing() -> None:
    """A library that one wheel needs may be in another; the rest must be in the image."""
    one = Linked(frozenset({"libc.so.6", "libtwo.so.1"}), frozenset({"libone.so"}))
    two = Linked(frozenset({"libone.so"}), frozenset({"libtwo.so.1"}))
    assert libraries.missing([one, two]) == ("libc.so.6",)


def test_an_image_has_what_its_loader_finds(tmp_path: Path) -> None:
    """In the library folders and their folders of the architecture, and nowhere else."""
    for place in ("usr/lib/x86_64-linux-gnu/libz.so.1", "lib/libc.so.6", "usr/lib/python3/own.so", "usr/lib/readme"):
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    assert libraries.in_image(Tree((tmp_path,))) == {"libz.so.1", "libc.so.6"}


def test_an_image_tells_its_loader_more_folders(tmp_path: Path) -> None:
    """By ld.so.conf, the files that it includes, and a variable; an endless inclusion ends."""
    for place, text in {
        "etc/ld.so.conf": "# ours\ninclude ld.so.conf.d/*.conf\n/opt/direct  # more\n",
        "etc/ld.so.conf.d/a.conf": "/opt/included\ninclude /etc/ld.so.conf\n",
        "etc/ld.so.conf.d/readme": "/opt/never\n",
        "opt/direct/libone.so.1": "",
        "opt/included/libtwo.so.2": "",
        "opt/never/libthree.so.3": "",
        "opt/variable/libfour.so.4": "",
    }.items():
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    tree = Tree((tmp_path,))
    assert libraries.in_image(tree) == {"libone.so.1", "libtwo.so.2"}
    assert libraries.in_image(tree, ["/opt/variable"]) == {"libone.so.1", "libtwo.so.2", "libfour.so.4"}


def test_a_loaders_configuration_is_read_once(tmp_path: Path) -> None:
    """However its files include each other: as a tree, as a circle, each of them all."""
    folder = tmp_path / "etc" / "ld.so.conf.d"
    folder.mkdir(parents=True)
    (tmp_path / "etc" / "ld.so.conf").write_text("include ld.so.conf.d/*.conf\n" * 50)
    for number in range(60):
        (folder / f"{number}.conf").write_text("include ld.so.conf.d/*.conf\n" * 1000 + f"/opt/{number}\n")
        (tmp_path / "opt" / str(number)).mkdir(parents=True)
        (tmp_path / "opt" / str(number) / f"lib{number}.so").touch()
    assert libraries.in_image(Tree((tmp_path,))) == {f"lib{number}.so" for number in range(60)}
