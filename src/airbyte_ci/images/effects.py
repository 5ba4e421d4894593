"""The stored effects of customizations and their summary. Light to import.

Knows only their JSON form; `customized` computes them.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import Store, action_key

FORMAT_VERSION = 2
_DEPTH = 3


def of_plan(store: Store, plan: Digest) -> Mapping[str, Any] | None:
    """Returns the stored effect of a plan."""
    return store.recall(_key(plan))


def keep(store: Store, plan: Digest, effect: Mapping[str, Any]) -> None:
    """Stores the effect with the plan's image."""
    store.remember(_key(plan), dict(effect))


def _key(plan: Digest) -> Digest:
    return action_key("effect of a customization", FORMAT_VERSION, str(plan))


def summary(effect: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the effect with files counted by folder; for files from packages, only their number."""
    packaged = set(effect["packaged"])
    files = {
        kind: _by_folder(path for path in effect[kind] if path not in packaged)
        for kind in ("added", "changed", "removed")
    }
    others = ("packages", "python", "variables", "settings", "users", "setuid", "impure", "size")
    return {**{name: effect[name] for name in others}, "files": {**files, "packaged": len(packaged)}}


def _by_folder(paths: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(_folder(path) for path in paths).items()))


def _folder(path: str) -> str:
    """Returns the folder of a path in the image, at most three levels deep."""
    return "/" + "/".join(path.lstrip("/").split("/")[:-1][:_DEPTH])
