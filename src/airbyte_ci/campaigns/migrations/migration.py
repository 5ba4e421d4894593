"""A migration as a value: everything that the command line, the reports and the pull requests know of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from airbyte_ci.campaigns.changes.change import AlreadyDone, Change, NotApplicable
from airbyte_ci.campaigns.changes.task import Task
from airbyte_ci.campaigns.connector_files import waiting
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import ConnectorError, EditRefused

OptionsT = TypeVar("OptionsT")


@dataclass(frozen=True, slots=True)
class Verb:
    """What a migration does, in the forms that messages need: migrate, migrating, migrated."""

    do: str
    doing: str
    done: str


@dataclass(frozen=True, slots=True)
class ChangelogText:
    """The text of the changelog entry, which is also the title of the commit.

    `default` is used if the user gives no text. If it is empty, the plan chooses the text, and `described` says in the
    help which. With an `example` of the whole command, the text is an argument, and required if an entry is written.
    """

    default: str = ""
    described: str = ""
    example: str = ""

    @property
    def is_argument(self) -> bool:
        return bool(self.example)


@dataclass(frozen=True, slots=True)
class Resources:
    """What `prepare` may use: the variables of this process, and airbyte-ci's resolver.

    `resolve` returns a connector's lock file with newer versions: all, or those of the named packages.
    """

    environment: Mapping[str, str]
    resolve: Callable[[Connector, tuple[str, ...]], bytes]


def _accept(_task: Task, _options: object) -> None:
    """Accepts every connector."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration(Generic[OptionsT]):
    """One change that a campaign makes to many connectors.

    `id` names the command, its branches and its pull requests. `plan` returns the change of one connector and writes
    nothing; `require` raises NotApplicable for a connector that the migration is not for. Both raise AlreadyDone if
    nothing is left to do, and EditRefused or ConnectorError if the change cannot be exact. `options` is a dataclass
    with fields of `option`. `deletes` names the files that the plan may delete. `ignores` are options of the original
    airbyte-ci without effect, with the reason.

    A migration with `chooses_base_image` needs the catalog, and offers --try. One that `can_be_proven` must not change
    what the connector does, and offers --prove. What waits for the network is done by
    `prepare`, for several connectors in parallel; the plan receives its result as `task.prepared`.
    """

    id: str
    verb: Verb
    help: str
    options: type[OptionsT]
    plan: Callable[[Task, OptionsT], Change]
    require: Callable[[Task, OptionsT], None] = _accept
    prepare: Callable[[Task, OptionsT, Resources], bytes] | None = None
    text: ChangelogText = ChangelogText()
    deletes: tuple[str, ...] = ()
    ignores: Mapping[str, str] = field(default_factory=dict)
    chooses_base_image: bool = False
    can_be_proven: bool = False


def plan_change(migration: Migration[OptionsT], task: Task, options: OptionsT) -> Change:
    """Returns the change of one connector, or the changelog row that an earlier run could not write.

    Raises NotApplicable if there is nothing to do, EditRefused or ConnectorError if the change cannot be exact.
    """
    task = task.with_subject(migration.text.default)
    try:
        try:
            migration.require(task, options)
            return migration.plan(task, options)
        except AlreadyDone as done:
            if left := waiting.plan(task.with_subject(done.subject)):
                return left
            raise
    except NotApplicable:
        raise
    except (EditRefused, ConnectorError) as error:
        doing = f"{migration.verb.doing} {task.connector.name}"
        raise type(error)(f"{doing}: {error.message}", advice=error.advice) from error
