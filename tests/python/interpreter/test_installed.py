"""The distributions of a base, and what an environment removes: afterwards each name exists once."""

import shutil
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from airbyte_ci.oci.tar import WHITEOUT
from airbyte_ci.python.interpreter import installed
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.wheels import wheel
from airbyte_ci.rootfs.tree import Tree
from tests.python import sample_wheels
from tests.python.interpreters import cpython

PYTHON = cpython()
SITE = "usr/local/lib/python3.11/site-packages"
BIN = "usr/local/bin"
Files = dict[str, str | bytes]


def install(root: Path, folder: Path, name: str, version: str, files: Files) -> list[str]:
    """Installs a wheel as a distribution; returns its paths."""
    path = sample_wheels.make(folder, name, version, files)
    entries = wheel.read(path, path.name, PYTHON).entries
    sample_wheels.unpack(entries, root)
    return [entry.path for entry in entries]


def base(tmp_path: Path, *distributions: tuple[str, str, Files]) -> Path:
    """An image's root: a Python, a file of no distribution, and these distributions."""
    root = tmp_path / "base"
    for path in (f"{BIN}/python3.11", f"{SITE}/README.txt", "etc/passwd"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("base\n")
    for name, version, files in distributions:
        install(root, tmp_path, name, version, files)
    return root


def removals(root: Path, names: set[str], interpreter: Interpreter = PYTHON) -> list[str]:
    """The whited-out paths."""
    tree = Tree((root,))
    folders = installed.folders(interpreter)
    present = installed.distributions(tree, interpreter)
    files = installed.files_below(tree, folders)
    entries = installed.removals(present, files, names, folders)
    assert all(Path(entry.path).name.startswith(WHITEOUT) for entry in entries)
    return [entry.path.replace(WHITEOUT, "") for entry in entries]


def replaced(tmp_path: Path, root: Path, name: str, version: str, files: Files) -> list[str]:
    """Replaces a distribution in the root like the two layers do; returns the whiteouts."""
    new = tmp_path / "new"
    install(new, tmp_path, name, version, files)
    gone = removals(root, {name})
    for path in gone:
        target = root / path
        assert target.exists(), f"{path} was whited out and is not there"
        shutil.rmtree(target) if target.is_dir() else target.unlink()
    shutil.copytree(new, root, dirs_exist_ok=True)
    return gone


def found(root: Path) -> dict[str, str]:
    """Names and versions as importlib.metadata finds them; a name that is there twice is an error."""
    result: dict[str, str] = {}
    for item in metadata.distributions(path=[str(root / SITE)]):
        assert item.metadata["Name"] not in result
        result[item.metadata["Name"]] = item.version
        for file in item.files or ():
            assert Path(str(file.locate())).exists(), f"{file} of {item.metadata['Name']} is listed and gone"
    return result


OLD: Files = {"demo/__init__.py": "old", "demo/gone/deep.py": "old", "demo/kept.py": "old"}
NEW: Files = {"demo/__init__.py": "new", "demo/kept.py": "new", "demo/fresh.py": "new"}


def test_what_is_installed_is_found(tmp_path: Path) -> None:
    """Names are normalized, versions and files are those of METADATA and RECORD, sorted by name."""
    root = base(tmp_path, ("Zope.Thing", "1.0", {"zope/thing.py": ""}), ("demo", "2.0", OLD))
    (root / SITE / "Empty_one-1.0.dist-info").mkdir()
    present = installed.distributions(Tree((root,)), PYTHON)
    assert [(item.name, item.version) for item in present] == [
        ("demo", "2.0"),
        ("empty-one", "1.0"),
        ("zope-thing", "1.0"),
    ]
    assert f"{SITE}/demo/gone/deep.py" in present[0].files
    assert f"{SITE}/demo-2.0.dist-info/RECORD" in present[0].files


def test_an_older_version_goes_as_pip_removes_it(tmp_path: Path) -> None:
    """Files of only the old one are gone, common ones are the new one's, and the name exists once."""
    root = base(tmp_path, ("demo", "1.0", OLD), ("other", "1.0", {"other.py": ""}))
    gone = replaced(tmp_path, root, "demo", "2.0", NEW)
    assert gone == [f"{SITE}/demo", f"{SITE}/demo-1.0.dist-info"]
    assert found(root) == {"demo": "2.0", "other": "1.0"}
    assert {path.name for path in (root / SITE / "demo").iterdir()} == {"__init__.py", "kept.py", "fresh.py"}
    assert (root / SITE / "demo/kept.py").read_text() == "new"
    assert (root / SITE / "README.txt").exists()


def test_the_same_version_is_whited_out_too(tmp_path: Path) -> None:
    """The removals do not depend on the layers above, so replacements of the same distributions share the layer."""
    root = base(tmp_path, ("demo", "1.0", OLD))
    assert replaced(tmp_path, root, "demo", "1.0", OLD) == [f"{SITE}/demo", f"{SITE}/demo-1.0.dist-info"]
    assert found(root) == {"demo": "1.0"}


def test_what_is_not_replaced_stays(tmp_path: Path) -> None:
    """A distribution of the base that the environment does not have keeps every file."""
    root = base(tmp_path, ("demo", "1.0", OLD))
    assert removals(root, {"another"}) == []


def test_a_folder_that_others_share_stays(tmp_path: Path) -> None:
    """In a namespace package only one's own part goes; a whole folder goes only when nothing of it remains."""
    root = base(
        tmp_path,
        ("google_one", "1.0", {"google/one/a.py": "", "google/one/b.py": "", "google/common.py": ""}),
        ("google_two", "1.0", {"google/two/a.py": ""}),
    )
    assert removals(root, {"google-one"}) == [
        f"{SITE}/google/common.py",
        f"{SITE}/google/one",
        f"{SITE}/google_one-1.0.dist-info",
    ]
    both = removals(root, {"google-one", "google-two"})
    assert f"{SITE}/google" in both
    assert not any(path.startswith(f"{SITE}/google/") for path in both)


def test_byte_code_beside_goes_along(tmp_path: Path) -> None:
    """Compiled files that RECORD does not list go with their source, also with one that is replaced."""
    root = base(tmp_path, ("demo", "1.0", OLD))
    cache = root / SITE / "demo/__pycache__"
    cache.mkdir()
    for name in ("kept.cpython-311.pyc", "kept.cpython-311.opt-1.pyc", "stranger.cpython-311.pyc"):
        (cache / name).write_bytes(b"old")
    gone = replaced(tmp_path, root, "demo", "2.0", NEW)
    assert [path for path in gone if "__pycache__" in path] == [
        f"{SITE}/demo/__pycache__/kept.cpython-311.opt-1.pyc",
        f"{SITE}/demo/__pycache__/kept.cpython-311.pyc",
    ]


def test_scripts_go_and_their_folder_stays(tmp_path: Path) -> None:
    """Each script of the old one is removed, and installed again if the new one has it; Python's own stay."""
    points = "[console_scripts]\none = demo:a\ntwo = demo:b\n"
    root = base(tmp_path, ("demo", "1.0", {"demo.py": "", "demo-1.0.dist-info/entry_points.txt": points}))
    new: Files = {"demo.py": "", "demo-2.0.dist-info/entry_points.txt": points.replace("one", "three")}
    gone = replaced(tmp_path, root, "demo", "2.0", new)
    assert gone == [f"{BIN}/one", f"{BIN}/two", f"{SITE}/demo-1.0.dist-info", f"{SITE}/demo.py"]
    assert {path.name for path in (root / BIN).iterdir()} == {"python3.11", "two", "three"}


def test_shared_folders_are_never_removed(tmp_path: Path) -> None:
    """Even when nothing remains in them, site-packages and the folder of scripts stay, and what is above them."""
    points = "[console_scripts]\none = demo:a\n"
    root = tmp_path / "base"
    install(root, tmp_path, "demo", "1.0", {"demo.py": "", "demo-1.0.dist-info/entry_points.txt": points})
    assert removals(root, {"demo"}) == [f"{BIN}/one", f"{SITE}/demo-1.0.dist-info", f"{SITE}/demo.py"]


def test_a_file_becomes_a_folder_and_back(tmp_path: Path) -> None:
    """A module that becomes a package leaves no file in its way, and a package that becomes a module no folder."""
    root = base(tmp_path, ("demo", "1.0", {"demo.py": "old", "tool/__init__.py": "old"}))
    gone = replaced(tmp_path, root, "demo", "2.0", {"demo/__init__.py": "new", "tool.py": "new"})
    assert gone == [f"{SITE}/demo-1.0.dist-info", f"{SITE}/demo.py", f"{SITE}/tool"]


@pytest.mark.parametrize(
    "record", ["../../../../../etc/passwd,,\n", "/etc/passwd,,\n", "/usr/local/bin/python3.11,,\n"]
)
def test_a_record_that_lies_reaches_nothing_else(tmp_path: Path, record: str) -> None:
    """Nothing outside of the folders of distributions is removed, even if RECORD lists it."""
    root = base(tmp_path, ("demo", "1.0", {"demo.py": ""}))
    with (root / SITE / "demo-1.0.dist-info/RECORD").open("a") as file:
        file.write(record)
    assert "etc/passwd" not in removals(root, {"demo"})


@pytest.mark.parametrize("damage", ["no RECORD", "empty RECORD", "no METADATA", "not UTF-8"])
def test_a_damaged_distribution_is_no_error(tmp_path: Path, damage: str) -> None:
    """At least the metadata is removed, so that the name is found once; without METADATA the folder has the name."""
    root = base(tmp_path, ("demo", "1.0", OLD))
    info = root / SITE / "demo-1.0.dist-info"
    match damage:
        case "no RECORD":
            (info / "RECORD").unlink()
        case "empty RECORD":
            (info / "RECORD").write_text("\n\n")
        case "no METADATA":
            (info / "METADATA").unlink()
        case _:
            (info / "RECORD").write_bytes(b"demo/\xff.py,,\n")
    assert str(info.relative_to(root)) in removals(root, {"demo"})


def test_every_folder_of_the_path_is_looked_through(tmp_path: Path) -> None:
    """The interpreter reports the folders of distributions; files are removed from there."""
    root = base(tmp_path, ("demo", "1.0", OLD))
    lib64 = "usr/local/lib64/python3.11/site-packages"
    other = replace(PYTHON, site=(*PYTHON.site, f"/{lib64}"))
    shutil.copytree(root / SITE, root / lib64)
    assert [item.name for item in installed.distributions(Tree((root,)), other)] == ["demo", "demo"]
    assert removals(root, {"demo"}, other) == [
        f"{place}/{name}" for place in (SITE, lib64) for name in ("demo", "demo-1.0.dist-info")
    ]


def test_what_has_no_record_goes_by_its_packages(tmp_path: Path) -> None:
    """A system's own packages have no list of files: their named files and their metadata are removed."""
    root = base(tmp_path, ("demo", "1.0", {**OLD, "demo-1.0.dist-info/top_level.txt": "demo\n"}))
    (root / SITE / "demo-1.0.dist-info" / "RECORD").unlink()
    assert removals(root, {"demo"}) == [f"{SITE}/demo", f"{SITE}/demo-1.0.dist-info"]


def test_a_distribution_survives_json(tmp_path: Path) -> None:
    """The stored data reads back unchanged."""
    (item,) = installed.distributions(Tree((base(tmp_path, ("demo", "1.0", OLD)),)), PYTHON)
    assert installed.Distribution.from_json(item.to_json()) == item
