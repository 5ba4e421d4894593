"""What work on images needs besides its subject, opened once for a command and passed down."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from airbyte_ci.oci.registry.client import RegistryClient
from airbyte_ci.oci.store import Store
from airbyte_ci.python.index import PackageIndex


@dataclass(frozen=True, slots=True)
class Tools:
    """The store, the clients of package indexes and registries, a pool of threads. `say` reports progress."""

    store: Store
    index: PackageIndex
    registries: RegistryClient
    executor: Executor
    say: Callable[[str], None]
