"""poetry.lock (formats 1.x, 2.0, 2.1) with its pyproject.toml → the packages that one interpreter needs.

The selection is poetry's own: from the project's main dependencies along the lock's, if their markers hold.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from packaging.markers import InvalidMarker
from packaging.requirements import InvalidRequirement
from packaging.specifiers import InvalidSpecifier
from packaging.version import InvalidVersion

from airbyte_ci.errors import LockError
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.locks import poetry_graph, poetry_text, toml
from airbyte_ci.python.packages import constraints
from airbyte_ci.python.packages.lock import MAIN_ONLY, Lock, Wish

# The part of pyproject.toml that poetry hashes to find out whether the lock is current
# (poetry/packages/locker.py). It includes missing legacy keys, unless the project uses the standard tables.
_LEGACY_KEYS = ("dependencies", "source", "extras", "dev-dependencies")
_POETRY_KEYS = (*_LEGACY_KEYS, "group")
_PROJECT_KEYS = ("requires-python", "dependencies", "optional-dependencies")


def select(lock_text: str, pyproject_text: str, interpreter: Interpreter, where: str, wish: Wish = MAIN_ONLY) -> Lock:
    """Returns the main dependencies for this interpreter, and the selected groups and extras; raises LockError.

    `where` is the connector's folder, for messages.
    """
    lock = poetry_text.parse(lock_text, f"{where}/poetry.lock")
    project = toml.parse(pyproject_text, f"{where}/pyproject.toml")
    _check_current(lock, project, where)
    _check_python(lock, interpreter, where)
    try:
        return Lock("poetry", poetry_graph.select(lock, project, interpreter, where, wish))
    except (InvalidMarker, InvalidSpecifier, InvalidVersion, InvalidRequirement) as error:
        reason = str(error).splitlines()[0]
        raise LockError(f"{where}/poetry.lock is invalid: {reason}", error_id="lock-damaged") from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise LockError(
            f"{where}/poetry.lock is damaged: {error!r} where a package was expected",
            advice="`poetry lock`",
            error_id="lock-damaged",
        ) from error


def _check_current(lock: Mapping[str, Any], project: Mapping[str, Any], where: str) -> None:
    metadata = lock.get("metadata")
    recorded = metadata.get("content-hash") if isinstance(metadata, dict) else None
    if recorded is None:
        raise LockError(
            f"{where}/poetry.lock has no content hash: it is truncated", advice="`poetry lock`", error_id="lock-damaged"
        )
    if str(recorded) not in content_hashes(project):
        raise LockError(
            f"{where}/poetry.lock does not match pyproject.toml: the project changed after the lock was created",
            advice=f"cd {where} && poetry lock",
            error_id="lock-out-of-date",
        )


def content_hashes(project: Mapping[str, Any]) -> set[str]:
    """Returns the content hashes that a current lock of this pyproject.toml may have; poetry's rule changed with PEP
    621.
    """
    poetry, table = _table(_table(project, "tool"), "poetry"), _table(project, "project")
    present = {key: poetry[key] for key in _POETRY_KEYS if poetry.get(key) is not None}
    standard = {key: table[key] for key in _PROJECT_KEYS if table.get(key) is not None}
    parts = {"project": standard} if standard else {}
    groups = {"dependency-groups": project["dependency-groups"]} if project.get("dependency-groups") else {}
    # Locks from before poetry had dependency groups stay valid.
    return {
        _sha256({**found, "tool": {"poetry": present}} if found else dict.fromkeys(_LEGACY_KEYS) | present)
        for found in (parts, {**parts, **groups})
    }


def _table(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    table = document.get(key)
    return table if isinstance(table, dict) else {}


def _sha256(content: Mapping[str, Any]) -> str:
    # Dates are not valid in dependencies: poetry fails, so no lock has the resulting digest.
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def _check_python(lock: Mapping[str, Any], interpreter: Interpreter, where: str) -> None:
    wanted = str((lock.get("metadata") or {}).get("python-versions") or "*")
    try:
        admitted = constraints.admits(wanted, interpreter.version)
    except (InvalidSpecifier, InvalidVersion) as error:
        raise LockError(f"{where}/poetry.lock has an invalid Python constraint: {error}") from error
    if not admitted:
        raise LockError(
            f"{where}/poetry.lock is for Python {wanted}, but the base image has Python {interpreter.version}",
            advice="choose a base image with a supported Python, or lock again",
            error_id="lock-for-other-python",
        )
