"""Pull requests on GitHub and GitHub Enterprise: finds them by head branch, opens drafts, completes them."""

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from airbyte_ci.campaigns.delivery import wording
from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.git.github import TOKENS, GitHubRepository

# GitHub's rules for creating content: https://docs.github.com/rest/using-the-rest-api/best-practices
_SECONDS_BETWEEN_WRITES = 1.0


@dataclass(frozen=True, slots=True)
class PullRequest:
    """An open pull request: its number and its page."""

    number: int
    url: str
    handle: Any


class PullRequests:
    """The pull requests of one repository into one branch. Methods raise AirbyteCiError; none reveals the token."""

    def __init__(self, repository: GitHubRepository, target: str) -> None:
        import github  # slow to import, and only pull requests need it

        self._name, self._target = repository.name, target
        self._where = str(repository)
        self._github = github.Github(
            base_url=repository.api,
            auth=github.Auth.Token(repository.token),
            per_page=100,
            retry=github.GithubRetry(total=3),
            lazy=True,
            seconds_between_requests=0,
            seconds_between_writes=_SECONDS_BETWEEN_WRITES,
        )
        self._repository = self._github.get_repo(repository.name)

    def close(self) -> None:
        self._github.close()

    def of(self, branch: str) -> PullRequest | None:
        """Returns the open one of a branch. One that was closed without a merge was rejected by a person, so it is
        refused.
        """
        owner = self._name.partition("/")[0]
        with self._told(f"looking for the pull request of {branch}"):
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
        with self._told(f"opening the pull request of {branch}"):
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
        with self._told(f"finishing pull request {pull.number}"):
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

    @contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        """Converts GitHub's refusals and connection failures to one clear line."""
        import requests

        import github

        doing = f"{doing} in {self._where}"
        try:
            yield
        except github.BadCredentialsException as error:
            raise AirbyteCiError(f"{doing}: the token is not valid", advice=f"set {TOKENS[0]}") from error
        except github.GithubException as error:
            advice = "run it again, it goes on where it was"
            if error.status in (403, 404):
                advice = f"give a token in {TOKENS[0]} that may write pull requests and contents"
            raise AirbyteCiError(f"{doing}: {_said(error)}", advice=advice) from error
        except requests.RequestException as error:
            advice = "run it again, it goes on where it was"
            raise AirbyteCiError(f"{doing}: {type(error).__name__}: it does not answer", advice=advice) from error


def _said(error: Any) -> str:  # noqa: ANN401  # an error of PyGithub, which is imported late
    data = error.data if isinstance(error.data, dict) else {}
    reasons = [str(item.get("message")) for item in data.get("errors", []) if isinstance(item, dict)]
    message = data.get("message") or error.message or ""
    return " ".join([str(error.status), str(message), *(f"({reason})" for reason in reasons)]).strip()
