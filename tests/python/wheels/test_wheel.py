"""Wheels: which is chosen, where its files go, and which are refused."""

import base64
import csv
import hashlib
import tempfile
import warnings
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_ci.errors import PackageError
from airbyte_ci.oci import tar
from airbyte_ci.oci.tar import Entry
from airbyte_ci.python.packages.lock import LockedFile
from airbyte_ci.python.wheels import wheel
from tests.python import sample_wheels
from tests.python.interpreters import cpython

PYTHON = cpython()
SITE = "usr/local/lib/python3.11/site-packages"
INFO = "demo-1.0.dist-info"


def read(path: Path) -> dict[str, Entry]:
    return {entry.path: entry for entry in wheel.read(path, path.name, PYTHON).entries}


def text(entry: Entry) -> str:
    assert isinstance(entry.content, bytes)
    return entry.content.decode()


def refusal(path: Path) -> str:
    with pytest.raises(PackageError) as caught:
        wheel.read(path, path.name, PYTHON)
    assert caught.value.message.startswith(f"cannot install {path.name}: ")
    return caught.value.message


# --- choosing --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["x-1-py3-none-any.whl", "x-1.tar.gz"], "x-1-py3-none-any.whl"),
        (["x-1.tar.gz"], None),
        (["x-1-cp310-cp310-manylinux_2_17_x86_64.whl"], None),
        (["x-1-cp311-cp311-macosx_11_0_arm64.whl", "x-1-cp311-cp311-win_amd64.whl"], None),
        (["x-1-cp311-cp311-manylinux_2_17_aarch64.whl"], None),
        (["x-1-cp311-cp311-musllinux_1_2_x86_64.whl"], None),
        (["x-1-cp311-cp311-manylinux_2_37_x86_64.whl"], None),
        (
            ["x-1-py3-none-any.whl", "x-1-cp311-cp311-manylinux2014_x86_64.whl"],
            "x-1-cp311-cp311-manylinux2014_x86_64.whl",
        ),
        (
            ["x-1-cp311-cp311-manylinux_2_17_x86_64.whl", "x-1-cp311-cp311-manylinux_2_28_x86_64.whl"],
            "x-1-cp311-cp311-manylinux_2_28_x86_64.whl",
        ),
        (["x-1-cp39-abi3-manylinux1_x86_64.whl", "x-1-py3-none-any.whl"], "x-1-cp39-abi3-manylinux1_x86_64.whl"),
        (["x-1-py2.py3-none-any.whl", "x-1-py3-none-any.whl"], "x-1-py3-none-any.whl"),
        (
            [
                "x-1-cp311-cp311-manylinux_2_5_x86_64.manylinux1_x86_64.manylinux_2_28_x86_64.whl",
                "x-1-py3-none-any.whl",
            ],
            "x-1-cp311-cp311-manylinux_2_5_x86_64.manylinux1_x86_64.manylinux_2_28_x86_64.whl",
        ),
        (["x-1-py3-none-any.whl", "x-1-1-py3-none-any.whl"], "x-1-1-py3-none-any.whl"),
        (["x-1-2-py3-none-any.whl", "x-1-10-py3-none-any.whl", "x-1-9b-py3-none-any.whl"], "x-1-10-py3-none-any.whl"),
        (["x-1-1a-py3-none-any.whl", "x-1-1b-py3-none-any.whl"], "x-1-1b-py3-none-any.whl"),
        (["x-1-9-py3-none-any.whl", "x-1-cp311-cp311-linux_x86_64.whl"], "x-1-cp311-cp311-linux_x86_64.whl"),
        (["nonsense.whl", "x-y-z.whl", "x-1-py3-none-any.whl"], "x-1-py3-none-any.whl"),
        ([], None),
    ],
    ids=str,
)
def test_the_best_wheel_is_chosen(names: list[str], expected: str | None) -> None:
    """The most specific tag that the interpreter accepts, then the newest build; none where none fits."""
    order = wheel.tag_order(PYTHON)
    for given_order in (names, names[::-1]):
        found = wheel.choose([LockedFile(name, "0" * 64) for name in given_order], order)
        assert (found.name if found else None) == expected


