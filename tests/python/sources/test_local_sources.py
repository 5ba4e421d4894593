"""The local files that a lock may name."""

from dataclasses import replace
from pathlib import Path

import pytest

from airbyte_ci.errors import LockError
from airbyte_ci.python.packages.lock import FromArchive, FromDirectory, FromGit, FromIndex, Origin
from airbyte_ci.python.sources import local_sources

COMMIT = "0" * 40


@pytest.fixture
def connector(tmp_path: Path) -> Path:
    """A connector's folder in a git repository, with libraries inside and outside of it."""
    for name in ("repo/.git", "repo/connectors/source-x/wheels", "repo/lib", "repo/secrets/lib", "outside/lib"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "repo/linked").symlink_to("lib")
    (tmp_path / "repo/leaving").symlink_to("../outside/lib")
    (tmp_path / "repo/connectors/source-x/leaving.txt").symlink_to("/etc/passwd")
    (tmp_path / "repo/shared.txt").write_text("six==1.0\r\n")
    (tmp_path / "outside/requirements.txt").write_text("six==1.0\n")
    return tmp_path / "repo/connectors/source-x"


@pytest.mark.parametrize(
    "origin",
    [
        FromDirectory("../../lib", True),
        FromDirectory("../../linked", True),
        FromDirectory(".", True),
        FromArchive("wheels/a-1-py3-none-any.whl"),
        FromArchive("https://files.example/a-1-py3-none-any.whl"),
        FromGit("https://git.example/lib", COMMIT),
    ],
)
def test_the_repository_and_servers_may_be_named(connector: Path, origin: Origin) -> None:
    """Also by a link that stays inside."""
    local_sources.check(origin, connector, "source-x/poetry.lock: lib")


@pytest.mark.parametrize(
    "origin",
    [
        FromDirectory("../../../outside/lib", True),
        FromDirectory("../../leaving", True),
        FromDirectory("/srv/lib", True),
        FromDirectory("../../secrets/lib", True),
        FromDirectory("../../.git", False),
        FromArchive("/srv/a-1-py3-none-any.whl"),
        FromArchive("../../../outside/a-1-py3-none-any.whl"),
        FromArchive("../../secrets/a-1-py3-none-any.whl"),
        FromGit("file:///srv/lib", COMMIT),
        FromGit("/srv/lib", COMMIT),
        FromGit("ext::sh -c x", COMMIT),
    ],
)
def test_nothing_else_of_this_machine_may_be_named(connector: Path, origin: Origin) -> None:
    """One line that names the file and the entry."""
    with pytest.raises(LockError, match=r"^source-x/poetry\.lock: lib comes from ") as caught:
        local_sources.check(origin, connector, "source-x/poetry.lock: lib")
    assert "\n" not in str(caught.value)


def test_a_git_repository_inside_of_the_repository_may_be_named(connector: Path) -> None:
    """By its address as a file: it is there for everybody who has the repository."""
    local_sources.check(FromGit(f"file://{connector.parents[1]}/lib", COMMIT), connector, "x")


def test_texts_are_read_inside_of_the_repository(connector: Path) -> None:
    """An included file may be shared; one of this machine would show its lines in messages."""
    assert local_sources.read_text(connector / "../../shared.txt", connector, "x") == "six==1.0\n"
    for path in ("/etc/passwd", "leaving.txt", "../../../outside/requirements.txt", "../../secrets/x"):
        with pytest.raises(LockError, match=r"^cannot read x: "):
            local_sources.read_text(connector / path, connector, "x")


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (FromDirectory("{root}/lib", editable=True), FromDirectory("../../lib", editable=True)),
        (FromDirectory("{root}/connectors/x"), FromDirectory(".")),
        (FromDirectory("../../lib"), FromDirectory("../../lib")),
        (FromDirectory("{root}-other/lib"), FromDirectory("{root}-other/lib")),
        (FromArchive("{root}/lib/a-1.0.tar.gz"), FromArchive("../../lib/a-1.0.tar.gz")),
        (FromArchive("https://files.example/a-1.0.tar.gz"), FromArchive("https://files.example/a-1.0.tar.gz")),
        (FromIndex(), FromIndex()),
    ],
)
def test_plans_name_no_path_of_the_machine(tmp_path: Path, origin: Origin, expected: Origin) -> None:
    """A path in the repository becomes relative to the connector, even through a link; others stay."""

    def placed(item: Origin, root: Path) -> Origin:
        if isinstance(item, FromDirectory):
            return replace(item, path=item.path.format(root=root))
        return replace(item, place=item.place.format(root=root)) if isinstance(item, FromArchive) else item

    root = tmp_path / "repository"
    for folder in ("repository/.git", "repository/lib", "repository/connectors/x", "repository-other/lib"):
        (tmp_path / folder).mkdir(parents=True)
    (root / "lib/a-1.0.tar.gz").write_bytes(b"")
    (tmp_path / "link").symlink_to(root)
    for place in (root, tmp_path / "link"):
        found = local_sources.make_portable(placed(origin, root), place / "connectors/x")
        assert found == placed(expected, root)
