"""Malicious wheels: each is refused with one line, before anything of it is written."""

import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from airbyte_ci.errors import PackageError
from airbyte_ci.python.wheels import wheel, wheel_archive
from tests.python import sample_wheels
from tests.python.interpreters import cpython

PYTHON = cpython()
INFO = "demo-1.0.dist-info"
METADATA = f"{INFO}/METADATA"


def refusal(path: Path) -> str:
    scratch = path.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    with pytest.raises(PackageError) as caught:
        wheel.read(path, path.name, PYTHON, scratch)
    assert caught.value.message.startswith(f"cannot install {path.name}: ")
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 700
    return caught.value.message


# --- names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "../outside.py",
        "demo/../../outside.py",
        "demo/../inside.py",
        "/etc/passwd",
        "//etc/passwd",
        "./demo.py",
        "demo//a.py",
        "demo-1.0.data/scripts/../../../../../etc/cron.d/x",
        "demo-1.0.data/data/../../../etc/passwd",
        "./demo-1.0.data/scripts/x",
        "..",
        ".",
    ],
)
def test_no_file_lands_elsewhere(tmp_path: Path, path: str) -> None:
    """A name that is not a plain path inside of its folder is refused, in RECORD or not."""
    assert "would be written outside" in refusal(sample_wheels.make(tmp_path, files={path: "x"}))


@pytest.mark.parametrize(
    "path", ["demo\\a.py", "..\\outside.py", "C:\\x.py", "demo/a\n.py", "demo/\x1b[2J.py", "demo/\x7f"]
)
def test_names_mean_the_same_everywhere(tmp_path: Path, path: str) -> None:
    """A backslash is a folder to some readers; a control character makes RECORD and messages lie."""
    assert "a name with a backslash or control characters" in refusal(sample_wheels.make(tmp_path, files={path: "x"}))


def test_a_name_with_nul_is_refused(tmp_path: Path) -> None:
    """Python's zipfile ends the name there, so that RECORD and other readers mean another file."""
    path = sample_wheels.make(tmp_path, files={"demo/a.pyQjs": "x", "demo/a.py": "x"})
    path.write_bytes(path.read_bytes().replace(b"a.pyQjs", b"a.py\0js"))
    assert "control characters" in refusal(path)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"demo": "x", "demo/a.py": ""}, "its 'demo' is both a file and a folder"),
        ({"demo/a/b/c.py": "x", "demo/a": ""}, "its 'demo/a' is both a file and a folder"),
        ({"demo": "x", "demo-1.0.data/purelib/demo/a.py": ""}, "both as a file and as a folder"),
        ({"demo-1.0.data/data/bin/x": "x", "demo-1.0.data/scripts/x/y": ""}, "/usr/local/bin/x both as a file"),
        ({"demo-1.0.data": "x"}, "demo-1.0.data is a file, and should be a folder"),
        ({INFO: "x"}, f"its '{INFO}' is both a file and a folder"),
    ],
)
def test_a_file_is_no_folder_elsewhere(tmp_path: Path, files: dict[str, str | bytes], said: str) -> None:
    """By its own name, or by where a scheme puts it (one of these made installer search for ever)."""
    assert said in refusal(sample_wheels.make(tmp_path, files=files))


def test_names_that_differ_in_case_are_two_files(tmp_path: Path) -> None:
    """As on the image's file system: wheels with the kernel's headers have such pairs."""
    path = sample_wheels.make(tmp_path, files={"demo/xt_MARK.h": "1", "demo/xt_mark.h": "2"})
    found = {entry.path.rpartition("/")[2]: entry.content for entry in wheel.read(path, path.name, PYTHON).entries}
    assert (found["xt_MARK.h"], found["xt_mark.h"]) == (b"1", b"2")


@pytest.mark.parametrize(
    "points", ["../../../etc/cron.d/x = demo:main", "/etc/cron.d/x = demo:main", ".. = demo:main", ". = demo:main"]
)
def test_a_script_cannot_be_called_a_path(tmp_path: Path, points: str) -> None:
    """An entry point's name is a file's name in the scripts folder, never a way out of it."""
    text = f"[console_scripts]\n{points}\n"
    assert "would be installed outside /usr/local/bin" in refusal(
        sample_wheels.make(tmp_path, files={f"{INFO}/entry_points.txt": text})
    )


