"""The project on GitLab, its token, and a client of GitLab's REST API whose refusals are airbyte-ci's errors.

https://docs.gitlab.com/api/rest/
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from airbyte_ci.errors import AirbyteCiError, UsageError
from airbyte_ci.git.forge import HostedRepository

# The variables of GitLab's command line.
TOKENS = ("GITLAB_TOKEN", "GITLAB_ACCESS_TOKEN")
_API = "/api/v4"
_ATTEMPTS = 3
# A longer wait than this is reported instead.
_LONGEST_WAIT = 60
_PAUSE = 0.5
_CONNECT, _ANSWER = 10, 60
_PERMISSION = f"give a token in {TOKENS[0]} that has the scope api and the role Developer"
_AGAIN = "run it again, it goes on where it was"


@dataclass(frozen=True, slots=True)
class GitLabProject:
    """The project `group/…/name` on the GitLab whose REST API is at `api` (without a final slash), and its token."""

    api: str
    path: str
    token: str = field(repr=False)

    def __str__(self) -> str:
        host = urlsplit(self.api).netloc
        return self.path if host == "gitlab.com" else f"{self.path} on {host}"


def project(hosted: HostedRepository | None, environment: Mapping[str, str]) -> GitLabProject | None:
    """Returns the project of a remote, or None if the remote is not on GitLab.

    For a remote without a host, such as a folder, it is the project of the GitLab job.
    """
    token = next((environment[name] for name in TOKENS if environment.get(name)), "")
    job_api = environment.get("CI_API_V4_URL", "").rstrip("/")
    if hosted is None:
        path = environment.get("CI_PROJECT_PATH", "")
        return GitLabProject(job_api, path, token) if job_api and path else None
    if hosted.kind != "gitlab":
        return None
    is_job = urlsplit(job_api).hostname == urlsplit(hosted.site).hostname
    return GitLabProject(job_api if is_job else f"{hosted.site}{_API}", hosted.path, token)


def require_token(found: GitLabProject, environment: Mapping[str, str]) -> GitLabProject:
    """Returns the project if it has a token that can open merge requests; raises UsageError."""
    if found.token:
        return found
    if environment.get("CI_JOB_TOKEN"):
        raise UsageError(
            f"cannot open merge requests in {found}: GitLab does not accept CI_JOB_TOKEN for this",
            advice=f"set {TOKENS[0]} to a token that has the scope api, or push only the branches with --push",
            error_id="forge-token",
        )
    raise UsageError(
        f"cannot open merge requests in {found}: no token is set", advice=f"set {TOKENS[0]}", error_id="forge-token"
    )


class GitLabClient:
    """A client of the REST API of one project. Methods raise AirbyteCiError; none reveals the token."""

    def __init__(self, found: GitLabProject) -> None:
        import requests  # slow to import, and only merge requests need it

        def authorize(request: requests.PreparedRequest) -> requests.PreparedRequest:
            request.headers["Authorization"] = f"Bearer {found.token}"
            return request

        self._project = found
        self._session = requests.Session()
        # As a function, because requests would replace a header with the password in ~/.netrc.
        self._session.auth = authorize

    def close(self) -> None:
        self._session.close()

    def list_all(self, resource: str, query: Mapping[str, str], doing: str) -> list[dict[str, Any]]:
        """Returns the objects of all pages."""
        found: list[dict[str, Any]] = []
        page = "1"
        while page:
            answer = self._send("GET", resource, doing, query={**query, "per_page": "100", "page": page})
            found += [item for item in self._content(answer, list, doing) if isinstance(item, dict)]
            page = answer.headers.get("x-next-page", "")
        return found

    def write(
        self, method: Literal["POST", "PUT"], resource: str, body: Mapping[str, str], doing: str
    ) -> dict[str, Any]:
        """Creates or changes an object, and returns it."""
        answer: dict[str, Any] = self._content(self._send(method, resource, doing, body=body), dict, doing)
        return answer

    def _send(
        self,
        method: str,
        resource: str,
        doing: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, str] | None = None,
    ) -> Any:  # noqa: ANN401  # a response of requests, which is imported late
        import requests

        url = f"{self._project.api}/projects/{quote(self._project.path, safe='')}/{resource}"
        for left in reversed(range(_ATTEMPTS)):
            try:
                answer = self._session.request(
                    method, url, params=query, json=body, timeout=(_CONNECT, _ANSWER), allow_redirects=False
                )
            except requests.RequestException as error:
                raise self._failure(doing, f"{type(error).__name__}: GitLab does not answer", _AGAIN) from error
            wait = _pause(method, answer.status_code, answer.headers) if left else None
            if wait is None:
                break
            time.sleep(wait)
        if not 200 <= answer.status_code < 300:
            raise self._refusal(doing, answer)
        return answer

    def _content(self, answer: Any, form: type, doing: str) -> Any:  # noqa: ANN401  # JSON
        try:
            content = answer.json()
        except ValueError:
            content = None
        if not isinstance(content, form):
            advice = "set GITLAB_HOST to the address of the GitLab server"
            raise self._failure(doing, f"{urlsplit(self._project.api).netloc} does not answer as GitLab does", advice)
        return content

    def _refusal(self, doing: str, answer: Any) -> AirbyteCiError:  # noqa: ANN401  # a response of requests
        status = answer.status_code
        try:
            content = answer.json()
        except ValueError:
            content = {}
        reason = f"{status} {_message(content) or answer.reason}".strip()
        if status == 401:
            return self._failure(doing, f"the token is not valid ({reason})", f"set {TOKENS[0]}")
        if 300 <= status < 400:
            moved = "the project has moved, or the server has another address"
            return self._failure(doing, f"{reason}: {moved}", "git remote set-url origin ADDRESS")
        if status in (403, 404):
            return self._failure(doing, reason, _PERMISSION)
        if status == 429:
            seconds = answer.headers.get("Retry-After", "")
            return self._failure(doing, reason, f"run it again {f'in {seconds} s' if seconds.isdigit() else 'later'}")
        return self._failure(doing, reason, _AGAIN)

    def _failure(self, doing: str, reason: str, advice: str) -> AirbyteCiError:
        return AirbyteCiError(f"{doing} in {self._project}: {reason}", advice=advice)


def _pause(method: str, status: int, headers: Mapping[str, str]) -> float | None:
    """Returns the seconds after which the same request may succeed; None if it should not be repeated."""
    if status == 429:
        seconds = headers.get("Retry-After", "")
        return int(seconds) if seconds.isdigit() and int(seconds) <= _LONGEST_WAIT else None
    # A write may have been executed although its answer failed.
    return _PAUSE if method == "GET" and status >= 500 else None


def _message(content: object) -> str:
    """Returns GitLab's reason: a text, a list, or lists of texts by the fields of the request."""
    if isinstance(content, dict):
        for key in ("message", "error_description", "error"):
            if content.get(key):
                return _message(content[key])
        return ", ".join(f"{key} {_message(value)}" for key, value in content.items())
    return ", ".join(map(_message, content)) if isinstance(content, list) else str(content)
