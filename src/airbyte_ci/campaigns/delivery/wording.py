"""Texts of commits and pull requests, as pure functions of changes."""

import re
from collections.abc import Sequence

from airbyte_ci.campaigns.changes.change import Change
from airbyte_ci.text import escape, escape_markdown

# GitHub takes 65,536 characters.
_LONGEST = 60_000
_BEGIN, _END = "<!-- airbyte-ci: {title} -->", "<!-- /airbyte-ci -->"
# A title has no `--`, so a search ends where another comment begins: the time is linear in the text's length.
_TITLE = re.compile(r"<!-- airbyte-ci: (?P<title>(?:[^-]|-(?!-))*+)-->")
_UNNUMBERED = "<!-- airbyte-ci waits: a draft until its number is in the changelog -->"
_BASE = re.compile(rb"^[ \t]++baseImage:[ \t]*[\"']?([^\s\"'#]+)", re.MULTILINE)


def branch(template: str, connector: str) -> str:
    """Returns the branch name of a connector."""
    return template.replace("{connector}", connector)


def title(changes: Sequence[Change], command: str) -> str:
    """Returns a title for a pull request."""
    if len(changes) == 1:
        return changes[0].title
    return f"{command.replace('_', ' ')}: {len(changes)} connectors"


def message(change: Change) -> str:
    """Returns a commit's message."""
    points = [f"{change.connector} {change.before} → {change.after}"] if change.before != change.after else []
    points += [_base(change)] if _base(change) else []
    points += [f"carried over: {item}" for item in change.carried]
    points += [f"not carried over: {item}" for item in change.not_carried]
    return "\n".join([change.title, *(["", *(f"* {_line(point)}" for point in points)] if points else [])])


def body(changes: Sequence[Change], command: str) -> str:
    """Returns the description of a pull request, between two comments that mark it as airbyte-ci's."""
    lines = [
        _BEGIN.format(title=shown_title(title(changes, command))),
        "| Connector | Version | Base image |",
        "| --------- | ------- | ---------- |",
    ]
    rows = ((item.connector, _versions(item), _base(item) or "–") for item in changes)
    lines += [f"| {' | '.join(map(escape_markdown, row))} |" for row in rows]
    lines += [line for item in changes for line in _details(item)]
    lines += [line for item in changes if item.proof for line in _proof(item, item.proof.markdown)]
    text, end = "\n".join(lines), f"\n\nMade by `airbyte-ci {command}`.\n{_END}"
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST].rpartition(chr(10))[0]}\n\n… and more than a pull request can say."
    return text + end


def draft_body(text: str) -> str:
    """Returns the body of a pull request whose number is not in the changelog yet."""
    return f"{text}\n{_UNNUMBERED}"


def waits(text: str) -> bool:
    """Returns whether it is a draft because its number is not in the changelog yet, and not by a person's decision."""
    return _UNNUMBERED in text


def renewed(present: str, text: str) -> str:
    """Returns the body with airbyte-ci's part replaced; users' text around it stays."""
    present = present.replace("\r\n", "\n").replace(f"\n{_UNNUMBERED}", "").replace(_UNNUMBERED, "")
    if (found := _find_ours(present)) is None:
        return present  # a user wrote another one
    return present[: found.start()] + text + present[_end_of(found) :]


def our_title(present: str) -> str | None:
    """Returns the title that airbyte-ci gave a pull request, from its body."""
    found = _find_ours(present)
    return found["title"].removesuffix(" ") if found else None


def _find_ours(present: str) -> re.Match[str] | None:
    """Returns the comment at which airbyte-ci's part of a body begins, if the part also ends."""
    found = _TITLE.search(present)
    return found if found and _end_of(found) else None


def _end_of(begin: re.Match[str]) -> int:
    """Returns where airbyte-ci's part ends; 0 if its end is missing."""
    place = begin.string.find(_END, begin.end())
    return place + len(_END) if place >= 0 else 0


def shown_title(text: str) -> str:
    """Returns a title in the form in which the body repeats it."""
    return re.sub("--+", "-", text)


def _versions(change: Change) -> str:
    return change.after if change.before == change.after else f"{change.before} → {change.after}"


def _base(change: Change) -> str:
    """Returns `none → airbyte/python-connector-base:1.2.0`, without the digests; empty if it is unchanged."""
    for item in change.edit.changes:
        if item.path in (f"{change.folder}/metadata.yaml", "metadata.yaml") and item.before and item.after:
            before, after = (_BASE.search(content) for content in (item.before, item.after))
            if after and (before is None or before[1] != after[1]):
                return f"{_short(before[1]) if before else 'none'} → {_short(after[1])}"
    return ""


def _short(address: bytes) -> str:
    return address.decode(errors="replace").partition("@")[0]


def _details(change: Change) -> list[str]:
    points = [*change.notes]
    points += [f"carried over: {item}" for item in change.carried]
    points += [f"not carried over, please look: {item}" for item in change.not_carried]
    # As code, so that no text of a file becomes a mention, a link or markup.
    title = f"**{escape_markdown(change.connector)}**"
    return ["", title, "", *(f"- {_code(point)}" for point in points)] if points else []


def _proof(change: Change, markdown: str) -> list[str]:
    """Returns the comparison of the images, whose text is escaped already."""
    return ["", f"### {escape_markdown(change.connector)}: comparison of the images", "", *markdown.splitlines()]


def _code(text: str) -> str:
    return f"`{_line(text)}`"


def _line(text: str) -> str:
    return escape(" ".join(text.replace("`", "'").split()))
