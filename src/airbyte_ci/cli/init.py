"""`init`: writes a configuration file for the repository, derived from its files."""

import os
from pathlib import Path

import click

from airbyte_ci.cli import console
from airbyte_ci.cli.options import json_option
from airbyte_ci.cli.settings import Settings
from airbyte_ci.config import FILE, PROJECT, has_table
from airbyte_ci.connectors import survey as surveys
from airbyte_ci.errors import UsageError
from airbyte_ci.reports import configuration as report
from airbyte_ci.text import join_lines


@click.command("init")
@click.option("--force", is_flag=True, help=f"Overwrite an existing {FILE}.")
@click.option("--dry-run", is_flag=True, help="Print the file and write nothing.")
@json_option
@click.pass_obj
def init(settings: Settings, *, force: bool, dry_run: bool, as_json: bool) -> int:
    """Write a commented configuration file for this repository, and print the reason for each value.

    The values come from the repository's files and its git remote. The command does not use the network.
    """
    settings = settings.also(as_json=as_json)
    root = _root(settings.repo.absolute())
    path = root / FILE
    if not dry_run and not force:
        _refuse_overwrite(root, path)
    found = surveys.survey(root)
    text = report.toml(found)
    if not dry_run:
        staged = path.with_name(f"{FILE}.{os.getpid()}.tmp")
        try:
            staged.write_text(text, "utf-8")
            staged.replace(path)
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror}") from error
        finally:
            staged.unlink(missing_ok=True)
    if settings.as_json:
        reasons = {name: {"value": item.value, "reason": item.reason} for name, item in found.proposals.items()}
        console.document({"file": str(path), "isWritten": not dry_run, "keys": reasons, "notes": list(found.notes)})
        return 0
    if dry_run:
        console.content(text)
    else:
        console.line(f"{click.style('✓', fg='green')} wrote {path}")
    console.block(join_lines(report.seen(found)), err=dry_run)
    if not dry_run:
        console.line("next: airbyte-ci connectors list")
    return 0


def _root(start: Path) -> Path:
    """Returns the root of the git repository that contains `start`, else `start` itself."""
    return next((folder for folder in (start, *start.parents) if (folder / ".git").exists()), start)


def _refuse_overwrite(root: Path, path: Path) -> None:
    if path.exists():
        raise UsageError(f"{path} already exists", advice="use --dry-run to print the file, or --force to overwrite it")
    if has_table(root):
        raise UsageError(
            f"{root / PROJECT} has [tool.airbyte-ci], which {FILE} would replace",
            advice="use --dry-run to print the file, or --force to write it anyway",
        )
