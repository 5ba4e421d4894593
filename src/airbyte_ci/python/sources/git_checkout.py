"""A commit of a git repository as files, with the same bytes under every git configuration.

Fetching uses the user's settings: credential helpers, ssh, proxies, certificates, `url.<base>.insteadOf`. Writing files
uses only airbyte-ci's: configuration, attributes, filters, hooks and templates of the machine are ignored, except those
in the commit.
"""

import os
import posixpath
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from airbyte_ci.errors import PackageError
from airbyte_ci.git import git

_TIMEOUT = 600
_SCHEMES = ("https", "ssh", "git", "http", "git+ssh", "ssh+git")
# host:path, as in ssh, without an option, a scheme or a helper (`ext::`).
_SCP = re.compile(r"(?!-)[A-Za-z0-9._-]+(?:@[A-Za-z0-9._-]+)?:(?![:/]{2})[^:]\S*")
# A user's url.<base>.insteadOf may point to a folder; helpers that run a program (`ext::`, `fd::`) are never allowed.
_PROTOCOLS = "file:git:http:https:ssh"
_DEPTH = 8
_LARGEST_LIST = 1 << 20

# All settings that make git write other bytes into a file, or run a program meanwhile.
_SETTINGS = (
    *("core.autocrlf=false", "core.eol=lf", "core.safecrlf=false", "core.symlinks=true", "core.fileMode=true"),
    *("core.attributesFile=/dev/null", "core.excludesFile=/dev/null", "core.hooksPath=/dev/null"),
    *("core.protectHFS=false", "core.protectNTFS=false", "core.precomposeUnicode=false", "core.ignoreCase=false"),
    *("core.fsmonitor=false", "core.sparseCheckout=false", "core.bigFileThreshold=512m", "core.checkStat=default"),
    *("checkout.workers=1", "submodule.recurse=false", "fetch.recurseSubmodules=false", "gc.auto=0"),
    *("maintenance.auto=false", "advice.detachedHead=false", "index.threads=1", "core.commitGraph=false"),
)
_ALONE = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_CONFIG_COUNT": "0",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_LFS_SKIP_SMUDGE": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "",
}


def alone(**variables: str) -> dict[str, str]:
    """Returns the environment for a git that ignores this machine's configuration and reaches no server."""
    kept = {name: value for name, value in git.environment().items() if not name.startswith("GIT_CONFIG")}
    return {**kept, **_ALONE, **variables}


def refusal(url: str) -> str:
    """Returns why an address of a lock or submodule must not be fetched; empty if it may.

    A local folder was not locked, so it is refused unless the user's GIT_ALLOW_PROTOCOL names `file`.
    """
    scheme = urlsplit(url).scheme if "://" in url else ""
    if (
        scheme in _SCHEMES
        and not url.startswith("-")
        and urlsplit(url).netloc
        and not urlsplit(url).netloc.startswith("-")
    ):
        return ""
    if scheme == "file" and "file" in os.environ.get("GIT_ALLOW_PROTOCOL", "").split(":"):
        return ""
    if not scheme and _SCP.fullmatch(url):
        return ""
    if scheme == "file" or (not scheme and url.startswith(("/", "."))):
        return "it is a folder of this machine, so others cannot build from it"
    return "only https, ssh and git addresses are fetched from"


def check_out(url: str, commit: str, target: Path, what: str, depth: int = 0) -> None:
    """Writes a commit and its submodules into a new folder; raises PackageError.

    The address may be any that git supports: `refusal` checks addresses from a lock.
    """
    target.mkdir(parents=True, exist_ok=True)
    kind = "sha256" if len(commit) == 64 else "sha1"
    said = _git(target, alone(), "init", "--quiet", "--template=", f"--object-format={kind}")
    said = said or _fetch(target, url, commit)
    said = said or _git(target, alone(), "checkout", "--quiet", "--no-guess", "--detach", commit)
    if said:
        raise PackageError(
            f"cannot fetch {what}: {said}",
            advice="is the commit pushed, and does `git ls-remote` work with this address?",
        )
    for path, address, inner in _submodules(target, url, what):
        if depth == _DEPTH:
            raise PackageError(f"cannot fetch {what}: its submodules are nested more than {_DEPTH} deep")
        if reason := refusal(address):
            raise PackageError(f"cannot fetch {what}: its submodule {path} comes from {address}: {reason}")
        place = target / path
        if place.is_symlink() or not place.resolve().is_relative_to(target.resolve()):
            raise PackageError(f"cannot fetch {what}: its submodule {path} leaves the repository")
        check_out(address, inner, target=place, what=f"{what}, submodule {path}", depth=depth + 1)


