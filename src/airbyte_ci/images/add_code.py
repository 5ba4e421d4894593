"""`AddCode`: a connector's own code as an operation, and the handler that evaluates it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from airbyte_ci.connectors.connector import MANIFEST_ONLY, Connector
from airbyte_ci.dagger.operations import Operation
from airbyte_ci.dagger.record import value
from airbyte_ci.errors import PlanError
from airbyte_ci.images import layer_origins, source
from airbyte_ci.images.code_places import DEFAULT_MAIN
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.layer import Layer, layer_of
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.interpreter.base import Base
from airbyte_ci.recipe.evaluate import Evaluator
from airbyte_ci.recipe.state import AddedLayer
from airbyte_ci.rootfs import users


@value
class AddCode(Operation):
    """Add the connector's own code.

    `layer` is the diffID of its layer, `main` the main file's place in `folder` (empty: the base image starts it), and
    `owner` who owns it in the image.
    """

    layer: Digest
    main: str
    folder: str
    owner: tuple[int, ...] = (0, 0)


@dataclass(slots=True)
class CodeReader:
    """Handles `AddCode`: reads the code from the connector's folder."""

    connector: Connector
    store: Store
    _read: dict[tuple[str, tuple[int, ...]], Layer] = field(default_factory=dict)

    def operation(self, main: str, owner: tuple[int, int]) -> AddCode:
        """The operation that adds the code as it is now; raises ConnectorError."""
        return AddCode(self._layer(main, owner).diff_id, main, source.CODE, owner)

    def __call__(self, _: Evaluator, _before: Sequence[Operation], operation: Operation) -> tuple[AddedLayer, ...]:
        """The code's layer; raises PlanError where the folder has other code than the operation names."""
        assert isinstance(operation, AddCode)
        layer = self._layer(operation.main, operation.owner)
        if layer.diff_id != operation.layer:
            raise PlanError(
                f"cannot build the plan of {self.connector.name}: the code in {self.connector.place} differs from "
                "the code in the plan",
                advice="check out the commit for which the plan was created",
                error_id="plan-differs",
            )
        return (AddedLayer(layer, layer_origins.COPIED),)

    def _layer(self, main: str, owner: tuple[int, ...]) -> Layer:
        if (main, owner) not in self._read:
            self._read[main, owner] = layer_of(self.store, source.entries(self.connector, main, owner))
        return self._read[main, owner]


def default_main(connector: Connector, base: Base) -> str:
    """The main file that starts the connector; empty where the framework's image starts a manifest by itself."""
    is_started_by_base = connector.language == MANIFEST_ONLY and base.image.config.execution.get("Entrypoint")
    return "" if is_started_by_base else DEFAULT_MAIN


def owner(store: Store, base: Base) -> tuple[int, int]:
    """Returns the image's user (uid, gid), looked up in the base's own accounts, once per base; root is (0, 0)."""
    user = str(base.image.config.execution.get("User") or "")
    if user in ("", "0", "root", "0:0"):
        return (0, 0)
    layers = [str(item) for item in base.image.config.diff_ids]

    def make() -> dict[str, int]:
        evaluator = Evaluator(store, base.image, bring=base.bring)
        found = users.resolve(evaluator.tree(evaluator.state(())), user)
        return {"uid": found.uid, "gid": found.gid}

    known = store.reuse("owner", 1, {"layers": layers, "user": user}, make)
    return int(known["uid"]), int(known["gid"])