@pytest.mark.parametrize("name", ["python", "python3", "python3.11"])
@pytest.mark.parametrize("by", ["entry point", "script", "data"])
def test_python_itself_cannot_be_replaced(tmp_path: Path, name: str, by: str) -> None:
    """A wheel's script, data file or entry point is never the interpreter that runs the connector."""
    files: dict[str, dict[str, str | bytes]] = {
        "entry point": {f"{INFO}/entry_points.txt": f"[console_scripts]\n{name} = demo:main\n"},
        "script": {f"demo-1.0.data/scripts/{name}": "#!/bin/sh\n"},
        "data": {f"demo-1.0.data/data/bin/{name}": "#!/bin/sh\n"},
    }
    assert f"would replace the image's Python (/usr/local/bin/{name})" in refusal(
        sample_wheels.make(tmp_path, files=files[by])
    )


@pytest.mark.parametrize("path", ["lib", "bin", "lib/python3.11", "lib/python3.11/site-packages"])
def test_the_images_folders_stay_folders(tmp_path: Path, path: str) -> None:
    """A file in the place of a folder in which Python, scripts or packages lie would hide all of them."""
    said = refusal(sample_wheels.make(tmp_path, files={f"demo-1.0.data/data/{path}": "x"}))
    assert f"would replace the image's Python (/usr/local/{path})" in said


# --- kinds and sizes -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [0o120777, 0o020666, 0o060666, 0o010666, 0o140777, 0o040755])
def test_links_and_devices_are_refused(tmp_path: Path, kind: int) -> None:
    """A member that is marked as a symbolic link, device, pipe, socket, or as a folder without a folder's name."""
    path = sample_wheels.make(tmp_path, files={"demo/link": "/etc/passwd"})
    _patch_directory(path, "demo/link", 38, struct.pack("<L", kind << 16))
    assert "is a link or a device" in refusal(path)


@pytest.mark.parametrize(("limit", "value"), [("SIZE_LIMIT", 1000), ("FILE_LIMIT", 3), ("METADATA_LIMIT", 10)])
def test_a_wheel_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    """Too many bytes, too many files, metadata that would be read at once: seen before anything is read."""
    path = sample_wheels.make(tmp_path, files={"demo/a.py": "x" * 2000})
    monkeypatch.setattr(wheel_archive, limit, value)
    assert "too much for metadata" in refusal(path) if limit == "METADATA_LIMIT" else "unpacks to more" in refusal(path)


def test_a_small_wheel_does_not_become_a_large_one(tmp_path: Path) -> None:
    """300 MB of zeros compress a thousandfold; no real wheel comes near."""
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(30):
            archive.writestr(f"demo/{number}", bytes(10_000_000))
    assert "unpacks to more than the limit for wheels: 30 files, 300 MB" in refusal(path)


def test_a_size_that_lies_is_found(tmp_path: Path) -> None:
    """A directory that promises few bytes for many: reading ends there, and the checksum is another."""
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    sample_wheels.make(tmp_path, files={"demo/a.py": "x" * 5000})
    _patch_directory(path, "demo/a.py", 24, struct.pack("<L", 10))
    assert "is not what the archive's directory says of it" in refusal(path)


# --- layout ----------------------------------------------------------------------------------------

DIFFERENT = "is not what the archive's directory says of it"


def _patch_directory(path: Path, name: str, offset: int, value: bytes) -> None:
    """Overwrites a field of a member's record in the archive's directory (APPNOTE 4.3.12)."""
    data = bytearray(path.read_bytes())
    position = data.rindex(name.encode()) - 46
    assert data[position : position + 4] == b"PK\1\2"
    data[position + offset : position + offset + len(value)] = value
    path.write_bytes(data)


def _patch_local(path: Path, name: str, offset: int, value: bytes) -> None:
    data = bytearray(path.read_bytes())
    position = data.index(name.encode()) - 30
    assert data[position : position + 4] == b"PK\3\4"
    data[position + offset : position + offset + len(value)] = value
    path.write_bytes(data)


def _overlap(path: Path) -> None:
    """The last file's record points to the first file: two names for the same bytes."""
    with zipfile.ZipFile(path) as archive:
        first = archive.infolist()[0].header_offset
    _patch_directory(path, "demo/b.py", 42, struct.pack("<L", first))


