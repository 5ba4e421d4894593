"""Chooses the client of a forge, by the host of the remote."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from airbyte_ci.campaigns.delivery.merge_requests import MergeRequests
from airbyte_ci.campaigns.delivery.pull_requests import PullRequests
from airbyte_ci.campaigns.delivery.review_requests import ReviewRequests
from airbyte_ci.errors import UsageError
from airbyte_ci.git import forge, github, gitlab


def connect(root: Path, environment: Mapping[str, str], target: str) -> ReviewRequests | None:
    """Returns the requests of the `origin` remote into a branch; None if airbyte-ci has no client for its forge.

    Raises UsageError if the repository is unknown or no token is set.
    """
    hosted = forge.of(root, environment)
    if hosted and hosted.kind not in ("github", "gitlab", ""):
        return None
    # A remote without a host is named by the job that runs: GITHUB_REPOSITORY, or CI_PROJECT_PATH on GitLab.
    is_github_job = hosted is None and environment.get("GITHUB_REPOSITORY")
    if not is_github_job and (project := gitlab.project(hosted, environment)):
        return MergeRequests(gitlab.require_token(project, environment), target)
    repository = github.of_remote(hosted, environment)
    tokens = {name for name in gitlab.TOKENS if environment.get(name)}
    if hosted and not hosted.kind and repository and not repository.token and tokens:
        host = urlsplit(hosted.site).netloc
        raise UsageError(
            f"cannot use pull requests: nothing tells that {host} is a GitLab server, and GitHub's token is not set",
            advice=f"export GITLAB_HOST={host}",
        )
    return PullRequests(github.require(repository), target)