def test_musl_and_other_machines_have_their_own() -> None:
    """The image's libc and architecture decide, not the machine that builds."""
    names = [f"x-1-cp311-cp311-{kind}.whl" for kind in ("manylinux_2_17_x86_64", "musllinux_1_1_x86_64")]
    names.append("x-1-cp311-cp311-manylinux_2_17_aarch64.whl")
    files = [LockedFile(name, "0" * 64) for name in names]
    for interpreter, expected in (
        (cpython(), names[0]),
        (cpython(libc=""), names[1]),
        (cpython(machine="aarch64"), names[2]),
    ):
        found = wheel.choose(files, wheel.tag_order(interpreter))
        assert found is not None
        assert found.name == expected


# --- where files go --------------------------------------------------------------------------------

EVERYTHING = {
    "demo/__init__.py": "VALUE = 1\n",
    "demo/tool.sh": "#!/bin/sh\n",
    "demo-1.0.data/scripts/demo-script": "#!python\nprint('script')\n",
    "demo-1.0.data/scripts/demo-gui": "#!pythonw\r\nprint('gui')\n",
    "demo-1.0.data/scripts/demo.sh": "#!/bin/sh\n",
    "demo-1.0.data/data/share/demo/data.txt": "data\n",
    "demo-1.0.data/headers/demo.h": "/* */\n",
    "demo-1.0.data/purelib/demo_pure.py": "",
    "demo-1.0.data/platlib/demo_plat.py": "",
    f"{INFO}/entry_points.txt": "[console_scripts]\ndemo = demo:main.run\n[gui_scripts]\ndemo-w = demo:a\n[x]\ny = z\n",
}


def test_every_scheme_has_its_place(tmp_path: Path) -> None:
    """Packages, scripts, data and headers go to the folders of the image's Python, executable where needed."""
    found = read(sample_wheels.make(tmp_path, files=EVERYTHING, executable=["demo/tool.sh"]))
    assert {path: entry.mode for path, entry in found.items()} == {
        f"{SITE}/demo/__init__.py": 0o644,
        f"{SITE}/demo/tool.sh": 0o755,
        f"{SITE}/demo_pure.py": 0o644,
        f"{SITE}/demo_plat.py": 0o644,
        "usr/local/bin/demo": 0o755,
        "usr/local/bin/demo-w": 0o755,
        "usr/local/bin/demo-script": 0o755,
        "usr/local/bin/demo-gui": 0o755,
        "usr/local/bin/demo.sh": 0o755,
        "usr/local/share/demo/data.txt": 0o644,
        "usr/local/include/python3.11/demo/demo.h": 0o644,
        **{f"{SITE}/{INFO}/{name}": 0o644 for name in ("METADATA", "WHEEL", "RECORD", "INSTALLER", "entry_points.txt")},
    }


def test_scripts_run_by_the_images_python(tmp_path: Path) -> None:
    """Entry points and `#!python` scripts begin with the image's interpreter; other scripts stay as they are."""
    found = read(sample_wheels.make(tmp_path, files=EVERYTHING))
    first = "#!/usr/local/bin/python3.11\n"
    assert text(found["usr/local/bin/demo"]).startswith(first)
    assert "from demo import main" in text(found["usr/local/bin/demo"])
    assert "sys.exit(main.run())" in text(found["usr/local/bin/demo"])
    assert text(found["usr/local/bin/demo-script"]) == f"{first}print('script')\n"
    assert text(found["usr/local/bin/demo-gui"]) == f"{first}print('gui')\n"
    assert text(found["usr/local/bin/demo.sh"]) == "#!/bin/sh\n"


def test_record_says_what_is_there(tmp_path: Path) -> None:
    """Each file once, with its true hash and size, sorted; importlib.metadata finds every one of them."""
    result = wheel.read(sample_wheels.make(tmp_path, files=EVERYTHING), "demo-1.0-py3-none-any.whl", PYTHON)
    assert result.record == f"{SITE}/{INFO}/RECORD"
    found = {entry.path: entry for entry in result.entries}
    lines = text(found[result.record]).splitlines()
    assert lines == sorted(lines)
    root = tmp_path / "root"
    sample_wheels.unpack(result.entries, root)
    for path, digest, size in csv.reader(lines):
        content = (root / SITE / path).read_bytes()
        if path != f"{INFO}/RECORD":
            algorithm, _, value = digest.partition("=")
            expected = base64.urlsafe_b64encode(hashlib.new(algorithm, content).digest()).decode().rstrip("=")
            assert (value, int(size)) == (expected, len(content))
    (distribution,) = metadata.distributions(path=[str(root / SITE)])
    listed = distribution.files
    assert listed is not None
    assert {Path(str(file.locate())).resolve() for file in listed} == {(root / path).resolve() for path in found}


