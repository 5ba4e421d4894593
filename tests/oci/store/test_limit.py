"""The size limit of a store: measured at most once a day, reported when exceeded, and enforced by a collection."""

from pathlib import Path

import pytest

from airbyte_ci.errors import UsageError
from airbyte_ci.oci.store import limit
from airbyte_ci.oci.store.collect import Policy, collect
from airbyte_ci.oci.store.size import parse_size
from airbyte_ci.oci.store.store import Store


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("20GB", 20 * 10**9),
        ("1.5 GiB", 15 * 10**8),
        ("500m", 5 * 10**8),
        ("7", 7),
        ("", None),
        ("1..2GB", None),
        ("x", None),
    ],
)
def test_sizes_as_people_write_them(text: str, size: int | None) -> None:
    """A number with a unit, or bytes; nothing else."""
    assert parse_size(text) == size


def test_the_limit_is_configured_by_a_variable() -> None:
    """20 GB by default; an invalid size is wrong usage that names the variable."""
    assert limit.of({}) == 20 * 10**9
    assert limit.of({limit.VARIABLE: "3GB"}) == 3 * 10**9
    with pytest.raises(UsageError, match=limit.VARIABLE):
        limit.of({limit.VARIABLE: "much"})


def test_a_store_is_measured_once_a_day(tmp_path: Path) -> None:
    """Additions show the next day, or after a collection, which measures anyway."""
    store = Store(tmp_path / "store")
    store.put(b"x" * 1000)
    first = limit.size_of(store)
    assert first >= 1000
    store.put(b"y" * 5000)
    assert limit.size_of(store) == first
    moment = (tmp_path / "store" / "size").stat().st_mtime
    assert limit.size_of(store, now=moment + 86401) >= 6000
    limit.record(store, collect(store, Policy()).size)
    assert limit.size_of(store) >= 6000
