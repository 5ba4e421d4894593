"""The parts of a Java connector's base image: the script that starts it, and the user that it runs as."""

from collections.abc import Sequence
from dataclasses import dataclass

from airbyte_ci.dagger.operations import Operation
from airbyte_ci.errors import ImageError, SandboxError
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.environment.install import context
from airbyte_ci.python.interpreter.base import Base
from airbyte_ci.recipe.evaluate import Evaluator
from airbyte_ci.rootfs import users

# Maps `spec` and the other commands to variables of the base image, which start bin/$APPLICATION.
SCRIPT = "/airbyte/base.sh"
_USER = "airbyte"
_FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Account:
    """The user that runs the connector, as an image names it (empty: the base image's), and its uid and gid."""

    user: str
    owner: tuple[int, int]


def find_account(
    store: Store, base: Base, address: Reference, evaluator: Evaluator, before: Sequence[Operation], asked: str | None
) -> Account:
    """Returns the user `asked`, else `airbyte` if the base image has it, else the base image's user.

    Raises ImageError if the image has no script that starts Java connectors.
    """
    own = str(base.image.config.execution.get("User") or "")
    wanted = [_USER, own] if asked is None else [asked]

    def make() -> dict[str, object]:
        tree = evaluator.tree(evaluator.state(before))
        node = tree.resolve(SCRIPT.strip("/"))
        if node is None or node.is_dir:
            return {"starts": False}
        for name in wanted[:-1]:
            try:
                found = users.resolve(tree, name)
            except SandboxError:
                continue
            return {"starts": True, "user": name, "uid": found.uid, "gid": found.gid}
        found = users.resolve(tree, wanted[-1])
        return {"starts": True, "user": wanted[-1], "uid": found.uid, "gid": found.gid}

    inputs = {"files": context(base, before), "users": wanted}
    known = store.reuse("java account", _FORMAT_VERSION, inputs, make)
    if not known["starts"]:
        raise ImageError(
            f"cannot build a Java connector on {address}: it has no {SCRIPT}, the script that starts Java connectors",
            advice="use a base image of the series java-connector-base",
        )
    return Account(str(known["user"]), (int(known["uid"]), int(known["gid"])))
