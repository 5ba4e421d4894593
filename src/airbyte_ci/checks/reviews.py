"""What GitHub knows of a pull request: which files it changes, and who approved it."""

import functools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from airbyte_ci.connectors.github import TOKENS, GitHubRepository
from airbyte_ci.errors import AirbyteCiError

# GitHub lists no more files than these, so what is not among them may be changed all the same:
# https://docs.github.com/rest/pulls/pulls#list-pull-requests-files
_FILES_LISTED = 3000
# A comment leaves an earlier approval or objection as it is.
_DECIDING = ("APPROVED", "CHANGES_REQUESTED", "DISMISSED")


class Reviews:
    """Of one pull request. Everything is asked once, and only when it is needed."""

    def __init__(self, repository: GitHubRepository, pull_request: int) -> None:
        import github  # slow to import, and only pull requests with customisations need it

        auth = github.Auth.Token(repository.token) if repository.token else None
        retry = github.GithubRetry(total=3)
        self._doing = f"asking GitHub about pull request {pull_request} of {repository}"
        self._github = github.Github(
            base_url=repository.api, auth=auth, per_page=100, retry=retry, lazy=True, seconds_between_requests=0
        )
        self._pull = self._github.get_repo(repository.name).get_pull(pull_request)
        self._files = functools.cache(self._changed_files)
        self._approvers = functools.cache(lambda: frozenset(self._latest_approvals()))
        self._is_member = functools.cache(self._asked_for_member)

    def close(self) -> None:
        self._github.close()

    def changes(self, path: str) -> bool:
        """Whether the pull request changes a file (path from the repository's root)."""
        with self._told():
            files = self._files()
            return path in files or len(files) >= _FILES_LISTED

    def approved_by(self, owners: Iterable[str]) -> bool:
        """Whether anybody whose last word is an approval is one of the owners: `@person` or in `@org/team`."""
        with self._told():
            return any(self._is_owner(person, owner) for owner in owners for person in sorted(self._approvers()))

    def _is_owner(self, person: str, owner: str) -> bool:
        if team := team_of(owner):
            return self._is_member(team, person)
        return owner.startswith("@") and owner[1:].lower() == person.lower()

    def _changed_files(self) -> frozenset[str]:
        files = list(self._pull.get_files())
        return frozenset(path for file in files for path in (file.filename, file.previous_filename) if path)

    def _latest_approvals(self) -> Iterator[str]:
        """The people whose latest deciding review approves; GitHub lists reviews in the order of time."""
        latest: dict[str, str] = {}
        for review in self._pull.get_reviews():
            # The account of a reviewer may be gone.
            if review.user is not None and review.state in _DECIDING:
                latest[review.user.login] = review.state
        return (person for person, state in latest.items() if state == "APPROVED")

    def _asked_for_member(self, team: tuple[str, str], person: str) -> bool:
        import github

        organisation, slug = team
        found = self._github.get_organization(organisation).get_team_by_slug(slug)
        try:
            return bool(found.get_team_membership(person).state == "active")
        except github.UnknownObjectException:
            found.update()  # 404 also means that the token may not see the team, which says nothing of the person
            return False

    @contextmanager
    def _told(self) -> Iterator[None]:
        """GitHub's refusals, and a GitHub that cannot be reached, as one clear line."""
        import requests

        import github

        try:
            yield
        except github.BadCredentialsException as error:
            raise AirbyteCiError(f"{self._doing}: the token is not valid", advice=f"set {TOKENS[0]}") from error
        except github.GithubException as error:
            raise AirbyteCiError(f"{self._doing}: {_said(error)}", advice=_advice(error.status)) from error
        except requests.RequestException as error:
            raise AirbyteCiError(f"{self._doing}: {type(error).__name__}: it does not answer") from error


def team_of(owner: str) -> tuple[str, str] | None:
    """(organisation, team) of `@org/team`; None for a person."""
    organisation, slash, slug = owner.removeprefix("@").partition("/")
    return (organisation, slug) if slash and owner.startswith("@") else None


def _said(error: Any) -> str:
    message = error.data.get("message") if isinstance(error.data, dict) else None
    return f"{error.status} {message or error.message or ''}".strip()


def _advice(status: int) -> str:
    if status in (403, 404):
        return f"give a token that may read the pull request and the organisation's members in {TOKENS[0]}"
    return "run it again later"
