"""A campaign's change of one connector, as a value: the edit, and the texts for people and pull requests."""

import dataclasses
from dataclasses import dataclass

from airbyte_ci.attest.compare.intended import IntendedChange
from airbyte_ci.campaigns.changes.findings import Finding
from airbyte_ci.campaigns.changes.proof import Proof
from airbyte_ci.edits.changelog import Row
from airbyte_ci.edits.edit import Edit
from airbyte_ci.errors import ConnectorError


class NotApplicable(ConnectorError):
    """A migration has nothing to do for this connector, which is of another kind or already migrated."""


class AlreadyDone(NotApplicable):
    """A connector is already migrated. `subject` is the changelog text of the row that an earlier run may have left."""

    def __init__(self, message: str, *, advice: str | None = None, subject: str = "") -> None:
        super().__init__(message, advice=advice)
        self.subject = subject


@dataclass(frozen=True, slots=True)
class ChangelogEntry:
    """The row of the new version. `page` is its documentation page; `is_written` means that the edit contains it.

    It does not if the number of the pull request is unknown (then `row.pull_request` is a placeholder), if the user
    adds the row (`text` is the line to paste), or if the page has the version already.
    """

    row: Row
    page: str | None
    is_written: bool
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One connector's part of a campaign.

    `title` is one line for a commit or a pull request, `summary` the result (`0.3.9 → 0.3.10 on …`), `before` and
    `after` are versions, `notes` are for review, `next_step` is the next command. `instructions` has the result for
    each part of a Dockerfile. `previous_image` is the image of the previous version, by which a migration to another
    kind of connector can be proven; `intended` are the differences of both images that the change makes on purpose, and
    `proof` is their comparison, if it was requested.
    """

    connector: str
    folder: str
    title: str
    summary: str
    before: str
    after: str
    edit: Edit
    base_image: str | None = None
    changelog: ChangelogEntry | None = None
    notes: tuple[str, ...] = ()
    carried: tuple[str, ...] = ()
    not_carried: tuple[str, ...] = ()
    next_step: str = ""
    instructions: tuple[Finding, ...] = ()
    previous_image: str | None = None
    intended: IntendedChange | None = None
    proof: Proof | None = None

    def with_edit(self, edit: Edit) -> "Change":
        """Returns the same change with another edit, which was read from a plan."""
        return dataclasses.replace(self, edit=edit)

    @property
    def row_waits(self) -> bool:
        """Returns whether the changelog row is written later, when the pull request has a number."""
        return self.changelog is not None and not self.changelog.is_written and not self.changelog.text
