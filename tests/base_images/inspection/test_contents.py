"""The inventory of a base without running it, the difference of two, and what affects them."""

import json
import zipfile
from itertools import pairwise
from pathlib import Path

import pytest

from airbyte_ci.base_images.inspection import contents, debian_version, difference, layer_files, osv
from airbyte_ci.base_images.inspection.difference import Side
from airbyte_ci.errors import ConfigurationError
from airbyte_ci.oci import tar
from airbyte_ci.oci.image import Image, ImageConfig, Manifest
from airbyte_ci.oci.layer import layer_of
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry
from airbyte_ci.reports import base_images_diff as report
from airbyte_ci.rootfs import dpkg

SITE = "usr/local/lib/python3.11/site-packages"
STATUS = """Package: libssl3
Status: install ok installed
Architecture: amd64
Source: openssl (3.0.11-1)
Version: 3.0.11-1+b1
Description: with
 Version: lines that are none

Package: gone
Status: deinstall ok config-files
Version: 1

Package: bash
Status: install ok installed
Architecture: amd64
Version: 5.2.15-2+b2
"""
PASSWD = "root:x:0:0:root:/root:/bin/bash\nairbyte:x:1000:1000::/home/airbyte:/bin/sh\nbroken\n"
BASE = [
    Entry(path="etc/os-release", content=b'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n'),
    Entry(path="etc/passwd", content=PASSWD.encode()),
    Entry(path="var/lib/dpkg/status", content=STATUS.encode()),
    Entry(
        path="usr/lib/x86_64-linux-gnu/libc.so.6",
        content=b"..GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\n",
    ),
    Entry(path="usr/local/pyvenv.cfg", content=b"home = /usr/bin\nversion = 3.11.2\n"),
    Entry(path=f"{SITE}/idna-3.4.dist-info/METADATA", content=b"Name: idna\nVersion: 3.4\n"),
    Entry(path=f"{SITE}/idna-3.4.dist-info/RECORD", content=b"idna/core.py,,\n"),
    Entry(path=f"{SITE}/idna/core.py", content=b"old"),
    Entry(path="etc/stays", content=b"same"),
]
NEWER = [
    tar.whiteout(f"{SITE}/idna-3.4.dist-info"),
    Entry(path=f"{SITE}/idna-3.7.dist-info/METADATA", content=b"Name: idna\nVersion: 3.7\n"),
    Entry(path=f"{SITE}/idna/core.py", content=b"new"),
    Entry(path="var/lib/dpkg/status", content=STATUS.replace("3.0.11-1", "3.0.15-1").encode()),
]


def image(store: Store, layers: list[list[Entry]], **execution: object) -> Image:
    made = [layer_of(store, entries) for entries in layers]
    config = ImageConfig.make(
        {
            "os": "linux",
            "architecture": "amd64",
            "config": execution,
            "rootfs": {"type": "layers", "diff_ids": [str(item.diff_id) for item in made]},
            "history": [{"created_by": f"layer {number}"} for number in range(len(made))],
        }
    )
    return store.put_image(Manifest.make(config.descriptor, tuple(item.descriptor for item in made), {}), config)


def side(store: Store, name: str, found: Image) -> Side:
    held = contents.of(store, found)
    return Side(name, found, held, contents.files(store, held))


def test_an_inventory_is_read_from_files(tmp_path: Path) -> None:
    """System, libc, Python, packages with their sources, distributions, accounts and layers; and remembered."""
    store = Store(tmp_path)
    found = image(store, [BASE, NEWER])
    held = contents.of(store, found)
    assert held.system["PRETTY_NAME"] == "Debian GNU/Linux 12 (bookworm)"
    assert (held.libc, held.python, held.ecosystem) == ("glibc 2.36", "3.11.2", "Debian:12")
    assert [(item.name, item.version, item.source, item.source_version) for item in held.packages] == [
        ("bash", "5.2.15-2+b2", "bash", "5.2.15-2+b2"),
        ("libssl3", "3.0.15-1+b1", "openssl", "3.0.15-1"),
    ]
    assert held.distributions == (("idna", "3.7"),)
    assert [(item.name, item.uid, item.home) for item in held.accounts] == [
        ("root", 0, "/root"),
        ("airbyte", 1000, "/home/airbyte"),
    ]
    assert [(layer.created_by, layer.files) for layer in held.layers] == [("layer 0", 5), ("layer 1", 3)]
    assert contents.of(store, found) == held


