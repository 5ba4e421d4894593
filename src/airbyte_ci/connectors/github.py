"""Which repository on which GitHub this is, by what GitHub Actions, the environment and git say; it asks nobody."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from airbyte_ci.connectors import forge

_PUBLIC = "https://api.github.com"
# Actions', the GitHub command's, its one for GitHub Enterprise, and the original's.
TOKENS = ("GITHUB_TOKEN", "GH_TOKEN", "GH_ENTERPRISE_TOKEN", "CI_GITHUB_ACCESS_TOKEN")


@dataclass(frozen=True, slots=True)
class GitHubRepository:
    """`owner/name` on the GitHub whose REST API is at `api` (no slash at its end), and the token to ask it with."""

    api: str
    name: str
    token: str = field(repr=False)

    @property
    def host(self) -> str:
        return urlsplit(self.api).netloc

    def __str__(self) -> str:
        return self.name if self.api == _PUBLIC else f"{self.name} on {self.host}"


def repository(root: Path, environment: Mapping[str, str]) -> GitHubRepository | None:
    """From GITHUB_API_URL and GITHUB_REPOSITORY, else from the `origin` remote; None where neither names one."""
    token = next((environment[name] for name in TOKENS if environment.get(name)), "")
    api, name = environment.get("GITHUB_API_URL", "").rstrip("/"), environment.get("GITHUB_REPOSITORY", "")
    if not name:
        hosted = forge.of(root, environment)
        # GitHub Enterprise has any name, so only a host that is known to be another forge is none.
        if hosted is None or hosted.kind not in ("github", ""):
            return None
        name, host = hosted.path, urlsplit(hosted.site).netloc
        # GitHub Enterprise Server has its API below the site: https://docs.github.com/enterprise-server/rest
        api = api or ("" if host == "github.com" else f"https://{host}/api/v3")
    return GitHubRepository(api or _PUBLIC, name, token) if name.count("/") == 1 else None
