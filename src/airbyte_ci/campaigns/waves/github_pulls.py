"""Reads and merges the pull requests of a campaign by GitHub's GraphQL API, which answers for 100 branches at once.

Look here for the queries; https://docs.github.com/graphql/reference describes their types.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from airbyte_ci.campaigns.waves.campaign_file import MergeMethod
from airbyte_ci.campaigns.waves.state import Checks, PullState, PullStatus, parse_time
from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.git.github import GitHubRepository, converted_pull_errors, open_client

PAGE = 100
# A branch may have had several pull requests: an open or a merged one is preferred to closed ones.
_PER_BRANCH = 5
_PULL = """fragment pull on PullRequest {
  id number url state isDraft isCrossRepository createdAt mergedAt headRefName headRefOid baseRefName
  mergeable mergeStateStatus isInMergeQueue autoMergeRequest { enabledAt } mergeCommit { oid }
  commits(last: 1) { nodes { commit { statusCheckRollup { state } } } }
}"""
_CHECKS: Mapping[str, Checks] = {
    "SUCCESS": "success",
    "FAILURE": "failure",
    "ERROR": "failure",
    "PENDING": "pending",
    "EXPECTED": "pending",
}
_FAILURES = (500, 502, 503, 504)
# https://docs.github.com/graphql/reference/enums#mergestatestatus
_MERGEABLE = ("CLEAN", "HAS_HOOKS")
# GitHub merges automatically only what is blocked: it refuses UNSTABLE, and UNKNOWN is computed until the next run.
_BLOCKED = ("BLOCKED", "BEHIND")
MUTATIONS: Mapping[str, str] = {
    "mergePullRequest": "pullRequestId: $id, expectedHeadOid: $head, mergeMethod: $method",
    "enablePullRequestAutoMerge": "pullRequestId: $id, expectedHeadOid: $head, mergeMethod: $method",
    "enqueuePullRequest": "pullRequestId: $id, expectedHeadOid: $head",
    "disablePullRequestAutoMerge": "pullRequestId: $id",
    "dequeuePullRequest": "id: $id",
    "closePullRequest": "pullRequestId: $id",
}
_TYPES = {"id": "ID!", "head": "GitObjectID!", "method": "PullRequestMergeMethod!"}


@dataclass(frozen=True, slots=True)
class MergeSettings:
    """How the repository merges: whether it allows automatic merges, and whether the target has a merge queue."""

    allows_automatic: bool = False
    has_queue: bool = False


class GitHubPulls:
    """The pull requests of one repository into the branch `target`. Methods raise AirbyteCiError."""

    def __init__(self, repository: GitHubRepository, target: str) -> None:
        import urllib3  # slow to import, and only campaigns that ask GitHub need it

        self._repository, self._target = repository, target
        # A limit of GitHub is not waited for: the next run continues. Queries and these mutations may be repeated.
        retry = urllib3.Retry(
            total=3,
            status_forcelist=_FAILURES,
            allowed_methods=None,
            backoff_factor=0.2,
            respect_retry_after_header=False,
            raise_on_status=False,
        )
        self._github = open_client(repository, waits=False, retry=retry)
        self.settings = MergeSettings()

    def close(self) -> None:
        self._github.close()

    def read(self, branches: Sequence[str]) -> dict[str, PullState]:
        """Returns the pull request of each branch that has one, with one request for 100 branches.

        Pull requests of forks are ignored: anyone can name a branch there.
        """
        found: dict[str, PullState] = {}
        for start in range(0, len(branches), PAGE):
            part = branches[start : start + PAGE]
            owner, _, name = self._repository.name.partition("/")
            variables = {"owner": owner, "name": name, "base": self._target}
            variables |= {f"h{number}": branch for number, branch in enumerate(part)}
            with self._converted("cannot read the pull requests"):
                answer = self._ask(query(len(part)), variables)["repository"]
            self.settings = MergeSettings(bool(answer["autoMergeAllowed"]), answer["mergeQueue"] is not None)
            for number, branch in enumerate(part):
                if pull := self._chosen(answer[f"p{number}"]["nodes"]):
                    found[branch] = pull
        return found

    def read_by_name(self, branch: Callable[[str], str], names: Sequence[str]) -> dict[str, PullState]:
        """Returns the pull requests of branches by the names of their connectors."""
        found = self.read([branch(name) for name in names])
        return {name: found[branch(name)] for name in names if branch(name) in found}

    def merge(self, pull: PullState, method: MergeMethod) -> None:
        """Merges now, if the branch is still at the same commit."""
        self._mutate("mergePullRequest", pull, method)

    def merge_later(self, pull: PullState, method: MergeMethod) -> None:
        """Has GitHub merge when the required checks succeed, if the branch is still at the same commit."""
        self._mutate("enablePullRequestAutoMerge", pull, method)

    def enqueue(self, pull: PullState) -> None:
        """Adds it to the merge queue, if the branch is still at the same commit."""
        self._mutate("enqueuePullRequest", pull)

    def stop(self, pull: PullState) -> None:
        """Keeps GitHub from merging it."""
        if pull.is_queued:
            self._mutate("dequeuePullRequest", pull)
        if pull.is_automatic:
            self._mutate("disablePullRequestAutoMerge", pull)

    def shut(self, pull: PullState) -> None:
        """Closes it without merging."""
        self._mutate("closePullRequest", pull)

    def _mutate(self, name: str, pull: PullState, method: str = "") -> None:
        given = {"id": pull.node, "head": pull.head, "method": method.upper()}
        with self._converted(f"{name} of pull request {pull.number}"):
            self._ask(mutation(name), {key: value for key, value in given.items() if f"${key}" in MUTATIONS[name]})

    def _ask(self, text: str, variables: Mapping[str, Any]) -> Any:  # noqa: ANN401  # JSON
        _, answer = self._github.requester.graphql_query(text, dict(variables))
        return answer["data"]

    def _chosen(self, nodes: Iterable[Any]) -> PullState | None:
        own = [item for item in nodes if not item["isCrossRepository"] and item["baseRefName"] == self._target]
        pulls = [_pull(item) for item in own]
        order = {"open": 0, "merged": 1, "closed": 2}
        return min(pulls, key=lambda item: (order[item.status], -item.number), default=None)

    def _converted(self, doing: str) -> AbstractContextManager[None]:
        return converted_pull_errors(doing, self._repository)


def query(number: int) -> str:
    """Returns the query for so many branches, whose names are the variables h0, h1, …"""
    declared = "".join(f", $h{index}: String!" for index in range(number))
    order = "orderBy: {field: CREATED_AT, direction: DESC}"
    fields = "\n".join(
        f"    p{index}: pullRequests(headRefName: $h{index}, first: {_PER_BRANCH}, {order}) {{ nodes {{ ...pull }} }}"
        for index in range(number)
    )
    return (
        f"query($owner: String!, $name: String!, $base: String!{declared}) {{\n"
        "  repository(owner: $owner, name: $name) {\n"
        f"    autoMergeAllowed\n    mergeQueue(branch: $base) {{ id }}\n{fields}\n  }}\n}}\n{_PULL}"
    )


def mutation(name: str) -> str:
    """Returns the text of one of MUTATIONS."""
    given = MUTATIONS[name]
    declared = ", ".join(f"${key}: {kind}" for key, kind in _TYPES.items() if f"${key}" in given)
    return f"mutation({declared}) {{ {name}(input: {{{given}}}) {{ clientMutationId }} }}"


def _pull(node: Mapping[str, Any]) -> PullState:
    statuses: Mapping[str, PullStatus] = {"OPEN": "open", "MERGED": "merged", "CLOSED": "closed"}
    try:
        commits = node["commits"]["nodes"]
        rollup = commits[0]["commit"]["statusCheckRollup"] if commits else None
        return PullState(
            number=node["number"],
            url=node["url"],
            head=node["headRefOid"],
            status=statuses[node["state"]],
            checks=_CHECKS[rollup["state"]] if rollup else "none",
            created=parse_time(node["createdAt"]),
            merged=parse_time(node["mergedAt"]) if node["mergedAt"] else None,
            merge_commit=(node["mergeCommit"] or {}).get("oid", ""),
            node=node["id"],
            is_draft=node["isDraft"],
            is_conflicting=node["mergeable"] == "CONFLICTING",
            is_mergeable=node["mergeStateStatus"] in _MERGEABLE,
            is_blocked=node["mergeStateStatus"] in _BLOCKED,
            is_behind=node["mergeStateStatus"] == "BEHIND",
            is_automatic=node["autoMergeRequest"] is not None,
            is_queued=bool(node["isInMergeQueue"]),
        )
    except (LookupError, TypeError, ValueError) as error:
        raise AirbyteCiError(
            f"cannot read a pull request from GitHub's answer: {type(error).__name__}: {error}"
        ) from error
