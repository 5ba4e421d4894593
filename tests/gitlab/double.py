"""A GitLab on loopback: the merge requests of one project, over real HTTP, as https://docs.gitlab.com/api/ has them.

It is strict: a field, parameter or method that GitLab does not document for a request is a problem, and a test ends by
checking that there are none.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from tests import loopback
from tests.loopback import Call, Reply

PROJECT = "acme/data/connectors"
_QUERY = {"source_branch", "target_branch", "state", "per_page", "page"}
_CREATED = {"source_branch", "target_branch", "title", "description", "labels"}
_CHANGED = {"title", "description", "add_labels"}


@dataclass
class Refusal:
    """An answer that refuses requests whose method and path begin so; of `times`, the next requests are accepted."""

    begin: str
    status: int
    content: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    times: int = 1_000


@dataclass
class GitLab:
    """The state of the double: merge requests by number, and the accepted writes in order."""

    token: str
    site: str = ""
    merges: dict[int, dict[str, Any]] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    refusal: Refusal | None = None
    page_size: int = 100

    def answer(self, verb: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any, dict[str, str]]:
        """Returns status, content and headers."""
        if self.refusal and f"{verb} {path}".startswith(self.refusal.begin) and self.refusal.times:
            self.refusal.times -= 1
            return self.refusal.status, self.refusal.content, dict(self.refusal.headers)
        name, _, number = path.partition("/")
        if name != "merge_requests":
            return 404, {"error": "404 Not Found"}, {}
        if verb == "GET" and not number:
            return self._list(query)
        if verb == "POST" and not number:
            return self._open(body)
        if verb == "PUT" and int(number) in self.merges:
            return self._change(int(number), body)
        return 404, {"message": "404 Not found"}, {}

    def add(self, branch: str, **given: Any) -> dict[str, Any]:
        """Adds a merge request, as the API shows it."""
        number = 7 + len(self.merges)
        url = f"{self.site}/{PROJECT}/-/merge_requests/{number}"
        facts: dict[str, Any] = {"iid": number, "id": 1000 + number, "source_project_id": 3, "target_project_id": 3}
        facts |= {"state": "opened", "web_url": url, "source_branch": branch, "target_branch": "main", "labels": []}
        self.merges[number] = {**facts, "title": "x", "description": None, **given}
        return self.merges[number]

    def _list(self, query: dict[str, str]) -> tuple[int, Any, dict[str, str]]:
        self.problems += [f"there is no parameter {name}" for name in sorted(query.keys() - _QUERY)]
        wanted = {key: query[key] for key in ("source_branch", "target_branch") if key in query}
        found = [item for item in self.merges.values() if wanted.items() <= item.items()]
        found = [self._shown(item) for item in reversed(found) if query["state"] in ("all", item["state"])]
        size, page = min(self.page_size, int(query["per_page"])), int(query["page"])
        more = str(page + 1) if len(found) > page * size else ""
        return 200, found[(page - 1) * size : page * size], {"X-Next-Page": more}

    def _open(self, body: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        self.problems += [f"there is no field {name}" for name in sorted(body.keys() - _CREATED)]
        for item in self.merges.values():
            if item["source_branch"] == body["source_branch"] and item["state"] == "opened":
                reason = f"Another open merge request already exists for this source branch: !{item['iid']}"
                return 409, {"message": [reason]}, {}
        made = self.add(body["source_branch"], title=body["title"], description=body["description"])
        self.done.append(f"POST {made['iid']}")
        return 201, self._shown(made), {}

    def _change(self, number: int, body: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        self.problems += [f"there is no field {name}" for name in sorted(body.keys() - _CHANGED)]
        item = self.merges[number]
        item["labels"] = [*item["labels"], *filter(None, body.pop("add_labels", "").split(","))]
        item.update(body)
        self.done.append(f"PUT {number}")
        return 200, self._shown(item), {}

    def _shown(self, item: dict[str, Any]) -> dict[str, Any]:
        return {**item, "draft": item["title"].lower().startswith("draft:")}


@contextmanager
def running(token: str) -> Iterator[GitLab]:
    """Runs the double; `site` is what GITLAB_HOST must be."""
    state = GitLab(token)
    prefix = "/api/v4/projects/"

    def reply(call: Call) -> Reply:
        project, _, resource = call.path.removeprefix(prefix).partition("/")
        if not call.path.startswith(prefix) or unquote(project) != PROJECT:
            return 404, {"message": "404 Project Not Found"}, {}
        if call.headers.get("Authorization") != f"Bearer {state.token}":
            return 401, {"message": "401 Unauthorized"}, {}
        return state.answer(call.verb, resource, call.query, call.body)

    with loopback.serving(reply) as state.site:
        yield state
    assert not state.problems, state.problems
