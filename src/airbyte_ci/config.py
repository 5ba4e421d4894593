"""Configuration: `.airbyte-ci.toml`, or `[tool.airbyte-ci]` of pyproject.toml, at the root of a repository.

Knows the keys and their defaults (the layout of the Airbyte monorepo), not what is found there.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from airbyte_ci.errors import ConfigurationError, UsageError

FILE = ".airbyte-ci.toml"
PROJECT = "pyproject.toml"
MONOREPO_CONNECTORS = "airbyte-integrations/connectors"
CATALOGUE = "base-images.yaml"


@dataclass(frozen=True, slots=True)
class Configuration:
    """Where things are and what counts. Paths are relative to `root`.

    `docs` are templates of documentation pages ({name} without source-/destination-, {type}); without any, the
    page follows from the connector's documentationUrl, as in the monorepo. `registries` that are listed in
    `insecure_registries` are spoken to over plain HTTP. `mirrors` maps a registry to those asked first, `checks`
    a weight (error, warning, off) to ids of checks. `resolve_as_of` is the day for connectors without a lock; `groups`
    and `extras` are wanted beside the main dependencies, by patterns of connectors' names; `test_secrets` are variables
    of the environment that their tests need. `platform_version` is the oldest platform that users run, `check_pages`
    where the repository's own pages of the checks are: files below the root, or addresses, with {id}.
    """

    root: Path
    connectors: tuple[str, ...] = (f"{MONOREPO_CONNECTORS}/**",)
    docs: tuple[str, ...] = ()
    pull_request_url: str = ""
    catalogue: str = CATALOGUE
    base_image_repositories: tuple[str, ...] = ("docker.io/airbyte/python-connector-base",)
    platform_version: str = ""
    hook_environment: tuple[str, ...] = ()
    customisation_owners: str = ""
    check_pages: str = "docs/checks/{id}.md"
    insecure_registries: tuple[str, ...] = ()
    mirrors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    checks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    resolve_as_of: str = ""
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    extras: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    test_secrets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def catalogue_path(self) -> Path:
        return self.root / self.catalogue


def home(environment: Mapping[str, str]) -> Path:
    """The folder of the store: AIRBYTE_CI_HOME, or the user's cache folder (XDG base directories)."""
    if chosen := environment.get("AIRBYTE_CI_HOME"):
        return Path(chosen).expanduser().absolute()
    cache = environment.get("XDG_CACHE_HOME") or str(Path(environment.get("HOME") or "~").expanduser() / ".cache")
    return Path(cache) / "airbyte-ci"


def place(root: Path) -> str:
    """A short name for a repository by where it lies; two may share one, so what is kept there must say whose it is."""
    return f"{root.name}-{zlib.crc32(bytes(root)):08x}"


def find(start: Path) -> Configuration:
    """The configuration of the repository that holds `start`; raises UsageError where there is none."""
    folders = [start.absolute(), *start.absolute().parents]
    for folder in folders:
        table = _table(folder)
        if table is not None:
            return _parse(folder, *table)
        if (folder / MONOREPO_CONNECTORS).is_dir():
            return Configuration(folder)
    # Without a table: one connector alone, or a repository with connectors somewhere in it.
    for folder in folders:
        if (folder / "metadata.yaml").is_file():
            return Configuration(folder, connectors=(".",))
        if (folder / ".git").exists():
            return Configuration(folder, connectors=("**",))
    raise UsageError(
        f"looking for connectors from {start}: neither {FILE}, nor {MONOREPO_CONNECTORS}, nor metadata.yaml, nor a git "
        "repository here or above",
        advice="go to your repository, or name it with --repo",
    )


def _table(folder: Path) -> tuple[dict[str, Any], Path] | None:
    own, project = folder / FILE, folder / PROJECT
    if own.is_file():
        return _read(own), own
    if project.is_file() and "tool.airbyte-ci" in project.read_text("utf-8", errors="replace"):
        table = (_read(project).get("tool") or {}).get("airbyte-ci")
        if isinstance(table, dict):
            return table, project
    return None


def _read(path: Path) -> dict[str, Any]:
    import tomllib  # most repositories have no table, and starting up is measured

    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"reading {path}: {error}") from error
    except OSError as error:
        raise ConfigurationError(f"reading {path}: {error.strerror}") from error


def _parse(root: Path, table: Mapping[str, Any], path: Path) -> Configuration:
    known = {item.name.replace("_", "-"): item for item in fields(Configuration) if item.name != "root"}
    values: dict[str, Any] = {}
    for key, value in table.items():
        item = known.get(key.replace("_", "-"))
        if item is None:
            raise ConfigurationError(f"reading {path}: unknown key {key!r}", advice=f"known: {', '.join(known)}")
        values[item.name] = _checked(key, value, item.type, path)
    platform = values.get("platform_version", "")
    if platform and not all(part.isdecimal() for part in platform.split(".")):
        raise ConfigurationError(f"reading {path}: platform-version must be numbers such as 0.63.0, not {platform!r}")
    if "{id}" not in values.get("check_pages", "{id}"):
        raise ConfigurationError(f"reading {path}: check-pages must have {{id}} in it, for the id of a check")
    return Configuration(root, **values)


def _checked(key: str, value: Any, kind: Any, path: Path) -> Any:
    if kind is str:
        good = isinstance(value, str)
        result: Any = value
    elif kind == tuple[str, ...]:
        good = isinstance(value, list) and all(isinstance(item, str) for item in value)
        result = tuple(value) if good else ()
    else:
        lists = isinstance(value, dict) and all(isinstance(item, list) for item in value.values())
        good = lists and all(isinstance(text, str) for item in value.values() for text in item)
        result = {name: tuple(item) for name, item in value.items()} if good else {}
    if not good:
        expected = {str: "a text", tuple[str, ...]: "a list of texts"}.get(kind, "a table of lists of texts")
        raise ConfigurationError(f"reading {path}: {key} must be {expected}, not {value!r}")
    return result
