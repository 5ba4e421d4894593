"""One issue on GitHub, whose body is read and replaced."""

from contextlib import AbstractContextManager
from typing import Any

from airbyte_ci.errors import UsageError
from airbyte_ci.git.github import TOKENS, GitHubRepository, converted_errors, open_client

# Whoever opened an issue may edit it: https://docs.github.com/graphql/reference/enums#commentauthorassociation
_TRUSTED = ("OWNER", "MEMBER", "COLLABORATOR")


class GitHubIssue:
    """An issue by its number. Methods raise AirbyteCiError."""

    def __init__(self, repository: GitHubRepository, number: int) -> None:
        self._doing = f"issue {number} of {repository}"
        self._number = number
        self._github = open_client(repository, waits=False)
        self._repository = self._github.get_repo(repository.name)

    def close(self) -> None:
        self._github.close()

    def read(self) -> str:
        """Returns the body. Raises UsageError for a pull request, and for an issue that an outsider may edit."""
        with self._converted("reading"):
            issue = self._repository.get_issue(self._number)
            raw: dict[str, Any] = issue.raw_data
        if "pull_request" in raw:
            raise UsageError(f"{self._doing} is a pull request", advice="open an issue for the campaign")
        is_bot = (raw.get("user") or {}).get("type") == "Bot"
        if raw.get("author_association") not in _TRUSTED and not is_bot:
            raise UsageError(
                f"{self._doing} was opened by someone who may not write to the repository, and may edit it",
                advice="let a member open another issue",
            )
        return str(raw.get("body") or "")

    def write(self, body: str) -> None:
        """Replaces the body."""
        with self._converted("writing"):
            self._repository.get_issue(self._number).edit(body=body)

    def _converted(self, doing: str) -> AbstractContextManager[None]:
        permission = f"give a token in {TOKENS[0]} that may write issues"
        return converted_errors(f"{doing} {self._doing}", permission=permission, otherwise="run it again later")
