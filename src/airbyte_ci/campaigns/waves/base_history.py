"""How many connectors were on which base image over time, from git alone."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from airbyte_ci.connectors.connector import METADATA, Connector
from airbyte_ci.errors import UsageError
from airbyte_ci.git import git

NONE = "no base image"
DAYS = 12
_BASE = re.compile(rb"^[ \t]+baseImage:[ \t]*[\"']?([^\s\"'#]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class HistoryDay:
    """One day: the number of connectors by base image (`name:version`)."""

    day: date
    commit: str
    counts: Mapping[str, int]


def folders_of(connectors: Iterable[Connector]) -> frozenset[str]:
    """Returns the names of the connectors' folders in the repository; empty for the repository's root."""
    return frozenset(item.relative.rpartition("/")[2].removeprefix(".") for item in connectors)


def read(
    root: Path, commit: str, folders: Collection[str] | None, points: int, since: date | None = None
) -> list[HistoryDay]:
    """Returns up to so many days of the history of a branch, the oldest first; the first parents count.

    `folders` are the names of connectors' folders; None for all. Reads each version of a metadata.yaml once.
    """
    commits = _sample(_commits(root, commit, since), points)
    trees = {sha: _metadata(root, sha, folders) for _, sha in commits}
    bases = _bases(root, {blob for tree in trees.values() for blob in tree})
    return [HistoryDay(day, sha, dict(Counter(bases[blob] for blob in trees[sha]))) for day, sha in commits]


def _commits(root: Path, commit: str, since: date | None) -> list[tuple[date, str]]:
    """Returns the last commit of each day that touched metadata, the oldest first."""
    limit = (f"--since={since}T00:00:00Z",) if since else ()
    options = ("log", "--first-parent", "--reverse", "--format=%ct %H", *limit)
    # A reference may look like an option, which `git log` would follow, so it is resolved first.
    found = git.ask(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^{{commit}}")
    if found is None or found.returncode:
        reason = f"it is not a commit of {root}"
        raise UsageError(f"cannot read the history of {commit}: {reason}", advice="git fetch origin")
    answer = git.ask(root, *options, found.stdout.decode().strip(), "--", f":(glob)**/{METADATA}")
    if answer is None or answer.returncode:
        raise UsageError(f"cannot read the history of {root}: git cannot list its commits", advice="git fsck")
    days: dict[date, str] = {}
    for line in answer.stdout.decode().splitlines():
        seconds, sha = line.split(" ")
        days[datetime.fromtimestamp(int(seconds), UTC).date()] = sha
    return sorted(days.items())


def _sample(commits: Sequence[tuple[date, str]], points: int) -> list[tuple[date, str]]:
    """Returns the newest commit and others at nearly equal distances in time."""
    if len(commits) <= points:
        return list(commits)
    first, last = commits[0][0], commits[-1][0]
    step = (last - first) / (points - 1)
    wanted = [first + step * number for number in range(points - 1)]
    chosen = {max((item for item in commits if item[0] <= day), default=commits[0]) for day in wanted}
    return sorted({*chosen, commits[-1]})


def _metadata(root: Path, commit: str, folders: Collection[str] | None) -> list[str]:
    """Returns git's names of the metadata files of connectors at a commit."""
    answer = git.ask(root, "ls-tree", "-r", "-z", commit)
    found = []
    for line in answer.stdout.split(b"\0") if answer else ():
        facts, _, path = line.partition(b"\t")
        parts = path.decode("utf-8", "surrogateescape").split("/")
        folder = parts[-2] if len(parts) > 1 else ""
        if parts[-1] == METADATA and (folders is None or folder in folders):
            found.append(facts.split(b" ")[2].decode())
    return found


def _bases(root: Path, blobs: Collection[str]) -> dict[str, str]:
    """Returns the base image in each version of a metadata file; raises UsageError if git lacks one."""
    contents = git.blobs(root, sorted(blobs))
    if missing := len(blobs) - len(contents):
        raise UsageError(f"cannot read the history of {root}: git lacks {missing} files of it", advice="git fsck")
    return {blob: short(base_in(content)) or NONE for blob, content in contents.items()}


def base_in(metadata: bytes) -> str:
    """Returns the address of the base image in a metadata file; empty without one."""
    found = _BASE.search(metadata)
    return found[1].decode(errors="replace") if found else ""


def short(address: str) -> str:
    """Returns `python-connector-base:4.0.2` of an address."""
    return address.partition("@")[0].rpartition("/")[2]


def parse_since(text: str | None, today: date) -> date | None:
    """Parses a day or a number of days such as 90d; raises UsageError."""
    if text is None:
        return None
    if found := re.fullmatch(r"([0-9]{1,5})d", text):
        return today - timedelta(days=int(found[1]))
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"--since {text!r} is neither a date nor a number of days", advice="--since 90d") from error
