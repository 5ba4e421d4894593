"""A campaign as a file: every edit of a run, which can be reviewed and applied later without changes.

One JSON object per line: the command, then a change per line, then their number. So it can be written during a run, two
plans can be compared, and a truncated plan is detected. A change names the digest of each file before and after, and
contains the new content.
"""

import base64
import contextlib
import hashlib
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from airbyte_ci import disk
from airbyte_ci.campaigns.changes.change import Change, ChangelogEntry
from airbyte_ci.campaigns.changes.findings import Finding
from airbyte_ci.campaigns.changes.proof import Proof
from airbyte_ci.documents import load_json
from airbyte_ci.edits.changelog import Row
from airbyte_ci.edits.edit import Edit, FileChange
from airbyte_ci.edits.files import Files
from airbyte_ci.errors import AirbyteCiError, EditRefused

FORMAT = "airbyte-ci plan 2"
_CHANGES = "changes"
_AGAIN = "make the plan again"


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One file of a planned change: digests (`sha256:…`) before and after, None if the file does not exist."""

    path: str
    before: str | None
    after: str | None
    content: bytes | None


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """One planned change of a connector; `change.edit` is empty, because the files were not read."""

    change: Change
    files: tuple[PlannedFile, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """All changes of a run, in the order in which they build on each other; `command` created them."""

    command: str
    changes: tuple[PlannedChange, ...]


class Writer:
    """Writes a plan line by line; without its `end` the plan is invalid."""

    def __init__(self, file: IO[str], command: str) -> None:
        self._file = file
        self._count = 0
        self._put({"format": FORMAT, "command": command})

    def add(self, change: Change) -> None:
        """Writes a change as the next line."""
        self._put(_document(change))
        self._count += 1

    def end(self) -> None:
        """Writes the last line."""
        self._put({_CHANGES: self._count})

    def _put(self, document: dict[str, Any]) -> None:
        self._file.write(json.dumps(document, ensure_ascii=False) + "\n")


def read(path: Path) -> Plan:
    """Parses a plan; raises AirbyteCiError that names the line for an unreadable or invalid file."""
    try:
        # Texts may contain other line separators.
        lines = path.read_text("utf-8").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise AirbyteCiError(f"reading the plan {path}: {error}") from error
    if lines == [""]:
        raise AirbyteCiError(f"reading the plan {path}: it is empty", advice=_AGAIN)
    number = 0
    try:
        first = load_json(lines[0])
        if first.get("format") != FORMAT:
            raise ValueError(f"its format is {first.get('format')!r}, not {FORMAT!r}")
        changes: list[PlannedChange] = []
        for number, text in enumerate(lines[1:], start=1):
            document = load_json(text)
            if document == {_CHANGES: len(changes)} and number + 1 == len(lines):
                return Plan(str(first["command"]), tuple(changes))
            changes.append(_planned(document))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        is_cut = isinstance(error.__cause__, json.JSONDecodeError) and 0 < number == len(lines) - 1
        what = "it was cut here" if is_cut else f"it is not a plan: {error}"
        raise AirbyteCiError(f"reading the plan {path}, line {number + 1}: {what}", advice=_AGAIN) from error
    raise AirbyteCiError(f"reading the plan {path}: it was cut, its last line is missing", advice=_AGAIN)


def verified(plan: Plan, root: Path) -> tuple[tuple[PlannedChange, Edit], ...]:
    """Returns the edits of a plan for the current files, after checking all of them.

    An edit that is already applied is empty: an interrupted `apply` continues. Raises EditRefused if any file has
    neither the content before nor after its change.
    """
    files = Files(root)
    applied = _applied(plan, files)
    result = []
    for number, planned in enumerate(plan.changes):
        edit = Edit() if number in applied else _edit(planned, files)
        files.record(edit, outside="\0")
        result.append((planned, edit))
    return tuple(result)


def _applied(plan: Plan, files: Files) -> frozenset[int]:
    """Returns the numbers of the changes whose files all have the content after them, or after a later change."""
    # A page that several connectors share changes step by step; its current content shows how far it came.
    behind: dict[str, int] = {}
    for number, planned in enumerate(plan.changes):
        for item in planned.files:
            if _digest(files.read(item.path)) == item.after:
                behind[item.path] = number
    return frozenset(
        number
        for number, planned in enumerate(plan.changes)
        if all(behind.get(item.path, -1) >= number for item in planned.files)
    )


def _edit(planned: PlannedChange, files: Files) -> Edit:
    changes = []
    for item in planned.files:
        content = files.read(item.path)
        digest = _digest(content)
        if digest != item.before:
            what = "is gone" if digest is None else "exists by now" if item.before is None else "has changed"
            raise EditRefused(
                f"applying the plan to {planned.change.connector}: {item.path} {what} since, so nothing was written",
                advice=_AGAIN,
            )
        changes.append(FileChange(item.path, content, item.content))
    return Edit.of(changes)


def write(path: Path, command: str, changes: Iterable[Change]) -> None:
    """Returns the whole file."""
    with open_writer(path, command) as writer:
        for change in changes:
            writer.add(change)


@contextlib.contextmanager
def open_writer(path: Path, command: str) -> Iterator[Writer]:
    """Writes a plan's file during a run; the file appears only when it is complete. Raises OSError."""
    with disk.replace_file(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        try:
            writer = Writer(text, command)
            yield writer
            writer.end()
        finally:
            text.detach()  # flushes, and leaves the file open for its owner


# --- documents ------------------------------------------------------------------------------------


def _document(change: Change) -> dict[str, Any]:
    return {
        "connector": change.connector,
        "folder": change.folder,
        "title": change.title,
        "summary": change.summary,
        "from": change.before,
        "to": change.after,
        "baseImage": change.base_image,
        "previousImage": change.previous_image,
        "proof": change.proof.to_json() if change.proof else None,
        "changelog": _changelog_document(change.changelog),
        "notes": list(change.notes),
        "carriedOver": list(change.carried),
        "notCarriedOver": list(change.not_carried),
        "instructions": [item.to_json() for item in change.instructions],
        "next": change.next_step,
        "files": [_file_document(item) for item in change.edit.changes],
    }


def _file_document(change: FileChange) -> dict[str, Any]:
    document: dict[str, Any] = {
        "path": change.path,
        "before": _digest(change.before),
        "after": _digest(change.after),
    }
    if change.after is not None:
        try:
            document["text"] = change.after.decode()
        except UnicodeDecodeError:
            document["base64"] = base64.b64encode(change.after).decode()
    return document


def _changelog_document(entry: ChangelogEntry | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    return {
        "version": entry.row.version,
        "date": entry.row.date,
        "pullRequest": entry.row.pull_request,
        "subject": entry.row.subject,
        "page": entry.page,
        "isWritten": entry.is_written,
        "text": entry.text,
    }


def _planned(document: dict[str, Any]) -> PlannedChange:
    changelog = document["changelog"]
    change = Change(
        connector=document["connector"],
        folder=document["folder"],
        title=document["title"],
        summary=document["summary"],
        before=document["from"],
        after=document["to"],
        edit=Edit(),
        base_image=document["baseImage"],
        changelog=None if changelog is None else _changelog_entry(changelog),
        notes=tuple(document["notes"]),
        carried=tuple(document["carriedOver"]),
        not_carried=tuple(document["notCarriedOver"]),
        next_step=document["next"],
        # Plans of earlier versions lack it.
        instructions=tuple(Finding(**item) for item in document.get("instructions") or ()),
        previous_image=document.get("previousImage"),
        proof=Proof.from_json(proof) if (proof := document.get("proof")) else None,
    )
    return PlannedChange(change, tuple(_planned_file(item) for item in document["files"]))


def _changelog_entry(document: dict[str, Any]) -> ChangelogEntry:
    row = Row(document["version"], document["date"], document["pullRequest"], document["subject"])
    return ChangelogEntry(row, document["page"], document["isWritten"], document["text"])


def _planned_file(document: dict[str, Any]) -> PlannedFile:
    content: bytes | None = None
    if "text" in document:
        content = document["text"].encode()
    elif "base64" in document:
        content = base64.b64decode(document["base64"], validate=True)
    if _digest(content) != document["after"]:
        raise ValueError(f"the content of {document['path']} is not what its digest says")
    FileChange(document["path"], None, content)  # refuses a path that leads out of the repository
    return PlannedFile(document["path"], document["before"], document["after"], content)


def _digest(content: bytes | None) -> str | None:
    return None if content is None else f"sha256:{hashlib.sha256(content).hexdigest()}"
