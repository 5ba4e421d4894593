"""Shared downloads: what is gathered from a command, what is not, and how the next one gets it."""

from dataclasses import replace
from pathlib import Path

import pytest

from airbyte_ci.container import packages, sandbox
from airbyte_ci.container.sandbox import Command
from airbyte_ci.container.tree import Tree
from airbyte_ci.oci.store import Store

NAME = "0a1b2" + "c" * 51
OLD = b"cc=4,\x82\xa8response\x86\xa4body\xc4\x05wheel\xa7headers\x81\xaccontent-type\xb8application/octet-stream"


def gather(store: Store, upper: Path, files: dict[str, bytes]) -> set[str]:
    """What is kept of files that a command has left."""
    for name, data in files.items():
        place = upper / ".airbyte-ci" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    packages.gather(store, upper)
    return {f"{path.parts[-3]}/{path.name}" for path in (store.root / "caches").rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("files", "kept"),
    [
        ({"apt/kept/jq_1.6-2_amd64.deb": b"deb"}, {"apt/jq_1.6-2_amd64.deb"}),
        ({"apt/kept/../odd name.deb": b"x", "apt/kept/x.sh": b"x", "apt/archives/y_1_all.deb": b"x"}, set()),
        (
            {f"pip/http-v2/0/a/1/b/2/{NAME}": b"octet-stream", f"pip/http-v2/0/a/1/b/2/{NAME}.body": b"wheel"},
            {f"http-v2/{NAME}", f"http-v2/{NAME}.body"},
        ),
        ({f"pip/http-v2/0/a/1/b/2/{NAME}": b"Text/HTML", f"pip/http-v2/0/a/1/b/2/{NAME}.body": b"<a>"}, set()),
        ({f"pip/http-v2/{NAME}.body": b"headers are missing"}, set()),
        ({f"pip/http/0/a/1/b/2/{NAME}": OLD}, {f"http/{NAME}"}),
        ({f"pip/http/{NAME}": OLD.replace(b"application/octet-stream", b"application/vnd.+json 12")}, set()),
        ({f"pip/http/{NAME}": OLD + b"\xa7headers\x81\xaccontent-type\xa9text/html"}, set()),
        ({f"pip/http/{NAME}": OLD.replace(b"body", b"beady")}, set()),
        ({f"pip/http/{NAME}": OLD.replace(b"\xc4\x05", b"\xc6\xff\xff\xff\xff")}, {f"http/{NAME}"}),
        ({"pip/wheels/a/b/c/x-1.0-py3-none-any.whl": b"built by the command"}, set()),
    ],
)
def test_only_what_can_be_verified_is_shared(
    own_store: Store, tmp_path: Path, files: dict[str, bytes], kept: set[str]
) -> None:
    """Packages and files with hashes elsewhere; no page of an index, no wheel that a command has built itself."""
    assert gather(own_store, tmp_path / "upper", files) == kept


def test_links_of_a_command_are_not_followed(own_store: Store, tmp_path: Path) -> None:
    """Neither to a file of this machine nor to a folder."""
    (tmp_path / "secret_1_all.deb").write_text("hunter2")
    lent = tmp_path / "upper" / ".airbyte-ci"
    (lent / "apt" / "kept").mkdir(parents=True)
    (lent / "apt" / "kept" / "a_1_all.deb").symlink_to(tmp_path / "secret_1_all.deb")
    (lent / "pip").symlink_to(tmp_path)
    (tmp_path / "http").mkdir()
    (tmp_path / "http" / NAME).write_bytes(OLD)
    assert gather(own_store, tmp_path / "upper", {}) == set()
    (lent / "apt" / "kept" / "a_1_all.deb").unlink()
    (lent / "apt" / "kept").rmdir()
    (lent / "apt" / "kept").symlink_to(tmp_path)
    assert gather(own_store, tmp_path / "upper", {}) == set()


def test_a_command_gets_a_copy_of_its_own(own_store: Store, small_tree: Tree, tmp_path: Path) -> None:
    """It may change and remove what it is lent; others get what was gathered, and the image gets nothing."""
    gather(own_store, tmp_path / "upper", {f"pip/http-v2/{NAME}": b"octet-stream"})
    line = f"cd /.airbyte-ci/pip/http-v2/0/a/1/b/2; cat {NAME}; echo changed > {NAME}; rm {NAME}; echo $PIP_CACHE_DIR"
    command = Command(["/bin/bash", "-c", line], {"PATH": "/bin"}, packages=True, uid=1000, gid=1001, timeout=60)
    for user in (0, 1000, 0):
        done = sandbox.run(own_store, small_tree, replace(command, uid=user))
        assert done.stdout == b"octet-stream/.airbyte-ci/pip\n"
        assert ".airbyte-ci" in done.lent


def test_old_downloads_make_room(own_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Days of last use go oldest first, and today's stays whatever its size."""
    monkeypatch.setattr(packages, "_LIMIT", 100)
    for day in ("9", "20000", "20001"):
        place = own_store.root / "caches" / "apt" / day
        place.mkdir(parents=True)
        (place / f"p{day}_1_all.deb").write_bytes(bytes(60))
    kept = gather(own_store, tmp_path / "upper", {"apt/kept/new_1_all.deb": bytes(30)})
    assert kept == {"apt/p20001_1_all.deb", "apt/new_1_all.deb"}
