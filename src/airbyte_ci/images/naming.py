"""Names of images: tags and places with placeholders, filled in for each connector.

All errors in them are found before anything is built.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import ConnectorError, MetadataError, UsageError
from airbyte_ci.images.order import Order
from airbyte_ci.oci.reference import is_tag

_PLACEHOLDERS = ("name", "version", "commit")
_KNOWN = ", ".join(f"{{{name}}}" for name in _PLACEHOLDERS)
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_COMMIT_DIGITS = 12
# A full semantic version, which always names the same image; `dev`, `latest`, `1` and `1.2` may move.
_RELEASE = r"v?\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?"


def is_release(tag: str, version: str) -> bool:
    """Whether a tag names a release of the connector, so it must not move to another image."""
    return tag == version or re.fullmatch(_RELEASE, tag) is not None


def refuse_unknown(option: str, templates: Iterable[str]) -> None:
    """Raises UsageError for a text with an unknown placeholder."""
    for template in templates:
        for found in _PLACEHOLDER.findall(template):
            if found not in _PLACEHOLDERS:
                raise UsageError(f"{option} {template!r}: unknown placeholder {{{found}}}", advice=f"use {_KNOWN}")


def fill(template: str, connector: Connector) -> str:
    """Returns the text with the connector's values for placeholders; raises ConnectorError for a missing value."""
    return _PLACEHOLDER.sub(lambda match: _value(match[1], connector), template)


def tag(template: str, connector: Connector) -> str:
    """Returns a tag for the connector; raises UsageError, or ConnectorError if its own values give an invalid tag."""
    refuse_unknown("--tag", [template])
    filled = fill(template, connector)
    if is_tag(filled):
        return filled
    reason = f"{filled!r} is not a valid tag: use up to 128 letters, digits, '_', '.' and '-'"
    if filled == template:
        raise UsageError(f"--tag {reason}")
    raise ConnectorError(f"cannot name the image of {connector.name}: {reason}")


def order_for(connector: Connector, order: Order, *, force: bool) -> Order:
    """The order with tags and destinations filled in for this connector; raises UsageError, ConnectorError.

    Unless `force`, its release tags are fixed.
    """
    tags = tuple(dict.fromkeys(tag(template, connector) for template in order.tags))
    return replace(
        order,
        tags=tags,
        destinations=tuple(replace(item, place=fill(item.place, connector)) for item in order.destinations),
        fixed=frozenset() if force else frozenset(item for item in tags if is_release(item, connector.version)),
    )


def refuse_impossible(connectors: Sequence[Connector], order: Order) -> None:
    """Raises UsageError for options that are wrong for every connector.

    These are unknown placeholders, invalid tags, and files that several images would share.
    """
    refuse_unknown("--tag", order.tags)
    refuse_unknown("--output", (item.place for item in order.destinations))
    for template in order.tags:
        if not _PLACEHOLDER.search(template) and connectors:
            tag(template, connectors[0])
    for item in order.destinations:
        if item.kind == "archive":
            if len(order.platforms) > 1:
                raise UsageError(
                    f"--output={item}: an archive holds one platform, and {len(order.platforms)} are built",
                    advice="use --output=oci:DIR, or build one --architecture at a time",
                )
            _refuse_shared(connectors, item.place)


def twins(connectors: Iterable[Connector]) -> Mapping[str, str]:
    """Returns the connectors whose image name equals that of another one, each with that other one."""
    first: dict[str, str] = {}
    found: dict[str, str] = {}
    for connector in connectors:
        try:
            repository = connector.image_repository
        except MetadataError:
            continue
        other = first.setdefault(repository, connector.name)
        if other != connector.name:
            found |= {connector.name: other, other: found.get(other, connector.name)}
    return found


def twin_error(connector: Connector, other: str, verb: str) -> ConnectorError:
    """Returns the error for a connector whose image name another connector has too."""
    return ConnectorError(
        f"cannot {verb} {connector.name}: {other} has the same dockerRepository, so their images have one name",
        advice="change dockerRepository in one metadata.yaml",
    )


def _refuse_shared(connectors: Sequence[Connector], place: str) -> None:
    """Raises UsageError when two connectors would be written to the same archive."""
    seen: dict[Path, str] = {}
    for connector in connectors:
        try:
            path = Path(fill(place, connector)).resolve()
        except ConnectorError:
            continue  # This connector fails on its own.
        other = seen.setdefault(path, connector.name)
        if other != connector.name:
            raise UsageError(
                f"--output=archive:{place}: an archive holds one image, and {len(connectors)} connectors are selected "
                f"({other} and {connector.name} would both be written to {path})",
                advice=f"use --output=archive:{_with_name(place)} for a file each, or --output=oci:DIR",
            )


def _with_name(place: str) -> str:
    path = Path(place)
    return str(path.with_name(f"{{name}}-{{version}}{''.join(path.suffixes[-1:]) or '.tar'}"))


def _value(name: str, connector: Connector) -> str:
    if name == "name":
        return connector.name
    if name == "version":
        if not connector.version:
            raise ConnectorError(
                f"{connector.relative}/metadata.yaml: data.dockerImageTag is missing, but {{version}} needs it"
            )
        return connector.version
    return _commit(connector)


def _commit(connector: Connector) -> str:
    """Returns the commit of the files, marked if they have uncommitted changes."""
    from airbyte_ci.git import git  # few names hold a commit

    answer = git.ask(connector.folder, "rev-parse", f"--short={_COMMIT_DIGITS}", "HEAD")
    if answer is None or answer.returncode:
        raise ConnectorError(
            f"{connector.name} is not in a git commit, but {{commit}} needs one", error_id="git-repository-missing"
        )
    changed = git.uncommitted(connector.folder, connector.folder)
    return answer.stdout.decode().strip() + ("-dirty" if changed else "")
