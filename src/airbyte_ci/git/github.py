"""The repository on GitHub and its token, by the variables of GitHub Actions, the environment and git.

Also the client of its API, and GitHub's refusals as airbyte-ci's errors.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airbyte_ci.errors import AirbyteCiError, UsageError
from airbyte_ci.git import forge
from airbyte_ci.git.forge import HostedRepository

if TYPE_CHECKING:  # slow to import, and only pull requests and issues need them
    from urllib3 import Retry

    import github

_PUBLIC = "https://api.github.com"
# The variables of Actions, of the GitHub CLI (also for GitHub Enterprise), and of the original airbyte-ci.
TOKENS = ("GITHUB_TOKEN", "GH_TOKEN", "GH_ENTERPRISE_TOKEN", "CI_GITHUB_ACCESS_TOKEN")


class GitHubLimit(AirbyteCiError):
    """GitHub refuses more requests for now. The same request will be accepted later."""


@dataclass(frozen=True, slots=True)
class GitHubRepository:
    """`owner/name` on the GitHub whose REST API is at `api` (without a final slash), and the token for it."""

    api: str
    name: str
    token: str = field(repr=False)

    @property
    def host(self) -> str:
        return urlsplit(self.api).netloc

    def __str__(self) -> str:
        return self.name if self.api == _PUBLIC else f"{self.name} on {self.host}"


def repository(root: Path, environment: Mapping[str, str]) -> GitHubRepository | None:
    """Reads GITHUB_API_URL and GITHUB_REPOSITORY, else the `origin` remote; None if neither names a repository."""
    return of_remote(None if environment.get("GITHUB_REPOSITORY") else forge.of(root, environment), environment)


def of_remote(hosted: HostedRepository | None, environment: Mapping[str, str]) -> GitHubRepository | None:
    """Does the same as `repository` for a remote that was read before."""
    token = next((environment[name] for name in TOKENS if environment.get(name)), "")
    api, name = environment.get("GITHUB_API_URL", "").rstrip("/"), environment.get("GITHUB_REPOSITORY", "")
    if not name:
        # GitHub Enterprise may have any host name, so only hosts that are known to be another forge are excluded.
        if hosted is None or hosted.kind not in ("github", ""):
            return None
        name, host = hosted.path, urlsplit(hosted.site).netloc
        # GitHub Enterprise Server has its API below the site: https://docs.github.com/enterprise-server/rest
        api = api or ("" if host == "github.com" else f"https://{host}/api/v3")
    return GitHubRepository(api or _PUBLIC, name, token) if name.count("/") == 1 else None


def require_repository(root: Path, environment: Mapping[str, str]) -> GitHubRepository:
    """Returns the repository with its token; raises UsageError if one of them is unknown, and for another forge."""
    found = repository(root, environment)
    hosted = None if found else forge.of(root, environment)
    if hosted and hosted.kind not in ("github", ""):
        raise UsageError(
            f"this command needs GitHub, and the remote origin is on {forge.NAMES[hosted.kind]}",
            advice="change connectors there by `airbyte-ci connectors … --pull-request`",
        )
    return require(found)


def require(found: GitHubRepository | None) -> GitHubRepository:
    """Returns the repository; raises UsageError if it, or its token, is unknown."""
    if found is None:
        raise UsageError(
            "cannot use pull requests: the remote origin is not a GitHub repository", advice="set GITHUB_REPOSITORY"
        )
    if not found.token:
        raise UsageError(
            f"cannot use pull requests in {found}: no token is set", advice=f"set {TOKENS[0]}", error_id="forge-token"
        )
    return found


def open_client(
    repository: GitHubRepository, *, waits: bool = True, retry: "Retry | None" = None, seconds_between_writes: float = 0
) -> "github.Github":
    """Returns a client of GitHub's API that sends no request before one is needed. Without a token, it is anonymous.

    A limit of GitHub is waited for, unless `waits` is false: then `retry` decides.
    """
    import github

    return github.Github(
        base_url=repository.api,
        auth=github.Auth.Token(repository.token) if repository.token else None,
        per_page=100,
        retry=github.GithubRetry(total=3) if waits else retry,
        lazy=True,
        seconds_between_requests=0,
        seconds_between_writes=seconds_between_writes,
    )


def converted_pull_errors(doing: str, repository: GitHubRepository) -> AbstractContextManager[None]:
    """Converts the errors of a block that writes pull requests of a repository, and continues in the next run."""
    return converted_errors(
        f"{doing} in {repository}",
        permission=f"give a token in {TOKENS[0]} that may write pull requests and contents",
        otherwise="run it again, it goes on where it was",
    )


@contextmanager
def converted_errors(doing: str, *, permission: str, otherwise: str) -> Iterator[None]:
    """Converts GitHub's refusals and connection failures in the block to an AirbyteCiError of one line.

    `permission` is the advice where the token may not do it, `otherwise` for other failures.
    """
    import requests

    import github

    try:
        yield
    except github.BadCredentialsException as error:
        raise AirbyteCiError(
            f"{doing}: the token is not valid", advice=f"set {TOKENS[0]}", error_id="forge-token"
        ) from error
    except github.GithubException as error:
        reason = f"{doing}: {_reason(error)}"
        if isinstance(error, github.RateLimitExceededException) or error.status == 429 or _is_limited_query(error):
            raise GitHubLimit(reason, advice=_when(error)) from error
        raise AirbyteCiError(reason, advice=permission if error.status in (403, 404) else otherwise) from error
    except requests.RequestException as error:
        reason = f"{doing}: {type(error).__name__}: GitHub does not answer"
        raise AirbyteCiError(reason, advice=otherwise) from error


def _reason(error: Any) -> str:  # noqa: ANN401  # an error of PyGithub, which is imported late
    data = error.data if isinstance(error.data, dict) else {}
    reasons = [str(item.get("message")) for item in data.get("errors", []) if isinstance(item, dict)]
    message = data.get("message") or error.message or ""
    return " ".join([str(error.status), str(message), *(f"({reason})" for reason in reasons)]).strip()


def _is_limited_query(error: Any) -> bool:  # noqa: ANN401  # likewise
    """Returns whether GraphQL refused a query by its limit, which is an answer with status 200:
    https://docs.github.com/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api
    """
    errors = error.data.get("errors", []) if isinstance(error.data, dict) else []
    return any(isinstance(item, dict) and item.get("type") == "RATE_LIMITED" for item in errors)


def _when(error: Any) -> str:  # noqa: ANN401  # likewise
    seconds = str((error.headers or {}).get("retry-after", ""))
    return f"run it again in {seconds} s" if seconds.isdigit() else "run it again later"
