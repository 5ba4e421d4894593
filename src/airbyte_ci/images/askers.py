"""The packages that require a package, from the packages' own metadata if the lock does not record them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from packaging.utils import canonicalize_name

from airbyte_ci.errors import PackageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.python.environment import consistency
from airbyte_ci.python.environment.environment import Choice
from airbyte_ci.python.environment.tools import Tools
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.packages.lock import FromIndex, Lock
from airbyte_ci.python.resolution import remote_metadata
from airbyte_ci.python.sources import metadata


def derived(lock: Lock, choices: Sequence[Choice], tools: Tools, interpreter: Interpreter) -> Lock:
    """Returns the lock with `required_by` in every package; the empty name if no known package requires it."""
    if any(package.required_by for package in lock.packages):
        return lock
    texts = tools.executor.map(lambda choice: _metadata(choice, tools), choices)
    requires = {
        choice.name: metadata.Metadata.parse(text).requires for choice, text in zip(choices, texts, strict=True)
    }
    found = askers(requires, interpreter.markers)
    packages = (replace(item, required_by=tuple(sorted(found.get(item.name) or {""}))) for item in lock.packages)
    return replace(lock, packages=tuple(packages))


def askers(requires: Mapping[str, Sequence[str]], markers: Mapping[str, str]) -> dict[str, set[str]]:
    """Returns the packages that require each package under these markers; extras must be requested by another one."""
    extras = consistency.close_extras(requires, markers)
    found: dict[str, set[str]] = {}
    for name, texts in requires.items():
        for requirement in filter(None, map(consistency.read, texts)):
            if consistency.applies(requirement, markers, extras[name]):
                found.setdefault(canonicalize_name(requirement.name), set()).add(name)
    return {name: others - {name} for name, others in found.items()}


def _metadata(choice: Choice, tools: Tools) -> str:
    """Returns METADATA of the wheel in the store, or from the index; empty if neither has it."""
    if choice.is_source:
        return ""
    digest = Digest(choice.file.sha256)
    try:
        if tools.store.has(digest):
            return metadata.of_wheel(tools.store.path(digest), choice.file.name)
        return _asked(choice, choice.origin, tools) if isinstance(choice.origin, FromIndex) else ""
    except PackageError:
        return ""


def _asked(choice: Choice, origin: FromIndex, tools: Tools) -> str:
    for source in tools.index.sources(origin):
        project = tools.index.project(source, choice.name)
        for file in (file for files in (project.versions if project else {}).values() for file in files):
            if file.filename == choice.file.name and file.sha256 == choice.file.sha256:
                return remote_metadata.of_wheel(tools.store, tools.index, source, file)
    return ""
