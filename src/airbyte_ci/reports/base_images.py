"""The catalogue of base images as a table and for machines, with who uses which version."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from airbyte_ci.base_images import catalogue
from airbyte_ci.base_images.catalogue import BaseImageVersion
from airbyte_ci.reports import columns
from airbyte_ci.text import join_lines

Users = Mapping[tuple[str, str], Sequence[str]]

# Who is on a version that ends this soon should plan to leave it.
_SOON = timedelta(days=90)


def table(
    versions: Sequence[BaseImageVersion], users: Users, today: date, elsewhere: int, width: int | None = None
) -> str:
    """Versions, newest first, each with its Python, user, state, users and address; a last line that counts.

    `elsewhere` connectors are on images that the catalogue does not know.
    """
    rows = [("VERSION", "PYTHON", "USER", "STATE", "USED BY", "ADDRESS")]
    for item in versions:
        used = len(users.get((item.repository, item.version), ()))
        rows.append(
            (
                item.version,
                "?" if item.python == "0" else item.python or "–",
                item.user,
                state(item, today),
                str(used or "–"),
                str(item.address),
            )
        )
    notes = [f"{item.version} {'; '.join(said)}" for item in versions if (said := _notes(item, users, today))]
    on = sum(len(users.get((item.repository, item.version), ())) for item in versions)
    unknown = f" · {elsewhere} on images that it does not know" if elsewhere else ""
    counted = f"{_plural(len(versions), 'version')} · {_plural(on, 'connector')} on them"
    fitted = columns.lines(rows, width=width, drop=(2,), shorten=(5,))
    return fitted + join_lines([*(f"· {line}" for line in notes), f"{counted}{unknown}"])


def _notes(item: BaseImageVersion, users: Users, today: date) -> list[str]:
    """What people must know of a version that the table has no column for: the reason of a yank, an end of support."""
    said = [line for line in catalogue.objections(item, today) if line.startswith(("yanked", "support", "caution"))]
    is_near = item.supported_until is not None and item.supported_until < today + _SOON
    if is_near and not item.is_expired(today) and users.get((item.repository, item.version)):
        said.append(f"is supported until {item.supported_until}")
    return said


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def document(item: BaseImageVersion, users: Users, today: date) -> dict[str, Any]:
    """One version for machines; user, verified and state are always there."""
    names = list(users.get((item.repository, item.version), ()))
    always = {"user": item.user, "verified": item.verified, "state": state(item, today)}
    return {"repository": item.repository, **item.to_json(), **always, "usedBy": names}


def state(item: BaseImageVersion, today: date) -> str:
    """In one or two words, the most important first."""
    if item.withdrawal:
        return "yanked"
    if item.is_expired(today):
        return "expired"
    if item.is_prerelease:
        return "pre-release"
    return "released" if item.verified else "sighted only"


def moving(ways: Mapping[str, Sequence[str]]) -> str:
    """The command that moves connectors, by the version that they go to; empty: the newest of their major version."""
    return " && ".join(
        f"airbyte-ci connectors {' '.join(f'--name={name}' for name in names)} "
        f"upgrade_base_image{f' --to {version}' if version else ''}"
        for version, names in ways.items()
    )
