"""A connector's lock: its file, the selection for an interpreter, and the rules without a lock."""

import os
import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from airbyte_ci.connectors import pylock_names
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import LockError
from airbyte_ci.images.rules import NO_RULES, Rules
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.index.package_index import PackageIndex
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.packages.lock import Lock, Wish
from airbyte_ci.python.sources import local_sources
from airbyte_ci.python.sources.sdist import Builder

_INCLUDE = re.compile(r"^[ \t]*+(?:-r|-c|--requirement|--constraint)[ =]?[ \t]*(\S+)", re.MULTILINE)


def kind(connector: Connector) -> str | None:
    """The name of its lock file; None where it has none. A requirements file is one if it has hashes.

    The order: poetry.lock, uv.lock, pylock.toml, requirements.txt, the only PEP 751 lock with another name. Raises
    LockError where several have.
    """
    for name in ("poetry.lock", "uv.lock", pylock_names.FILE):
        if name in connector.names:
            return name
    if "requirements.txt" in connector.names and "--hash=sha256:" in _text(connector, "requirements.txt"):
        return "requirements.txt"
    named = pylock_names.of(connector.names)
    if len(named) > 1:
        raise LockError(
            f"cannot choose a lock of {connector.name}: {connector.place} has {' and '.join(named)}",
            advice=f"rename the one that images are built from to {pylock_names.FILE}",
        )
    return named[0] if named else None


def select(
    connector: Connector,
    interpreter: Interpreter,
    store: Store,
    index: PackageIndex,
    rules: Rules = NO_RULES,
    builder: Builder | None = None,
) -> Lock:
    """Returns the connector's packages; raises LockError for a stale lock, one for another Python, or none without a
    day.

    Only hashed requirements and unlocked connectors need the index. `builder` is the environment in which a connector
    without a lock reports its requirements.
    """
    found, where, wish = kind(connector), connector.relative, rules.wish(connector)
    what = f"{where}/{found}"
    match found:
        case "poetry.lock":
            from airbyte_ci.python.locks import poetry  # what was selected before is remembered

            return poetry.select(_text(connector, found), _project(connector, found), interpreter, where, wish)
        case "uv.lock":
            from airbyte_ci.python.locks import uv_lock  # most connectors have another lock

            return uv_lock.select(_text(connector, found), _project(connector, found), interpreter, where, wish)
        case str() if pylock_names.is_pylock(found):
            from airbyte_ci.python.locks import pylock, toml

            document = toml.parse(_text(connector, found), what)
            _refuse_stale(connector, interpreter, document=document, what=what, wish=wish, builder=builder)
            lock = pylock.of(document, interpreter, what, wish)
            _refuse_other(connector, interpreter, lock, what, wish)
            return lock
        case "requirements.txt":
            from airbyte_ci.python.index import pinned
            from airbyte_ci.python.sources import metadata

            wish.refuse_unknown((), (), what)
            lock = pinned.lock(
                store,
                index,
                interpreter,
                _text(connector, found),
                what,
                read=lambda path: _text(connector, path),
                name_of=lambda path: metadata.name_of(connector.folder / path),
                folder=connector.folder,
            )
            _refuse_other(connector, interpreter, lock, what, wish)
            return lock
    if place := workspace(connector):
        from airbyte_ci.python.locks import uv_lock

        above, member = place
        texts = [_text(connector, f"{above}/{name}") for name in ("uv.lock", "pyproject.toml")]
        shared = uv_lock.Workspace(texts[1], member, posixpath.normpath(posixpath.join(where, above)))
        return uv_lock.select(texts[0], _project(connector, "uv.lock"), interpreter, where, wish, shared)
    return _unlocked(connector, interpreter, rules, builder)


def workspace(connector: Connector) -> tuple[str, str] | None:
    """Returns the root of its uv workspace (`../..`) and its folder relative to that, if the root has its lock."""
    if kind(connector) or "pyproject.toml" not in connector.names:
        return None
    parts = PurePosixPath(connector.relative).parts
    for depth in range(1, len(parts) + 1):
        above, member = "/".join([".."] * depth), "/".join(parts[-depth:])
        folder = connector.folder / above
        if not ((folder / "uv.lock").is_file() and (folder / "pyproject.toml").is_file()):
            continue
        from airbyte_ci.python.locks import toml, uv_workspace  # most repositories have no workspace

        root = toml.parse(_text(connector, f"{above}/pyproject.toml"), f"{above}/pyproject.toml")
        if uv_workspace.is_member(root, member):
            return above, member
    return None


def asked_extras(connector: Connector, interpreter: Interpreter, rules: Rules) -> dict[str, frozenset[str]]:
    """Returns by package the extras that pyproject.toml requests; none if another file lists the requirements."""
    if "pyproject.toml" not in connector.names:
        return {}
    from airbyte_ci.python.locks import project, toml

    place = f"{connector.relative}/pyproject.toml"
    document, wish = toml.parse(_text(connector, "pyproject.toml"), place), rules.wish(connector)
    if not project.describes_itself(document):
        return {}
    found: dict[str, frozenset[str]] = {}
    for entry in project.of_pyproject(
        document, interpreter, what=place, groups=wish.groups, extras=wish.extras
    ).entries:
        if entry.extras:
            found[entry.name] = found.get(entry.name, frozenset()) | entry.extras
    return found


