"""A build with a framework under development: the CDK from a folder or a git commit instead of the locked one."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path

from airbyte_ci.errors import LockError, PackageError, UsageError
from airbyte_ci.git import git
from airbyte_ci.python.packages.lock import FromDirectory, FromGit, Lock, Origin

NAME = "airbyte-cdk"
REPOSITORY = "https://github.com/airbytehq/airbyte-python-cdk.git"
_COMMIT = re.compile(r"[0-9a-f]{40}")


def local(path: Path) -> Origin:
    """Returns the framework in a folder of this machine; raises UsageError if the folder has none."""
    if not any((path / name).is_file() for name in ("pyproject.toml", "setup.py")):
        raise UsageError(f"--use-local-cdk {path}: it has neither pyproject.toml nor setup.py")
    return FromDirectory(str(path.absolute()), editable=True)


def at(reference: str) -> Origin:
    """Returns the framework at the current branch, tag or commit, `REF` or `URL@REF`; raises PackageError."""
    url, at_sign, name = reference.rpartition("@")
    if not at_sign or "/" not in url:
        url, name = REPOSITORY, reference
    if _COMMIT.fullmatch(name):
        return FromGit(url, name, requested=name)
    doing = f"cannot find {name} in {url}"
    try:
        answer = subprocess.run(
            ["git", "ls-remote", "--", url, name, f"{name}^{{}}"],
            env=git.environment(GIT_ALLOW_PROTOCOL="file:git:http:https:ssh", GIT_TERMINAL_PROMPT="0"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        raise PackageError(f"{doing}: {error}") from error
    if answer.returncode:
        raise PackageError(f"{doing}: {''.join(answer.stderr.strip().splitlines()[-1:])}")
    lines = (line.split("\t") for line in answer.stdout.removesuffix("\n").split("\n") if line)
    found = {name: commit for commit, name in lines}
    # An annotated tag has an object of its own; ^{} lists the commit that it names.
    wanted = (f"refs/tags/{name}^{{}}", f"refs/tags/{name}", f"refs/heads/{name}", name)
    commit = next((found[item] for item in wanted if item in found), None)
    if commit is None:
        raise PackageError(f"{doing}: the branch or tag does not exist", advice="write a commit as its full id")
    return FromGit(url, commit, requested=name)


def replaced(lock: Lock, origin: Origin) -> Lock:
    """Returns the lock with this framework; raises LockError if the lock has none to replace."""
    if all(package.name != NAME for package in lock.packages):
        raise LockError(
            f"cannot replace {NAME} with {origin}: the lock does not contain {NAME}",
            advice="run the command without --use-local-cdk",
        )
    packages = (
        replace(package, files=(), origin=origin) if package.name == NAME else package for package in lock.packages
    )
    return replace(lock, packages=tuple(packages))
