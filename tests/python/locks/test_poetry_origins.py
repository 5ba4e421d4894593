"""A poetry.lock has each package from the project's origin, and is consistent about each."""

import pytest

from airbyte_ci.errors import LockError
from airbyte_ci.python.locks import poetry_origins
from airbyte_ci.python.locks.poetry_origins import PoetrySource
from tests.python.sample_locks import package, project, select

COMMIT = "c" * 40


def _from(kind: str, url: str, name: str = "a") -> str:
    """A package that the lock has from a place of its own."""
    hashes = (
        'files = [{file = "a-1.0-py3-none-any.whl", hash = "sha256:' + "0" * 64 + '"}]'
        if kind == "url"
        else "files = []"
    )
    reference = f'reference = "main"\nresolved_reference = "{COMMIT}"\n' if kind == "git" else ""
    return package(name, "1.0", hashes, more=f'[package.source]\ntype = "{kind}"\nurl = "{url}"\n{reference}')


@pytest.mark.parametrize(
    ("wanted", "has"),
    [
        ('a = {path = "../a"}', _from("directory", "../a")),
        ('a = {path = "./../a/", develop = true}', _from("directory", "../a")),
        ('a = {git = "https://host/team/a.git", branch = "main"}', _from("git", "https://host/team/a.git")),
        ('a = {git = "git@host:team/a.git"}', _from("git", "ssh://git@host/team/a")),
        ('a = {url = "https://u:p@host/a-1.0-py3-none-any.whl"}', _from("url", "https://host/a-1.0-py3-none-any.whl")),
        ('a = "^1"', _from("directory", "../a")),
    ],
)
def test_the_same_place_in_other_words(wanted: str, has: str) -> None:
    """Paths are normalised, and git's many spellings of an address mean one repository."""
    assert select(project(wanted), has) == ["a==1.0"]


@pytest.mark.parametrize(
    ("wanted", "has", "said"),
    [
        ('a = {path = "../a"}', package("a", "1.0"), "a * from path ../a, but the lock has 1.0 from the index PyPI"),
        ('a = {git = "https://h/a"}', package("a", "1.0"), "from git https://h/a, but the lock has 1.0 from the index"),
        ('a = {path = "../a"}', _from("directory", "../b"), "from path ../a, but the lock has 1.0 from path ../b"),
        ('a = {git = "https://h/a"}', _from("git", "https://h/b"), "but the lock has 1.0 from git https://h/b"),
        ('a = {url = "https://u:secret@h/a.whl"}', _from("directory", "../a"), "from url https://h/a.whl, but"),
        (
            'a = {version = "1.0", source = "own"}',
            package("a", "1.0"),
            "a 1.0 from the index own, but the lock has 1.0",
        ),
        ('a = "^2"', package("a", "1.0"), "the connector needs a ^2, but the lock has 1.0"),
    ],
)
def test_another_place_is_refused(wanted: str, has: str, said: str) -> None:
    """With both places where these are the difference, and with no login."""
    with pytest.raises(LockError) as caught:
        select(project(wanted), has)
    assert said in caught.value.message
    assert "secret" not in str(caught.value)


def test_a_requirement_with_a_place_counts() -> None:
    """`name @ url` of the standard table is a place too."""
    text = '[project]\nname = "x"\ndependencies = ["a @ git+https://host/a.git@v1"]\n'
    assert select(text, _from("git", "https://host/a")) == ["a==1.0"]
    with pytest.raises(LockError, match=r"from git https://host/a.git, but the lock has 1.0 from the index PyPI"):
        select(text, package("a", "1.0"))


def test_one_version_twice_is_refused_unless_it_is_the_same() -> None:
    """A lock that was edited or badly merged may have other hashes in a second entry: none of them is taken."""
    twin = 'files = [{file = "a-1.0-py3-none-any.whl", hash = "sha256:' + "1" * 64 + '"}]'
    assert select(project('a = "^1"'), package("a", "1.0"), package("a", "1.0")) == ["a==1.0"]
    with pytest.raises(LockError, match=r"has a 1.0 twice, with different files"):
        select(project('a = "^1"'), package("a", "1.0"), package("a", "1.0", twin))
    other = package("a", "1.0", twin, "markers = \"sys_platform == 'win32'\"")
    assert select(project('a = "^1"'), package("a", "1.0", "markers = \"sys_platform != 'win32'\""), other) == [
        "a==1.0"
    ]


@pytest.mark.parametrize(
    "address",
    ["https://Host/team/a.git", "git@host:team/a.git", "ssh://git@host/team/a", "git+https://u:p@host/team/a/"],
)
def test_addresses_of_one_repository(address: str) -> None:
    """By host and path."""
    assert poetry_origins.agree(PoetrySource("git", address), PoetrySource("git", "https://host/team/a"))
    assert not poetry_origins.agree(PoetrySource("git", address), PoetrySource("git", "https://host/team/b"))
