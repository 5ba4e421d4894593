"""The repository on GitHub and its token, by the variables of GitHub Actions, the environment and git."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from airbyte_ci.git import forge

_PUBLIC = "https://api.github.com"
# The variables of Actions, of the GitHub CLI (also for GitHub Enterprise), and of the original airbyte-ci.
TOKENS = ("GITHUB_TOKEN", "GH_TOKEN", "GH_ENTERPRISE_TOKEN", "CI_GITHUB_ACCESS_TOKEN")


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
    token = next((environment[name] for name in TOKENS if environment.get(name)), "")
    api, name = environment.get("GITHUB_API_URL", "").rstrip("/"), environment.get("GITHUB_REPOSITORY", "")
    if not name:
        hosted = forge.of(root, environment)
        # GitHub Enterprise may have any host name, so only hosts that are known to be another forge are excluded.
        if hosted is None or hosted.kind not in ("github", ""):
            return None
        name, host = hosted.path, urlsplit(hosted.site).netloc
        # GitHub Enterprise Server has its API below the site: https://docs.github.com/enterprise-server/rest
        api = api or ("" if host == "github.com" else f"https://{host}/api/v3")
    return GitHubRepository(api or _PUBLIC, name, token) if name.count("/") == 1 else None
