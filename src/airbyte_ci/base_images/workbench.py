"""What building a base image needs beside its declaration, handed from one step to the next."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from airbyte_ci.oci.registry.client import RegistryClient
from airbyte_ci.oci.store import Store
from airbyte_ci.python.index import PackageIndex


@dataclass(frozen=True, slots=True)
class Workbench:
    """Tools of one build; `progress` tells its steps."""

    store: Store
    index: PackageIndex
    registries: RegistryClient
    executor: Executor
    progress: Callable[[str], None]
