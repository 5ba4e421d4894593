"""The forge (GitHub, GitLab, Bitbucket, …) of a repository, by its git remote, and the addresses of its pages.

Reads git's and OpenSSH's configuration, never the network. Look here when a link that airbyte-ci writes is wrong.
"""

import os
import pwd
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote, urlsplit

from airbyte_ci.git import git

Kind = Literal["github", "gitlab", "bitbucket", "bitbucket server", "azure", "gitea", ""]

# Addresses of pull requests below a repository's page, and of files at the tip of its main branch.
_PULLS: Mapping[Kind, str] = {
    "github": "/pull/{number}",
    "gitlab": "/-/merge_requests/{number}",
    "bitbucket": "/pull-requests/{number}",
    "bitbucket server": "/pull-requests/{number}",
    "azure": "/pullrequest/{number}",
    "gitea": "/pulls/{number}",
}
_FILES: Mapping[Kind, str] = {
    "github": "/blob/HEAD/{path}",
    "gitlab": "/-/blob/HEAD/{path}",
    "bitbucket": "/src/HEAD/{path}",
    "bitbucket server": "/browse/{path}",
    "azure": "?path=/{path}",
}
# Addresses where a user opens a pull request of a pushed branch. {branch} and {target} are quoted.
_NEW_PULLS: Mapping[Kind, str] = {
    "github": "/compare/{target}...{branch}?expand=1",
    "gitlab": "/-/merge_requests/new?merge_request%5Bsource_branch%5D={branch}"
    "&merge_request%5Btarget_branch%5D={target}",
    "bitbucket": "/pull-requests/new?source={branch}&dest={target}",
    "bitbucket server": "/pull-requests?create"
    "&sourceBranch=refs%2Fheads%2F{branch}&targetBranch=refs%2Fheads%2F{target}",
    "azure": "/pullrequestcreate?sourceRef={branch}&targetRef={target}",
    "gitea": "/compare/{target}...{branch}",
}
NAMES: Mapping[Kind, str] = {
    "github": "GitHub",
    "gitlab": "GitLab",
    "bitbucket": "Bitbucket",
    "bitbucket server": "Bitbucket Server",
    "azure": "Azure DevOps",
    "gitea": "Gitea",
}
# Host names, including the SSH hosts through which the public forges listen on port 443.
_PUBLIC: Mapping[str, Kind] = {
    "github.com": "github",
    "gitlab.com": "gitlab",
    "bitbucket.org": "bitbucket",
    "dev.azure.com": "azure",
    "codeberg.org": "gitea",
    "gitea.com": "gitea",
}
_SAME_HOST = {
    "ssh.github.com": "github.com",
    "altssh.gitlab.com": "gitlab.com",
    "altssh.bitbucket.org": "bitbucket.org",
    "www.github.com": "github.com",
    "ssh.dev.azure.com": "dev.azure.com",
    "vs-ssh.visualstudio.com": "dev.azure.com",
}
# Words in a host name, such as gitlab.acme.example, that reveal the kind of forge.
_WORDS: Mapping[str, Kind] = {
    "github": "github",
    "ghe": "github",
    "gitlab": "gitlab",
    "bitbucket": "bitbucket server",
    "gitea": "gitea",
    "forgejo": "gitea",
    "codeberg": "gitea",
}
# Files at a repository's root that only one kind of forge reads.
_FILES_OF: Mapping[str, Kind] = {
    ".gitlab-ci.yml": "gitlab",
    ".github/workflows": "github",
    ".gitea": "gitea",
    ".forgejo": "gitea",
}
# host:path, without a scheme: https://git-scm.com/docs/git-clone#_git_urls
_SCP = re.compile(r"(?:[^@/:]+@)?(?P<host>[^/:@]{2,}):(?P<path>[^:].*)")
_PORT = re.compile(r":\d+$")


