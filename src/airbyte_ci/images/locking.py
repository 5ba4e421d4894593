"""Writes a lock: a connector's resolution for one or more interpreters as the edit of its pylock.toml.

Locked versions and the date of their resolution stay until someone requests newer ones.
"""

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from packaging.utils import canonicalize_name

from airbyte_ci.connectors import pylock_names
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.documents import DocumentError, load_toml
from airbyte_ci.edits.edit import Edit, FileChange
from airbyte_ci.errors import LockError
from airbyte_ci.images import lockfile, unlocked
from airbyte_ci.images.rules import Rules
from airbyte_ci.images.unlocked import NOW, Resolution
from airbyte_ci.oci.image import Platform
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.locks import pylock, pylock_text, requirements_text
from airbyte_ci.python.packages import requirements
from airbyte_ci.python.packages.lock import Wish
from airbyte_ci.python.resolution.resolve import NOTHING_KEPT, Keep
from airbyte_ci.python.sources.sdist import Builder

# The `uname -m` names that markers use, by OCI name.
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_COMMANDS = {"poetry.lock": "poetry lock", "uv.lock": "uv lock", "requirements.txt": "uv pip compile"}


@dataclass(frozen=True, slots=True)
class Upgrade:
    """The locked versions that may change: all, or those of the named packages."""

    everything: bool = False
    packages: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.everything or bool(self.packages)


NO_UPGRADE = Upgrade()


def read(connector: Connector) -> dict[str, Any] | None:
    """Returns the document of the lock that airbyte-ci wrote; None where the connector has no lock, or a damaged one.

    Raises LockError where another tool's lock is used: that tool has to create it.
    """
    kind = lockfile.kind(connector)
    if command := _COMMANDS.get(kind or ""):
        raise LockError(
            f"cannot lock {connector.name}: builds use {connector.relative}/{kind}",
            advice=f"`{command}`, or airbyte-ci connectors --name={connector.name} upgrade_dependencies",
        )
    if place := lockfile.workspace(connector):
        path = posixpath.normpath(posixpath.join(connector.relative, place[0], "uv.lock"))
        raise LockError(
            f"cannot lock {connector.name}: builds use {path}",
            advice="`uv lock` at the root of the workspace",
        )
    document = _parsed(connector)
    if pylock_names.is_pylock(kind) and "airbyte-ci" not in (document or {}).get("tool", {}):
        raise LockError(
            f"cannot lock {connector.name}: {connector.relative}/{kind} was created by another tool",
            advice="update it with that tool, or delete it first",
        )
    return document


def plan(
    connector: Connector,
    document: Mapping[str, Any] | None,
    interpreters: Sequence[Interpreter],
    rules: Rules,
    builder: Builder,
    upgrade: Upgrade = NO_UPGRADE,
) -> Edit:
    """Returns the edit that writes the lock; empty if the lock is current. Raises LockError, PackageError.

    `document` is the current lock, as `read` returns it: parsing it takes longer than everything else of a current one.
    Without a day it resolves as of the day in the lock, else as of now. If nothing fits as of the day in the lock, the
    requirements are newer, and it resolves as of now.
    """
    if (
        document
        and not upgrade
        and _is_current(connector, document, interpreters=interpreters, rules=rules, builder=builder)
    ):
        return Edit()
    asked, recorded = lockfile.day(connector, rules), _recorded(document)
    if asked or upgrade or not recorded:
        text = _resolve(connector, interpreters, rules, builder, upgrade, asked or NOW, document)
    else:
        try:
            text = _resolve(connector, interpreters, rules, builder, upgrade, recorded, document)
        except LockError:
            text = _resolve(connector, interpreters, rules, builder, upgrade, NOW, document)
    before = (connector.folder / pylock_names.FILE).read_bytes() if pylock_names.FILE in connector.names else None
    if document and _without_day(document) == _without_day(load_toml(text)):
        return Edit()
    return Edit.of([FileChange(connector.path_of(pylock_names.FILE), before, text.encode())])


