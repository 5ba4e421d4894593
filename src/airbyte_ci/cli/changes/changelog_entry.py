"""The changelog entry on a migration's command line: the pull request, the text, and whether it is written."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import click

from airbyte_ci import app
from airbyte_ci.campaigns.changes.task import RequestedEntry
from airbyte_ci.campaigns.migrations.migration import ChangelogText, Migration
from airbyte_ci.campaigns.migrations.option import declared
from airbyte_ci.cli.changes.delivering import Destination
from airbyte_ci.config import ChangelogSetting
from airbyte_ci.edits import changelog
from airbyte_ci.errors import UsageError

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


@dataclass(frozen=True, slots=True)
class GivenEntry:
    """The entry as the user gives it. `is_written` is the option --changelog; None without the option.

    `texts` are the arguments, where the text is one of them.
    """

    pull_request: int | None
    subject: str
    is_written: bool | None
    texts: tuple[str, ...] = ()


def arguments(text: ChangelogText) -> Iterator[Decorator]:
    """Yields the argument PR_NUMBER, with the text if that is an argument too."""
    if text.is_argument:
        yield click.argument("texts", nargs=-1, metavar="[PR_NUMBER] CHANGELOG_ENTRY")
    else:
        yield click.argument("pull_request", type=click.IntRange(min=1), required=False, metavar="[PR_NUMBER]")


def options(text: ChangelogText) -> Iterator[Decorator]:
    """Yields --changelog-text, unless the text is an argument."""
    if not text.is_argument:
        shown = f"Set the text of the changelog entry (default: {text.default or text.described})."
        yield click.option("--changelog-text", default="", help=shown)


def read(migration: Migration[Any], destination: Destination, given: dict[str, Any]) -> GivenEntry:
    """Takes the values of the arguments and options above out of `given`.

    Raises UsageError for wrong arguments, for two numbers, and for the number of a pull request that is to be opened.
    """
    texts: tuple[str, ...] = given.pop("texts", ())
    if migration.text.is_argument:
        argument, subject = _split(texts, migration)
    else:
        argument, subject = given.pop("pull_request"), given.pop("changelog_text")
    option: int | None = given.pop("pull_request_number")
    if (argument or option) and destination.kind == "pull request":
        raise UsageError("the forge assigns the number of a new pull request", advice=f"leave out {argument or option}")
    if argument and option and argument != option:
        raise UsageError(f"two different pull requests are given: {argument} and {option}")
    if subject:
        _refuse_unfit(subject)
    return GivenEntry(argument or option, subject, given.pop("changelog"), texts)


def request(given: GivenEntry, migration: Migration[Any], setting: ChangelogSetting) -> RequestedEntry:
    """Returns the requested entry. Without --changelog, the configuration decides whether it is written."""
    is_wanted = setting.of(migration.id) or given.is_written is True
    is_written = given.is_written is not False
    if migration.text.is_argument and not given.subject:
        if is_wanted and is_written:
            if len(given.texts) < 2:
                raise _misuse(given.texts, migration)
            _refuse_unfit(given.subject)
        is_wanted = False
    return RequestedEntry(
        given.pull_request, given.subject, today=app.written_day(), is_written=is_written, is_wanted=is_wanted
    )


def _split(texts: tuple[str, ...], migration: Migration[Any]) -> tuple[int | None, str]:
    """Parses the forms that scripts use: `7 "text"`, `"text"`, and without a changelog entry `7` or nothing."""
    match texts:
        case ():
            return None, ""
        case (number,) if number.isdigit() and int(number) > 0:
            return int(number), ""
        case (number, subject) if number.isdigit() and int(number) > 0:
            return int(number), subject
        case (subject,):
            return None, subject
    raise _misuse(texts, migration)


def _misuse(texts: tuple[str, ...], migration: Migration[Any]) -> UsageError:
    own = " ".join(item.spelling for item in declared(migration.options).values() if item.kind == "argument")
    return UsageError(
        f"{migration.id} takes {own} [PR_NUMBER] CHANGELOG_ENTRY, not {' '.join(map(repr, texts)) or f'only {own}'}",
        advice=f"for example: {migration.text.example}; the text is optional with --no-changelog",
    )


def _refuse_unfit(subject: str) -> None:
    """Raises UsageError for a text that does not fit into a table."""
    if not changelog.is_subject(subject):
        raise UsageError(f"the changelog entry must be one non-empty line, not {subject!r}")