@dataclass(frozen=True, slots=True)
class HostedRepository:
    """A repository on a host. `site` is the server's address, such as https://HOST, `path` the path there.

    `kind` is empty if it is unknown.
    """

    site: str
    path: str
    kind: Kind

    @property
    def page(self) -> str:
        return f"{self.site}/{self.path}"

    @property
    def pull_request_url(self) -> str | None:
        """Returns the address template of its pull requests with {number}; None for an unknown kind of forge."""
        return f"{self.page}{_PULLS[self.kind]}" if self.kind else None

    def file_url(self, path: str) -> str | None:
        """Returns the address of a file's page; None for an unknown kind of forge."""
        form = _FILES.get(self.kind)
        return self.page + form.replace("{path}", quote(path)) if form else None

    def new_pull_request_url(self, branch: str, target: str) -> str | None:
        """Returns the address where a user opens a pull request of a branch; None for an unknown kind of forge."""
        form = _NEW_PULLS.get(self.kind)
        if form is None:
            return None
        # Branch names in a path keep their slashes.
        safe = "" if "{branch}" in form.partition("?")[2] else "/"
        return self.page + form.format(branch=quote(branch, safe=safe), target=quote(target, safe=safe))


def of(root: Path, environment: Mapping[str, str] | None = None, remote: str = "") -> HostedRepository | None:
    """Returns the repository of the remote (default: `origin`, else the only one). None if the remote has no pages."""
    variables = os.environ if environment is None else environment
    found = next(
        filter(None, (parse(url, lambda alias: ssh_host(alias, variables)) for url in _urls(root, remote))), None
    )
    if found and found.kind in ("", "gitlab") and (server := gitlab_server(variables, found)):
        # A server below a path of its host has this path in its repositories' addresses for HTTP, and not for SSH.
        below = urlsplit(server).path.strip("/")
        return HostedRepository(server, found.path.removeprefix(f"{below}/") if below else found.path, "gitlab")
    if found and not found.kind:
        kinds = {kind for name, kind in _FILES_OF.items() if (root / name).exists()}
        if len(kinds) == 1:
            return HostedRepository(found.site, found.path, kinds.pop())
    return found


def gitlab_server(environment: Mapping[str, str], repository: HostedRepository) -> str | None:
    """Returns the address of the GitLab server that the environment names, if the repository is on its host.

    GitLab sets CI_SERVER_URL in its jobs, and users set GITLAB_HOST, a host name or address, for the command glab.
    """
    for name in ("GITLAB_HOST", "CI_SERVER_URL"):
        value = environment.get(name, "").strip()
        parts = urlsplit(value if "://" in value else f"https://{value}")
        host = parts.netloc.rpartition("@")[2]
        if value and parts.hostname == urlsplit(repository.site).hostname and parts.scheme in ("http", "https"):
            return f"{parts.scheme}://{host}{parts.path.rstrip('/')}"
    return None


def pull_request_url(root: Path) -> str | None:
    """Returns the address template of the repository's pull requests with {number}; None if unknown."""
    found = of(root)
    return found.pull_request_url if found else None


def parse(url: str, resolve: Callable[[str], str] = str) -> HostedRepository | None:
    """Returns the repository of a remote's address; `resolve` maps an SSH alias to the real host name."""
    scp = _SCP.fullmatch(url)
    if "://" not in url:
        return _hosted(_real(scp["host"], resolve), scp["path"], is_ssh=True) if scp else None
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    scheme = parts.scheme.removeprefix("git+")
    if not host or scheme not in ("http", "https", "ssh", "git"):
        return None
    if scheme == "ssh":
        # Only the port of an HTTP address belongs to the address of pages.
        return _hosted(_real(_PORT.sub("", host), resolve), parts.path, is_ssh=True)
    return _hosted(host if scheme != "git" else _PORT.sub("", host), parts.path)


