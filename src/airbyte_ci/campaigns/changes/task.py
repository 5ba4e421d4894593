"""The input of a migration: one connector, and the facts that a run gathers once for all connectors."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date

from airbyte_ci.base_images.catalog.catalog import Catalog
from airbyte_ci.campaigns.changes.baseline import Baseline
from airbyte_ci.config import Configuration
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.edits.files import Files

NO_CATALOG = Catalog(())


@dataclass(frozen=True, slots=True)
class RequestedEntry:
    """The changelog entry that the user requests: the pull request (None: unknown so far), the text and the day.

    With an empty `subject` the migration chooses the text. Without `is_written` the row is printed for the user.
    Without `is_wanted` there is no changelog.
    """

    pull_request: int | None
    subject: str
    today: date
    is_written: bool = True
    is_wanted: bool = True


def _prepare_nothing() -> bytes:
    raise AssertionError("the migration prepares nothing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One connector's part of a run. `files` are the repository's, with the edits of the run so far.

    `failed` maps the addresses of base images on which the connector does not work to the reasons. `prepared` waits
    for the result of the migration's `prepare`, and raises its errors.
    """

    connector: Connector
    configuration: Configuration
    files: Files
    baseline: Baseline
    entry: RequestedEntry
    catalog: Catalog = NO_CATALOG
    failed: Mapping[str, str] = field(default_factory=dict)
    prepared: Callable[[], bytes] = _prepare_nothing

    def path_of(self, name: str) -> str:
        """Returns the path in the repository of a file of the connector."""
        return path_of(self.connector, name)

    def read(self, name: str) -> bytes:
        """Returns the content of a file of the connector; empty if it does not exist. Raises EditRefused."""
        return self.files.read(self.path_of(name)) or b""

    def with_subject(self, subject: str) -> "Task":
        """Returns the task with this text for the changelog, unless the user requests another."""
        return dataclasses.replace(self, entry=dataclasses.replace(self.entry, subject=self.entry.subject or subject))


def path_of(connector: Connector, name: str) -> str:
    """Returns the path in the repository of a file of the connector."""
    return connector.path_of(name)
