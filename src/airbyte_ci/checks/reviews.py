"""A pull request on GitHub: the files that it changes, who approved it, and whether the approval is current."""

import functools
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal

from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.git import git
from airbyte_ci.git.github import TOKENS, GitHubRepository, converted_errors, open_client

# GitHub lists no more files than these, so a file that is not listed may still be changed:
# https://docs.github.com/rest/pulls/pulls#list-pull-requests-files
_FILES_LISTED = 3000
# A comparison of two commits lists no more: https://docs.github.com/rest/commits/commits#compare-two-commits
_FILES_COMPARED = 300
# A comment does not replace an earlier approval or objection.
_DECIDING = ("APPROVED", "CHANGES_REQUESTED", "DISMISSED")
# Stale: the file was changed after it was approved.
Approval = Literal["approved", "stale", "none"]


class Reviews:
    """The reviews of one pull request. Each request to GitHub is sent once, and only when it is needed.

    `root` is in a clone of the repository; commits are compared there first, and on GitHub otherwise.
    """

    def __init__(self, repository: GitHubRepository, pull_request: int, root: Path) -> None:
        self._doing = f"cannot read pull request {pull_request} of {repository} on GitHub"
        self._github = open_client(repository)
        self._root = root
        self._repository = self._github.get_repo(repository.name)
        self._pull = self._repository.get_pull(pull_request)
        self._files = functools.cache(self._changed_files)
        self._approvers = functools.cache(self._latest_approvals)
        self._head = functools.cache(lambda: str(self._pull.head.sha))
        self._compared = functools.cache(self._compare)
        self._is_member = functools.cache(self._asked_for_member)

    def close(self) -> None:
        self._github.close()

    def changes(self, path: str) -> bool:
        """Returns whether the pull request changes a file (path from the repository's root)."""
        with self._as_own_errors():
            files = self._files()
            return path in files or len(files) >= _FILES_LISTED

    def approval(self, path: str, owners: Iterable[str]) -> Approval:
        """Returns whether the latest review of an owner (`@person`, or in `@org/team`) approves the current content.

        Raises AirbyteCiError where that is unknown, for example because a commit no longer exists.
        """
        with self._as_own_errors():
            result: Approval = "none"
            unknown: AirbyteCiError | None = None
            for commit in self._approvals_of(owners):
                try:
                    if not self._is_changed_since(commit, path):
                        return "approved"
                    result = "stale"
                except AirbyteCiError as error:
                    unknown = error
            if unknown:
                raise unknown
            return result

    def _approvals_of(self, owners: Iterable[str]) -> Iterator[str]:
        """Yields the commits that owners approved; asks GitHub about membership only as far as the caller iterates."""
        found = sorted(self._approvers().items())
        return (commit for owner in owners for person, commit in found if self._is_owner(person, owner))

    def _is_changed_since(self, commit: str, path: str) -> bool:
        if commit == self._head():
            return False
        if commit and (known := git.differs(self._root, path, commit, self._head())) is not None:
            return known
        if not commit:
            raise AirbyteCiError(f"{self._doing}: GitHub does not report which commit was approved")
        with self._as_own_errors():
            there, here = self._compared(self._head(), commit), self._compared(commit, self._head())
        if path not in here.keys() | there.keys() and max(len(here), len(there)) >= _FILES_COMPARED:
            raise AirbyteCiError(
                f"{self._doing}: {path} cannot be compared, because GitHub lists only a part of the changes since "
                f"{commit:.12}"
            )
        return here.get(path) != there.get(path)

    def _compare(self, base: str, head: str) -> dict[str, str]:
        """Returns the changes of files from the merge base with `base` to `head`; equal texts mean equal files."""
        files = self._repository.compare(base, head).files
        return {file.filename: "" if file.status == "removed" else file.sha for file in files} | {
            file.previous_filename: "" for file in files if file.status == "renamed"
        }

    def _is_owner(self, person: str, owner: str) -> bool:
        if team := team_of(owner):
            return self._is_member(team, person)
        return owner.startswith("@") and owner[1:].lower() == person.lower()

    def _changed_files(self) -> frozenset[str]:
        files = list(self._pull.get_files())
        return frozenset(path for file in files for path in (file.filename, file.previous_filename) if path)

    def _latest_approvals(self) -> dict[str, str]:
        """Returns the people whose latest approval or objection is an approval, and the commit that each approved."""
        latest: dict[str, tuple[str, str]] = {}
        for review in self._pull.get_reviews():
            # The account of a reviewer may have been deleted.
            if review.user is not None and review.state in _DECIDING:
                latest[review.user.login] = review.state, review.commit_id or ""
        return {person: commit for person, (state, commit) in latest.items() if state == "APPROVED"}

    def _asked_for_member(self, team: tuple[str, str], person: str) -> bool:
        import github

        organisation, slug = team
        found = self._github.get_organization(organisation).get_team_by_slug(slug)
        try:
            return bool(found.get_team_membership(person).state == "active")
        except github.UnknownObjectException:
            found.update()  # 404 can also mean that the token may not see the team
            return False

    def _as_own_errors(self) -> AbstractContextManager[None]:
        """Converts GitHub's refusals and connection failures in a block to one clear line."""
        permission = f"set {TOKENS[0]} to a token that may read the pull request and the organization's members"
        return converted_errors(self._doing, permission=permission, otherwise="run the check again later")


def team_of(owner: str) -> tuple[str, str] | None:
    """Returns (organization, team) of `@org/team`; None for a person."""
    organisation, slash, slug = owner.removeprefix("@").partition("/")
    return (organisation, slug) if slash and owner.startswith("@") else None
