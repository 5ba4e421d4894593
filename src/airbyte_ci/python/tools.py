"""The shared resources of work on images, opened once per command and passed down."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from airbyte_ci.oci.registry.client import RegistryClient
from airbyte_ci.oci.store import Store
from airbyte_ci.python.index import PackageIndex


@dataclass(frozen=True, slots=True)
class Tools:
    """The store, the clients of package indexes and registries, a thread pool. `say` reports progress."""

    store: Store
    index: PackageIndex
    registries: RegistryClient
    executor: Executor
    say: Callable[[str], None]