def test_a_name_with_a_comma_survives_record(tmp_path: Path) -> None:
    """RECORD is CSV: what needs quotes has them."""
    content = b"x"
    info = [
        sample_wheels.row(f"{INFO}/{name}", text.encode())
        for name, text in (
            ("METADATA", sample_wheels.METADATA.format(name="demo", version="1.0")),
            ("WHEEL", sample_wheels.WHEEL),
        )
    ]
    quoted = '"' + sample_wheels.row('demo/a,"b".txt', content).replace('"', '""').replace(",sha256", '",sha256')
    path = sample_wheels.make(tmp_path, files={'demo/a,"b".txt': content}, record=[*info, quoted])
    found = read(path)
    paths = [row[0] for row in csv.reader(text(found[f"{SITE}/{INFO}/RECORD"]).splitlines())]
    assert 'demo/a,"b".txt' in paths


@pytest.mark.parametrize(
    ("filename", "name", "version"),
    [
        ("Foo.Bar_baz-1.0-py3-none-any.whl", "foo-bar-baz", "1.0"),
        ("foo_bar-1.0.0rc1-py3-none-any.whl", "foo-bar", "1.0.0rc1"),
        ("demo-1.0-5-py3-none-any.whl", "demo", "1.0"),
        ("demo-1.0+cpu-py3-none-any.whl", "demo", "1.0+cpu"),
    ],
)
def test_names_are_normalised(tmp_path: Path, filename: str, name: str, version: str) -> None:
    """However a wheel spells its name, the environment knows it by one."""
    spelt, number = filename.split("-")[:2]
    path = sample_wheels.make(tmp_path, spelt, number, {f"{name}.py": ""}, filename=filename)
    result = wheel.read(path, filename, PYTHON)
    assert (result.name, result.version) == (name, version)


def test_an_installer_that_came_along_stays(tmp_path: Path) -> None:
    """A wheel with its own INSTALLER keeps it; otherwise airbyte-ci's is written, once."""
    cases: list[tuple[dict[str, str | bytes], str]]
    cases = [({f"{INFO}/INSTALLER": "builder\n"}, "builder\n"), ({"demo.py": ""}, "airbyte-ci\n")]
    for files, expected in cases:
        found = read(sample_wheels.make(tmp_path, files=files))
        assert text(found[f"{SITE}/{INFO}/INSTALLER"]) == expected
        assert text(found[f"{SITE}/{INFO}/RECORD"]).count("INSTALLER") == 1


def test_byte_code_in_a_wheel_is_left_out(tmp_path: Path) -> None:
    """Its source is unknown; it is not installed, not recorded, and not reported."""
    files: dict[str, str | bytes] = {"demo/a.py": "", "demo/__pycache__/a.cpython-311.pyc": b"\0"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = read(sample_wheels.make(tmp_path, files=files))
    assert not any("__pycache__" in path for path in found)
    assert "__pycache__" not in text(found[f"{SITE}/{INFO}/RECORD"])


def test_folders_in_a_wheel_are_no_files(tmp_path: Path) -> None:
    """Entries for folders, which some builders write, install nothing."""
    path = sample_wheels.make(tmp_path)
    before = set(read(path))
    with zipfile.ZipFile(path, "a") as archive:
        for name in ("demo/", "demo-1.0.data/"):
            archive.writestr(zipfile.ZipInfo(name), b"")
    assert set(read(path)) == before


# --- refused ---------------------------------------------------------------------------------------


GOOD = {"demo/a.py": "a = 1\n"}
MD5 = base64.urlsafe_b64encode(hashlib.md5(b"a = 1\n").digest()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"demo-1.0.data/nonsense/x": ""}, "valid .data subdirectory"),
        ({f"{INFO}/entry_points.txt": "[console_scripts]\nx = demo\n"}, "entry point x = demo names no callable"),
        ({f"{INFO}/entry_points.txt": "[gui_scripts]\nx = demo:\n"}, "entry point x = demo: names no callable"),
        ({f"{INFO}/entry_points.txt": "[console_scripts]\nx = %(y)s:a\n"}, "not a valid wheel"),
        ({f"{INFO}/entry_points.txt": "nonsense\n"}, "not a valid wheel"),
        ({f"{INFO}/entry_points.txt": b"\xff"}, "not a valid wheel"),
        ({f"{INFO}/WHEEL": "Wheel-Version: 2.0\n"}, "Incompatible Wheel-Version 2.0"),
        ({f"{INFO}/WHEEL": ""}, "Incompatible Wheel-Version None"),
        ({"other-1.0.dist-info/METADATA": ""}, "exactly one .dist-info"),
    ],
)
def test_a_wheel_that_is_not_right_is_refused(tmp_path: Path, files: dict[str, str | bytes], said: str) -> None:
    """Any invalid metadata is one PackageError that names the wheel."""
    assert said in refusal(sample_wheels.make(tmp_path, files=files))


