"""A tiny real image: the shell and a few programs of this machine with the libraries they need."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from airbyte_ci.oci.image import Image, ImageConfig, Manifest
from airbyte_ci.oci.layer import layer_of
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry, directory, symlink
from airbyte_ci.rootfs import snapshot
from airbyte_ci.rootfs.tree import Tree

PROGRAMS = (
    *("sh", "bash", "true", "cat", "ls", "id", "env", "date", "sleep", "pwd", "stat"),
    *("mount", "unshare", "mknod", "chroot", "tail", "head"),
    *("mkdir", "rm", "mv", "cp", "ln", "touch", "chmod", "chown", "dd"),
)
PASSWD = "root:x:0:0:root:/root:/bin/sh\nairbyte:x:1000:1001:Airbyte:/home/airbyte:/bin/sh\n"
GROUP = "root:x:0:\nairbyte:x:1001:\nextra:x:1002:airbyte,other\n"


@pytest.fixture(scope="session")
def small_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store that the tests of a session share; it holds the small image."""
    return Store(tmp_path_factory.mktemp("small") / "store")


@pytest.fixture(scope="session")
def small_image(small_store: Store) -> Image:
    """A root file system of a few megabytes in which commands really run."""
    layer = layer_of(small_store, image_entries())
    config = ImageConfig.make(
        {
            "os": "linux",
            "architecture": "amd64",
            "config": {"Env": ["PATH=/bin", "FROM_IMAGE=yes"], "Labels": {"maker": "tests"}},
            "rootfs": {"type": "layers", "diff_ids": [str(layer.diff_id)]},
            "history": [{"created_by": "tests"}],
        }
    )
    return small_store.put_image(Manifest.make(config.descriptor, (layer.descriptor,), {}), config)


@pytest.fixture(scope="session")
def small_tree(small_store: Store, small_image: Image) -> Tree:
    return snapshot.unpack(small_store, small_image.layers).tree


@pytest.fixture
def upper(small_store: Store) -> Iterator[Path]:
    """A folder on the store's disk for what a command changes."""
    with small_store.scratch() as folder:
        (folder / "upper").mkdir()
        yield folder / "upper"


@pytest.fixture
def own_store(tmp_path: Path, small_store: Store, small_image: Image) -> Iterator[Store]:
    """A store with the small image and nothing else, neither snapshots nor memories."""
    shutil.copytree(small_store.root / "blobs", tmp_path / "store" / "blobs")
    yield Store(tmp_path / "store")


def image_entries() -> list[Entry]:
    """The contents of the small image."""
    programs = {f"bin/{name}": _which(name) for name in PROGRAMS}
    libraries = {path.lstrip("/"): Path(path) for program in programs.values() for path in _libraries(program)}
    found = [
        Entry(path=path, mode=0o755, content=place.resolve())
        for path, place in sorted({**programs, **libraries}.items())
    ]
    return [
        *found,
        directory("root", 0o700),
        directory("tmp", 0o1777),
        directory("home/airbyte", uid=1000, gid=1001),
        *map(directory, ("bin", "etc", "home", "usr", "usr/lib", "var")),
        symlink("lib-link", "usr/lib"),
        Entry(path="etc/passwd", content=PASSWD.encode()),
        Entry(path="etc/group", content=GROUP.encode()),
        Entry(path="usr/lib/data/one", content=b"one"),
        Entry(path="usr/lib/data/two", content=b"two"),
        Entry(path="usr/lib/data/deep/three", content=b"three"),
        Entry(path="usr/lib/su", mode=0o4755, content=b"not really"),
    ]


def _which(name: str) -> Path:
    place = shutil.which(name)
    assert place is not None, f"{name} is not on this machine"
    return Path(place)


def _libraries(program: Path) -> list[str]:
    """The shared libraries of a program, where its dynamic linker looks for them."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return re.findall(r"(/\S+\.so\S*) \(0x", listed)