def _fetch(target: Path, url: str, commit: str) -> str:
    environment = git.environment(
        GIT_ALLOW_PROTOCOL=_PROTOCOLS, GIT_TERMINAL_PROMPT="0", GIT_NO_REPLACE_OBJECTS="1", GIT_LFS_SKIP_SMUDGE="1"
    )
    said = _git(target, environment, "fetch", "--quiet", "--depth=1", "--no-tags", "--", url, commit)
    if said:
        # Servers may refuse a commit that is no branch tip; then everything is fetched.
        everything = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
        said = _git(target, environment, "fetch", "--quiet", "--", url, *everything)
    return said


def _submodules(target: Path, url: str, what: str) -> list[tuple[str, str, str]]:
    """Returns path, address and commit of each enabled submodule of the commit."""
    if not (target / ".gitmodules").is_file() or (target / ".gitmodules").is_symlink():
        return []
    if (target / ".gitmodules").stat().st_size > _LARGEST_LIST:
        raise PackageError(f"cannot fetch {what}: its .gitmodules is larger than {_LARGEST_LIST >> 20} MiB")
    commits = {}
    for line in _answer(target, "ls-files", "--stage", "-z").split("\0"):
        head, _, path = line.partition("\t")
        if head.startswith("160000 "):
            commits[path] = head.split(" ")[1]
    settings: dict[str, dict[str, str]] = {}
    for item in _answer(target, "config", "--file", ".gitmodules", "--no-includes", "--list", "-z").split("\0"):
        key, _, value = item.partition("\n")
        section, _, rest = key.partition(".")
        name, _, field = rest.rpartition(".")
        if section == "submodule" and name:
            settings.setdefault(name, {})[field] = value
    found = []
    for module in settings.values():
        path = module.get("path", "")
        if path in commits and module.get("update") != "none":
            found.append((path, _relative(url, module.get("url", "")), commits[path]))
    return found


def _relative(base: str, address: str) -> str:
    """Returns the address of a submodule; `./x` and `../x` are relative to its repository's address."""
    if not address.startswith(("./", "../")):
        return address
    if "://" in base:
        parts = urlsplit(base)
        return f"{parts.scheme}://{parts.netloc}{posixpath.normpath(posixpath.join(parts.path or '/', address))}"
    host, colon, path = base.partition(":")
    return f"{host}{colon}{posixpath.normpath(posixpath.join(path, address))}"


def _answer(target: Path, *arguments: str) -> str:
    finished = _run(target, alone(), *arguments)
    return finished.stdout.decode("utf-8", "surrogateescape") if finished.returncode == 0 else ""


def _run(folder: Path, environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    settings = (part for setting in _SETTINGS for part in ("-c", setting))
    return subprocess.run(
        ["git", "-C", str(folder), *settings, *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_TIMEOUT,
        check=False,
    )


def _git(folder: Path, environment: dict[str, str], *arguments: str) -> str:
    """Runs git and returns its error in one line; empty on success."""
    if shutil.which("git") is None:
        return "git is not installed"
    try:
        finished = _run(folder, environment, *arguments)
    except subprocess.TimeoutExpired:
        return f"git did not finish in {_TIMEOUT} s"
    if finished.returncode == 0:
        return ""
    lines = finished.stderr.decode(errors="replace").strip().split("\n")
    return next((line for line in lines if line.startswith(("fatal:", "error:"))), "".join(lines[-1:]) or "git failed")
