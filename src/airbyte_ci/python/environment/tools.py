"""The shared resources of work on images, opened once per command and passed down."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.records import dataclass
from airbyte_ci.registry.client import RegistryClient

if TYPE_CHECKING:  # slow to import, and an unchanged build needs neither
    from concurrent.futures import Executor

    from airbyte_ci.python.index.package_index import PackageIndex


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """The store, the clients of package indexes and registries, a thread pool. `say` reports progress.

    `open_index` and `open_executor` open at the first call; later calls return the same. `confirm_base` raises an error
    for a base image that the repository's configuration does not trust; None if it trusts all.
    """

    store: Store
    open_index: "Callable[[], PackageIndex]"
    registries: RegistryClient
    open_executor: "Callable[[], Executor]"
    say: Callable[[str], None]
    confirm_base: Callable[[Reference], None] | None = None

    @property
    def index(self) -> "PackageIndex":
        return self.open_index()

    @property
    def executor(self) -> "Executor":
        return self.open_executor()
