"""The approvals of a pull request, queried from a GitHub on loopback by its published description."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from airbyte_ci.checks.reviews import Reviews
from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.git.github import GitHubRepository
from tests.checks.repository import Repository
from tests.github import double
from tests.github.description import ENTERPRISE, PUBLIC, Description
from tests.github.double import Answer, Double, Request

HOOK = "connectors/source-x/build_customization.py"
TEAM = "@acme/connector-ops"
HEAD, OLD = "a" * 40, "b" * 40


@dataclass
class PullRequest:
    """The double's state: reviews in order of time; the files; the team's members and their states."""

    reviews: Sequence[tuple[str | None, str]] = ()
    files: Sequence[tuple[str, str]] = ((HOOK, ""),)
    members: dict[str, str] = field(default_factory=dict)
    is_visible: bool = True
    # The last commit; by reviewer the commit they reviewed (the last by default); the results of comparisons.
    head: str = HEAD
    seen: dict[str, str | None] = field(default_factory=dict)
    compared: Mapping[str, Sequence[tuple[str, str, str]]] = field(default_factory=dict)

    def answer(self, request: Request, known: Description) -> Answer | None:
        match request.name:
            case "GET /repos/{owner}/{repo}/pulls/{pull_number}/files":
                return (200, [*self._files(known)]) if request.token == "secret" else (404, _not_found())
            case "GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews":
                return 200, [*self._reviews(known)]
            case "GET /repos/{owner}/{repo}/pulls/{pull_number}":
                example = known.example("pull-request")
                # GitHub's example lacks fields that its schema requires.
                teams = [{**team, "type": "organization"} for team in example["requested_teams"]]
                return 200, {**example, "requested_teams": teams, "head": {**example["head"], "sha": self.head}}
            case "GET /repos/{owner}/{repo}/compare/{basehead}":
                files = self.compared.get(request.variables["basehead"])
                return None if files is None else (200, self._comparison(known, files))
            case "GET /orgs/{org}/teams/{team_slug}":
                return (200, _team(known)) if self.is_visible else None
            case "GET /orgs/{org}/teams/{team_slug}/memberships/{username}":
                state = self.members.get(request.variables["username"]) if self.is_visible else None
                example = known.example("team-membership-response-if-user-is-a-team-maintainer")
                return (200, {**example, "state": state}) if state else None
        return None

    def _reviews(self, known: Description) -> Iterator[Any]:
        (example,) = known.example("pull-request-review-items")
        for number, (person, state) in enumerate(self.reviews):
            user = {**example["user"], "login": person} if person else None
            commit = self.seen.get(person or "", self.head)
            yield {**example, "id": number, "user": user, "state": state, "commit_id": commit}

    def _comparison(self, known: Description, files: Sequence[tuple[str, str, str]]) -> Any:
        example = known.example("commit-comparison")
        file = example["files"][0]
        return {
            **example,
            "files": [{**file, "filename": name, "status": status, "sha": sha} for name, status, sha in files],
        }

    def _files(self, known: Description) -> Iterator[Any]:
        (example,) = known.example("diff-entry-items")
        for name, before in self.files:
            yield {
                **example,
                "filename": name,
                **({"previous_filename": before, "status": "renamed"} if before else {}),
            }


def _team(known: Description) -> Any:
    """GitHub's example lacks fields that its schema requires."""
    example = known.example("team-full")
    return {**example, "type": "organization", "organization": {**example["organization"], "archived_at": None}}


def _not_found() -> dict[str, str]:
    return {"message": "Not Found"}


def asked(running: Double, token: str = "secret", root: Path = Path("/")) -> Reviews:
    return Reviews(GitHubRepository(running.api, "acme/connectors", token), 4711, root)


MEMBERS = {"ann": "active", "Bob": "active", "eve": "pending"}


@pytest.mark.parametrize("github", [PUBLIC, ENTERPRISE])
@pytest.mark.parametrize(
    ("reviews", "owners", "approved"),
    [
        ([("ann", "APPROVED")], [TEAM], True),
        ([("zoe", "APPROVED")], [TEAM], False),  # not in the team
        ([("eve", "APPROVED")], [TEAM], False),  # invited, and not in the team yet
        ([("zoe", "APPROVED")], [TEAM, "@Zoe"], True),  # a person, in any case
        ([("ann", "COMMENTED")], [TEAM], False),
        ([("ann", "APPROVED"), ("ann", "COMMENTED")], [TEAM], True),  # a comment takes nothing back
        ([("ann", "APPROVED"), ("ann", "CHANGES_REQUESTED")], [TEAM], False),
        ([("ann", "CHANGES_REQUESTED"), ("ann", "APPROVED")], [TEAM], True),
        ([("ann", "DISMISSED")], [TEAM], False),
        ([("ann", "APPROVED"), ("ann", "DISMISSED")], [TEAM], False),
        ([("ann", "CHANGES_REQUESTED"), ("Bob", "APPROVED")], [TEAM], True),  # each person has a word of their own
        ([(None, "APPROVED")], [TEAM], False),  # the account was deleted
        ([("zoe", "APPROVED")] * 130 + [("ann", "APPROVED")], [TEAM], True),  # on the second page
        ([("ann", "APPROVED")], ["ann@example.com"], False),  # an address is not a login
        ([], [TEAM], False),
    ],
)
def test_the_last_word_of_each_owner_counts(
    github: str, reviews: list[tuple[str | None, str]], owners: list[str], approved: bool
) -> None:
    """An owner approved if their latest decisive review approves."""
    pull_request = PullRequest(reviews, members=MEMBERS)
    with double.running(github, pull_request.answer) as running:
        assert (asked(running).approval(HOOK, owners) == "approved") is approved