def ssh_host(alias: str, environment: Mapping[str, str]) -> str:
    """Returns the host that OpenSSH's configuration gives for a name; without an entry, the name itself."""
    home = environment.get("HOME", "")
    own = Path(home, ".ssh/config")
    # OpenSSH reads the configuration of the account, not of $HOME.
    options = ["-F", str(own)] if home and own.is_file() and home != pwd.getpwuid(os.getuid()).pw_dir else []
    if alias.startswith("-"):
        return alias
    try:
        answer = subprocess.run(["ssh", *options, "-G", alias], capture_output=True, check=False, timeout=5, text=True)
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return alias
    names = (line.partition(" ")[2] for line in answer.stdout.splitlines() if line.startswith("hostname "))
    return next(names, alias)


def remote_names(root: Path) -> list[str]:
    """Returns the names of the git remotes."""
    answer = git.ask(root, "remote")
    return answer.stdout.decode(errors="replace").split() if answer is not None and not answer.returncode else []


def _urls(root: Path, remote: str) -> Iterator[str]:
    """Yields the remote's address as git uses it, then as it is configured.

    They differ with `url.….insteadOf`, which expands an abbreviation, or leads to a mirror that has no pages.
    """
    names = remote_names(root)
    name = remote or ("origin" if "origin" in names else names[0] if len(names) == 1 else "")
    if not name:
        return
    for question in (("remote", "get-url", name), ("config", "--get", f"remote.{name}.url")):
        answer = git.ask(root, *question)
        if answer is not None and not answer.returncode:
            yield answer.stdout.decode(errors="replace").strip()


def _real(host: str, resolve: Callable[[str], str]) -> str:
    """Returns the host of a name that is used with SSH."""
    host = host.lower()
    if host in _PUBLIC or host in _SAME_HOST:
        return host
    real = resolve(host).lower()
    if real != host:
        return real
    # Aliases usually contain the name of their host: github.com-work, github-work, gitlab_acme.
    for public, kind in _PUBLIC.items():
        if host.startswith(public) or ("." not in host and kind in re.split(r"[-_]", host)):
            return public
    return host


def _hosted(host: str, path: str, *, is_ssh: bool = False) -> HostedRepository | None:
    host = _SAME_HOST.get(host.lower(), host.lower())
    parts = [part for part in path.strip("/").removesuffix(".git").split("/") if part]
    if not parts or (is_ssh and path.startswith("/") and len(parts) < 2 and host not in _PUBLIC):
        return None
    kind = _kind(host)
    if host == "dev.azure.com" or host.endswith(".visualstudio.com"):
        return _azure(host, parts)
    if kind == "bitbucket server":
        return _bitbucket_server(host, parts)
    return HostedRepository(f"https://{host}", "/".join(parts), kind)


def _kind(host: str) -> Kind:
    name = _PORT.sub("", host)
    if name in _PUBLIC:
        return _PUBLIC[name]
    return next((_WORDS[word] for word in re.split(r"[.\-_]", name) if word in _WORDS), "")


def _azure(host: str, parts: list[str]) -> HostedRepository | None:
    """https://learn.microsoft.com/azure/devops/repos/git/share-your-code-in-git-cmdline"""
    if parts[0] in ("v3", "v2") and len(parts) == 4:
        organization, project, name = parts[1:]
    elif "_git" in parts and parts[-2] == "_git":
        head, name = parts[:-2], parts[-1]
        if host.endswith(".visualstudio.com"):
            head = [host.partition(".")[0], *(part for part in head if part != "DefaultCollection")]
        if not head:
            return None
        organization, project = head[0], head[1] if len(head) > 1 else name
    else:
        return None
    place = "/".join(quote(unquote(part)) for part in (organization, project, "_git", name))
    return HostedRepository("https://dev.azure.com", place, "azure")


def _bitbucket_server(host: str, parts: list[str]) -> HostedRepository | None:
    """https://confluence.atlassian.com/bitbucketserver/clone-a-repository-790632786.html"""
    parts = parts[1:] if parts[0] == "scm" else parts
    if len(parts) != 2:
        return None
    owner, name = parts
    place = f"users/{owner[1:]}" if owner.startswith("~") else f"projects/{owner.upper()}"
    return HostedRepository(f"https://{host}", f"{place}/repos/{name}", "bitbucket server")
