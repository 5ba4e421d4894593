"""Distributions that a base got before there were wheels: found and replaced like the others."""

from pathlib import Path

import pytest

from airbyte_ci.python.interpreter import installed
from airbyte_ci.rootfs.tree import Tree
from tests.python.interpreter.test_installed import PYTHON, SITE, base, found, removals, replaced

INFO = "OldKit-1.0-py3.11.egg-info"
METADATA = "Metadata-Version: 1.1\nName: OldKit\nVersion: 1.0\n"
LISTED = "../oldkit/__init__.py\n../old_tool.py\nPKG-INFO\n../../../../../../etc/passwd\n"
PACKAGES = {"top_level.txt": "oldkit\nold_tool\nshared\n", "namespace_packages.txt": "shared\n"}


def old(tmp_path: Path, files: dict[str, str]) -> Path:
    """A base with an old distribution, and these files in its metadata folder."""
    root = base(tmp_path)
    metadata = {f"{INFO}/{name}": text for name, text in {"PKG-INFO": METADATA, **files}.items()}
    modules = ("oldkit/__init__.py", "oldkit/deep/a.py", "old_tool.py", "shared/one.py", "other.py")
    for name, text in {**dict.fromkeys(modules, "old\n"), **metadata}.items():
        (root / SITE / name).parent.mkdir(parents=True, exist_ok=True)
        (root / SITE / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "gone"),
    [
        ({"installed-files.txt": LISTED}, ["old_tool.py", "oldkit/__init__.py"]),
        (PACKAGES, ["old_tool.py", "oldkit"]),
        ({"top_level.txt": "../../etc\n"}, []),
        ({}, []),
    ],
)
def test_an_old_distribution_goes_as_pip_removes_it(tmp_path: Path, files: dict[str, str], gone: list[str]) -> None:
    """By its list of files; without one by its packages, those that others share left alone; its metadata always."""
    root = old(tmp_path, files)
    (item,) = installed.distributions(Tree((root,)), PYTHON)
    assert (item.name, item.version) == ("oldkit", "1.0")
    assert removals(root, {"oldkit"}) == sorted(f"{SITE}/{name}" for name in (*gone, INFO))
    replaced(tmp_path, root, "oldkit", "2.0", {"oldkit.py": "new"})
    assert found(root) == {"oldkit": "2.0"}


def test_a_single_file_of_distutils_goes(tmp_path: Path) -> None:
    """It has only a name and a version: at least it is not found next to the new one."""
    root = base(tmp_path)
    (root / SITE / INFO).write_text(METADATA)
    assert removals(root, {"oldkit"}) == [f"{SITE}/{INFO}"]
    replaced(tmp_path, root, "oldkit", "2.0", {"oldkit.py": "new"})
    assert found(root) == {"oldkit": "2.0"}


def test_metadata_that_is_missing_is_told_by_the_name(tmp_path: Path) -> None:
    """`name-version-py3.11.egg-info` is sufficient."""
    root = base(tmp_path)
    (root / SITE / INFO).mkdir()
    (root / SITE / INFO / "top_level.txt").write_text("")
    (item,) = installed.distributions(Tree((root,)), PYTHON)
    assert (item.name, item.version) == ("oldkit", "1.0")
