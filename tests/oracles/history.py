"""Repeats merged migrations: runs the command on the parents of the commits, and compares the results.

python -m tests.oracles.history REPOSITORY [--to VERSION] COMMIT…     REPOSITORY: a clone with history, bare or not

For each connector whose metadata a commit changed, prints whether the meaning is the same, and the differences.
"""

import argparse
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from tests.campaigns.repositories import CONNECTORS, commit, git
from tests.e2e.command import airbyte_ci

_NUMBER = re.compile(r"\(#(\d+)\)")
_ORIGIN = "https://github.com/acme/connectors.git"


@dataclass(frozen=True)
class Replayed:
    """One connector of one commit: `refused` has our reason, `different` a line for each value that is otherwise."""

    commit: str
    connector: str
    ending: Literal["equal", "different", "refused"]
    told: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()


def replay(repository: Path, name: str, to: str) -> Iterator[Replayed]:
    """Compares a merged commit with airbyte-ci's change of its parent, connector by connector."""
    subject = git(repository, "log", "-1", "--format=%s", name)
    number = found[1] if (found := _NUMBER.search(subject)) else "1"
    only = ("--no-commit-id", "--name-only", "--diff-filter=M")
    changed = git(repository, "diff-tree", "-r", *only, name, "--", CONNECTORS)
    folders = sorted(folder for path in changed.splitlines() if (folder := path.removesuffix("/metadata.yaml")) != path)
    with tempfile.TemporaryDirectory(prefix="airbyte-ci-history-") as scratch:
        root = Path(scratch) / "repository"
        _extract(repository, f"{name}^", [*folders, "docs/integrations"], root)
        for folder in folders:
            connector = folder.rpartition("/")[2]
            # Some were on a base image already, by its tag only.
            does = "migrate_to_base_image" if (root / folder / "Dockerfile").exists() else "upgrade_base_image"
            done = airbyte_ci(
                *("connectors", f"--name={connector}", does, number, "--to", to, "--json"),
                cwd=root,
                home=Path(scratch) / "home",
            )
            if done.code:
                yield Replayed(name, connector, "refused", (_reason(done.out, done.err),), (_kind(done.out, done.err),))
                continue
            ours = (root / folder / "metadata.yaml").read_text()
            theirs = git(repository, "show", f"{name}:{folder}/metadata.yaml")
            yield _compared(name, connector, yaml.safe_load(ours), yaml.safe_load(theirs))


def _extract(repository: Path, tree: str, paths: list[str], root: Path) -> None:
    """These existing paths of a commit, as the first commit of a new repository."""
    known = [path for path in paths if git(repository, "ls-tree", "-d", tree, path)]
    root.mkdir()
    command = ["git", "-C", str(repository), "archive", tree, *known]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as sent:
        assert sent.stdout is not None
        with tarfile.open(fileobj=sent.stdout, mode="r|") as archive:
            archive.extractall(root, filter="tar")
    assert sent.returncode == 0, f"git archive {tree} ended with {sent.returncode}"
    git(root, "init", "-q", "-b", "master")
    git(root, "remote", "add", "origin", _ORIGIN)
    commit(root)


def _reason(out: str, err: str) -> str:
    """The command's own words: of its outcome, or of an error that came before any."""
    line: dict[str, Any] = next((json.loads(line) for line in out.splitlines() if line.startswith("{")), {})
    return str(line.get("reason") or err.strip() or out.strip())


def _kind(out: str, err: str) -> str:
    """The reason without what is a connector's own."""
    return re.sub(r"\b(source|destination)-[\w-]+|\S*/\S*", "…", _reason(out, err))


def _compared(name: str, connector: str, ours: Any, theirs: Any) -> Replayed:
    found = list(differences(ours, theirs))
    told = tuple(f"{path}: {mine!r}, merged was {other!r}" for path, mine, other in found)
    return Replayed(name, connector, "different" if found else "equal", told, tuple(path for path, _, _ in found))


def differences(ours: Any, theirs: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yields the differences in meaning: the path, airbyte-ci's value and the other; None for a missing value."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted({*ours, *theirs}, key=str):
            yield from differences(ours.get(key), theirs.get(key), f"{path}.{key}" if path else str(key))
    elif ours != theirs:
        yield path, ours, theirs


def lines(items: list[Replayed]) -> Iterator[str]:
    """A line for each connector with its notes, then the classes of differences, the most frequent first."""
    for item in items:
        yield f"{item.commit[:10]} {item.connector}: {item.ending}"
        yield from (f"  {line}" for line in item.told)
    endings = Counter(item.ending for item in items)
    yield f"{len(items)} connectors: " + ", ".join(f"{number} {ending}" for ending, number in endings.most_common())
    for kind, number in Counter(kind for item in items for kind in item.classes).most_common():
        yield f"  {number} × {kind}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.oracles.history")
    parser.add_argument("repository", type=Path)
    parser.add_argument("commits", nargs="+", metavar="COMMIT")
    parser.add_argument("--to", default="1.1.0", metavar="VERSION")
    asked = parser.parse_args()
    items = [item for name in asked.commits for item in replay(asked.repository, name, asked.to)]
    for line in lines(items):
        print(line)
    sys.exit(0 if items else "none of these commits changed a connector's metadata")


if __name__ == "__main__":
    main()