GOOD_ROWS = (
    sample_wheels.row(f"{INFO}/METADATA", sample_wheels.METADATA.format(name="demo", version="1.0").encode()),
    sample_wheels.row(f"{INFO}/WHEEL", sample_wheels.WHEEL.encode()),
    sample_wheels.row("demo/a.py", b"a = 1\n"),
)


@pytest.mark.parametrize(
    ("rows", "defect"),
    [
        (GOOD_ROWS[:2], "demo/a.py is not in it"),
        ((), f"{INFO}/METADATA is not in it and 2 more"),
        ((*GOOD_ROWS[:2], sample_wheels.row("demo/a.py", b"a = 2\n")), "it has another hash or size of demo/a.py"),
        ((*GOOD_ROWS[:2], GOOD_ROWS[2].rpartition(",")[0] + ",7"), "it has another hash or size of demo/a.py"),
        ((*GOOD_ROWS[:2], "demo/a.py,,"), "it has no hash of demo/a.py"),
        ((*GOOD_ROWS[:2], "demo/a.py"), "it has no hash of demo/a.py"),
        ((*GOOD_ROWS[:2], f"demo/a.py,md5={MD5},6"), "it has a weak hash of demo/a.py (md5)"),
        ((*GOOD_ROWS[:2], "demo/a.py,nonsense=AAAA,6"), "it has a weak hash of demo/a.py (nonsense)"),
        ((*GOOD_ROWS[:2], sample_wheels.row("./demo/a.py", b"a = 1\n")), "it writes demo/a.py as ./demo/a.py"),
        ((*GOOD_ROWS[:2], sample_wheels.row("demo\\a.py", b"a = 1\n")), "it writes demo/a.py as demo"),
        ((*GOOD_ROWS, sample_wheels.row("demo/b.py", b"")), "it names demo/b.py, which does not exist"),
        ((*GOOD_ROWS, "x,y,z,more"), "it names x, which does not exist"),
    ],
    ids=str,
)
def test_a_wrong_record_is_repaired(tmp_path: Path, rows: tuple[str, ...], defect: str) -> None:
    """The lock's hash covers the wheel: its files are installed even if RECORD is wrong, and the image's RECORD is
    correct.
    """
    path = sample_wheels.make(tmp_path, files=GOOD, record=rows)
    installed = wheel.read(path, path.name, PYTHON)
    assert len(installed.defects) == 1
    assert f"its RECORD was repaired: {defect}" in installed.defects[0]
    good = read(sample_wheels.make(tmp_path, files=GOOD, record=GOOD_ROWS))
    assert {place: entry.content for place, entry in read(path).items()} == {
        place: good[place].content for place in good
    }


def test_a_right_record_has_no_defects(tmp_path: Path) -> None:
    """Signatures are not in RECORD by right; a wheel without a RECORD is refused, as by others."""
    path = sample_wheels.make(tmp_path, files={**GOOD, f"{INFO}/RECORD.jws": ""}, record=GOOD_ROWS)
    assert wheel.read(path, path.name, PYTHON).defects == ()
    path.write_bytes(path.read_bytes().replace(b"RECORD", b"RECORE"))
    assert "it has no RECORD" in refusal(path)


