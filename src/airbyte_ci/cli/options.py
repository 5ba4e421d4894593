"""Option groups that several commands share, each with one decorator and one value."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from airbyte_ci.cli.settings import Settings
from airbyte_ci.connectors.select import Selection
from airbyte_ci.errors import UsageError
from airbyte_ci.records import dataclass

if TYPE_CHECKING:  # few runs are a part of several
    from airbyte_ci.execution.shard import Shard

NOTHING_ASKED = Selection()
DEFAULT_CONCURRENCY = 5


@dataclass(frozen=True, slots=True)
class SelectionOptions:
    """The selection, whether `--all` was given, and how many connectors to work on at a time.

    `shard` is this run's part of the selection.
    """

    selection: Selection = NOTHING_ASKED
    everything: bool = False
    concurrency: int = DEFAULT_CONCURRENCY
    shard: "Shard | None" = None

    def whole(self, selected: int) -> int:
        """Returns how many connectors `--all` selects, if it is the only filter; else 0."""
        return selected if self.everything and not self.selection and not self.shard else 0

    @property
    def facts(self) -> dict[str, str]:
        """Returns what machine-readable reports say about the selection: the shard."""
        return {"shard": str(self.shard)} if self.shard else {}


@dataclass(frozen=True, slots=True)
class GroupState:
    """The state that the `connectors` group passes to its commands."""

    settings: Settings
    asked: SelectionOptions


F = TypeVar("F", bound=Callable[..., Any])

_SELECTION = (
    click.option("--name", "names", multiple=True, metavar="NAME", help="Select a connector by name; repeatable."),
    click.option(
        "--language",
        "languages",
        multiple=True,
        type=click.Choice(["python", "low-code", "java", "manifest-only"]),
        help="Select connectors of this language; repeatable.",
    ),
    click.option(
        "--support-level",
        "support_levels",
        multiple=True,
        type=click.Choice(["certified", "community", "archived"]),
        help="Select connectors of this support level; repeatable.",
    ),
    click.option(
        "--metadata-query",
        "query",
        default=None,
        metavar="EXPR",
        help="Select connectors for which this expression is true. It may use `data` (the metadata) and the facts "
        "base, blocked, cdk, enabled, has_dockerfile, has_hook, language, lock, modified, name and rollout.",
    ),
    click.option(
        "--modified/--not-modified",
        default=None,
        help="Select only connectors that this branch or uncommitted changes modify; skip archived ones.",
    ),
    click.option(
        "--metadata-changes-only/--not-metadata-changes-only",
        "metadata_changes",
        default=None,
        help="Select only connectors whose metadata.yaml this branch modifies; implies --modified.",
    ),
    click.option(
        "--diffed-branch",
        default=None,
        metavar="REF",
        help="Compare this branch with REF (default: the remote's HEAD).",
    ),
    click.option(
        "--all",
        "everything",
        is_flag=True,
        help="Select every connector. Commands that change or build require it if no filter is given.",
    ),
    click.option(
        "--concurrency",
        type=click.IntRange(min=1),
        metavar="N",
        default=None,
        help=f"Work on up to N connectors at a time (default: {DEFAULT_CONCURRENCY}).",
    ),
)
SELECTION_NAMES = (
    "names",
    "languages",
    "support_levels",
    "query",
    "modified",
    "metadata_changes",
    "diffed_branch",
    "everything",
    "concurrency",
)


def with_options(function: F, options: Sequence[Callable[[F], F]]) -> F:
    """Adds options to a command, whose help lists them in this order."""
    for option in reversed(options):
        function = option(function)
    return function


def selection_options(function: F) -> F:
    """Adds the options of a Selection, to the group and to its commands; `selected` joins the two."""
    return with_options(function, _SELECTION)


def json_option(function: F) -> F:
    """Adds `--json` to a command."""
    return click.option("--json", "as_json", is_flag=True, help="Print results as JSON.")(function)


def junit_option(function: F) -> F:
    """Adds `--junit` to a command."""
    return click.option(
        "--junit", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write a JUnit XML report."
    )(function)


def selected(options: Mapping[str, Any], before: SelectionOptions) -> SelectionOptions:
    """Returns the selection of a command's options, added to that of the group's options."""
    query: str | None = options["query"]
    if query is not None and not query.strip():
        # An unset variable of a shell script must not select the whole fleet.
        raise UsageError("--metadata-query is empty", advice="leave it out, or use an expression over `data`")
    earlier = before.selection
    if earlier.query and query:
        query = f"({earlier.query}) and ({query})"
    return SelectionOptions(
        Selection(
            names=(*earlier.names, *options["names"]),
            languages=(*earlier.languages, *options["languages"]),
            support_levels=(*earlier.support_levels, *options["support_levels"]),
            query=query or earlier.query,
            modified=_later(given=options["modified"], before=earlier.modified),
            metadata_changes=_later(given=options["metadata_changes"], before=earlier.metadata_changes),
            diffed_branch=options["diffed_branch"] or earlier.diffed_branch,
        ),
        options["everything"] or before.everything,
        options["concurrency"] or before.concurrency,
    )


def _later(*, given: bool | None, before: bool) -> bool:
    return before if given is None else given


def with_selection(function: Callable[..., Any]) -> Callable[..., Any]:
    """Calls a command with `(settings, asked, …)`: global and group options joined with its own."""

    @selection_options
    @json_option
    def command(*arguments: object, as_json: bool, shard: "Shard | None" = None, **options: object) -> Any:  # noqa: ANN401  # click's callables
        # Commands of other groups than `connectors` have no options of their group.
        given: GroupState | Settings = click.get_current_context().obj
        state = GroupState(given, SelectionOptions()) if isinstance(given, Settings) else given
        asked = selected({name: options.pop(name) for name in SELECTION_NAMES}, state.asked)
        asked = replace(asked, shard=shard)
        return function(state.settings.also(as_json=as_json), asked, *arguments, **options)

    # click reads the name and the help text from the function.
    return functools.update_wrapper(command, function, updated=())


def with_shard(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--shard` to a command of `with_selection`, which makes it a part of the selection."""
    option = click.option(
        "--shard",
        callback=lambda _context, _option, given: None if given is None else _parse_shard(given),
        metavar="I/N",
        help="Take only part I of N parts of the selected connectors, for the jobs of a CI matrix (default: all).",
    )
    decorated: Callable[..., Any] = option(function)
    return decorated


def _parse_shard(given: str) -> "Shard":
    from airbyte_ci.execution.shard import Shard

    return Shard.parse(given)


def with_distribution(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--dist-tar`, for commands that build Java connectors; the path is absolute."""
    option = click.option(
        "--dist-tar",
        "distribution",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        callback=lambda _context, _option, path: path.absolute() if path else None,
        metavar="FILE",
        help="Build a Java connector from this Gradle distribution (default: the tar in its build/distributions).",
    )
    decorated: Callable[..., Any] = option(function)
    return decorated


def with_framework(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--use-local-cdk` and `--use-cdk-ref`, for commands that install a connector's packages."""
    local = click.option(
        "--use-local-cdk",
        "local_cdk",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        metavar="DIR",
        help="Install airbyte-cdk from this folder instead of the locked version.",
    )
    reference = click.option(
        "--use-cdk-ref",
        "cdk_reference",
        metavar="REF",
        help="Install airbyte-cdk from git: a branch, tag or commit of airbyte-python-cdk, or URL@REF.",
    )
    decorated: Callable[..., Any] = local(reference(function))
    return decorated
