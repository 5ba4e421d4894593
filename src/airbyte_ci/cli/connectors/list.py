"""`connectors list`: lists connectors, in several formats and orders, or counts them."""

import functools
import sys
from pathlib import Path
from typing import Any

import click

from airbyte_ci.cli import console, facts
from airbyte_ci.cli import fleet as fleets
from airbyte_ci.cli.fleet import Fleet
from airbyte_ci.cli.options import SelectionOptions, with_selection, with_shard
from airbyte_ci.cli.report_file import write_report
from airbyte_ci.cli.settings import Settings
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import UsageError
from airbyte_ci.reports import listing
from airbyte_ci.reports.listing import ListingRow
from airbyte_ci.text import dump_json

# The default format of files, because scripts for the original airbyte-ci read it.
_NAMES = "names as JSON"
_FORMATS = ("table", "names", "json", "csv", "gh-matrix", "json-gh-matrix")


@click.command("list")
@click.option(
    "--format", "format_", type=click.Choice(_FORMATS), default=None, help="Choose the output format (default: table)."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Write to this file: a JSON array of names, unless --format or --json is given.",
)
@click.option(
    "--sort",
    metavar="FIELD",
    help="Sort by a field, such as version, base.behind, lock.kind or data.ab_internal.ql (default: name). "
    "-FIELD sorts in descending order.",
)
@click.option(
    "--offset", type=click.IntRange(min=0), metavar="N", default=0, help="Skip the first N connectors (default: 0)."
)
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="Show at most N connectors (default: all).")
@click.option(
    "--count-by", metavar="FIELD", help="Count connectors by the values of this field instead of listing them."
)
@click.option(
    "--shards",
    type=click.IntRange(1, listing.MATRIX_LIMIT),
    metavar="N",
    help="Split a matrix into N jobs (default: one per connector).",
)
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Also write an HTML page of the fleet: base images, versions behind, and sizes of the images in the store.",
)
@click.option("--history", is_flag=True, help="Show how many connectors used each base image over time, from git.")
@click.option("--assert-none", is_flag=True, help="Fail if any connector is selected (for CI).")
@with_shard
@with_selection
def list_connectors(
    settings: Settings,
    asked: SelectionOptions,
    format_: str | None,
    output: Path | None,
    sort: str | None,
    offset: int,
    limit: int | None,
    count_by: str | None,
    shards: int | None,
    *,
    html: Path | None,
    history: bool,
    assert_none: bool,
) -> int:
    """List connectors with their language, support level, version and base image."""
    kind = format_ or ("json" if settings.as_json else _NAMES if output else "table")
    if shards and not kind.endswith("gh-matrix"):
        raise UsageError("--shards needs a matrix", advice="add --format=gh-matrix")
    fleet = fleets.load(settings, asked)
    every = _rows(fleet, asked)
    if sort:
        _refuse_unknown_field(sort.removeprefix("-"), every)
        every = listing.ordered(every, sort)
    rows = every[offset:] if limit is None else every[offset : offset + limit]
    if history:
        _put(_history(fleet, rows, kind, count_by), output)
    elif count_by:
        _refuse_unknown_field(count_by, rows)
        _put(_counts(rows, count_by, kind), output)
    else:
        width = console.width() if output is None else None
        _put(_text(rows, fleet.total, kind, shards, color=sys.stdout.isatty() and output is None, width=width), output)
    if html:
        _write_page(fleet, rows, html)
    fleet.bases.save()
    fleets.tell_unreadable(fleet)
    if assert_none and rows:
        number = "1 connector is" if len(rows) == 1 else f"{len(rows)} connectors are"
        console.error(f"{number} selected, but --assert-none expects none")
        return 1
    return 1 if fleet.unreadable else 0


