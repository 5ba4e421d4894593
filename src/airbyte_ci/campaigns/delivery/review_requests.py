"""What delivery needs of a forge: pull requests on GitHub or merge requests on GitLab."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class PullRequest:
    """An open pull request: its number and its page. The forge that returned it knows the form of `handle`."""

    number: int
    url: str
    handle: Any


class ReviewRequests(Protocol):
    """The pull requests of one repository into one branch. Methods raise AirbyteCiError; none reveals the token."""

    @property
    def noun(self) -> str:
        """Returns `pull request` or `merge request`."""

    def of(self, branch: str) -> PullRequest | None:
        """Returns the open one of a branch. One that was closed without a merge is refused."""

    def open(self, branch: str, title: str, body: str) -> PullRequest:
        """Opens a draft, whose number is not in the changelog yet."""

    def finish(self, pull: PullRequest, title: str, body: str, labels: Sequence[str]) -> None:
        """Sets labels, marks it ready for review if it waited for its number, and updates airbyte-ci's text in it."""

    def close(self) -> None:
        """Closes the connections."""
