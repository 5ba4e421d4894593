"""A GitHub on loopback: a test's function answers over real HTTP, validated in both directions.

Unknown requests and invalid answers are `problems`; a test ends by checking that there are none.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from tests import loopback
from tests.github import description
from tests.github.description import Description, Operation
from tests.loopback import Call, Reply

Answer = tuple[int, Any]
_FAULT = {"message": "You have exceeded a secondary rate limit", "documentation_url": "https://docs.github.com"}
_NOT_FOUND = {"message": "Not Found", "documentation_url": "https://docs.github.com/rest", "status": "404"}


@dataclass(frozen=True)
class Request:
    """A request: the operation by its name (`GET /orgs/{org}`), its variables, query and body."""

    name: str
    variables: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    token: str


@dataclass
class Double:
    """A running double. `api` is what GITHUB_API_URL must be.

    `faults` are statuses for the next requests of an operation, or of `graphql`: they are answered before the test's
    function, and need not be described.
    """

    api: str
    known: Description
    problems: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    faults: dict[str, list[int]] = field(default_factory=dict)


@contextmanager
def running(
    name: str,
    answer: Callable[[Request, Description], Answer | None],
    graphql: Callable[[Any], Any] | None = None,
) -> Iterator[Double]:
    """`answer` gives status and body; None is GitHub's 404. Lists are paginated here, as GitHub does.

    `graphql` answers what comes to the other API, which the description does not describe.
    """
    known = description.of(name)
    base = "/api/v3" if name == description.ENTERPRISE else ""

    def reply(call: Call) -> Reply:
        is_graphql = bool(graphql) and call.verb == "POST" and call.path.endswith("/graphql")
        operation = None if is_graphql else known.operation(call.verb, call.path.removeprefix(base))
        if left := double.faults.get(operation.name if operation else "graphql"):
            return left.pop(0), _FAULT, {"Retry-After": "60"}
        if graphql and (call.verb, call.path) == ("POST", f"{base.removesuffix('/v3')}/graphql"):
            return 200, graphql(call.body), {}
        if operation is None or not call.path.startswith(base):
            double.problems.append(f"there is no operation {call.verb} {call.target}")
            return 404, _NOT_FOUND, {}
        return described(operation, call)

    def described(operation: Operation, call: Call) -> Reply:
        query, body = call.query, call.body
        found = [*known.objections_to_request(operation, query, body)]
        authorization = call.headers.get("Authorization", "")
        request = Request(operation.name, operation.variables, query, body, authorization.partition(" ")[2])
        double.requests.append(request)
        status, content = answer(request, known) or (404, _NOT_FOUND)
        headers: dict[str, str] = {}
        if isinstance(content, list):
            page, size = int(query.get("page", "1")), int(query.get("per_page", "30"))
            if len(content) > page * size:
                following = urlencode({**query, "page": page + 1})
                headers["Link"] = f'<http://{call.headers["Host"]}{call.path}?{following}>; rel="next"'
            content = content[(page - 1) * size : page * size]
        found += known.objections_to_answer(operation, status, content)
        double.problems += [f"{operation.name}: {objection}" for objection in found]
        return status, content, headers

    with loopback.serving(reply) as address:
        double = Double(f"{address}{base}", known)
        yield double
    assert not double.problems, double.problems
