"""An environment as operations on an image: what it replaces is whited out, then its packages come.

The rule by which packages are grouped into layers is versioned: it shapes digests.
"""

from collections.abc import Iterator

from airbyte_ci.container.api import AddLayer
from airbyte_ci.container.evaluate import add_layer
from airbyte_ci.oci.layer import assemble, layer_of
from airbyte_ci.oci.store import Store
from airbyte_ci.python import installed
from airbyte_ci.python.environment import Environment
from airbyte_ci.python.inventory import Inventory

RULE_VERSION = 1


def operations(store: Store, environment: Environment, base: Inventory) -> tuple[AddLayer, ...]:
    """The layers that install the environment on an image with this inventory."""
    return tuple(_operations(store, environment, base))


def _operations(store: Store, environment: Environment, base: Inventory) -> Iterator[AddLayer]:
    if not environment.packages:
        return
    names = {package.name for package in environment.packages}
    roots = installed.folders(base.interpreter)
    gone = installed.removals(base.distributions, base.files, names, environment.paths, roots)
    if gone:
        yield add_layer(layer_of(store, gone), "remove replaced Python distributions")
    layer = assemble(store, environment.directories(base.interpreter), environment.segments)
    yield add_layer(layer, "install Python dependencies")


def replaced(environment: Environment, base: Inventory) -> tuple[tuple[str, str, str], ...]:
    """(name, version in the base, version in the environment) of each distribution that is replaced."""
    wanted = {package.name: package.version for package in environment.packages}
    return tuple((item.name, item.version, wanted[item.name]) for item in base.distributions if item.name in wanted)