def _prefix(path: Path) -> None:
    path.write_bytes(b"#!/bin/sh\nexit\n" + path.read_bytes())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_overlap, "shares bytes"),
        (_prefix, "has bytes before its first file"),
        (lambda path: _patch_local(path, "demo/b.py", 30, b"demo/c.py"), DIFFERENT),
        (lambda path: _patch_local(path, "demo/b.py", 8, b"\x08\0"), DIFFERENT),
        (lambda path: _patch_local(path, "demo/b.py", 14, b"abcd"), DIFFERENT),
        (lambda path: _patch_local(path, "demo/b.py", 18, b"\1\0\0\0"), DIFFERENT),
        (lambda path: _patch_local(path, "demo/b.py", 22, b"\1\0\0\0"), DIFFERENT),
        (
            lambda path: _patch_local(path, f"{INFO}/RECORD", 28, b"\xff\xff"),
            "shares bytes with the archive's directory",
        ),
        (lambda path: _patch_local(path, "demo/b.py", 0, b"XXXX"), "not a valid wheel"),
    ],
)
def test_every_reader_sees_the_same_files(tmp_path: Path, change: Callable[[Path], None], said: str) -> None:
    """Overlapping members, bytes before the first, and headers that contradict the directory."""
    path = sample_wheels.make(tmp_path, files={"demo/a.py": "a = 1\n", "demo/b.py": "b = 1\n"})
    wheel.read(path, path.name, PYTHON)
    change(path)
    assert said in refusal(path)


# --- metadata --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n", "its METADATA describes other 1.0"),
        ("Metadata-Version: 2.1\nName: demo\nVersion: 2.0\n", "its METADATA describes demo 2.0"),
        ("Metadata-Version: 2.1\nName: demo\nName: other\nVersion: 1.0\n", "its METADATA describes demo other 1.0"),
        ("Metadata-Version: 2.1\nName: demo\n", "its METADATA describes demo"),
        ("\nName: demo\nVersion: 1.0\n", "its METADATA describes nothing"),
        ("Metadata-Version: 2.1\nName: demo\nVersion: one\n", "not a valid wheel"),
    ],
)
def test_metadata_names_the_distribution(tmp_path: Path, metadata: str, said: str) -> None:
    """importlib.metadata in the image reports what the file's name says and the lock has."""
    assert said in refusal(sample_wheels.make(tmp_path, files={METADATA: metadata}))


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"other-1.0.dist-info/METADATA": ""}, "exactly one .dist-info"),
        ({"Demo-1.0.dist-info/METADATA": ""}, "exactly one .dist-info"),
        ({"other-1.0.data/scripts/x": ""}, "the data folder of another distribution (other-1.0.data)"),
        ({"demo-2.0.data/scripts/x": ""}, "the data folder of another distribution (demo-2.0.data)"),
        ({"demo-1.0.data/data/x": "", "Demo-1.0.data/data/x": ""}, "the data folder of another distribution"),
    ],
)
def test_the_wheels_own_folders_are_its_own(tmp_path: Path, files: dict[str, str | bytes], said: str) -> None:
    """One .dist-info, at most one .data, both of this distribution."""
    assert said in refusal(sample_wheels.make(tmp_path, files=files))


def test_a_metadata_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    """The folder's name is what tools list without opening it."""
    for name, version in (("other", "1.0"), ("demo", "2.0")):
        path = sample_wheels.make(tmp_path, name, version, filename="demo-1.0-py3-none-any.whl")
        assert (
            "METADATA describes" in refusal(path) if name == "demo" else "doesn't match wheel filename" in refusal(path)
        )


@pytest.mark.parametrize("spelt", ["Demo_Kit", "demo.kit", "DEMO-kit"])
def test_folders_may_be_spelt_otherwise(tmp_path: Path, spelt: str) -> None:
    """Builders normalise the file's name and not always its folders: scripts are found all the same, as by pip."""
    path = sample_wheels.make(
        tmp_path, spelt, "1.0", {f"{spelt}-1.0.data/scripts/x": ""}, filename="demo_kit-1.0-py3-none-any.whl"
    )
    assert "usr/local/bin/x" in {entry.path for entry in wheel.read(path, path.name, PYTHON).entries}
