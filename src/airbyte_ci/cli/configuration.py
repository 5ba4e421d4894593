"""The `config` group: shows the effective configuration, and prints the JSON Schema of the file."""

import os
from collections.abc import Iterator, Mapping

import click
from click.core import ParameterSource

from airbyte_ci import config
from airbyte_ci.campaigns.migrations.table import MIGRATIONS
from airbyte_ci.cli import console
from airbyte_ci.cli.lazy import LazyGroup
from airbyte_ci.cli.options import json_option
from airbyte_ci.cli.settings import Settings
from airbyte_ci.reports import effective_configuration as report
from airbyte_ci.reports.effective_configuration import Origin, Setting

_COMMANDS: Mapping[str, tuple[str, str, str]] = {
    "show": ("airbyte_ci.cli.configuration", "show", "Show every setting and where its value comes from."),
    "schema": ("airbyte_ci.cli.configuration", "schema", "Print the JSON Schema of the configuration file."),
}
_ORIGINS: Mapping[ParameterSource, Origin] = {
    ParameterSource.COMMANDLINE: "option",
    ParameterSource.ENVIRONMENT: "environment",
}
# Global options that shape a command's output and nothing else.
_OF_OUTPUT = {"as_json", "quiet", "version", "help"}


@click.group("config", cls=LazyGroup, lazy=_COMMANDS)
def configuration() -> None:
    """Show the effective configuration, and print the JSON Schema of the file."""


@click.command("show")
@json_option
@click.pass_context
def show(context: click.Context, *, as_json: bool) -> int:
    """Show the value of every setting, and the file and line, environment variable or option that sets it.

    Values that the repository's files imply have the origin `layout`, all others `default`.
    """
    settings: Settings = context.obj.also(as_json=as_json)
    found = config.find(settings.repo, MIGRATIONS)
    shown = [*report.of_keys(found), *report.of_variables(os.environ), *_options(context.find_root())]
    if settings.as_json:
        file = found.file and str(found.file)
        document = {"root": str(found.root), "file": file, "settings": [item.to_json() for item in shown]}
        console.document(document)
        return 0
    console.line(f"repository  {found.root}")
    console.line(f"file        {found.file or f'none; create one with: airbyte-ci init ({config.FILE})'}")
    console.line()
    console.block(report.lines(shown, console.width(), lambda text: click.style(text, dim=True)))
    return 0


@click.command("schema")
def schema() -> int:
    """Print the JSON Schema (draft 7) of the configuration file, which editors use to complete and check it."""
    from airbyte_ci.checks import all_checks
    from airbyte_ci.reports import configuration_schema

    console.document(configuration_schema.schema(MIGRATIONS, (rule.id for rule in all_checks.RULES)), indent=2)
    return 0


def _options(root: click.Context) -> Iterator[Setting]:
    """Yields the global options."""
    for option in root.command.params:
        if not isinstance(option, click.Option) or option.hidden or option.name in _OF_OUTPUT:
            continue
        name = str(option.name)
        value = root.params.get(name)
        source = root.get_parameter_source(name)
        origin = _ORIGINS.get(source, "default") if source else "default"
        yield Setting(option.opts[0], value if value is None or isinstance(value, bool) else str(value), origin)
