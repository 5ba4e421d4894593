"""upgrade_dependencies: a connector's lock file with newer versions, made by poetry, uv or airbyte-ci."""

import dataclasses
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airbyte_ci.campaigns.changes.change import AlreadyDone, Change, NotApplicable
from airbyte_ci.campaigns.changes.task import Task
from airbyte_ci.campaigns.connector_files import release
from airbyte_ci.campaigns.migrations import option
from airbyte_ci.campaigns.migrations.migration import ChangelogText, Migration, Resources, Verb
from airbyte_ci.connectors import neighborhood
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.documents import DocumentError, load_toml
from airbyte_ci.edits.edit import FileChange
from airbyte_ci.errors import LockError
from airbyte_ci.images import lockfile

# In the order in which a build prefers them. `poetry update --lock` and its like only write the lock.
_TOOLS: Mapping[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "poetry.lock": ("poetry", ("update", "--lock", "--no-interaction"), ()),
    "uv.lock": ("uv", ("lock", "--upgrade"), ("lock", "--upgrade-package")),
}


# A pinned requirement at the beginning of a line: no TOML file has one.
_PIN = re.compile(r"(?m)^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*\])?==([^\s;\\]+)")


@dataclass(frozen=True, slots=True)
class DependencyOptions:
    """The packages to upgrade; all, if none is named."""

    packages: tuple[str, ...] = option.texts("--package", "Upgrade only this package; repeatable.", metavar="NAME")


@dataclass(frozen=True, slots=True)
class LockDifference:
    """What a new lock changes: name, version before and after, None where it was not or is no more."""

    packages: tuple[tuple[str, str | None, str | None], ...]

    def __str__(self) -> str:
        return ", ".join(_shown(*package) for package in self.packages)


def lock_name(connector: Connector) -> str | None:
    """The lock that can be refreshed; None where there is none."""
    name = lockfile.kind(connector)
    return None if name in _TOOLS and "pyproject.toml" not in connector.names else name


def require(task: Task, _options: DependencyOptions) -> None:
    """Raises NotApplicable for a connector without a lock file."""
    if lock_name(task.connector) is None:
        raise NotApplicable(
            f"{task.connector.name} has no lock to upgrade (poetry.lock, uv.lock, pylock.toml, hashed requirements)"
        )


def prepare(task: Task, options: DependencyOptions, resources: Resources) -> bytes:
    """Returns the connector's lock file with newer versions. Raises LockError."""
    if lock_name(task.connector) in _TOOLS:
        return refreshed(task.connector, task.configuration.root, resources.environment, options.packages)
    return resources.resolve(task.connector, options.packages)


def plan(task: Task, _options: DependencyOptions) -> Change:
    """Returns the change to the lock file that `prepare` made. Raises AlreadyDone if no version is newer."""
    connector, lock = task.connector, lock_name(task.connector)
    assert lock is not None, "require was called"
    before, after = task.read(lock), task.prepared()
    difference = compare(before, after)
    if not difference.packages:
        raise AlreadyDone(f"{connector.name}: its dependencies are the newest that it admits")
    version = release.patched(task)
    if lock == "uv.lock":
        after = release.with_own_version(after.decode(), connector.version, version).encode()
    change = release.plan_change(task, version, changes=[FileChange(task.path_of(lock), before, after)], lock=False)
    return dataclasses.replace(
        change,
        summary=f"{change.summary} with {_count(difference)}",
        notes=tuple(_shown(*package) for package in difference.packages),
    )


def compare(before: bytes, after: bytes) -> LockDifference:
    """By names and versions: `[[package]]` of poetry and uv, `[[packages]]` of PEP 751, or pins. Raises LockError."""
    old, new = _packages(before), _packages(after)
    names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    return LockDifference(tuple((name, old.get(name), new.get(name)) for name in names))


def _packages(content: bytes) -> dict[str, str]:
    try:
        text = content.decode()
        if pins := dict(_PIN.findall(text)):
            return pins
        document: dict[str, Any] = load_toml(text)
    except (DocumentError, UnicodeDecodeError) as error:
        raise LockError(f"the lock cannot be read: {error}") from error
    versions: dict[str, list[str]] = {}
    for item in document.get("package", document.get("packages", [])):
        # The project itself is in a uv lock; its version is not a dependency's.
        if {"editable", "virtual"} & set(item.get("source", {})) and item["source"].get("editable", ".") == ".":
            continue
        versions.setdefault(str(item.get("name")), []).append(str(item.get("version")))
    return {name: ", ".join(sorted(found)) for name, found in versions.items()}


def refreshed(connector: Connector, root: Path, environment: Mapping[str, str], only: tuple[str, ...] = ()) -> bytes:
    """The lock as its tool makes it now: everything as new as the project admits, or only the packages in `only`.

    The tool runs in a copy, around which the repository looks as it does (dependencies may be folders of it); nothing
    of the repository is touched. Raises LockError.
    """
    lock = lock_name(connector)
    if lock is None or lock not in _TOOLS:
        raise LockError(f"{connector.place} has no lock that poetry or uv refreshes")
    tool, arguments, selective = _TOOLS[lock]
    program = shutil.which(tool, path=environment.get("PATH"))
    if program is None:
        raise LockError(f"{lock} needs {tool}, which is not installed", advice=f"install {tool}, for example by pipx")
    if only and tool == "uv":
        arguments = (selective[0], *(word for name in only for word in (selective[1], name)))
    elif only:
        arguments = (*arguments, *only)
    with neighborhood.empty_place(root, connector.relative) as (_, folder):
        _copy(root / connector.relative, folder)
        ended = subprocess.run(
            [program, *arguments],
            cwd=folder,
            env={**environment, "POETRY_VIRTUALENVS_CREATE": "false"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if ended.returncode:
            said = [line for line in (ended.stderr or ended.stdout).strip().splitlines() if line.strip()]
            raise LockError(f"{tool} {' '.join(arguments)} ended with {ended.returncode}: {' / '.join(said[-3:])}")
        return (folder / lock).read_bytes()


def _copy(source: Path, folder: Path) -> None:
    """Copies the files that a tool may write, and links everything else of the connector."""
    for item in os.scandir(source):
        if item.name in (".git", ".venv"):
            continue
        if item.is_file() and item.name in (*_TOOLS, "pyproject.toml", "poetry.toml", "uv.toml"):
            shutil.copy2(item.path, folder / item.name)
        else:
            (folder / item.name).symlink_to(item.path)


def _count(difference: LockDifference) -> str:
    number = len(difference.packages)
    return f"{number} package{'s' if number != 1 else ''} changed"


def _shown(name: str, before: str | None, after: str | None) -> str:
    if before is None:
        return f"+ {name} {after}"
    return f"− {name} {before}" if after is None else f"{name} {before} → {after}"


MIGRATION = Migration(
    id="upgrade_dependencies",
    verb=Verb("upgrade", "upgrading", "upgraded"),
    help="""Upgrade locked packages, list the changes, bump versions and add changelog entries.

    poetry and uv refresh their own lock files; airbyte-ci resolves pylock.toml and hashed requirements itself.
    """,
    options=DependencyOptions,
    require=require,
    prepare=prepare,
    plan=plan,
    text=ChangelogText("Update dependencies"),
)