def refresh(
    connector: Connector, interpreters: Sequence[Interpreter], rules: Rules, builder: Builder, upgrade: Upgrade
) -> bytes:
    """Returns the text of a pylock.toml or of hashed requirements after an upgrade; raises LockError, PackageError."""
    name = lockfile.kind(connector)
    before = (connector.folder / str(name)).read_bytes()
    if pylock_names.is_pylock(name):
        changes = plan(connector, read(connector), interpreters, rules, builder, upgrade).changes
        return next((change.after or b"" for change in changes), before)
    sources = frozenset({unlocked.SOURCE}) & connector.names or connector.names - {str(name)}
    moment, wish = unlocked.moment(lockfile.day(connector, rules) or NOW, rules.now), rules.wish(connector)
    text, found = before.decode("utf-8", "replace"), []
    pins = requirements.parse(text, f"{connector.relative}/{name}", variables=builder.index.variables).entries
    versions = {entry.name: entry.version for entry in pins if entry.version and not upgrade.everything}
    keep = Keep(versions, tuple(canonicalize_name(package) for package in upgrade.packages))
    for item in interpreters:
        resolved = unlocked.resolution(
            connector, item, as_of=moment, wish=wish, builder=builder, keep=keep, names=sources
        )
        found.append((pylock_text.marker(item), resolved.lock))
    return requirements_text.render(found, text).encode()


def on(interpreter: Interpreter, platform: Platform) -> Interpreter:
    """Returns the same Python on another platform: all platforms of a base image release have one Python."""
    machine = _MACHINES.get(platform.architecture)
    if machine is None:
        raise LockError(
            f"cannot resolve packages for {platform}: its wheels are unknown",
            advice=f"-a linux/{' or -a linux/'.join(_MACHINES)}",
        )
    return replace(interpreter, markers={**interpreter.markers, "platform_machine": machine})


def kept(document: Mapping[str, Any] | None, interpreter: Interpreter, upgrade: Upgrade, what: str, wish: Wish) -> Keep:
    """Returns the versions of a lock that a new resolution keeps where they fit."""
    if document is None or upgrade.everything:
        return NOTHING_KEPT
    try:
        locked = pylock.of(document, interpreter, what, wish)
    except LockError:
        return NOTHING_KEPT  # The lock is for another Python or another platform.
    versions = {package.name: package.version for package in locked.packages if package.files and package.version}
    return Keep(versions, tuple(canonicalize_name(name) for name in upgrade.packages))


def _resolve(
    connector: Connector,
    interpreters: Sequence[Interpreter],
    rules: Rules,
    builder: Builder,
    upgrade: Upgrade,
    day: str,
    document: Mapping[str, Any] | None,
) -> str:
    moment, wish = unlocked.moment(day, rules.now), rules.wish(connector)
    found: list[tuple[Interpreter, Resolution]] = []
    for item in interpreters:
        keep = kept(document, item, upgrade, f"{connector.relative}/{pylock_names.FILE}", wish)
        is_recorded = day == _recorded(document)
        found.append(
            (
                item,
                unlocked.resolution(
                    connector, item, as_of=moment, wish=wish, builder=builder, keep=keep, is_lenient=is_recorded
                ),
            )
        )
    shown = day if moment else unlocked.shown(rules.now.replace(microsecond=0))
    return unlocked.render(found, shown, unlocked.inputs(connector))


def _is_current(
    connector: Connector,
    document: Mapping[str, Any],
    interpreters: Sequence[Interpreter],
    rules: Rules,
    builder: Builder,
) -> bool:
    """Whether the lock is for these interpreters, this date and the connector's current requirements."""
    made = document["tool"]["airbyte-ci"]
    asked = lockfile.day(connector, rules)
    if asked not in ("", NOW, made.get("resolved-as-of")):
        return False
    if [pylock_text.marker(item) for item in interpreters] != document.get("environments"):
        return False
    if made.get("inputs") != unlocked.inputs(connector):
        return False
    wish = rules.wish(connector)
    texts = {text for item in interpreters for text in unlocked.asked(connector, item, wish, builder).texts}
    return bool(sorted(texts) == made.get("requires"))


def _parsed(connector: Connector) -> dict[str, Any] | None:
    """Returns the lock as a document; None if it is missing or a person must fix it."""
    if pylock_names.FILE not in connector.names:
        return None
    try:
        return load_toml((connector.folder / pylock_names.FILE).read_text("utf-8"))
    except (DocumentError, UnicodeDecodeError):
        return None


def _recorded(document: Mapping[str, Any] | None) -> str:
    """Returns the date or moment of a lock's resolution."""
    return str((document or {}).get("tool", {}).get("airbyte-ci", {}).get("resolved-as-of") or "")


def _without_day(document: Mapping[str, Any]) -> object:
    """Returns the content of a lock without the date of its resolution."""
    tool = {**document.get("tool", {})}
    own = {key: value for key, value in tool.pop("airbyte-ci", {}).items() if key != "resolved-as-of"}
    return {**document, "tool": {**tool, "airbyte-ci": own}}
