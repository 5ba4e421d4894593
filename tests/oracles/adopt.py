"""The whole path of a company's repository, from its clone to images in a registry: one row for each connector.

python -m tests.oracles.adopt REPOSITORY [--catalog FILE] [--only NAME…] [--keep FOLDER]

The repository is cloned, never written to. All steps use the command, like a user, and nothing is edited by hand:
required edits are counted and named. `make adopt REPO=…` builds the base image of the demo first.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from airbyte_ci.config import CATALOG, FILE
from airbyte_ci.testing.registry import RegistryServer

# `run` and `discover` need secrets of the company; these do not.
_STEPS = ("unit", "spec")
_COLUMNS = ("migrated", "locked", "built", "tested", "checked", "pushed")


@dataclass
class Row:
    """The result of each step for a connector; `reasons` explain failures, `alarms` need a person's attention.

    `checks` maps the checks' names to their status.
    """

    name: str
    steps: dict[str, str] = field(default_factory=dict)
    checks: list[tuple[str, str]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)

    @property
    def by_hand(self) -> bool:
        """Returns whether a person must edit something before the connector builds."""
        return "failed" in (self.steps.get(step) for step in ("migrated", "locked", "built"))


@dataclass(frozen=True)
class Clone:
    """The clone with the command and its store."""

    root: Path
    home: Path

    def run(self, *arguments: str) -> tuple[int, list[dict[str, Any]], str]:
        """The exit code, the documents on stdout and the text on stderr."""
        command = [sys.executable, "-m", "airbyte_ci", *arguments]
        environment = {**os.environ, "AIRBYTE_CI_HOME": str(self.home)}
        done = subprocess.run(command, cwd=self.root, env=environment, check=False, capture_output=True, text=True)
        return done.returncode, list(_documents(done.stdout)), done.stderr

    def git(self, *arguments: str) -> None:
        identity = ("-c", "user.name=Adopt", "-c", "user.email=adopt@example.com")
        subprocess.run(["git", "-C", str(self.root), *identity, *arguments], check=True, capture_output=True)

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)


def _documents(text: str) -> Iterator[dict[str, Any]]:
    if text.startswith("["):
        yield from json.loads(text)
        return
    for line in text.splitlines():
        try:
            document = json.loads(line)
        except ValueError:
            continue
        if isinstance(document, dict):
            yield document


def adopt(place: Clone, catalog: Path | None, only: Sequence[str]) -> tuple[list[Row], dict[str, float], list[str]]:
    """The rows, the seconds of each step, and what was wrong with the repository as a whole."""
    seconds: dict[str, float] = {}
    wrong: list[str] = []

    def step(name: str, *arguments: str) -> list[dict[str, Any]]:
        print(f"{name} …", file=sys.stderr)
        begun = time.monotonic()
        code, documents, errors = place.run(*arguments)
        seconds[name] = time.monotonic() - begun
        (place.root.parent / f"{place.root.name}-{name}.log").write_text(f"{documents}\n{errors}", "utf-8")
        if code not in (0, 1) or (code and not documents):
            wrong.append(f"{name} ended with {code}: {' '.join(errors.split())[-400:]}")
        return documents

    step("init", "init", "--json")
    if catalog:
        _use_bases(place.root, catalog)
    place.commit("configure airbyte-ci")
    listed = step("list", "connectors", "list", "--json")
    rows = {item["name"]: Row(item["name"]) for item in listed if not only or item["name"] in only}
    selected = [f"--name={name}" for name in rows] if only else ["--all"]
    group = ["connectors", *selected]
    for document in step("migrate", *group, "migrate_to_base_image", "--json"):
        row = _note(rows, document, "migrated")
        row.alarms += [str(item) for item in document.get("notCarriedOver", ())]
    place.commit("move to base images")
    for name, column, arguments in (
        ("lock", "locked", ["lock"]),
        ("build", "built", ["build"]),
        ("test", "tested", ["test", *(f"--only-step={item}" for item in _STEPS)]),
        ("check", "checked", ["check", "--offline"]),
    ):
        for document in step(name, *group, *arguments, "--json"):
            _note(rows, document, column)
        for row in rows.values():
            if column not in row.steps:
                row.reasons.append(f"{column}: {name} printed no result")
        place.commit(name)
    with RegistryServer() as registry:
        for document in step("push", *group, "build", f"--output=registry:{registry.host}", "--json"):
            _note(rows, document, "pushed")
    return list(rows.values()), seconds, wrong


def _note(rows: Mapping[str, Row], document: Mapping[str, Any], column: str) -> Row:
    row = rows.get(str(document.get("name"))) or Row("?")
    status = str(document.get("status", "failed"))
    row.checks += [(str(item["id"]), str(item["status"])) for item in document.get("checks", ())]
    # Of several outcomes of a step, one for each platform or rule, the worst is used.
    order = ("ok", "skipped", "unverified", "failed")
    row.steps[column] = max(row.steps.get(column, "ok"), status, key=lambda item: order.index(item))
    if status == "failed":
        reason = str(document.get("reason") or _failed_checks(document))
        row.reasons.append(f"{column}: {' '.join(reason.split())[:300]}")
    return row


def _failed_checks(document: Mapping[str, Any]) -> str:
    found = [*document.get("checks", ()), *document.get("steps", ())]
    return "; ".join(f"{item.get('id')}: {item.get('reason', '')}" for item in found if item.get("status") == "failed")


def _use_bases(root: Path, catalog: Path) -> None:
    """The repository's catalog and configuration with the base images of another catalog first."""
    shutil.copy(catalog, root / CATALOG)
    repositories = list(yaml.safe_load(catalog.read_text("utf-8")))
    keys = [*repositories, "docker.io/airbyte/python-connector-base"]
    table = root / FILE
    kept = [line for line in table.read_text("utf-8").splitlines() if not line.startswith("base-image-repositories")]
    table.write_text("\n".join([f"base-image-repositories = {json.dumps(keys)}", *kept, ""]), "utf-8")