@pytest.mark.parametrize("damage", ["text", "empty", "cut", "flipped", "encrypted", "method"])
def test_a_damaged_file_is_refused(tmp_path: Path, damage: str) -> None:
    """A damaged zip is a PackageError, for any damage."""
    path = sample_wheels.make(tmp_path, files={"demo/a.py": "content " * 50})
    data = path.read_bytes()
    flags = data.index(b"PK\x01\x02") + 8
    path.write_bytes(
        {
            "text": b"<html>404</html>",
            "empty": b"",
            "cut": data[: len(data) // 2],
            "flipped": data.replace(b"content content", b"content_content", 1),
            "encrypted": data[:flags] + b"\x01\0" + data[flags + 2 :],
            "method": data[: flags + 2] + b"\x63\0" + data[flags + 4 :],
        }[damage]
    )
    assert any(
        said in refusal(path) for said in ("it is not a valid wheel", "is not what the archive's directory says")
    )


def test_a_file_name_that_is_no_wheels_is_refused(tmp_path: Path) -> None:
    """The name is part of what a wheel is: without it, its tags are not known."""
    for name in ("demo.whl", "demo-1.0.whl", "demo-1.0-py3-none-any.zip", "demo-x-py3-none-any.whl"):
        assert refusal(sample_wheels.make(tmp_path, filename=name))


@pytest.mark.parametrize("algorithm", ["sha384", "sha512", "blake2b"])
def test_better_hashes_count_too(tmp_path: Path, algorithm: str) -> None:
    """RECORD may have other hashes than sha256, padded or in hex, as some builders write it; the image's has sha256."""
    digest = hashlib.new(algorithm, b"a = 1\n")
    for value in (digest.hexdigest(), base64.urlsafe_b64encode(digest.digest()).decode()):
        info = [
            sample_wheels.row(f"{INFO}/METADATA", sample_wheels.METADATA.format(name="demo", version="1.0").encode()),
            sample_wheels.row(f"{INFO}/WHEEL", sample_wheels.WHEEL.encode()),
        ]
        found = read(sample_wheels.make(tmp_path, files=GOOD, record=[*info, f"demo/a.py,{algorithm}={value},6"]))
        assert sample_wheels.row("demo/a.py", b"a = 1\n") in text(found[f"{SITE}/{INFO}/RECORD"])


def test_large_files_wait_on_disk(tmp_path: Path) -> None:
    """With a folder for them, contents beyond a few MB are not held in memory; the files are the same."""
    files: dict[str, str | bytes] = {f"demo/{n}.bin": bytes([n]) * (700_000 + n) for n in range(20)}
    files["demo/large.so"] = b"large" * 500_000
    files["demo-1.0.data/scripts/large"] = b"#!python\n" + b"\0" * (3 << 20)
    path = sample_wheels.make(tmp_path, files=files)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    spilt = {entry.path: entry for entry in wheel.read(path, path.name, PYTHON, scratch).entries}
    held = sum(len(entry.content) for entry in spilt.values() if isinstance(entry.content, bytes))
    assert held <= 9 << 20
    plain = read(path)
    for place, entry in spilt.items():
        assert (b"".join(tar.content(entry)), entry.mode) == (plain[place].content, plain[place].mode)
    assert isinstance(spilt["usr/local/bin/large"].content, tar.Extract)
    assert len([*scratch.iterdir()]) == 1, "a file for each would be slow to create and to remove"


@given(st.binary(max_size=200))
def test_any_bytes_are_a_wheel_or_a_package_error(junk: bytes) -> None:
    """Bytes changed anywhere in a wheel never end in another error."""
    with tempfile.TemporaryDirectory() as folder:
        path = sample_wheels.make(Path(folder))
        data = bytearray(path.read_bytes())
        for position, value in zip(junk[::2], junk[1::2], strict=False):
            data[(position * 7) % len(data)] = value
        path.write_bytes(data)
        try:
            wheel.read(path, path.name, PYTHON)
        except PackageError as error:
            assert path.name in error.message


def test_the_same_wheel_gives_the_same_entries(tmp_path: Path) -> None:
    """The result depends only on the bytes and the name, not on the file's location."""
    path = sample_wheels.make(tmp_path, files=EVERYTHING)
    kept = path.rename(tmp_path / "kept-by-its-hash")
    assert wheel.read(kept, path.name, PYTHON) == wheel.read(
        sample_wheels.make(tmp_path, files=EVERYTHING), path.name, PYTHON
    )
