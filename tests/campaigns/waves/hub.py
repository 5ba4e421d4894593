"""A GitHub whose pull requests are branches of a real bare repository: it merges, and has checks and a merge queue."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airbyte_ci import app
from airbyte_ci.campaigns.delivery import pull_requests
from tests.campaigns.repositories import CONNECTORS, commit, git, with_remote
from tests.github import double, graphql
from tests.github.description import PUBLIC, Description
from tests.github.double import Answer, Double, Request
from tests.github.hub import TOKEN, GitHub

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@dataclass
class Hub(GitHub):
    """`remote` is the bare repository. `time` is its clock; the rest is what people and settings decide.

    `meanwhile` is called before each request. `limits` is a mutation that GraphQL refuses by its limit.
    """

    remote: Path = Path()
    time: datetime = START
    allows_automatic: bool = True
    has_queue: bool = False
    checks: dict[int, str] = field(default_factory=dict)
    issues: dict[int, dict[str, Any]] = field(default_factory=dict)
    queries: int = 0
    limits: str = ""
    meanwhile: Callable[[Request], None] = lambda _: None

    def pass_time(self, **parts: float) -> None:
        self.time += timedelta(**parts)

    # --- REST ------------------------------------------------------------------------------------

    def answer(self, request: Request, known: Description) -> Answer | None:
        self.meanwhile(request)
        if request.name.endswith("/repos/{owner}/{repo}/issues/{issue_number}"):
            issue = self.issues[int(request.variables["issue_number"])]
            if request.body:
                issue.update(request.body)
                self.done.append("write issue")
            example = known.example("issue")
            del example["pull_request"]
            return 200, {**example, **issue}
        answer = super().answer(request, known)
        for pull in self.pulls.values():
            pull.setdefault("created", self.time)
        return answer

    # --- GraphQL ---------------------------------------------------------------------------------

    def graphql(self, body: Any) -> Any:
        self.queries += 1
        if self.limits and f"{{ {self.limits}(" in body["query"]:
            return {"data": None, "errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]}
        return graphql.executed(
            {
                "repository": self._repository,
                "markPullRequestReadyForReview": self._ready,
                "mergePullRequest": self._merge,
                "enablePullRequestAutoMerge": self._enable,
                "disablePullRequestAutoMerge": self._disable,
                "enqueuePullRequest": self._enqueue,
                "dequeuePullRequest": self._dequeue,
                "closePullRequest": self._close,
            },
            body,
        )

    def _repository(self, _info: Any, owner: str, name: str, **_: Any) -> Any:
        assert (owner, name) == ("acme", "connectors")
        return {
            "autoMergeAllowed": self.allows_automatic,
            "mergeQueue": lambda _info, branch: {"id": "Q"} if self.has_queue and branch == "main" else None,
            "pullRequests": self._of_branch,
        }

    def _of_branch(self, _info: Any, headRefName: str, first: int, **_: Any) -> Any:  # noqa: N803  # GitHub's name
        found = [pull for pull in self.pulls.values() if pull["branch"] == headRefName]
        return {"nodes": [self._node(pull) for pull in sorted(found, key=lambda pull: -pull["number"])[:first]]}

    def _node(self, pull: dict[str, Any]) -> Any:
        number = pull["number"]
        checks = self.checks.get(number)
        rollup = {"state": checks} if checks else None
        state = "MERGED" if pull["merged_at"] else pull["state"].upper()
        is_clean = state == "OPEN" and not pull["draft"] and checks in (None, "SUCCESS")
        return {
            "id": f"PR_{number}",
            "number": number,
            "url": f"https://github.com/acme/connectors/pull/{number}",
            "state": state,
            "isDraft": pull["draft"],
            "isCrossRepository": pull.get("fork", False),
            "createdAt": pull["created"].isoformat(),
            "mergedAt": pull["merged_at"],
            "headRefName": pull["branch"],
            "headRefOid": self.head(pull),
            "baseRefName": pull["base"],
            "mergeable": "CONFLICTING" if pull.get("conflicts") else "MERGEABLE",
            "mergeStateStatus": pull.get("merge state") or ("CLEAN" if is_clean else "BLOCKED"),
            "isInMergeQueue": pull.get("queued", False),
            "autoMergeRequest": {"enabledAt": pull["created"].isoformat()} if pull.get("automatic") else None,
            "mergeCommit": {"oid": pull["merge"]} if pull.get("merge") else None,
            "commits": lambda _info, last: {"nodes": [{"commit": {"statusCheckRollup": rollup}}][:last]},
        }

    def head(self, pull: dict[str, Any]) -> str:
        """The commit of its branch, also after the branch was deleted."""
        if "head" in pull:
            return str(pull["head"])
        return git(self.remote, "rev-parse", f"refs/heads/{pull['branch']}").strip()

    def _given(self, given: Any) -> dict[str, Any]:
        pull = self.pulls[int((given.get("pullRequestId") or given.get("id")).removeprefix("PR_"))]
        if given.get("expectedHeadOid", self.head(pull)) != self.head(pull):
            raise ValueError("Head branch was modified. Review and try the merge again.")
        return pull

    def _ready(self, _info: Any, input: Any) -> Any:  # noqa: A002  # GitHub's name
        pull = self._given(input)
        pull["draft"] = False
        self.done.append(f"ready {pull['number']}")
        return {"pullRequest": {"isDraft": False}}

    def _merge(self, _info: Any, input: Any) -> Any:  # noqa: A002  # GitHub's name
        assert input["mergeMethod"] == "SQUASH"
        self.merge(self._given(input)["number"])
        return {}

    def merge(self, number: int) -> None:
        """Merges into the real branch, as one commit."""
        pull = self.pulls[number]
        head = self.head(pull)
        tree = git(self.remote, "merge-tree", "--write-tree", "main", head).split()[0]
        commit = git(self.remote, "commit-tree", tree, "-p", "main", "-m", f"{pull['title']} (#{number})").strip()
        git(self.remote, "update-ref", "refs/heads/main", commit)
        pull |= {"merge": commit, "head": head, "state": "closed", "merged_at": self.time.isoformat()}
        pull |= {"automatic": False, "queued": False}
        self.done.append(f"merge {number}")

    def _enable(self, _info: Any, input: Any) -> Any:  # noqa: A002  # GitHub's name
        node = self._node(self._given(input))
        if node["mergeStateStatus"] not in ("BLOCKED", "BEHIND"):
            raise ValueError(f"Pull request is in {node['mergeStateStatus'].lower()} status")
        return self._change(input, "automatic", value=True)

    def _disable(self, _info: Any, input: Any) -> Any:  # noqa: A002  # GitHub's name
        return self._change(input, "automatic", value=False)

    def _enqueue(self, _info: Any, input: Any) -> Any:  # noqa: A002  # GitHub's name
        return self._change(input, "queued", value=True)

    def _dequeue(self, _info: Any, input: Any) -> Any:  # noqa: A002  # GitHub's name
        return self._change(input, "queued", value=False)

    def _close(self, _info: Any, input: Any) -> Any:  # noqa: A002  # GitHub's name
        self._given(input)["state"] = "closed"
        return {}

    def _change(self, given: Any, name: str, *, value: bool) -> Any:
        pull = self._given(given)
        pull[name] = value
        self.done.append(f"{name} {pull['number']} {value}")
        return {}


def prepare_fleet(root: Path, home: Path, monkeypatch: pytest.MonkeyPatch, automatic: Iterable[str]) -> None:
    """Commits and pushes a fleet with its campaigns, and works in it; the `automatic` connectors allow automerge."""
    for name in automatic:
        metadata = root / CONNECTORS / name / "metadata.yaml"
        text = metadata.read_text()
        assert "  tags:\n" in text
        metadata.write_text(text.replace("  tags:\n", "  tags:\n    - automerge:campaigns\n"))
    commit(root)
    with_remote(root)
    monkeypatch.setenv("AIRBYTE_CI_HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setattr(pull_requests, "_SECONDS_BETWEEN_WRITES", 0)
    monkeypatch.chdir(root)


@contextlib.contextmanager
def serving(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Iterator[Double]:
    """Runs the hub as the GitHub of this process, whose clock is the hub's."""
    with double.running(PUBLIC, hub.answer, hub.graphql) as running:
        hub.api = running.api
        monkeypatch.setenv("GITHUB_API_URL", running.api)
        monkeypatch.setenv("GITHUB_REPOSITORY", "acme/connectors")
        monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
        monkeypatch.setattr(app, "now", lambda: hub.time)
        yield running