def test_layers_are_merged_as_overlayfs_would(tmp_path: Path) -> None:
    """Whiteouts, opaque folders, a file in the place of a folder; each path from the layer that shows."""
    store = Store(tmp_path)
    upper = [
        tar.whiteout("a/gone"),
        Entry(path="b/.wh..wh..opq", mode=0),
        Entry(path="b/new", content=b"n"),
        Entry(path="c", content=b"a file now"),
    ]
    lower = [
        Entry(path="a/gone"),
        Entry(path="a/kept"),
        Entry(path="b/old"),
        Entry(path="c/below"),
        tar.symlink("l", "a/kept"),
    ]
    found = image(store, [lower, upper])
    held = contents.of(store, found)
    files = contents.files(store, held)
    assert sorted(files) == ["a", "a/kept", "b", "b/new", "c", "l"]
    assert files["l"].endswith("a/kept")
    assert files["c"].startswith("file 644 0:0 10 ")


def test_who_may_write_a_file() -> None:
    """Its owner always, its group and others by the mode; a link never."""
    file = layer_files.LayerFile(path="x", kind="file", mode=0o464, uid=1, gid=2, size=0, layer=0, disk="")
    assert file.writable_by(1, set())
    assert file.writable_by(9, {2})
    assert not file.writable_by(9, {9})
    assert layer_files.LayerFile(path="x", kind="dir", mode=0o1777, uid=0, gid=0, size=0, layer=0, disk="").writable_by(
        9, set()
    )
    assert not layer_files.LayerFile(
        path="x", kind="symlink", mode=0o777, uid=1, gid=1, size=0, layer=0, disk=""
    ).writable_by(1, {1})


def test_a_difference_is_everything_that_differs(tmp_path: Path) -> None:
    """By name, with before and after; unchanged items are omitted, and shared layers are counted."""
    store = Store(tmp_path)
    one = side(store, "base 1", image(store, [BASE], Env=["A=1", "B=1"], User="root"))
    other = side(store, "base 2", image(store, [BASE, NEWER], Env=["A=1", "B=2"], User="airbyte"))
    found = difference.between(one, other)
    assert [(item.name, item.before, item.after) for item in found.facts] == [("user", "root", "airbyte")]
    assert [(item.name, item.before, item.after) for item in found.packages] == [
        ("libssl3", "3.0.11-1+b1", "3.0.15-1+b1")
    ]
    assert [(item.name, item.before, item.after) for item in found.distributions] == [("idna", "3.4", "3.7")]
    assert [(item.name, item.before, item.after) for item in found.environment] == [("B", "1", "2")]
    assert f"{SITE}/idna/core.py" in [item.name for item in found.files]
    assert "etc/stays" not in [item.name for item in found.files]
    assert (found.shared_layers, [item.side for item in found.layers]) == (1, ["+"])
    assert difference.between(one, one).is_empty
    text = report.text(found, None, files=False)
    assert "  ~ idna 3.4 → 3.7\n" in text
    assert "| libssl3 | 3.0.11-1+b1 | 3.0.15-1+b1 |" in report.markdown(found, None)


