"""The databases of package managers: those that the real tools write, and text in their documented form."""

import subprocess
from pathlib import Path

import pytest

from airbyte_ci.errors import ImageError
from airbyte_ci.rootfs import apk, dpkg, rpm
from airbyte_ci.rootfs.tree import Tree

_SPEC = """Name: {name}
Epoch: 2
Version: 1.5
Release: 3
Summary: a package
License: MIT
BuildArch: noarch
%description
A package.
%install
mkdir -p %{{buildroot}}/opt/{name}/deep
echo one > %{{buildroot}}/opt/{name}/one
echo two > %{{buildroot}}/opt/{name}/deep/two
%files
/opt/{name}/one
/opt/{name}/deep/two
"""


def test_rpms_own_database_is_read(tmp_path: Path) -> None:
    """Packages that rpm itself built and installed are listed with epoch, version, release and files."""
    root = tmp_path / "root"
    top = ("--define", f"_topdir {tmp_path}/build")
    place = ("--root", str(root), "--dbpath", "/var/lib/rpm", "--define", "_db_backend sqlite")
    for name in ("hello", "world"):
        (tmp_path / f"{name}.spec").write_text(_SPEC.format(name=name))
        subprocess.run(["rpmbuild", *top, "-bb", f"{tmp_path}/{name}.spec"], check=True, capture_output=True)
    root.mkdir()
    built = sorted(map(str, (tmp_path / "build/RPMS").rglob("*.rpm")))
    subprocess.run(["rpm", *place, "--install", "--justdb", "--nodeps", *built], check=True, capture_output=True)
    found = rpm.packages(root / rpm.DATABASES[0])
    assert [(item.name, item.version, item.architecture) for item in found] == [
        ("hello", "2:1.5-3", "noarch"),
        ("world", "2:1.5-3", "noarch"),
    ]
    assert found[0].files == ("opt/hello/deep/two", "opt/hello/one")


def test_a_damaged_rpm_database_is_one_error(tmp_path: Path) -> None:
    """A file that is no database, or has headers of another form, is refused."""
    import sqlite3

    (tmp_path / "text").write_bytes(b"no database" * 100)
    with sqlite3.connect(tmp_path / "headers") as connection:
        connection.execute("CREATE TABLE Packages (hnum INTEGER, blob BLOB)")
        connection.execute("INSERT INTO Packages VALUES (1, ?)", (b"\x7f\xff\xff\xff" * 3,))
    for name in ("text", "headers"):
        with pytest.raises(ImageError, match="damaged"):
            rpm.packages(tmp_path / name)


def test_apks_database_lists_packages_with_files() -> None:
    """Each stanza is a package; F: is a folder, and R: a file in it."""
    musl = "C:Q1x=\nP:musl\nV:1.2.5-r0\nA:x86_64\nF:lib\nR:ld-musl-x86_64.so.1\nZ:Q1y=\nF:\nR:top\n"
    text = f"{musl}\nP:busybox\nV:1.36-r1\n\n"
    assert apk.packages(text) == (
        apk.AlpinePackage(name="busybox", version="1.36-r1", architecture="", files=(), origin="busybox"),
        apk.AlpinePackage(
            name="musl",
            version="1.2.5-r0",
            architecture="x86_64",
            files=("lib/ld-musl-x86_64.so.1", "top"),
            origin="musl",
        ),
    )


def test_dpkgs_files_and_configuration_files_are_read(tmp_path: Path) -> None:
    """Lists name the package of each path, also of another architecture; Conffiles has the packaged MD5."""
    info = tmp_path / dpkg.INFO_FOLDER
    info.mkdir(parents=True)
    (info / "base.list").write_text("/.\n/etc\n/etc/base.conf\n")
    (info / "libc6:amd64.list").write_text("/.\n/lib\n/lib/libc.so.6\n")
    status = "Package: base\nStatus: install ok installed\nVersion: 1\n"
    listed = "Conffiles:\n /etc/base.conf 0123 \n /etc/old 4567 obsolete\n"
    (tmp_path / dpkg.STATUS).write_text(f"{status}{listed}Description: x\n more\n")
    tree = Tree((tmp_path,))
    assert dpkg.files(tree) == {
        "etc": "base",
        "etc/base.conf": "base",
        "lib": "libc6",
        "lib/libc.so.6": "libc6",
    }
    assert dpkg.configuration_files(tree) == {"etc/base.conf": "0123", "etc/old": "4567"}
