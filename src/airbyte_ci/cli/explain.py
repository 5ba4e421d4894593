"""`explain`: prints the cause and the fix of an error by its id, or the reason of a check."""

import difflib

import click

from airbyte_ci.checks import all_checks
from airbyte_ci.cli import console
from airbyte_ci.cli.options import json_option
from airbyte_ci.cli.settings import Settings
from airbyte_ci.error_pages import PAGES, SECTIONS
from airbyte_ci.errors import UsageError
from airbyte_ci.reports import error_explanation as report

RULES = {rule.id: rule for rule in all_checks.RULES}


@click.command("explain")
@click.argument("error_id", metavar="[ID]", required=False, default="")
@json_option
@click.pass_obj
def explain(settings: Settings, error_id: str, *, as_json: bool) -> int:
    """Explain an error by the id in brackets at the end of its first line, or a check by its id.

    Without an ID, list the ids of all errors.
    """
    as_json = settings.also(as_json=as_json).as_json
    name = error_id.strip("[]")
    if not name:
        if as_json:
            console.document([report.to_json(page) for page in PAGES.values()], indent=2)
        else:
            console.block(report.table(SECTIONS, console.width()))
    elif page := PAGES.get(name):
        if as_json:
            console.document(report.to_json(page), indent=2)
        else:
            console.block(report.lines(page, console.width()))
    elif rule := RULES.get(name):
        if as_json:
            console.document({"id": rule.id, "title": rule.title, "cause": rule.why}, indent=2)
        else:
            console.block(report.rule_lines(rule, console.width()))
    else:
        near = difflib.get_close_matches(name, [*PAGES, *RULES], n=2)
        advice = f"did you mean {' or '.join(near)}?" if near else "`airbyte-ci explain` lists all ids of errors"
        raise UsageError(f"there is no error or check with the id {name!r}", advice=advice)
    return 0
