"""build_customization.lock: which kinds of change a customization may make, as its owners approved them.

Pure: an effect → its kinds; two of them → what is new. Versions, values and files' contents are no kinds: they change
with every update of a base.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from airbyte_ci.build import effects
from airbyte_ci.connectors.customization import LOCK
from airbyte_ci.container.effect import Effect
from airbyte_ci.documents import DocumentError, load_yaml
from airbyte_ci.errors import ConnectorError

_HEADER = """\
# What the customization of this connector changes in its image, by kind: names, no versions and no values.
# Written by `airbyte-ci connectors --name={name} approve_customization`; `check` reports what is new since.
"""
# Folders of one architecture's libraries (Debian's multiarch tuples): the same kind on another platform.
_MULTIARCH = re.compile(r"\b(x86_64|aarch64|arm|i386|powerpc64le|s390x|riscv64)-linux-gnu\w*")


@dataclass(frozen=True, slots=True)
class Kinds:
    """Names without versions or values. `folders` are those into which files were put by hand, at most three deep;
    `replaced` are the base's own files that were changed or removed by hand; `setuid` are files with such a bit.
    """

    packages: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    python: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    setuid: tuple[str, ...] = ()
    users: tuple[str, ...] = ()

    def to_json(self) -> dict[str, list[str]]:
        return {item.name: list(getattr(self, item.name)) for item in fields(self) if getattr(self, item.name)}


_WORDS = {
    "packages": "package",
    "removed": "removed package",
    "python": "Python distribution",
    "variables": "variable",
    "settings": "setting",
    "folders": "files in",
    "replaced": "replaced file",
    "setuid": "set-user-ID file",
    "users": "user",
}


def kinds(found_on: Iterable[Effect]) -> Kinds:
    """The kinds of the effects on several platforms, together."""
    found: dict[str, set[str]] = {item.name: set() for item in fields(Kinds)}
    for effect in found_on:
        by_hand = set(effect.added) - set(effect.packaged)
        found["packages"] |= {name for name, (_, now) in effect.packages.items() if now}
        found["removed"] |= {name for name, (_, now) in effect.packages.items() if not now}
        found["python"] |= {name.lower().replace("_", "-") for name in effect.python}
        found["variables"] |= set(effect.variables)
        found["settings"] |= {_setting(name, now) for name, (_, now) in effect.settings.items()}
        found["folders"] |= {effects.folder(_shown(path)) for path in by_hand}
        found["replaced"] |= {_shown(path) for path in {*effect.changed, *effect.removed} - set(effect.packaged)}
        found["setuid"] |= {_shown(path) for path in effect.setuid}
        found["users"] |= set(effect.users)
    return Kinds(**{name: tuple(sorted(values)) for name, values in found.items()})


def _setting(name: str, now: Any) -> str:
    """By its name; who the image runs as is a kind of its own."""
    return f"User={now or 'root'}" if name == "User" else name


def _shown(path: str) -> str:
    """A path of the image, whatever the architecture."""
    return "/" + _MULTIARCH.sub("MULTIARCH", path)


def new_since(approved: Kinds, now: Kinds) -> tuple[str, ...]:
    """What is there now and was not approved, in words; nothing where all of it was."""
    return tuple(
        f"{_WORDS[item.name]} {name}"
        for item in fields(Kinds)
        for name in getattr(now, item.name)
        if name not in getattr(approved, item.name)
    )


def text(found: Kinds, name: str) -> str:
    """The lock's text, the same for the same kinds."""
    import yaml

    listed = yaml.safe_dump(found.to_json(), sort_keys=False, allow_unicode=True) if found != Kinds() else "{}\n"
    return _HEADER.format(name=name) + listed


def parse(source: str, shown: str) -> Kinds:
    """What `text` wrote; raises ConnectorError that names the file (`shown`)."""
    try:
        document = load_yaml(source)
    except DocumentError as error:
        raise ConnectorError(f"cannot read {shown}: not valid YAML: {error}") from error
    known = {item.name for item in fields(Kinds)}
    if not isinstance(document, Mapping) or set(document) - known:
        raise ConnectorError(
            f"cannot read {shown}: it is not a valid {LOCK}", advice="run approve_customization to create it again"
        )
    values = {}
    for name, listed in document.items():
        if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
            raise ConnectorError(f"cannot read {shown}: {name} must be a list of names", advice="approve_customization")
        values[name] = tuple(listed)
    return Kinds(**values)
