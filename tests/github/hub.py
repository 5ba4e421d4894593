"""The state behind a double of GitHub: pull requests that are opened, changed, labeled and marked as ready."""

from dataclasses import dataclass, field
from typing import Any

from tests.github.description import Description
from tests.github.double import Answer, Request

TOKEN = "ghp_do-not-tell"


@dataclass
class GitHub:
    """The state of the double: pull requests by number, and the actions in order."""

    api: str = ""
    pulls: dict[int, dict[str, Any]] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    has_drafts: bool = True
    fails_at: str = ""

    def answer(self, request: Request, known: Description) -> Answer | None:
        assert request.token == TOKEN
        verb = request.name.partition(" ")[0]
        if self.fails_at and request.name.startswith(self.fails_at):
            return 422, {"message": "Validation Failed", "documentation_url": "https://docs.github.com"}
        match request.name:
            case "GET /repos/{owner}/{repo}/pulls":
                owner, _, branch = request.query["head"].partition(":")
                assert owner == "acme"
                return 200, [self._listed(pull, known) for pull in self.pulls.values() if pull["branch"] == branch]
            case "POST /repos/{owner}/{repo}/pulls":
                if request.body.get("draft") and not self.has_drafts:
                    message = "Draft pull requests are not supported in this repository."
                    return 422, {"message": message, "documentation_url": "https://docs.github.com"}
                if any(
                    pull["branch"] == request.body["head"] and pull["state"] == "open" for pull in self.pulls.values()
                ):
                    message = f"A pull request already exists for acme:{request.body['head']}."
                    return 422, {"message": message, "documentation_url": "https://docs.github.com"}
                number = 40 + len(self.pulls)
                names = ("title", "body", "base")
                self.pulls[number] = {
                    **{name: request.body[name] for name in names},
                    "number": number,
                    "branch": request.body["head"],
                    "draft": request.body.get("draft", False),
                    "state": "open",
                    "labels": [],
                    "merged_at": None,
                }
                self.done.append(f"{verb} {number}")
                return 201, self._whole(self.pulls[number], known)
            case "PATCH /repos/{owner}/{repo}/pulls/{pull_number}":
                pull = self.pulls[int(request.variables["pull_number"])]
                pull.update(request.body)
                self.done.append(f"{verb} {pull['number']}")
                return 200, self._whole(pull, known)
            case "POST /repos/{owner}/{repo}/issues/{issue_number}/labels":
                pull = self.pulls[int(request.variables["issue_number"])]
                pull["labels"] += request.body["labels"]
                self.done.append(f"label {pull['number']}")
                return 200, [_label(name) for name in pull["labels"]]
        return None

    def graphql(self, body: Any) -> Any:
        assert "markPullRequestReadyForReview(input: $input)" in body["query"]
        number = int(body["variables"]["input"]["pullRequestId"].removeprefix("PR_"))
        if self.fails_at == "ready":
            return {"errors": [{"message": "not now"}]}
        self.pulls[number]["draft"] = False
        self.done.append(f"ready {number}")
        return {
            "data": {"markPullRequestReadyForReview": {"clientMutationId": None, "pullRequest": {"isDraft": False}}}
        }

    def _listed(self, pull: dict[str, Any], known: Description) -> Any:
        (example,) = known.example("pull-request-simple-items")
        return self._filled(example, pull)

    def _whole(self, pull: dict[str, Any], known: Description) -> Any:
        return self._filled(known.example("pull-request"), pull)

    def _filled(self, example: Any, pull: dict[str, Any]) -> Any:
        given = {name: pull[name] for name in ("title", "body", "number", "draft", "state", "merged_at")}
        url = f"https://github.com/acme/connectors/pull/{pull['number']}"
        head = {**example["head"], "ref": pull["branch"]}
        labels = [_label(name) for name in pull["labels"]]
        node = f"PR_{pull['number']}"
        here = f"{self.api}/repos/acme/connectors"
        given |= {"url": f"{here}/pulls/{pull['number']}", "issue_url": f"{here}/issues/{pull['number']}"}
        given["requested_teams"] = []  # GitHub's example lacks fields that its schema requires
        return {**example, **given, "html_url": url, "node_id": node, "head": head, "labels": labels}


def _label(name: str) -> dict[str, Any]:
    url = f"https://api.github.com/repos/acme/connectors/labels/{name}"
    facts = {"id": 1, "node_id": "L", "url": url, "name": name, "description": ""}
    return {**facts, "color": "ededed", "default": False}
