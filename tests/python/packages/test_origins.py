"""Origins of packages in every lock format: folders, git, archives, indexes; never with a login."""

import pytest

from airbyte_ci.python.locks import poetry, pylock, uv_lock
from airbyte_ci.python.packages.lock import FromArchive, FromDirectory, FromGit, FromIndex, LockedPackage, Origin
from tests.python import sample_locks
from tests.python.interpreters import cpython

COMMIT, A = "c" * 40, "a" * 64
WHEEL = "a-1.0-py3-none-any.whl"


def by_poetry(source: str, *more: str) -> LockedPackage:
    """The one package of a poetry.lock with this [package.source]."""
    pyproject = sample_locks.project("a = '*'")
    files = f'files = [{{file = "{WHEEL}", hash = "sha256:{A}"}}]'
    text = sample_locks.lock(
        pyproject, sample_locks.package("a", "1.0", files, *more, more=f"[package.source]\n{source}\n")
    )
    (found,) = poetry.select(text, pyproject, cpython(), "connectors/x").packages
    return found


@pytest.mark.parametrize(
    ("source", "more", "origin"),
    [
        ('type = "directory"\nurl = "../a"', ("develop = true",), FromDirectory("../a", editable=True)),
        ('type = "directory"\nurl = "lib/a"', (), FromDirectory("lib/a")),
        (
            f'type = "git"\nurl = "https://u:p@host/a.git"\nreference = "main"\nresolved_reference = "{COMMIT}"\n'
            'subdirectory = "x"',
            (),
            FromGit("https://host/a.git", COMMIT, "x", "main"),
        ),
        (f'type = "url"\nurl = "https://host/{WHEEL}"', (), FromArchive(f"https://host/{WHEEL}")),
        (f'type = "file"\nurl = "wheels/{WHEEL}"', (), FromArchive(f"wheels/{WHEEL}")),
        ('type = "legacy"\nurl = "https://u:p@own/simple/"\nreference = "own"', (), FromIndex("https://own/simple")),
        ('type = "legacy"\nurl = "https://pypi.org/simple"\nreference = "pypi"', (), FromIndex()),
    ],
    ids=["develop", "folder", "git", "url", "file", "index", "public"],
)
def test_poetrys_sources(source: str, more: tuple[str, ...], origin: Origin) -> None:
    """[package.source] of poetry 1.x and 2.x; files are used if present."""
    found = by_poetry(source, *more)
    assert (found.name, found.version, found.origin) == ("a", "1.0", origin)
    assert [file.sha256 for file in found.files] == ([] if isinstance(origin, (FromDirectory, FromGit)) else [A])
    if isinstance(found.origin, FromIndex):
        assert found.origin.name in ("own", "pypi")


UV_PROJECT = '[project]\nname = "x"\nversion = "1"\ndependencies = ["a"]\n'
UV_LOCK = """version = 1
requires-python = ">=3.10"
[[package]]
name = "x"
version = "1"
source = {{ virtual = "." }}
dependencies = [{{ name = "a" }}]
[package.metadata]
requires-dist = [{{ name = "a" }}]
[[package]]
name = "a"
{version}source = {source}
{files}
"""


@pytest.mark.parametrize(
    ("source", "files", "origin"),
    [
        ('{ editable = "../a" }', "", FromDirectory("../a", editable=True)),
        ('{ directory = "../a" }', "", FromDirectory("../a")),
        (
            f'{{ git = "https://host/a?subdirectory=x&rev=main#{COMMIT}" }}',
            "",
            FromGit("https://host/a", COMMIT, "x", "main"),
        ),
        (
            f'{{ url = "https://host/{WHEEL}" }}',
            f'wheels = [{{ url = "https://host/{WHEEL}", hash = "sha256:{A}" }}]',
            FromArchive(f"https://host/{WHEEL}"),
        ),
        (
            '{ path = "../a-1.0.tar.gz" }',
            f'sdist = {{ hash = "sha256:{A}" }}',
            FromArchive("../a-1.0.tar.gz"),
        ),
        (
            '{ registry = "https://u:p@own/simple" }',
            f'wheels = [{{ url = "https://u:p@own/{WHEEL}", hash = "sha256:{A}" }}]',
            FromIndex("https://own/simple"),
        ),
    ],
    ids=["editable", "folder", "git", "url", "file", "index"],
)
def test_uvs_sources(source: str, files: str, origin: Origin) -> None:
    """The sources of uv; the lock may not know a folder's version."""
    version = "" if isinstance(origin, FromDirectory) else 'version = "1.0"\n'
    text = UV_LOCK.format(source=source, files=files, version=version)
    project = UV_PROJECT + '[[tool.uv.index]]\nname = "mine"\nurl = "https://own/simple"\n'
    (found,) = uv_lock.select(text, project, cpython(), "connectors/x").packages
    assert (found.name, found.version, found.origin) == ("a", "1.0" if version else "", origin)
    assert not isinstance(found.origin, FromIndex) or found.origin.name == "mine"
    assert [file.sha256 for file in found.files] == ([] if isinstance(origin, (FromDirectory, FromGit)) else [A])
    assert "u:p" not in repr(found)


def test_a_virtual_package_is_only_its_dependencies() -> None:
    """A workspace member that is not a package adds only its requirements."""
    text = UV_LOCK.format(source='{ virtual = "../a" }', files='dependencies = [{ name = "b" }]', version="")
    text += '[[package]]\nname = "b"\nversion = "2"\nsource = { registry = "https://pypi.org/simple" }\n'
    text += f'wheels = [{{ url = "https://files/b-2-py3-none-any.whl", hash = "sha256:{A}" }}]\n'
    (found,) = uv_lock.select(text, UV_PROJECT, cpython(), "connectors/x").packages
    assert (found.name, found.required_by, found.origin) == ("b", ("a",), FromIndex())


@pytest.mark.parametrize(
    ("source", "origin"),
    [
        ('directory = { path = "../a", editable = true }', FromDirectory("../a", editable=True)),
        (
            f'vcs = {{ type = "git", url = "https://u:p@host/a", commit-id = "{COMMIT}", subdirectory = "x" }}',
            FromGit("https://host/a", COMMIT, "x"),
        ),
        (
            f'archive = {{ url = "https://u:p@host/a.zip", hashes = {{ sha256 = "{A}" }} }}',
            FromArchive("https://host/a.zip"),
        ),
        (
            'version = "1.0"\nindex = "https://u:p@own/simple"\n'
            f'wheels = [{{ name = "{WHEEL}", url = "https://u:p@own/{WHEEL}", hashes = {{ sha256 = "{A}" }} }}]',
            FromIndex("https://own/simple"),
        ),
    ],
    ids=["folder", "git", "archive", "index"],
)
def test_pylocks_sources(source: str, origin: Origin) -> None:
    """The four kinds of PEP 751."""
    text = f"lock-version = '1.0'\ncreated-by = 'x'\n[[packages]]\nname = 'a'\n{source}\n"
    (found,) = pylock.select(text, cpython(), "pylock.toml").packages
    assert (found.name, found.origin) == ("a", origin)
    assert "u:p" not in repr(found)
