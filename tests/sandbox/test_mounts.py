"""The writable files of a sandbox: none that the store, this machine or another build also uses."""

import ast
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import airbyte_ci
from airbyte_ci.errors import SandboxError
from airbyte_ci.oci.store.store import Store
from airbyte_ci.rootfs.tree import Tree
from airbyte_ci.sandbox import mounts, sandbox
from airbyte_ci.sandbox.command import LENT, Command, Mount, Purpose

INPUT = Purpose("an input", "input", source="", target="", written_by="")
OUTPUT = Purpose("an output", "output", source="", target="", written_by="")
KEPT = Purpose("a cache", "kept", source="", target="", written_by="")
PATH = {"PATH": "/bin"}


@pytest.fixture
def own(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def _folder(place: Path) -> Path:
    place.mkdir(parents=True)
    return place


def _linked(store: Store, folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "tool.whl").hardlink_to(store.path(store.put(b"tool")))
    return folder


REFUSED: dict[str, Callable[[Store], Mount]] = {
    "a blob": lambda store: Mount(source=store.path(store.put(b"x")), target="/x", writable=True),
    "an input that is writable": lambda store: Mount(
        source=_folder(store.root / "scratch/a"), target="/x", writable=True, purpose=INPUT
    ),
    "the store": lambda store: Mount(source=store.root, target="/x", writable=True),
    "a folder above the store": lambda store: Mount(source=store.root.parent, target="/x", writable=True),
    "a snapshot": lambda store: Mount(source=_folder(store.root / "snapshots/a"), target="/x", writable=True),
    "an output in a snapshot": lambda store: Mount(
        source=_folder(store.root / "snapshots/b"), target="/x", writable=True, purpose=OUTPUT
    ),
    "an output with a link to a blob": lambda store: Mount(
        source=_linked(store, store.root / "scratch/b"), target="/x", writable=True, purpose=OUTPUT
    ),
    "an output outside of the store": lambda store: Mount(
        source=_folder(store.root.parent / "c"), target="/x", writable=True, purpose=OUTPUT
    ),
    "downloads as a cache": lambda store: Mount(
        source=_folder(store.root / "caches/apt/1"), target="/x", writable=True, purpose=KEPT
    ),
    "a cache inside of a cache": lambda store: Mount(
        source=_folder(store.root / "caches/named/a/b"), target="/x", writable=True, purpose=KEPT
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_no_writable_mount_shares_bytes_with_the_store(own: Store, case: str) -> None:
    """The one place where mounts become runc's configuration refuses each that leads a writer into the store."""
    with pytest.raises(SandboxError):
        mounts.check([REFUSED[case](own)], own.root)


def test_a_link_to_the_store_is_the_store(own: Store) -> None:
    """The place of a folder decides, not its name."""
    (own.root.parent / "link").symlink_to(own.root / "blobs")
    with pytest.raises(SandboxError, match="could change the store"):
        mounts.check([Mount(source=own.root.parent / "link", target="/x", writable=True)], own.root)


def test_what_a_sandbox_needs_is_accepted(own: Store, tmp_path: Path) -> None:
    """Blobs read-only, new empty folders, a cache of its own, and folders that the user names."""
    blob = own.path(own.put(b"x"))
    accepted = [
        Mount(source=blob, target="/a", purpose=INPUT),
        Mount(source=None, target="/b", writable=True, purpose=OUTPUT),
        Mount(source=_folder(own.root / "scratch/new"), target="/c", writable=True, purpose=OUTPUT),
        Mount(source=_folder(own.root / "caches/named/abc"), target="/d", writable=True, purpose=KEPT),
        Mount(source=_folder(tmp_path / "mine"), target="/e", writable=True, purpose=LENT),
        Mount(source=own.root, target="/f", purpose=LENT),
    ]
    mounts.check(accepted, own.root)


def test_without_a_store_nothing_is_writable(tmp_path: Path) -> None:
    """A hook's module has no store, so that nothing of this machine is writable for it but memory."""
    mounts.check([Mount(source=None, target="/tmp", writable=True)], None)
    with pytest.raises(SandboxError):
        mounts.check([Mount(source=tmp_path, target="/x", writable=True)], None)


def test_the_first_content_of_a_root_has_no_second_name(small_store: Store, small_tree: Tree, tmp_path: Path) -> None:
    """Files that are put into a sandbox's root before it starts are copies."""
    upper = _folder(tmp_path / "upper")
    (upper / "data").hardlink_to(small_store.path(small_store.put(b"data of the store")))
    with pytest.raises(SandboxError, match="another hard link"):
        sandbox.run(small_store, small_tree, Command(arguments=["/bin/true"], environment=PATH), upper=upper)


ATTACKS = {
    "write": "echo bad > /in",
    "append": "echo bad >> /in",
    "truncate": ": > /in",
    "mode": "chmod 4777 /in",
    "owner": "chown 1000:1000 /in",
    "time": "touch /in",
    "rename": "mv /in /gone",
    "remove": "rm -f /in",
    "write through a descriptor": "exec 5< /in; echo bad > /proc/self/fd/5",
    "hard link": "ln /in /linked && echo bad > /linked",
    "mount again": "mount -o remount,rw,bind /in && echo bad > /in",
    "mode of a file of a lower layer": "chmod 4777 /usr/lib/data/one",
    "write to a lower layer": "echo bad > /usr/lib/data/one; : > /usr/lib/data/two",
    "hard link of a lower layer": "ln /usr/lib/data/one /linked; echo bad > /linked; chmod 4777 /linked",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_root_of_a_sandbox_changes_no_input(small_store: Store, small_tree: Tree, attack: str) -> None:
    """Bytes, mode, owner and times of a blob that is mounted, and of files of layers, stay as they are."""
    blob = small_store.path(small_store.put(b"an input"))
    one = small_tree.resolve("usr/lib/data/one")
    assert one is not None
    watched = (blob, one.disk)
    before = [(path.read_bytes(), path.stat()) for path in watched]
    command = Command(
        arguments=["/bin/sh", "-c", ATTACKS[attack]],
        environment=PATH,
        timeout=60,
        mounts=(Mount(source=blob, target="/in", purpose=INPUT),),
    )
    sandbox.run(small_store, small_tree, command)
    for path, (data, status) in zip(watched, before, strict=True):
        after = path.stat()
        assert path.read_bytes() == data
        assert [getattr(after, name) for name in _KEPT] == [getattr(status, name) for name in _KEPT]
        assert os.listxattr(path) == []


_KEPT = ("st_mode", "st_uid", "st_gid", "st_size", "st_mtime_ns", "st_ino", "st_nlink")


def test_each_mount_says_its_purpose() -> None:
    """A mount without a purpose would look like the user's, who mounts nothing without a request."""
    root = Path(airbyte_ci.__file__).parent
    for file in root.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "Mount":
                assert any(item.arg == "purpose" for item in node.keywords), f"{file}:{node.lineno}"


def test_a_retried_start_finds_its_outputs_empty(own: Store) -> None:
    """An output folder that a run has filled is not given to a second one."""
    output = Mount(source=_folder(own.root / "scratch/out"), target="/out", writable=True, purpose=OUTPUT)
    mounts.check([output], own.root)
    assert output.source is not None
    (output.source / "left").touch()
    with pytest.raises(SandboxError, match="empty folder"):
        mounts.check([replace(output)], own.root)