def _advisories() -> list[object]:
    debian = {"ecosystem": "Debian:12", "name": "openssl"}
    fixed = [{"introduced": "0"}, {"fixed": "3.0.13-1~deb12u1"}]
    never = [{"introduced": "0"}]
    return [
        {
            "id": "DEBIAN-CVE-1",
            "upstream": ["CVE-1"],
            "affected": [{"package": debian, "ranges": [{"type": "ECOSYSTEM", "events": fixed}]}],
        },
        {"id": "CVE-2", "affected": [{"package": debian, "ranges": [{"type": "ECOSYSTEM", "events": never}]}]},
        {
            "id": "CVE-3",
            "withdrawn": "2024-01-01T00:00:00Z",
            "affected": [{"package": debian, "ranges": [{"type": "ECOSYSTEM", "events": never}]}],
        },
        {
            "id": "GHSA-x",
            "aliases": ["CVE-4"],
            "affected": [
                {
                    "package": {"ecosystem": "PyPI", "name": "IDNA"},
                    "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "3.5"}, {"last_affected": "3.7"}]}],
                }
            ],
        },
        {
            "id": "PYSEC-1",
            "aliases": ["CVE-5"],
            "affected": [{"package": {"ecosystem": "PyPI", "name": "idna"}, "versions": ["3.4"]}],
        },
        {
            "id": "CVE-6",
            "affected": [
                {
                    "package": {"ecosystem": "Debian:11", "name": "openssl"},
                    "ranges": [{"type": "ECOSYSTEM", "events": never}],
                }
            ],
        },
        {"id": "CVE-7", "affected": [{"package": {"ecosystem": "npm", "name": "idna"}, "versions": ["3.4"]}]},
    ]


@pytest.mark.parametrize("kind", ["zip", "folder", "list", "lines"])
def test_vulnerabilities_are_fixed_introduced_and_left(tmp_path: Path, kind: str) -> None:
    """By source package and Debian's order, by PEP 440, by their CVE, in any form of the database."""
    store = Store(tmp_path / "store")
    database = tmp_path / "database"
    if kind == "zip":
        with zipfile.ZipFile(database, "w") as archive:
            for number, item in enumerate(_advisories()):
                archive.writestr(f"{number}.json", json.dumps(item))
    elif kind == "folder":
        database.mkdir()
        for number, item in enumerate(_advisories()):
            (database / f"{number}.json").write_text(json.dumps(item))
    elif kind == "list":
        database.write_text(json.dumps(_advisories()))
    else:
        database.write_text("\n".join(map(json.dumps, _advisories())))
    found = osv.compare(database, *(contents.of(store, image(store, layers)) for layers in ([BASE], [BASE, NEWER])))
    assert [(item.name, item.package, item.fixed) for item in found.fixed] == [
        ("CVE-5", "idna", ""),
        ("CVE-1", "openssl", "3.0.13-1~deb12u1"),
    ]
    assert [item.name for item in found.introduced] == ["CVE-4"]
    assert [item.name for item in found.left] == ["CVE-2"]


def test_a_database_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """Its path, and what is expected."""
    path = tmp_path / "x"
    path.write_text("{ no")
    with pytest.raises(ConfigurationError, match="vulnerability database"):
        osv.compare(path, *[contents.of(Store(tmp_path / "s"), image(Store(tmp_path / "s"), [BASE]))] * 2)


def test_debian_versions_are_ordered_as_dpkg_orders_them() -> None:
    """Epochs, tildes before the end, letters before signs, numbers as numbers, revisions."""
    ordered = [
        *("0.9", "1.0~~", "1.0~rc1-1", "1.0~rc2", "1.0", "1.0-0.1", "1.0-1", "1.0-1+b1", "1.0-1+deb12u1", "1.0-1.1"),
        *("1.0-2", "1.0-10", "1.0a", "1.0+dfsg", "1.0.1", "1.9", "1.10", "2.36-9", "1:0.1", "2:0~"),
    ]
    assert [pair for pair in pairwise(ordered) if debian_version.key(pair[0]) >= debian_version.key(pair[1])] == []
    assert debian_version.key("1.0") == debian_version.key("0:1.0-0") == debian_version.key("1.00")


def test_packages_without_a_package_manager() -> None:
    """A file for each package, without a status, as distroless images have them."""
    found = dpkg.packages("Package: tzdata\nVersion: 2024a-0+deb12u1\nArchitecture: all\n")
    assert [(item.name, item.version) for item in found] == [("tzdata", "2024a-0+deb12u1")]
