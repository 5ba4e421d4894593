"""Users: names and numbers from an image's own tables, like in Docker."""

from pathlib import Path

import pytest

from airbyte_ci.errors import SandboxError
from airbyte_ci.rootfs.tree import Tree
from airbyte_ci.rootfs.users import User, resolve

PASSWD = (
    "root:x:0:0:root:/root:/bin/sh\n"
    "airbyte:x:1000:1001::/home/airbyte:/bin/sh\n"
    "broken line\n"
    "odd:x:²:1:::\n"
    "oddgroup:x:7:seven::/x:/bin/sh\n"
    f"long:x:{'9' * 5000}:1::/x:/bin/sh\n"
    "\udce9:x:8:8::/x:/bin/sh\n"
)
GROUP = "root:x:0:root\nairbyte:x:1001:\nextra:x:1002:airbyte,other\nodd:x:²:airbyte\nshort:x\n"


@pytest.fixture
def image(tmp_path: Path) -> Tree:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(PASSWD, errors="surrogateescape")
    (tmp_path / "etc/group").write_text(GROUP)
    return Tree((tmp_path,))


@pytest.mark.parametrize(
    ("spelling", "user"),
    [
        ("", User(0, 0, (0,), "/root")),
        ("root", User(0, 0, (0,), "/root")),
        ("0", User(0, 0, (0,), "/root")),
        ("airbyte", User(1000, 1001, (1002,), "/home/airbyte")),
        ("1000", User(1000, 1001, (1002,), "/home/airbyte")),
        ("airbyte:extra", User(1000, 1002, (), "/home/airbyte")),
        ("airbyte:0", User(1000, 0, (), "/home/airbyte")),
        ("1234", User(1234, 0, (), "/")),
        ("1234:5678", User(1234, 5678, (), "/")),
        (":extra", User(0, 1002, (), "/root")),
    ],
)
def test_spellings_become_numbers(image: Tree, spelling: str, user: User) -> None:
    """Names and numbers are looked up; a number needs no account; no user at all is root."""
    assert resolve(image, spelling) == user


@pytest.mark.parametrize("spelling", ["nobody", "airbyte:nogroup", "-1", "²", "9" * 5000, "odd", "oddgroup", "long"])
def test_what_the_image_does_not_have_is_an_error(image: Tree, spelling: str) -> None:
    """An unknown name is a SandboxError, as are numbers that no account can have; broken lines are ignored."""
    with pytest.raises(SandboxError, match="the image has no"):
        resolve(image, spelling)


def test_the_error_lists_the_users_there_are(image: Tree) -> None:
    """The message alone is enough to fix a typo in a user's name."""
    with pytest.raises(SandboxError, match="root, airbyte"):
        resolve(image, "airbite")


def test_an_image_without_tables_still_has_numbers(tmp_path: Path) -> None:
    """Images from scratch have no /etc/passwd."""
    assert resolve(Tree((tmp_path,)), "") == User(0, 0, (), "/")
    assert resolve(Tree((tmp_path,)), "7:8") == User(7, 8, (), "/")
    with pytest.raises(SandboxError, match="it has: none"):
        resolve(Tree((tmp_path,)), "airbyte")
