"""The files for people's CI: their commands run here as a runner would run them, and linters accept them."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from airbyte_ci.oci.store.store import Store
from tests.e2e.command import GIT, PROJECT
from tests.e2e.tiny import Tiny, with_base

WORKFLOW = PROJECT / ".github" / "workflows" / "connectors.yml"
ACTION = PROJECT / "action" / "action.yml"
COMPONENT = PROJECT / "templates" / "connectors.yml"
_PINNED = re.compile(r"[\w./-]+@[0-9a-f]{40}")
BIN = Path(sys.executable).parent


def _load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def _fill(text: str, values: Mapping[str, str]) -> str:
    """The text with the runner's expressions replaced; one without a value here fails."""
    return re.sub(r"(?:\$\{\{|\$\[\[)\s*(.+?)\s*(?:\}\}|\]\])", lambda found: values[found[1]], text)


class _Runner:
    """Runs the steps of a workflow's job that use the action, with artifacts and caches in folders.

    A step whose condition has a value is skipped if that is `false`.
    """

    def __init__(self, tiny: Tiny, folder: Path) -> None:
        self.tiny = tiny
        self.artifacts = folder / "artifacts"
        self.caches = folder / "caches"
        self.outputs: list[str] = []
        self.folder = folder
        self.summary = ""

    def run(self, job: Mapping[str, Any], values: Mapping[str, str]) -> tuple[int, str]:
        """The worst exit code of the steps, and the output of the last one."""
        code, output = 0, ""
        self.outputs = []
        for step in job["steps"]:
            if values.get(str(step.get("if", ""))) == "false":
                continue
            arguments = {name: _fill(str(value), values) for name, value in step.get("with", {}).items()}
            uses = step.get("uses", "")
            if uses == "$/action":
                done, output = self._act(arguments)
                code = max(code, done)
                self.outputs.append(output)
            elif uses.startswith("actions/upload-artifact@"):
                source = self.tiny.folder / arguments["path"]
                shutil.copytree(source, self.artifacts / arguments["name"])
                shutil.rmtree(source)
            elif uses.startswith("actions/cache/save@"):
                self.caches.mkdir(exist_ok=True)
                shutil.move(self.tiny.folder / arguments["path"], self.caches / _cache_file(arguments["key"]))
            elif uses.startswith("actions/cache/restore@"):
                keys = arguments["restore-keys"].split()
                found = (
                    [path for key in keys for path in self.caches.glob(f"{_cache_file(key)}*")]
                    if self.caches.exists()
                    else []
                )
                for path in found[:1]:
                    shutil.copy(path, self.tiny.folder / arguments["path"])
            elif uses.startswith("actions/download-artifact@"):
                for path in self.artifacts.glob(arguments["pattern"]):
                    shutil.copytree(path, self.tiny.folder / arguments["path"] / path.name)
        return code, output

    def _act(self, arguments: Mapping[str, str]) -> tuple[int, str]:
        inputs = {f"inputs.{name}": item.get("default", "") for name, item in _load(ACTION)["inputs"].items()}
        inputs |= {f"inputs.{name}": value for name, value in arguments.items()}
        step = _load(ACTION)["runs"]["steps"][-1]
        files = {name: self.folder / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for path in files.values():
            path.unlink(missing_ok=True)
        done = subprocess.run(
            ["bash", "-c", step["run"]],
            cwd=self.tiny.folder / _fill(step["working-directory"], inputs),
            env={
                **os.environ,
                **self.tiny.environment,
                **{name: _fill(value, inputs) for name, value in step["env"].items()},
                **{name: str(path) for name, path in files.items()},
                "AIRBYTE_CI": str(BIN / "airbyte-ci"),
                "AIRBYTE_CI_HOME": str(self.tiny.home),
                "GITHUB_ACTION_PATH": str(ACTION.parent),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        output = re.fullmatch(r"stdout<<(\w+)\n(.*)\n\1\n", files["GITHUB_OUTPUT"].read_text())
        assert output, done.stderr
        self.summary = files["GITHUB_STEP_SUMMARY"].read_text() if files["GITHUB_STEP_SUMMARY"].exists() else ""
        return done.returncode, output[2]


def _cache_file(key: str) -> str:
    return key.replace("/", "_")


@pytest.fixture
def fleet_of_three(tiny: Tiny) -> Tiny:
    """Three tiny connectors in one commit; the last one cannot be built."""
    for name in ("source-second", "source-third"):
        tiny.add(name)
    (tiny.connector("source-third") / "requirements.txt").write_text("missing==1.0 --hash=sha256:" + "0" * 64 + "\n")
    for arguments in (("add", "-A"), ("commit", "-qm", "fleet")):
        subprocess.run([*GIT, *arguments], cwd=tiny.folder, check=True)
    return tiny


@pytest.mark.slow
def test_the_workflow_runs_its_jobs(fleet_of_three: Tiny, tmp_path: Path) -> None:
    """The plan's matrix gives each job its shard; each job reports; the last one joins the reports and fails."""
    runner = _Runner(fleet_of_three, tmp_path)
    jobs = _load(WORKFLOW)["jobs"]
    (diffed,) = set(re.findall(r"--diffed-branch=\$\{\{ (.*?) \}\}", WORKFLOW.read_text()))
    conditions = {step["if"] for step in jobs["test"]["steps"] if "cache" in step.get("if", "")}
    inputs = {
        diffed: "HEAD",
        "inputs.select": "--all",
        "inputs.shards": "2",
        "inputs.options": "--only-step=build",
        **_CACHE_NAMES,
        **dict.fromkeys(conditions, "false"),
    }
    code, matrix = runner.run(jobs["plan"], inputs)
    include = json.loads(matrix)["include"]
    assert (code, [item["shard"] for item in include]) == (0, ["1/2", "2/2"])
    codes = []
    for index, item in enumerate(include):
        values = {**inputs, "matrix.shard": item["shard"], "strategy.job-index": str(index)}
        codes.append(runner.run(jobs["test"], values)[0])
        assert all(name in runner.summary for name in item["connector"].split() if name == "source-third")
    assert sorted(codes) == [0, 1]
    code, output = runner.run(jobs["report"], inputs)
    assert (code, output[:21]) == (1, "✗ source-third test: ")
    report = runner.artifacts / "airbyte-ci-report"
    assert "source-second" in (report / "index.html").read_text()
    assert len((report / "test.json").read_text().splitlines()) == 3
    assert "| source-third | ❌ failed |" in runner.summary


_CACHE_NAMES = {"runner.os": "Linux", "runner.arch": "X64", "github.run_id": "1", "github.run_attempt": "1"}


@pytest.mark.slow
def test_the_workflow_keeps_a_cache(tiny: Tiny, store: Store, tmp_path: Path) -> None:
    """A run of the default branch writes the cache, and the next run fetches nothing."""
    for arguments in (("add", "-A"), ("commit", "-qm", "fleet")):
        subprocess.run([*GIT, *arguments], cwd=tiny.folder, check=True)
    job = _load(WORKFLOW)["jobs"]["test"]
    restore, load, export, _ = (step for step in job["steps"] if "cache" in step.get("if", ""))
    (diffed,) = set(re.findall(r"--diffed-branch=\$\{\{ (.*?) \}\}", WORKFLOW.read_text()))
    values = {
        diffed: "HEAD",
        "inputs.select": "--all",
        "inputs.options": "--only-step=build",
        "inputs.cache": "1GB",
        "matrix.shard": "1/1",
        "strategy.job-index": "0",
        **_CACHE_NAMES,
    }
    assert len({restore["if"], load["if"], export["if"]}) == 3
    runners = []
    for name in ("first", "second"):
        home = with_base(store, tiny.base, tmp_path / name, unpacked=True)
        (tmp_path / f"{name}-run").mkdir()
        runner = _Runner(replace(tiny, home=home), tmp_path / f"{name}-run")
        runners.append(runner)
        if name == "second":
            runner.caches = runners[0].caches
            tiny.index.asked.clear()
        # The first run finds no cache.
        code, _ = runner.run(job, {**values, load["if"]: "true" if name == "second" else "false"})
        assert code == 0, runner.outputs
        shutil.rmtree(runner.artifacts)
    assert "actions added" in runners[1].outputs[0]
    assert not [path for path in tiny.index.asked if path.startswith("/files/")]
    (cached,) = runners[0].caches.iterdir()
    assert cached.name == "airbyte-ci-store-Linux-X64-1_1-1-1"


@pytest.mark.slow
def test_the_component_runs_its_jobs(fleet_of_three: Tiny) -> None:
    """GitLab's parallel jobs number the shards; the report has the results of all. The default branch keeps a cache."""
    spec, jobs = yaml.safe_load_all(COMPONENT.read_text())
    values = {f"inputs.{name}": str(item.get("default", "x")) for name, item in spec["spec"]["inputs"].items()}
    values |= {"inputs.select": "--all", "inputs.options": "-k build"}

    def run(job: str, part: str = "script", **env: str) -> int:
        script = "\n".join(_fill(line, values) for line in jobs[job][part])
        environment = {**os.environ, **fleet_of_three.environment, **env, "AIRBYTE_CI_HOME": str(fleet_of_three.home)}
        environment["PATH"] = f"{BIN}:{os.environ['PATH']}"
        command = ["bash", "-euo", "pipefail", "-c", script]
        return subprocess.run(
            command, cwd=fleet_of_three.folder, env=environment, capture_output=True, check=False
        ).returncode

    assert sorted(run("airbyte-ci-test", CI_NODE_INDEX=str(index), CI_NODE_TOTAL="2") for index in (1, 2)) == [0, 1]
    values["inputs.cache"] = "100kB"
    cache = fleet_of_three.folder / "airbyte-ci-cache.tar"
    sizes = []
    for policy in ("pull", "pull-push"):
        assert run("airbyte-ci-test", "after_script", CACHE_POLICY=policy) == 0
        sizes.append(cache.stat().st_size if cache.exists() else 0)
    assert sizes[0] == 0 < sizes[1] <= 100_000
    cache.write_bytes(b"damaged")
    assert run("airbyte-ci-test", CI_NODE_INDEX="1", CI_NODE_TOTAL="1") == 1
    assert run("airbyte-ci-report") == 1
    assert "source-second" in (fleet_of_three.folder / "airbyte-ci-reports" / "index.html").read_text()


def test_the_hook_checks_without_network(fleet_of_three: Tiny) -> None:
    """The pre-commit hook's command succeeds where nothing is modified, and its pattern has the files of checks."""
    (hook,) = yaml.safe_load((PROJECT / ".pre-commit-hooks.yaml").read_text())
    words = hook["entry"].split()
    assert words[0] == "airbyte-ci"
    subprocess.run([*GIT, "update-ref", "refs/remotes/origin/main", "HEAD"], cwd=fleet_of_three.folder, check=True)
    done = fleet_of_three.run(*words[1:])
    assert done.code == 0, done.err
    for path in (
        "connectors/a/metadata.yaml",
        "metadata.yaml",
        "a/Dockerfile",
        "a/build_customization.py",
        "a/uv.lock",
    ):
        assert re.search(hook["files"], path)
    assert not re.search(hook["files"], "a/README.md")


def _uses(document: Any) -> Iterator[str]:
    if isinstance(document, dict):
        for key, value in document.items():
            yield from [value] if key == "uses" else _uses(value)
    elif isinstance(document, list):
        for item in document:
            yield from _uses(item)


@pytest.mark.parametrize("path", [*sorted(WORKFLOW.parent.glob("*.yml")), ACTION], ids=lambda path: path.name)
def test_used_actions_are_pinned_and_permissions_start_empty(path: Path) -> None:
    """Each used action is a commit, or this repository's own; each job lists the permissions that it needs."""
    document = _load(path)
    assert all(_PINNED.fullmatch(used) or used == "$/action" for used in _uses(document))
    if "jobs" in document:
        assert document["permissions"] == {}
        assert all("permissions" in job for job in document["jobs"].values())


def test_zizmor_finds_nothing() -> None:
    """No workflow or action has an injection, a credential that stays, or another known weakness."""
    command = [str(BIN / "zizmor"), "--offline", "--quiet", "--no-progress", str(PROJECT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
