"""Formats the catalog of base images as a table and as JSON, with the users of each version."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from airbyte_ci.base_images.catalog import catalog
from airbyte_ci.base_images.catalog.catalog import BaseImageVersion
from airbyte_ci.reports import columns
from airbyte_ci.text import join_lines, plural

Users = Mapping[tuple[str, str], Sequence[str]]

# Users of a version whose support ends within this time should plan to move.
_SOON = timedelta(days=90)


def table(
    versions: Sequence[BaseImageVersion], users: Users, today: date, elsewhere: int, width: int | None = None
) -> str:
    """Returns a table of the versions, newest first, and a summary line.

    `elsewhere` is the number of connectors on images that are not in the catalog.
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
    unknown = f" · {elsewhere} on images that are not in the catalog" if elsewhere else ""
    counted = f"{plural(len(versions), 'version')} · {plural(on, 'connector')} on them"
    fitted = columns.lines(rows, width=width, drop=(2,), shorten=(5,))
    return fitted + join_lines([*(f"· {line}" for line in notes), f"{counted}{unknown}"])


def _notes(item: BaseImageVersion, users: Users, today: date) -> list[str]:
    """Returns notes for which the table has no column, such as the reason of a yank or the end of support."""
    said = [line for line in catalog.objections(item, today) if line.startswith(("yanked", "support", "caution"))]
    is_near = item.supported_until is not None and item.supported_until < today + _SOON
    if is_near and not item.is_expired(today) and users.get((item.repository, item.version)):
        said.append(f"is supported until {item.supported_until}")
    return said


def document(item: BaseImageVersion, users: Users, today: date) -> dict[str, Any]:
    """Returns the JSON document of a version; user, verified and state are always present."""
    names = list(users.get((item.repository, item.version), ()))
    always = {"user": item.user, "verified": item.verified, "state": state(item, today)}
    return {"repository": item.repository, **item.to_json(), **always, "usedBy": names}


def state(item: BaseImageVersion, today: date) -> str:
    """Returns the most important state of a version, in one or two words."""
    if item.withdrawal:
        return "yanked"
    if item.is_expired(today):
        return "expired"
    if item.is_prerelease:
        return "pre-release"
    return "released" if item.verified else "sighted only"


def moving(ways: Mapping[str, Sequence[str]]) -> str:
    """Returns the command that moves connectors, by target version; an empty target is the newest of the same major."""
    return " && ".join(
        f"airbyte-ci connectors {' '.join(f'--name={name}' for name in names)} "
        f"upgrade_base_image{f' --to {version}' if version else ''}"
        for version, names in ways.items()
    )