def test_nothing_is_asked_twice() -> None:
    """Each answer of GitHub is requested once for a whole fleet, because its rate limit is shared."""
    pull_request = PullRequest([("ann", "APPROVED"), ("zoe", "APPROVED")], members=MEMBERS)
    with double.running(PUBLIC, pull_request.answer) as running:
        reviews = asked(running)
        for _ in range(3):
            assert (
                reviews.changes(HOOK)
                and reviews.approval(HOOK, [TEAM]) == "approved"
                and not reviews.changes("README.md")
            )
        assert len(running.requests) == 4  # files, reviews, the first member, the last commit


def test_a_file_that_was_renamed_is_changed_under_both_names() -> None:
    """A customization cannot come from, or leave to, another name without a review."""
    pull_request = PullRequest(files=[("other.py", HOOK)])
    with double.running(PUBLIC, pull_request.answer) as running:
        reviews = asked(running)
        assert reviews.changes(HOOK) and reviews.changes("other.py")


def test_beyond_what_github_lists_everything_may_be_changed() -> None:
    """GitHub lists 3,000 files of a pull request; a customization behind them must not go unseen."""
    pull_request = PullRequest(files=[(f"file-{number}", "") for number in range(3000)])
    with double.running(PUBLIC, pull_request.answer) as running:
        assert asked(running).changes(HOOK)


def test_what_the_token_may_not_see_is_not_taken_for_a_no() -> None:
    """A team or a pull request that is hidden from the token is an error that names the token's variable."""
    hidden = PullRequest([("ann", "APPROVED")], members=MEMBERS, is_visible=False)
    with double.running(PUBLIC, hidden.answer) as running:
        with pytest.raises(AirbyteCiError, match=r"pull request 4711 of acme/connectors.*404.*GITHUB_TOKEN"):
            asked(running).approval(HOOK, [TEAM])
        running.problems.clear()
    with double.running(ENTERPRISE, PullRequest().answer) as running:
        with pytest.raises(AirbyteCiError, match="GITHUB_TOKEN"):
            asked(running, token="").changes(HOOK)
        running.problems.clear()


def test_a_github_that_does_not_answer_is_told() -> None:
    """A missing answer is an error that names the request, not a traceback."""
    with double.running(PUBLIC, PullRequest().answer) as running:
        reviews = asked(running)
    with pytest.raises(AirbyteCiError, match="cannot read pull request 4711"):
        reviews.changes(HOOK)


@pytest.mark.parametrize(
    ("since", "before", "approval"),
    [
        ([], [], "approved"),
        ([("README.md", "modified", "c" * 40)], [], "approved"),
        ([(HOOK, "modified", "c" * 40)], [], "stale"),
        ([(HOOK, "removed", "c" * 40)], [], "stale"),
        # The branch was rewritten: both sides changed it since the common commit.
        ([(HOOK, "modified", "c" * 40)], [(HOOK, "modified", "c" * 40)], "approved"),
        ([(HOOK, "modified", "c" * 40)], [(HOOK, "modified", "d" * 40)], "stale"),
        ([], [(HOOK, "added", "c" * 40)], "stale"),
    ],
)
def test_an_approval_is_of_what_was_seen(
    since: list[tuple[str, str, str]], before: list[tuple[str, str, str]], approval: str
) -> None:
    """An approval is valid as long as the file equals that of the last commit; any later approval is valid too."""
    compared = {f"{OLD}...{HEAD}": since, f"{HEAD}...{OLD}": before}
    pull_request = PullRequest([("ann", "APPROVED")], members=MEMBERS, seen={"ann": OLD}, compared=compared)
    with double.running(PUBLIC, pull_request.answer) as running:
        assert asked(running).approval(HOOK, [TEAM]) == approval
        pull_request.reviews = [("ann", "APPROVED"), ("Bob", "APPROVED")]
        assert asked(running).approval(HOOK, [TEAM]) == "approved"


def test_what_was_approved_may_be_unknown() -> None:
    """A missing commit, or one with too many changes to list, is neither an approval nor a refusal."""
    many = [(f"file-{number}", "modified", "c" * 40) for number in range(300)]
    unknown: list[tuple[str | None, dict[str, Any]]] = [
        (OLD, {}),
        (OLD, {f"{OLD}...{HEAD}": many, f"{HEAD}...{OLD}": []}),
        (None, {}),
    ]
    for seen, compared in unknown:
        pull_request = PullRequest([("ann", "APPROVED")], members=MEMBERS, seen={"ann": seen}, compared=compared)
        with double.running(PUBLIC, pull_request.answer) as running:
            with pytest.raises(AirbyteCiError, match="cannot read pull request 4711"):
                asked(running).approval(HOOK, [TEAM])
            running.problems.clear()


def test_a_clone_with_both_commits_is_asked_before_github(repository: Repository) -> None:
    """Commits that git knows need no comparison by GitHub, from any folder of the repository."""
    commits = []
    for path, text in ((HOOK, "1"), ("README.md", "2"), (HOOK, "3")):
        repository.write(path, text)
        repository.git("add", "-A")
        repository.git("commit", "-qm", "next")
        commits.append(repository.git("rev-parse", "HEAD").strip())
    root = repository.root / "connectors"
    for head, approval in ((commits[1], "approved"), (commits[2], "stale")):
        pull_request = PullRequest([("ann", "APPROVED")], members=MEMBERS, head=head, seen={"ann": commits[0]})
        with double.running(PUBLIC, pull_request.answer) as running:
            assert asked(running, root=root).approval(HOOK, [TEAM]) == approval
