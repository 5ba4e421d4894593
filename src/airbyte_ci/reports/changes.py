"""Formats changes of connectors as outcomes, for people and as JSON. Pure functions."""

from collections.abc import Sequence

from airbyte_ci.campaigns.changes.change import Change
from airbyte_ci.outcomes import Outcome


def outcome(change: Change, *, with_diff: bool = False) -> Outcome:
    """Returns the outcome of a change; with the diff nothing was written, so there is no next command."""
    counts = change.edit.counts()
    details = [files(change, counts)]
    details += [f"! carried over: {', '.join(change.carried)}"] if change.carried else []
    details += [f"! not carried over: {item}" for item in change.not_carried]
    details += [f"· {', '.join(change.notes)}"] if change.notes else []
    details += _changelog(change)
    proof = change.proof
    is_unproven = proof is not None and not proof.is_proven
    if proof:
        shown = [line.removeprefix("  ") for line in proof.text.splitlines()]
        details += shown if is_unproven else [f"✓ proven: {proof.summary}"]
    return Outcome(
        subject=change.connector,
        status="failed" if is_unproven else "ok",
        summary=change.summary,
        reason=f"{change.summary}, but not proven: {proof.summary}" if proof and is_unproven else "",
        advice="" if with_diff else change.next_step,
        details=tuple(details),
        facts={
            "from": change.before,
            "to": change.after,
            "baseImage": change.base_image,
            "carriedOver": list(change.carried),
            "notCarriedOver": list(change.not_carried),
            "notes": list(change.notes),
            **({"instructions": [item.to_json() for item in change.instructions]} if change.instructions else {}),
            "changelogRowWaits": change.row_waits,
            **({"proof": {"isProven": proof.is_proven, "summary": proof.summary}} if proof else {}),
            "files": [path for path, _, _ in counts],
            **({"diff": change.edit.diff()} if with_diff else {}),
        },
    )


def _changelog(change: Change) -> list[str]:
    entry = change.changelog
    if entry is None or entry.is_written:
        return []
    if change.row_waits:
        return ["! no changelog entry yet: run the command again with the pull request's number"]
    if entry.text.startswith("|"):
        return [f"! add to {entry.page or 'the changelog'}: {entry.text}"]
    return []


def files(change: Change, counts: Sequence[tuple[str, int, int]]) -> str:
    """Returns the changed files: `− Dockerfile  ~ metadata.yaml +3 −1  + build_customization.yaml`."""
    kinds = {item.path: (item.before is None, item.after is None) for item in change.edit.changes}
    parts = []
    for path, added, deleted in counts:
        short = path.removeprefix(f"{change.folder}/")
        is_new, is_gone = kinds[path]
        if is_gone:
            parts.append(f"− {short}")
        elif is_new:
            parts.append(f"+ {short}")
        else:
            numbers = [f"+{added}" if added else "", f"−{deleted}" if deleted else ""]
            parts.append(f"~ {short} {' '.join(number for number in numbers if number)}")
    return "  ".join(parts)
