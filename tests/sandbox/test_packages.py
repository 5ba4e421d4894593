"""Shared downloads: which files of a command are kept, and how the next command receives them."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from airbyte_ci.oci.store.store import Store
from airbyte_ci.rootfs.tree import Tree
from airbyte_ci.sandbox import packages, sandbox
from airbyte_ci.sandbox.sandbox import Command

NAME = "0a1b2" + "c" * 51
OLD = b"cc=4,\x82\xa8response\x86\xa4body\xc4\x05wheel\xa7headers\x81\xaccontent-type\xb8application/octet-stream"


def gather(store: Store, upper: Path, files: dict[str, bytes]) -> set[str]:
    """The kept ones of a command's files."""
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
        ({f"pip/http-v2/0/a/1/b/2/{NAME}": b"octet-stream", f"pip/http-v2/0/a/1/b/2/{NAME}.body": b"wheel"}, set()),
        ({f"pip/http/0/a/1/b/2/{NAME}": OLD}, set()),
        ({"pip/wheels/a/b/c/x-1.0-py3-none-any.whl": b"built by the command"}, set()),
    ],
)
def test_only_what_can_be_verified_is_shared(
    own_store: Store, tmp_path: Path, files: dict[str, bytes], kept: set[str]
) -> None:
    """Packages whose hashes apt verifies, and nothing that pip would believe: no response, no wheel, no page."""
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
    """It may change and remove what it is given; others get what was gathered, and the image gets nothing."""
    gather(own_store, tmp_path / "upper", {"apt/kept/a_1_all.deb": b"package"})
    (tmp_path / "apt" / "etc" / "apt" / "apt.conf.d").mkdir(parents=True)
    tree = small_tree.over(tmp_path / "apt")
    name = "/.airbyte-ci/apt/archives/partial/a_1_all.deb"
    harm = f"echo changed > {name}; chmod 4777 {name}; ln {name} /x; echo x > /x; rm {name}"
    command = Command(
        arguments=["/bin/bash", "-c", f"cat {name}; {harm}"], environment={"PATH": "/bin"}, packages=True, timeout=60
    )
    for user in (0, 1000, 0):
        done = sandbox.run(own_store, tree, replace(command, uid=user))
        assert done.stdout == b"package"
        assert ".airbyte-ci" in done.lent
    (kept,) = (own_store.root / "caches").rglob("*.deb")
    assert (kept.read_bytes(), kept.stat().st_mode & 0o7777, kept.stat().st_nlink) == (b"package", 0o644, 1)


def test_no_command_sees_responses_that_another_one_left(own_store: Store, small_tree: Tree) -> None:
    """pip trusts its cache, whoever wrote it; so its folder is new for each command."""
    plant = "cd $PIP_CACHE_DIR && mkdir -p http/0 http-v2/0 && echo forged > http/0/a; ls -R $PIP_CACHE_DIR"
    look = "ls -R $PIP_CACHE_DIR"
    for line, user in ((plant, 0), (look, 0), (look, 1000)):
        command = Command(
            arguments=["/bin/bash", "-c", line], environment={"PATH": "/bin"}, packages=True, uid=user, timeout=60
        )
        done = sandbox.run(own_store, small_tree, command)
        assert done.returncode == 0
        assert (b"http" in done.stdout) == (line == plant), done.stderr


def test_what_is_kept_is_a_copy(own_store: Store, tmp_path: Path) -> None:
    """A second name of a download changes nothing once it is kept; links, pipes and sparse files are not kept."""
    kept = tmp_path / "upper" / ".airbyte-ci" / "apt" / "kept"
    kept.mkdir(parents=True)
    (tmp_path / "upper" / "other").write_bytes(b"package")
    (kept / "a_1_all.deb").hardlink_to(tmp_path / "upper" / "other")
    os.mkfifo(kept / "b_1_all.deb")
    (kept / "c_1_all.deb").symlink_to("/etc/passwd")
    with (kept / "d_1_all.deb").open("wb") as file:
        file.truncate(30 << 30)
    (kept / "e_1_all.deb").mkdir()
    assert gather(own_store, tmp_path / "upper", {}) == {"apt/a_1_all.deb"}
    (tmp_path / "upper" / "other").write_bytes(b"changed")
    (copy,) = (own_store.root / "caches").rglob("*.deb")
    assert (copy.read_bytes(), copy.stat().st_nlink) == (b"package", 1)


def test_old_downloads_make_room(own_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The days with the oldest use are removed first, and today's stays at any size."""
    monkeypatch.setattr(packages, "_LIMIT", 100)
    for day in ("9", "20000", "20001"):
        place = own_store.root / "caches" / "apt" / day
        place.mkdir(parents=True)
        (place / f"p{day}_1_all.deb").write_bytes(bytes(60))
    kept = gather(own_store, tmp_path / "upper", {"apt/kept/new_1_all.deb": bytes(30)})
    assert kept == {"apt/p20001_1_all.deb", "apt/new_1_all.deb"}
