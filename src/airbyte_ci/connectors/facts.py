"""Facts of a connector that queries may use in addition to its metadata; each is computed only when used.

Facts that need git or the catalog of base images are passed in.
"""

from collections.abc import Callable, Mapping
from typing import Any

from airbyte_ci.connectors import pylock_names
from airbyte_ci.connectors.connector import Connector

Fact = Callable[[Connector], Any]

# The names and their fields: empty for a plain value.
FIELDS: Mapping[str, tuple[str, ...]] = {
    "base": ("version", "behind", "yanked", "repository", "python"),
    "blocked": (),
    "cdk": (),
    "enabled": ("cloud", "oss"),
    "has_dockerfile": (),
    "has_hook": (),
    "language": (),
    "lock": ("kind",),
    "modified": (),
    "name": (),
    "rollout": ("mode",),
}
# The file that keeps a connector from being released.
_BLOCK = "block-release.yaml"
_CDK_TAG = "cdk:"


def has_hook(connector: Connector) -> bool:
    """Returns whether the connector customizes its build with a module or a declaration."""
    return bool(connector.names & {"build_customization.py", "build_customization.yaml"})


def lock_kind(connector: Connector) -> str | None:
    """Returns poetry, uv, pylock or requirements (with hashes), the first that applies; None without a lock."""
    for name, kind in (("poetry.lock", "poetry"), ("uv.lock", "uv"), (pylock_names.FILE, "pylock")):
        if name in connector.names:
            return kind
    if "requirements.txt" in connector.names:
        path = connector.folder / "requirements.txt"
        if path.is_file() and b"--hash=" in path.read_bytes():
            return "requirements"
    return "pylock" if pylock_names.of(connector.names) else None


def _lock(connector: Connector) -> dict[str, str] | None:
    kind = lock_kind(connector)
    return {"kind": kind} if kind else None


def cdk(connector: Connector) -> str | None:
    """Returns the kind of CDK that the connector's tags name: low-code, python, java or another; None without a tag."""
    tags = connector.data.get("tags")
    texts = (tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else ()
    return next((tag.removeprefix(_CDK_TAG) for tag in texts if tag.startswith(_CDK_TAG)), None)


def enabled(connector: Connector) -> dict[str, bool]:
    """Returns whether the registries of Airbyte Cloud and of self-managed Airbyte list the connector.

    Newer metadata has `registryOverrides`, older has `registries`. A registry that neither names lists nothing.
    """
    found: dict[str, bool] = {}
    for name in ("cloud", "oss"):
        settings = (_mapping(connector.data, key, name) for key in ("registryOverrides", "registries"))
        values = (item["enabled"] for item in settings if isinstance(item.get("enabled"), bool))
        found[name] = next(values, False)
    return found


def rollout(connector: Connector) -> dict[str, str] | None:
    """Returns how release candidates reach users: `mode` is manual or autopilot. None without progressive rollouts."""
    settings = _mapping(connector.data, "releases", "rolloutConfiguration")
    if settings.get("enableProgressiveRollout") is not True:
        return None
    return {"mode": str(settings.get("defaultRolloutMode") or "manual")}


def _mapping(data: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    for key in keys:
        inner = data.get(key)
        data = inner if isinstance(inner, dict) else {}
    return data


OWN: Mapping[str, Fact] = {
    "blocked": lambda connector: _BLOCK in connector.names,
    "cdk": cdk,
    "enabled": enabled,
    "has_dockerfile": lambda connector: connector.has_dockerfile,
    "has_hook": has_hook,
    "language": lambda connector: connector.language,
    "lock": _lock,
    "name": lambda connector: connector.name,
    "rollout": rollout,
}
