"""Jobs on a worker: which are refused, and a checkout of a job's commit from real git."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from airbyte_ci.errors import UsageError
from airbyte_ci.execution import dask_cluster, remote_worker
from airbyte_ci.execution.remote_job import RemoteJob
from tests.campaigns.repositories import copied, git


def job(**more: object) -> RemoteJob:
    plain = RemoteJob(subject="x", repository="r", commit="c", folder="", arguments=(), **remote_worker.describe())
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


@pytest.mark.parametrize(
    "text", ["", "dask://", "dask://host", "tcp://host:1", "dask://u:p@host:1", "dask://host:99999"]
)
def test_addresses_that_are_no_cluster(text: str) -> None:
    """An address has the scheme of Dask, a host and a port, and no login."""
    with pytest.raises(UsageError, match="is not the address of a cluster"):
        dask_cluster.parse_address(text)
    assert dask_cluster.parse_address("dask+tls://host:8786") == "tls://host:8786"
