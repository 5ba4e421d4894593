"""The changes of a campaign: its migration with the options of the campaign file, and the reverse of a merged one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airbyte_ci.campaigns.changes.change import Change
from airbyte_ci.campaigns.changes.task import Task, path_of
from airbyte_ci.campaigns.connector_files import release
from airbyte_ci.campaigns.migrations import table
from airbyte_ci.campaigns.migrations.migration import Migration
from airbyte_ci.campaigns.migrations.option import Option, declared
from airbyte_ci.campaigns.waves.campaign_file import CampaignFile
from airbyte_ci.connectors.connector import METADATA
from airbyte_ci.documents import DocumentError, load_yaml
from airbyte_ci.edits import yaml_text
from airbyte_ci.edits.edit import FileChange
from airbyte_ci.errors import AirbyteCiError, EditRefused, UsageError
from airbyte_ci.git import git

_BASE = ("data", "connectorBuildOptions", "baseImage")
_TYPES = {"text": str, "argument": str, "texts": list, "flag": bool, "yes or no": bool}


def load_migration(campaign: CampaignFile) -> tuple[Migration[Any], Any]:
    """Returns the campaign's migration and its options. Raises UsageError for options that it does not have."""
    migration = table.load(campaign.migration)
    known = {_key(item): (name, item) for name, item in declared(migration.options).items()}
    given: dict[str, Any] = {}
    for key, value in campaign.options.items():
        if key not in known:
            raise UsageError(
                f"{campaign.path}: {campaign.migration} has no option {key!r}",
                advice=f"known: {', '.join(known) or 'none'}",
            )
        name, item = known[key]
        if not isinstance(value, _TYPES[item.kind]):
            raise UsageError(f"{campaign.path}: options.{key} must be a {_TYPES[item.kind].__name__}, not {value!r}")
        given[name] = tuple(value) if isinstance(value, list) else value
    missing = [key for key, (name, item) in known.items() if item.kind == "argument" and name not in given]
    if missing:
        raise UsageError(f"{campaign.path}: options.{missing[0]} is missing, which {campaign.migration} needs")
    if migration.text.is_argument and not campaign.changelog:
        raise UsageError(f"{campaign.path}: changelog is missing, which {campaign.migration} needs")
    return migration, migration.options(**given)


def _key(item: Option) -> str:
    return item.spelling.removeprefix("--").lower()


def plan_revert(task: Task, merge_commit: str, base: str, subject: str) -> Change:
    """Returns the change that undoes a merged one in a new version: nothing is ever released again under an old one.

    `base` is the commit that branches begin at. Raises EditRefused for a file that was changed since, and for a change
    that cannot be undone file by file.
    """
    connector = task.connector
    root = task.configuration.root
    doing = f"reverting {connector.name}"
    paths = _paths(root, merge_commit, path_of(connector, ""), doing)
    before, after, now = (git.committed(root, commit, paths) for commit in (f"{merge_commit}^", merge_commit, base))
    metadata = path_of(connector, METADATA)
    kept = {metadata, path_of(connector, "pyproject.toml")}
    restored = []
    for path in paths:
        if path in kept or _is_own_version(path, before, after):
            continue
        if now.get(path) != after.get(path):
            raise EditRefused(f"{doing}: {path} was changed since", advice=f"git revert {merge_commit[:12]}")
        restored.append(FileChange(path, after.get(path), before.get(path)))
    old_base = _base_of(before.get(metadata, b""), doing)
    if not old_base and connector.base_image:
        raise EditRefused(f"{doing}: it had no base image before", advice=f"git revert {merge_commit[:12]}")
    task = task.with_subject(subject)
    version = release.patched(task)
    return release.plan_change(
        task,
        version,
        lambda text: yaml_text.upsert_scalar(text, _BASE, old_base) if old_base else text,
        restored,
        lock=all(not item.path.endswith("/uv.lock") for item in restored),
    )


def _paths(root: Path, commit: str, folder: str, doing: str) -> list[str]:
    """Returns the paths in the connector's folder that a commit changed, compared with its first parent."""
    options = ("diff", "--name-only", "--no-renames", "--no-ext-diff", "--relative", "-z")
    answer = git.ask(root, *options, f"{commit}^", commit, "--", folder or ".")
    if answer is None or answer.returncode:
        raise AirbyteCiError(f"{doing}: the commit {commit[:12]} is not in this clone", advice="git fetch origin")
    return sorted(path.decode("utf-8", "surrogateescape") for path in answer.stdout.split(b"\0") if path)


def _is_own_version(path: str, before: Mapping[str, bytes], after: Mapping[str, bytes]) -> bool:
    """Returns whether a uv.lock differs only in the version of its own project."""
    if not path.endswith("uv.lock") or path not in before or path not in after:
        return False
    lines = zip(before[path].splitlines(), after[path].splitlines(), strict=False)
    changed = [(old, new) for old, new in lines if old != new]
    return len(changed) == 1 and changed[0][0].startswith(b"version = ")


def _base_of(metadata: bytes, doing: str) -> str:
    try:
        data = load_yaml(metadata)["data"]
        return str(data.get("connectorBuildOptions", {}).get("baseImage") or "")
    except (DocumentError, LookupError, TypeError, AttributeError) as error:
        raise EditRefused(f"{doing}: its earlier metadata.yaml is invalid") from error
