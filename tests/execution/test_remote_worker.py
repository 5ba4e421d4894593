"""Jobs on a worker: which are refused, and a checkout of a job's commit from real git."""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from airbyte_ci.errors import UsageError
from airbyte_ci.execution import dask_cluster, limited, remote_worker
from airbyte_ci.execution.limited import MemoryExceededError
from airbyte_ci.execution.remote_job import RemoteJob
from tests.campaigns.repositories import copied, git


def job(**more: object) -> RemoteJob:
    own = remote_worker.describe()
    plain = RemoteJob(subject="x", repository="r", commit="c", folder="", arguments=(), memory=0, **own)
    return replace(plain, **more)  # type: ignore[arg-type]  # any field


def test_workers_that_differ_are_refused() -> None:
    """Another version of airbyte-ci or Python is named, and nothing is run."""
    own = remote_worker.describe()
    other = job(version="0.0.1")
    assert remote_worker.refusal(job(), own) == ""
    assert remote_worker.refusal(other, own) == f"this worker has airbyte-ci {own['version']} instead of 0.0.1"
    assert remote_worker.run(other.to_json())["code"] == -1


def test_a_job_runs_in_its_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command sees the files of the commit, whatever the clone has now; an unknown commit is one line."""
    monkeypatch.setenv("AIRBYTE_CI_HOME", str(tmp_path / "home"))
    root = copied("fleet", tmp_path / "fleet")
    commit = git(root, "rev-parse", "HEAD").strip()
    git(root, "rm", "-rq", "airbyte-integrations/connectors/source-tides")
    git(root, "commit", "-qm", "gone")
    listing = ("--json", "connectors", "--name=source-tides", "list")
    asked = job(repository=f"file://{root}", commit=commit, arguments=listing)
    for _ in range(2):
        done = remote_worker.run(json.loads(json.dumps(asked.to_json())))
        assert (done["code"], json.loads(done["output"])[0]["name"]) == (0, "source-tides"), done["error"]
    missing = remote_worker.run(replace(asked, commit="0" * 40).to_json())
    assert (missing["code"], missing["output"]) == (-1, "")
    assert missing["error"].startswith("cannot check out the job's commit: ")


def test_a_job_that_uses_too_much_memory_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line names the memory that it used and the limit; below the limit, the result is that of the command."""
    hungry = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    block = "import time; block = bytearray(200_000_000); time.sleep(600)"
    with pytest.raises(MemoryExceededError) as found:
        limited.run((sys.executable, "-c", hungry, block), tmp_path, 100_000_000)
    assert found.value.used > 100_000_000
    done = limited.run((sys.executable, "-c", "import time; time.sleep(1); print('x' * 10**6)"), tmp_path, 100_000_000)
    assert (done.returncode, len(done.stdout)) == (0, 10**6 + 1)
    monkeypatch.setenv("AIRBYTE_CI_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(limited, "_LOOK_SECONDS", 0.01)
    root = copied("fleet", tmp_path / "fleet")
    asked = job(repository=f"file://{root}", commit=git(root, "rev-parse", "HEAD").strip(), memory=1_000_000)
    ended = remote_worker.run(replace(asked, arguments=("connectors", "list")).to_json())
    assert (ended["code"], ended["output"]) == (-1, "")
    assert re.fullmatch(
        r"the job used 0\.\d GB of memory, more than --job-memory 0\.0 GB → raise --job-memory", ended["error"]
    )


@pytest.mark.parametrize(
    "text", ["", "dask://", "dask://host", "tcp://host:1", "dask://u:p@host:1", "dask://host:99999"]
)
def test_addresses_that_are_no_cluster(text: str) -> None:
    """An address has the scheme of Dask, a host and a port, and no login."""
    with pytest.raises(UsageError, match="is not the address of a cluster"):
        dask_cluster.parse_address(text)
    assert dask_cluster.parse_address("dask+tls://host:8786") == "tls://host:8786"