def _rows(fleet: Fleet, asked: SelectionOptions) -> list[ListingRow]:
    files = fleet.modified() if asked.selection.modified or asked.selection.metadata_changes else None
    known = facts.of(fleet.bases, fleet.modified)

    def fact(connector: Connector, name: str) -> Any:  # noqa: ANN401  # metadata of any shape
        return known[name](connector)

    return [
        listing.row(
            item,
            functools.partial(fleet.bases.of, item.base_image),
            None if files is None else files[item.relative],
            functools.partial(fact, item),
        )
        for item in fleet.connectors
    ]


def _history(fleet: Fleet, rows: list[ListingRow], kind: str, count_by: str | None) -> str:
    """Returns how many of the listed connectors used each base image over time."""
    from airbyte_ci.campaigns.waves import base_history  # few listings need git
    from airbyte_ci.reports import base_history as history_report

    if count_by or kind not in ("table", "json", _NAMES):
        raise UsageError("--history is a table or JSON", advice="leave out --format and --count-by, or use --json")
    listed = {row.name for row in rows}
    folders = base_history.folders_of(item for item in fleet.connectors if item.name in listed)
    days = base_history.read(fleet.configuration.root, "HEAD", folders, base_history.DAYS)
    if kind == "table":
        return history_report.text(days, console.width()) if days else ""
    return dump_json(history_report.to_json(days), indent=2) + "\n"


def _text(rows: list[ListingRow], total: int, kind: str, shards: int | None, *, color: bool, width: int | None) -> str:
    match kind:
        case "json":
            return listing.to_json(rows)
        case kind if kind == _NAMES:
            return listing.to_names_json(rows)
        case "names":
            return listing.names(rows)
        case "csv":
            return listing.to_csv(rows)
        case "gh-matrix" | "json-gh-matrix":
            return _matrix(rows, shards)
    return listing.table(rows, total, color=color, width=width)


def _matrix(rows: list[ListingRow], shards: int | None) -> str:
    if len(rows) > listing.MATRIX_LIMIT and shards is None:
        raise UsageError(
            f"the matrix has {len(rows)} jobs, and GitHub allows {listing.MATRIX_LIMIT}",
            advice="distribute the connectors over fewer jobs with --shards",
        )
    if not rows:
        fleets.warn("GitHub refuses an empty matrix: guard its job with `if: ….include[0] != null`")
    return listing.matrix(rows, shards)


def _counts(rows: list[ListingRow], place: str, kind: str) -> str:
    counts = listing.counted(rows, place)
    if kind in ("json", _NAMES):
        return dump_json([{"value": value, "connectors": count} for value, count in counts], indent=2) + "\n"
    if kind == "table":
        return listing.counts_table(counts, place)
    raise UsageError(f"--count-by does not support --format={kind}", advice="leave out --format, or use --format=json")


def _write_page(fleet: Fleet, rows: list[ListingRow], path: Path) -> None:
    from airbyte_ci import app  # slow to import, and only a page needs the store
    from airbyte_ci.images import stored_layers
    from airbyte_ci.reports import fleet_page

    store, wanted = app.open_store(), {row.name for row in rows}
    # A connector without `dockerRepository` has no image.
    named = ((item.name, item.data.get("dockerRepository")) for item in fleet.connectors if item.name in wanted)
    found = {name: stored_layers.of(store, repository) for name, repository in named if isinstance(repository, str)}
    layers = {name: held for name, held in found.items() if held}
    write_report(path, fleet_page.html(rows, fleet.total, layers), make_folders=True)


def _refuse_unknown_field(place: str, rows: list[ListingRow]) -> None:
    if (
        rows
        and not listing.is_fact(place)
        and place not in rows[0].to_json()
        and all(item.value(place) is None for item in rows)
    ):
        raise UsageError(
            f"no selected connector has the field {place!r}",
            advice="use one of name, language, supportLevel, version, folder, baseImage, state, base.version, "
            "base.behind, blocked, cdk, enabled.cloud, enabled.oss, lock.kind, has_dockerfile, has_hook, modified, "
            "rollout.mode, or a path below data",
        )


def _put(text: str, output: Path | None) -> None:
    if output is None:
        console.block(text)
        return
    write_report(output, text)
