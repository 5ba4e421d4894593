"""Writing a lock: a connector's resolution for one or more interpreters as the edit that puts pylock.toml beside it."""

from collections.abc import Sequence
from dataclasses import replace

from airbyte_ci.build import lockfile, unlocked
from airbyte_ci.build.rules import Rules
from airbyte_ci.build.unlocked import NOW
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.documents import DocumentError, load_toml
from airbyte_ci.edits.edit import Edit, FileChange
from airbyte_ci.errors import LockError
from airbyte_ci.oci.image import Platform
from airbyte_ci.python.interpreter import Interpreter
from airbyte_ci.python.sdist import Builder

FILE = "pylock.toml"
# `uname -m`, which is what markers say, of OCI's names.
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


def refuse_other(connector: Connector) -> None:
    """Raises LockError where another tool's lock counts: that tool is to make it anew."""
    kind = lockfile.kind(connector)
    command = {"poetry.lock": "poetry lock", "uv.lock": "uv lock", "requirements.txt": "uv pip compile"}.get(kind or "")
    if command:
        raise LockError(
            f"locking {connector.name}: {connector.relative} has a {kind}, which counts",
            advice=f"`{command}`, or airbyte-ci connectors --name={connector.name} upgrade_dependencies",
        )
    if kind == FILE and not _is_ours((connector.folder / FILE).read_bytes()):
        raise LockError(
            f"locking {connector.name}: {connector.relative}/{FILE} was made by another tool",
            advice="make it anew with that tool, or delete it first",
        )


def plan(connector: Connector, interpreters: Sequence[Interpreter], rules: Rules, builder: Builder) -> Edit:
    """The edit that writes the lock; empty where it would change no package. Raises LockError, PackageError.

    Without a day it resolves as of now: what comes out is written down, so it need not be asked again.
    """
    day = lockfile.day(connector, rules) or NOW
    moment = unlocked.moment(day, rules.now)
    wish = rules.wish(connector)
    found = [(item, unlocked.resolution(connector, item, moment, wish, builder)) for item in interpreters]
    text = unlocked.render(
        found, day if moment else unlocked.shown(rules.now.replace(microsecond=0)), unlocked.inputs(connector)
    )
    path = connector.folder / FILE
    before = path.read_bytes() if FILE in connector.names else None
    if before is not None and _packages(before) == _packages(text.encode()):
        return Edit()
    return Edit.of([FileChange(f"{connector.relative}/{FILE}", before, text.encode())])


def on(interpreter: Interpreter, platform: Platform) -> Interpreter:
    """The same Python on another platform: releases of a base image have one Python on all of them."""
    machine = _MACHINES.get(platform.architecture)
    if machine is None:
        raise LockError(
            f"resolving for {platform} is not possible", advice=f"-a linux/{' or -a linux/'.join(_MACHINES)}"
        )
    return replace(interpreter, markers={**interpreter.markers, "platform_machine": machine})


def _is_ours(text: bytes) -> bool:
    try:
        return "airbyte-ci" in (load_toml(text.decode()).get("tool") or {})
    except (UnicodeDecodeError, DocumentError):
        return False  # somebody must look at it


def _packages(text: bytes) -> object:
    """What a lock says but for when it was made."""
    try:
        document = load_toml(text.decode())
    except (UnicodeDecodeError, DocumentError):
        return None
    document.get("tool", {}).get("airbyte-ci", {}).pop("resolved-as-of", None)
    return document
