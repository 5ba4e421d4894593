"""The files in which `build`, `test`, `check` and `publish` show their results: HTML and Markdown. Cheap to import."""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from airbyte_ci.cli.options import SelectionOptions
from airbyte_ci.records import dataclass

_FILE = click.Path(dir_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True)
class ResultFiles:
    """The requested files; `command` is the first part of the command line."""

    html: Path | None
    markdown: Path | None
    command: str

    def write(self, documents: Sequence[Mapping[str, Any]], asked: SelectionOptions) -> None:
        """Writes the requested files about the JSON documents of a command; raises UsageError."""
        if not (self.html or self.markdown):
            return
        from airbyte_ci.cli.report_file import write_report
        from airbyte_ci.reports import results

        shard = asked.facts.get("shard", "")
        title = f"{self.command} --shard {shard}" if shard else self.command
        parsed = [found for document in documents if (found := results.parse(document))]
        if self.html:
            from airbyte_ci.reports import results_page

            write_report(self.html, results_page.html(parsed, title), make_folders=True)
        if self.markdown:
            from airbyte_ci.reports import results_summary

            write_report(self.markdown, results_summary.markdown(parsed, title), make_folders=True)


def with_result_files(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--html` and `--markdown` to a command, which receives them as `files`."""

    def command(*arguments: object, html: Path | None, markdown: Path | None, **options: object) -> Any:  # noqa: ANN401  # click's callables
        files = ResultFiles(html, markdown, click.get_current_context().command_path)
        return function(*arguments, files=files, **options)

    # click reads the name, the help text and the inner options from the function.
    functools.update_wrapper(command, function)
    markdown_help = "Write a summary of the results in Markdown, such as $GITHUB_STEP_SUMMARY."
    command = click.option("--markdown", type=_FILE, metavar="FILE", help=markdown_help)(command)
    return click.option("--html", type=_FILE, metavar="FILE", help="Write an HTML page of the results.")(command)