def _cell(row: Row, column: str) -> str:
    """The mark of a step; of checks, how many ended ok, failed and unverified."""
    if column == "checked" and row.checks:
        return "/".join(str(sum(status == kind for _, status in row.checks)) for kind in ("ok", "failed", "unverified"))
    return _MARKS.get(row.steps.get(column, ""), " ")


def _checks(rows: Sequence[Row]) -> str:
    """The numbers of all checks, and the names of those that are not ok."""
    counts = Counter(item for row in rows for item in row.checks)
    found = []
    for kind in ("ok", "failed", "unverified"):
        names = [f"{name} {count}" for (name, status), count in sorted(counts.items()) if status == kind != "ok"]
        number = sum(count for (_, status), count in counts.items() if status == kind)
        found.append(f"{number} {kind}" + (f" ({', '.join(names)})" if names else ""))
    return f"checks: {' · '.join(found)}"


_MARKS = {"ok": "✓", "skipped": "–", "unverified": "?", "failed": "✗"}


def table(rows: Sequence[Row], seconds: Mapping[str, float], wrong: Sequence[str]) -> Iterator[str]:
    """A line for each connector, the reasons of failures, the totals."""
    width = max([len(row.name) for row in rows], default=9)
    yield f"{'connector':<{width}}  {'  '.join(_COLUMNS)}  alarms"
    for row in rows:
        marks = "  ".join(f"{_cell(row, name):^{len(name)}}" for name in _COLUMNS)
        yield f"{row.name:<{width}}  {marks}  {len(row.alarms) or ''}".rstrip()
    for row in rows:
        yield from (f"{row.name}: {reason}" for reason in row.reasons)
        yield from (f"{row.name}: alarm: {alarm}" for alarm in row.alarms)
    yield from wrong
    yield _checks(rows)
    # What cannot be verified offline is counted above, and is no failure.
    ended = {name: ("ok", "unverified") if name == "checked" else ("ok",) for name in _COLUMNS}
    counts = [f"{sum(row.steps.get(name) in ended[name] for row in rows)} {name}" for name in _COLUMNS]
    by_hand = sum(row.by_hand for row in rows)
    alarms = sum(len(row.alarms) for row in rows)
    yield f"{len(rows)} connectors: {' · '.join(counts)} · {alarms} alarms · {by_hand} to edit by hand"
    times = " · ".join(f"{name} {value:.1f}" for name, value in seconds.items())
    yield f"{sum(seconds.values()):.1f} s: {times}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository", help="a folder or an address that git can clone")
    parser.add_argument("--catalog", type=Path, help="base images to use before the published ones")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="these connectors only")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="clone to this folder and leave it there")
    given = parser.parse_args()
    home = Path(os.environ.get("AIRBYTE_CI_HOME") or Path(".scratch/adopt-store").absolute())
    with tempfile.TemporaryDirectory(prefix="adopt-") as scratch:
        root = given.keep or Path(scratch, "repository")
        subprocess.run(["git", "clone", "--quiet", given.repository, str(root)], check=True)
        found = adopt(Clone(root, home), given.catalog, given.only)
        print("\n".join(table(*found)))
    rows, _, wrong = found
    return int(bool(wrong) or any("failed" in row.steps.values() for row in rows))


if __name__ == "__main__":
    sys.exit(main())
