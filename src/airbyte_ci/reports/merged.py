"""Joins the JSON of several jobs: the results, worst first, and the shards that reported nothing."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from airbyte_ci.documents import DocumentError, load_json
from airbyte_ci.errors import UsageError
from airbyte_ci.reports import results
from airbyte_ci.reports.results import TITLES, ConnectorResult
from airbyte_ci.text import dump_json, join_lines, plural

_SHARD = re.compile(r"([0-9]{1,5})/([0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class MergedReport:
    """The results of all jobs, the worst first, and the names of shards without a report, such as `2/8 of test`."""

    results: tuple[ConnectorResult, ...]
    missing: tuple[str, ...]

    @property
    def is_failed(self) -> bool:
        return bool(self.missing) or any(item.state == "failed" for item in self.results)


def merge(files: Iterable[tuple[str, bytes]]) -> MergedReport:
    """Returns the results of files by path and contents; raises UsageError for what is not the JSON of a command.

    Of several results of one command for one connector and platform, the last one is used.
    """
    found: dict[tuple[str, str, str], ConnectorResult] = {}
    shards: dict[tuple[str, int], set[int]] = {}
    for path, content in files:
        for item in _parse(path, content):
            platform = item.document.get("platform") if item.command == "build" else ""
            found[item.command, item.name, str(platform)] = item
            if match := _SHARD.fullmatch(str(item.document.get("shard", ""))):
                shards.setdefault((item.command, int(match[2])), set()).add(int(match[1]))
    missing = [
        f"{index}/{count} of {command}"
        for (command, count), seen in sorted(shards.items())
        # Of fewer connectors than shards, the last shards are empty, and report nothing.
        for index in range(1, min(count, sum(key[0] == command for key in found)) + 1)
        if index not in seen
    ]
    return MergedReport(tuple(results.worst_first(found.values())), tuple(missing))


def _parse(path: str, content: bytes) -> Iterator[ConnectorResult]:
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            document = load_json(line)
        except DocumentError as error:
            raise UsageError(f"cannot read {path}, line {number}: {error.reason}") from error
        result = results.parse(document) if isinstance(document, dict) else None
        if result is None:
            raise UsageError(
                f"cannot read {path}, line {number}: it is not the result of a connector",
                advice="name files that `build`, `test`, `check` or `publish` wrote with --json",
            )
        yield result


def title(report: MergedReport) -> str:
    """Returns the title of the page and the summary."""
    names = len({item.name for item in report.results})
    lost = f" · missing: shard {', '.join(report.missing)}" if report.missing else ""
    return f"{plural(names, 'connector')} · all jobs{lost}"


def to_json(report: MergedReport) -> Iterator[str]:
    """Yields the documents of all results, one per line, as the jobs wrote them."""
    return (dump_json(item.document) for item in report.results)


def lines(report: MergedReport) -> str:
    """Returns the text: a line for each failure, and the counts of each command."""
    text = [
        f"✗ {item.name} {item.command}: {part.id}: {part.text}"
        for item in report.results
        for part in item.bad
        if part.state == "failed"
    ]
    for command in TITLES:
        items = [item for item in report.results if item.command == command]
        if items:
            failed = sum(item.state == "failed" for item in items)
            text.append(f"{command}: {plural(len(items), 'connector')}, {failed} failed")
    return join_lines(text or ["no results"])
