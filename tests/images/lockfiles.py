"""Connectors with lock files for tests, and what is selected of them."""

from collections.abc import Mapping
from pathlib import Path

from airbyte_ci.connectors.connector import Connector
from airbyte_ci.images import lockfile
from airbyte_ci.images.rules import NO_RULES, Rules
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.index.package_index import PackageIndex
from airbyte_ci.python.packages.lock import Lock
from airbyte_ci.python.sources.sdist import Builder
from airbyte_ci.rootfs.tree import Tree
from tests.python import sample_locks
from tests.python.interpreters import cpython

A = "a" * 64
OFFLINE = PackageIndex(main=None, offline=True)


Files = Mapping[str, str | bytes]


def connector_of(folder: Path, files: Files) -> Connector:
    """source-x in `connectors/source-x` of a repository, with these files."""
    place = folder / "connectors" / "source-x"
    place.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (place / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return Connector(
        "source-x",
        place,
        relative="connectors/source-x",
        data={},
        names=frozenset(item.name for item in place.iterdir()),
    )


def nothing_runs() -> Tree:
    raise AssertionError("the sandbox was asked")


def selected(folder: Path, files: Files, rules: Rules = NO_RULES, index: PackageIndex = OFFLINE) -> Lock:
    store = Store(folder / "store")
    builder = Builder(store=store, index=index, root=nothing_runs, interpreter=cpython())
    return lockfile.select(connector_of(folder, files), cpython(), store, index, rules, builder)


PROJECT = sample_locks.project("a = '*'")
LOCK = sample_locks.lock(PROJECT, sample_locks.package("a", "1.0"))
STANDARD = '[project]\nname = "source-x"\nversion = "1.0"\ndependencies = ["a>=1"]\n'
UV = f"""version = 1
requires-python = ">=3.10"
[[package]]
name = "source-x"
version = "1.0"
source = {{ virtual = "." }}
dependencies = [{{ name = "a" }}]
[package.metadata]
requires-dist = [{{ name = "a", specifier = ">=1" }}]
[[package]]
name = "a"
version = "1.0"
source = {{ registry = "https://pypi.org/simple" }}
dependencies = [{{ name = "b" }}]
wheels = [{{ url = "https://files/a-1.0-py3-none-any.whl", hash = "sha256:{A}" }}]
[[package]]
name = "b"
version = "1.0"
source = {{ registry = "https://pypi.org/simple" }}
dependencies = [{{ name = "a" }}]
wheels = [{{ url = "https://files/b-1.0-py3-none-any.whl", hash = "sha256:{A}" }}]
"""
PYLOCK = f"""lock-version = "1.0"
created-by = "somebody"
requires-python = ">=3.10"
[[packages]]
name = "a"
version = "1.0"
wheels = [{{ url = "https://f/a-1.0-py3-none-any.whl", hashes = {{ sha256 = "{A}" }} }}]
"""
