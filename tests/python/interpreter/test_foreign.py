"""A base image that cannot run here: its Python is its twin's, or the build is refused with the reason."""

from pathlib import Path

import pytest

from airbyte_ci.errors import ImageError
from airbyte_ci.oci.image import Image, ImageConfig, Manifest
from airbyte_ci.oci.layer import layer_of
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry, directory, parents, symlink
from airbyte_ci.python.interpreter import foreign
from airbyte_ci.python.interpreter.inventory import Inventory
from tests.python import sample_wheels
from tests.python.interpreters import cpython

LIBRARY = "usr/local/lib/python3.11"
SITE = f"{LIBRARY}/site-packages"
LIBC = b"\x7fELF\0\0GNU C Library (Debian GLIBC 2.36-9+deb12u4) stable release version 2.36.\nCopyright"
TWIN = Inventory(cpython(libc="glibc 2.31"), (), ())


def files(machine: str) -> dict[str, bytes]:
    """The inspected files of an official image's root."""
    return {
        "usr/local/bin/python3.11": machine.encode(),
        f"{LIBRARY}/opcode.py": b"opcodes of 3.11.2",
        f"{LIBRARY}/os.py": b"os of 3.11.2",
        f"{LIBRARY}/_sysconfigdata__linux_{machine}-linux-gnu.py": machine.encode(),
        f"{LIBRARY}/lib-dynload/math.so": machine.encode(),
        f"usr/lib/{machine}-linux-gnu/libc.so.6": LIBC,
        f"{SITE}/demo-1.0.dist-info/METADATA": sample_wheels.METADATA.format(name="demo", version="1.0").encode(),
        f"{SITE}/demo-1.0.dist-info/RECORD": b"demo.py,,\n",
        f"{SITE}/demo.py": b"",
    }


def image(store: Store, architecture: str, contents: dict[str, bytes], *links: Entry) -> Image:
    """An image of one layer with these files."""
    folders = {parent for path in contents for parent in parents(path)}
    entries = [*map(directory, sorted(folders)), *(Entry(path=path, content=data) for path, data in contents.items())]
    layer = layer_of(store, [*entries, *links])
    config = ImageConfig.make(
        {
            "os": "linux",
            "architecture": architecture,
            "rootfs": {"type": "layers", "diff_ids": [str(layer.diff_id)]},
        }
    )
    return store.put_image(Manifest.make(config.descriptor, (layer.descriptor,), {}), config)


def look(
    tmp_path: Path,
    change: dict[str, bytes | None] | None = None,
    *links: Entry,
    architecture: str = "arm64",
    machine: str = "aarch64",
) -> Inventory:
    """The inventory of an image that differs from its twin by `change`; None removes a file."""
    store = Store(tmp_path / "store")
    twin = image(store, "amd64", files("x86_64"))
    wanted = {path: data for path, data in {**files(machine), **(change or {})}.items() if data is not None}
    return foreign.inventory(
        store, image(store, architecture, wanted, *links), bring=lambda: None, twin_image=twin, twin=TWIN
    )


def test_its_python_is_the_twins_on_another_machine(tmp_path: Path) -> None:
    """All but the machine and the C library is the twin's Python's report; distributions are read from the files."""
    found = look(tmp_path, {f"{SITE}/demo-1.0.dist-info/METADATA": b"Name: demo\nVersion: 1.1\n"})
    assert found.interpreter.markers == {**TWIN.interpreter.markers, "platform_machine": "aarch64"}
    assert found.interpreter.libc == "glibc 2.36"
    assert found.interpreter.purelib == TWIN.interpreter.purelib
    assert [(item.name, item.version) for item in found.distributions] == [("demo", "1.1")]
    assert f"{SITE}/demo.py" in found.files
    tags = [str(tag) for tag in found.interpreter.tags()]
    assert "cp311-cp311-manylinux_2_36_aarch64" in tags
    assert not [tag for tag in tags if "x86_64" in tag]


def test_a_second_time_nothing_is_unpacked(tmp_path: Path) -> None:
    """It is remembered by both images' layers."""
    first = look(tmp_path)
    for folder in (tmp_path / "store/snapshots").iterdir():
        folder.rename(tmp_path / folder.name)
    assert look(tmp_path) == first
    assert not any((tmp_path / "store/snapshots").iterdir())


@pytest.mark.parametrize(
    ("change", "architecture", "said"),
    [
        ({f"{LIBRARY}/os.py": b"os of 3.11.9"}, "arm64", "its standard library differs from that of Python 3.11.2"),
        ({f"{LIBRARY}/new.py": b""}, "arm64", "its standard library differs from that of Python 3.11.2"),
        ({f"{LIBRARY}/os.py": None}, "arm64", "its standard library differs from that of Python 3.11.2"),
        ({"usr/local/bin/python3.11": None}, "arm64", "it has no /usr/local/bin/python3.11"),
        ({"usr/lib/aarch64-linux-gnu/libc.so.6": None}, "arm64", "for aarch64: libc.so.6 is not in"),
        ({"usr/lib/aarch64-linux-gnu/libc.so.6": b"musl"}, "arm64", "for aarch64: libc.so.6 is not in"),
        ({}, "mips64", "Python packaging does not support this architecture"),
    ],
)
def test_what_is_no_twin_is_refused(
    tmp_path: Path, change: dict[str, bytes | None], architecture: str, said: str
) -> None:
    """One clear line with the platform, never a guess."""
    with pytest.raises(ImageError) as caught:
        look(tmp_path, change, architecture=architecture)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert f"linux/{architecture}" in str(caught.value) or "aarch64" in str(caught.value)


def test_links_in_it_are_followed_inside_of_it(tmp_path: Path) -> None:
    """Debian's merged /usr, and a C library that is a link, are found; this machine's own files are not."""
    change = {"usr/lib/aarch64-linux-gnu/libc.so.6": None, "usr/lib/aarch64-linux-gnu/libc-2.36.so": LIBC}
    link = symlink("usr/lib/aarch64-linux-gnu/libc.so.6", "/usr/lib/aarch64-linux-gnu/libc-2.36.so")
    assert look(tmp_path, change, link).interpreter.libc == "glibc 2.36"
    with pytest.raises(ImageError, match=r"libc\.so\.6 is not in"):
        look(tmp_path / "other", {**change, "usr/lib/aarch64-linux-gnu/libc-2.36.so": None}, link)
