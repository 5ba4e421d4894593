"""Wheels that get into each other's way."""

import pytest

from airbyte_ci.errors import PackageError
from tests.python.environment.test_environment import Shop, shop

__all__ = ["shop"]


@pytest.mark.parametrize("first", ["aaa", "bbb"])
def test_a_file_of_one_is_no_folder_of_another(shop: Shop, first: str) -> None:
    """Neither would be whole, whichever comes last: it is refused, and both are named."""
    other = "bbb" if first == "aaa" else "aaa"
    packages = sorted(
        (shop.wheel(first, "1.0", "common"), shop.wheel(other, "1.0", "common/a.py")), key=lambda item: item.name
    )
    with pytest.raises(PackageError, match=f"{first} installs /.*/common as a file, and {other} as a folder"):
        shop.prepare(*packages)