def included(connector: Connector) -> frozenset[Path]:
    """The files outside that its lock consists of: those that requirements include, and those of a uv workspace."""
    place = workspace(connector)
    names = ("uv.lock", "pyproject.toml") if place else ()
    found = {Path(os.path.normpath(connector.folder / place[0] / name)) for name in names if place}
    pending = [connector.folder / "requirements.txt"] if "requirements.txt" in connector.names else []
    while pending:
        path = pending.pop()
        try:
            values = _INCLUDE.findall(local_sources.decode(path.read_bytes()))
        except (OSError, UnicodeDecodeError):
            continue  # its parser reports the error
        places = {Path(os.path.normpath(path.parent / value)) for value in values} - found
        found |= places
        pending += places
    return frozenset(found)


def _unlocked(connector: Connector, interpreter: Interpreter, rules: Rules, builder: Builder | None) -> Lock:
    from airbyte_ci.images import unlocked
    from airbyte_ci.python.locks import pylock

    as_of = day(connector, rules)
    if not as_of or builder is None:
        raise LockError(
            f"cannot build {connector.name}: {connector.place} has no lock file",
            advice=(
                f"create one: `airbyte-ci connectors --name={connector.name} lock`, or set a date: "
                "--resolve-as-of=2024-04-01, or resolve-as-of in .airbyte-ci.toml"
            ),
            error_id="lock-missing",
        )
    moment = unlocked.moment(as_of, rules.now)
    if moment is None:
        raise LockError(
            f"cannot build {connector.name} reproducibly: --resolve-as-of=now resolves to different packages on every "
            "run",
            advice=f"airbyte-ci connectors --name={connector.name} lock",
        )
    text = unlocked.text(connector, interpreter, moment, rules.wish(connector), builder)
    found = pylock.select(text, interpreter, f"{connector.place}, as of {as_of}")
    return replace(found, kind=f"resolution as of {as_of}")


def day(connector: Connector, rules: Rules) -> str:
    """Returns the date as of which a connector is resolved: from the option, configuration or uv's `exclude-newer`."""
    if rules.as_of:
        return rules.as_of
    from airbyte_ci.python.locks import toml

    tables = []
    if "uv.toml" in connector.names:
        tables.append(toml.parse(_text(connector, "uv.toml"), f"{connector.relative}/uv.toml"))
    if "pyproject.toml" in connector.names:
        document = toml.parse(_text(connector, "pyproject.toml"), f"{connector.relative}/pyproject.toml")
        tables.append((document.get("tool") or {}).get("uv") or {})
    return next((str(table["exclude-newer"]) for table in tables if "exclude-newer" in table), "")


def _refuse_stale(
    connector: Connector,
    interpreter: Interpreter,
    document: Mapping[str, Any],
    what: str,
    wish: Wish,
    builder: Builder | None,
) -> None:
    """Verifies that a pylock.toml of airbyte-ci matches its recorded requirements; others have no record."""
    from airbyte_ci.images import unlocked

    made = (document.get("tool") or {}).get("airbyte-ci")
    if made is None and document.get("created-by") == "airbyte-ci":
        raise LockError(
            f"{what} is truncated: the last table, [tool.airbyte-ci], is missing",
            advice=f"airbyte-ci connectors --name={connector.name} lock",
            error_id="lock-damaged",
        )
    if not isinstance(made, dict) or made.get("inputs") == unlocked.inputs(connector) or builder is None:
        return
    now = unlocked.asked(connector, interpreter, wish, builder).texts
    changed = sorted(set(now) ^ set(made.get("requires") or ()))
    if changed:
        raise LockError(
            f"{what} does not match the current requirements of {connector.place} ({_some(changed)})",
            advice=f"airbyte-ci connectors --name={connector.name} lock",
            error_id="lock-out-of-date",
        )


def _refuse_other(connector: Connector, interpreter: Interpreter, lock: Lock, what: str, wish: Wish) -> None:
    """Raises LockError if a lock without a record of pyproject.toml does not satisfy it."""
    if "pyproject.toml" not in connector.names:
        return
    from airbyte_ci.python.locks import project, toml

    place = f"{connector.relative}/pyproject.toml"
    document = toml.parse(_text(connector, "pyproject.toml"), place)
    if not project.describes_itself(document):
        return
    versions = {package.name: package.version for package in lock.packages}
    for entry in project.of_pyproject(
        document, interpreter, what=place, groups=wish.groups, extras=wish.extras
    ).entries:
        version = versions.get(entry.name)
        if version is None or (version and not entry.specifier.contains(version, prereleases=True)):
            raise LockError(
                f"{what} does not match pyproject.toml, which requires {entry.name}{entry.specifier}, but the lock has "
                + (version or "no version of it"),
                advice="create the lock again",
                error_id="lock-out-of-date",
            )


def _some(items: Iterable[str]) -> str:
    first, *others = items
    return f"{first} and {len(others)} more" if others else first


def _project(connector: Connector, lock: str) -> str:
    if "pyproject.toml" not in connector.names:
        raise LockError(f"cannot build {connector.name}: {connector.place} has a {lock} but no pyproject.toml")
    return _text(connector, "pyproject.toml")


def _text(connector: Connector, name: str) -> str:
    place = posixpath.normpath(posixpath.join(connector.relative, name))
    try:
        return local_sources.read_text(connector.folder / PurePosixPath(name), connector.folder, place)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise LockError(f"cannot read {place}: {why}") from error
