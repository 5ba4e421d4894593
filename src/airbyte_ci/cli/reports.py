"""The `reports` group: joins what the jobs of a CI run reported."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from airbyte_ci.cli import console
from airbyte_ci.cli.lazy import LazyGroup
from airbyte_ci.cli.options import json_option
from airbyte_ci.cli.report_file import write_report
from airbyte_ci.cli.settings import Settings
from airbyte_ci.errors import UsageError

_COMMANDS: Mapping[str, tuple[str, str, str]] = {
    "merge": ("airbyte_ci.cli.reports", "merge", "Join the JSON reports of several jobs."),
}
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group("reports", cls=LazyGroup, lazy=_COMMANDS)
def reports() -> None:
    """Join the reports of the jobs of a CI run."""


@click.command("merge")
@click.argument("paths", metavar="FILE...", nargs=-1, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=_FILE, metavar="FILE", help="Write the joined JSON, one document per line.")
@click.option("--html", type=_FILE, metavar="FILE", help="Write an HTML page of all results.")
@click.option(
    "--markdown", type=_FILE, metavar="FILE", help="Write a summary in Markdown, such as $GITHUB_STEP_SUMMARY."
)
@click.option("--github-annotations", is_flag=True, help="Also print GitHub Actions annotations.")
@json_option
@click.pass_obj
def merge(
    settings: Settings,
    paths: tuple[Path, ...],
    *,
    output: Path | None,
    html: Path | None,
    markdown: Path | None,
    github_annotations: bool,
    as_json: bool,
) -> int:
    """Join files that `build`, `test`, `check` or `publish` wrote with --json, or all `.json` files of a folder.

    The exit code is 1 if any connector failed or the report of a shard is missing, so one required job is enough for
    all jobs of a CI run. If two files have a result of the same command for a connector, the later file is used.
    """
    from airbyte_ci.reports import merged

    settings = settings.also(as_json=as_json)
    if not paths:
        raise UsageError("no file is named", advice="name the files that the jobs wrote with --json")
    found = merged.merge((str(path), _read(path)) for path in _files(paths))
    lines = "".join(f"{line}\n" for line in merged.to_json(found))
    if output:
        write_report(output, lines, make_folders=True)
    if html:
        from airbyte_ci.reports import results_page

        write_report(html, results_page.html(found.results, merged.title(found)), make_folders=True)
    if markdown:
        from airbyte_ci.reports import results_summary

        write_report(markdown, results_summary.markdown(found.results, merged.title(found)), make_folders=True)
    console.block(lines if settings.as_json else merged.lines(found))
    if github_annotations:
        from airbyte_ci.reports import annotations

        console.commands(annotations.commands(found.results), err=settings.as_json)
    for shard in found.missing:
        console.error(f"the report of shard {shard} is missing")
    return int(found.is_failed)


def _files(paths: tuple[Path, ...]) -> Iterator[Path]:
    for path in paths:
        yield from sorted(path.rglob("*.json")) if path.is_dir() else [path]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
