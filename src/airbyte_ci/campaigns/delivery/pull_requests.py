"""Pull requests on GitHub and GitHub Enterprise: finds them by head branch, opens drafts, completes them."""

import functools
from collections.abc import Sequence
from contextlib import AbstractContextManager

from airbyte_ci.campaigns.delivery import wording
from airbyte_ci.campaigns.delivery.review_requests import PullRequest
from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.git.github import GitHubRepository, converted_pull_errors, open_client

# GitHub's rules for creating content: https://docs.github.com/rest/using-the-rest-api/best-practices
_SECONDS_BETWEEN_WRITES = 1.0


class PullRequests:
    """The pull requests of one repository into one branch. Methods raise AirbyteCiError; none reveals the token.

    A limit of GitHub is waited for, unless `waits` is false: then it is the error GitHubLimit.
    """

    noun = "pull request"

    def __init__(self, repository: GitHubRepository, target: str, *, waits: bool = True) -> None:
        self._hosted, self._target = repository, target
        self._github = open_client(repository, waits=waits, seconds_between_writes=_SECONDS_BETWEEN_WRITES)
        self._repository = self._github.get_repo(repository.name)

    def close(self) -> None:
        self._github.close()

    def of(self, branch: str) -> PullRequest | None:
        """Returns the open one of a branch. One that was closed without a merge was rejected by a person, so it is
        refused.
        """
        owner = self._hosted.name.partition("/")[0]
        with self._converted(f"looking for the pull request of {branch}"):
            found = list(self._repository.get_pulls(state="all", head=f"{owner}:{branch}", base=self._target))
        # Not every GitHub applies `head`: an invalid one is ignored.
        found = [item for item in found if item.head.ref == branch]
        for item in found:
            if item.state == "open":
                return PullRequest(item.number, item.html_url, item)
        latest = max(found, key=lambda item: item.number, default=None)
        if latest is not None and latest.merged_at is None:
            raise AirbyteCiError(
                f"pull request {latest.number} of {branch} was closed without being merged",
                advice=f"open it again ({latest.html_url}), or give another name with --branch",
            )
        return None

    def open(self, branch: str, title: str, body: str) -> PullRequest:
        """Opens a draft, if the repository supports drafts."""
        import github

        create = functools.partial(
            self._repository.create_pull, self._target, branch, title=title, body=wording.draft_body(body)
        )
        with self._converted(f"opening the pull request of {branch}"):
            try:
                made = create(draft=True)
            except github.GithubException as error:
                if error.status != 422 or "draft" not in str(error.data).lower():
                    raise
                made = create()
        return PullRequest(made.number, made.html_url, made)

    def finish(self, pull: PullRequest, title: str, body: str, labels: Sequence[str]) -> None:
        """Sets labels, marks it ready for review if it waited for its number, then updates the parts of airbyte-ci in
        it.

        The mark in the body that it waits is removed last: after an interruption, the next run continues.
        """
        handle = pull.handle
        with self._converted(f"finishing pull request {pull.number}"):
            missing = [name for name in labels if name not in {label.name for label in handle.labels}]
            if missing:
                # `add_to_labels` sends a plain list, which GitHub's description does not have.
                handle.requester.requestJsonAndCheck("POST", f"{handle.issue_url}/labels", input={"labels": missing})
            present = handle.body or ""
            if handle.draft and wording.waits(present):
                handle.mark_ready_for_review()
            wanted = {"body": wording.renewed(present, body)}
            if wording.our_title(present) == wording.shown_title(handle.title):
                wanted["title"] = title
            if wanted["body"] != present.replace("\r\n", "\n") or wanted.get("title", handle.title) != handle.title:
                handle.edit(**wanted)

    def _converted(self, doing: str) -> AbstractContextManager[None]:
        return converted_pull_errors(doing, self._hosted)
