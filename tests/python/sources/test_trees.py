"""The versions of source trees."""

from pathlib import Path

import pytest

from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.index.package_index import PackageIndex
from airbyte_ci.python.packages.lock import FromDirectory, LockedPackage
from airbyte_ci.python.sources import trees


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('[project]\nname = "x"\nversion = "1.2"\n', "1.2"),
        ('[project]\nname = "x"\ndynamic = ["version"]\n', ""),
        ('[tool.poetry]\nname = "x"\nversion = "1.3"\n', "1.3"),
        ('[project]\ndynamic = ["version"]\n[tool.poetry]\nversion = "1.3"\n', ""),
        ('[tool.poetry]\nversion = "0.0.0"\n[tool.poetry-dynamic-versioning]\nenable = true\n', ""),
        ("[project]\nname = ", ""),
        ("project = 1\n", ""),
    ],
)
@pytest.mark.parametrize("subdirectory", ["", "deep/er"])
def test_a_version_is_what_the_text_says_for_good(tmp_path: Path, text: str, version: str, subdirectory: str) -> None:
    """A version that a back end takes from elsewhere is not guessed."""
    folder = tmp_path / "tree"
    (folder / subdirectory).mkdir(parents=True)
    (folder / subdirectory / "pyproject.toml").write_text(text)
    store = Store(tmp_path / "store")
    package = LockedPackage("x", "", (), origin=FromDirectory(str(folder), subdirectory=subdirectory))
    file = trees.obtain(package, tmp_path, store, PackageIndex(main=None))
    assert trees.version(store, file) == version


def test_a_new_lock_asks_a_build_back_end_nothing_again(tmp_path: Path) -> None:
    """The tree for asking a back end has no PEP 751 lock of the project, and every other file."""
    folder, store = tmp_path / "tree", Store(tmp_path / "store")
    folder.mkdir()
    (folder / "setup.py").write_text("import setuptools\n")
    before = trees.describe(folder, store)
    for name in ("pylock.toml", "pylock.prod.toml"):
        (folder / name).write_text("")
        assert trees.describe(folder, store) == before
    for name in ("inner/pylock.toml", "pylock.a.b.toml", "requirements.txt", "setup.cfg"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("")
        after = trees.describe(folder, store)
        assert after != before
        before = after
