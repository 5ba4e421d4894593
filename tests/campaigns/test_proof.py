"""The proof of a change reaches everybody: the outcome, the plan file and the pull request."""

from pathlib import Path

import pytest

from airbyte_ci.campaigns.changes import plan
from airbyte_ci.campaigns.changes.change import Change
from airbyte_ci.campaigns.changes.proof import Proof
from airbyte_ci.campaigns.delivery import wording
from airbyte_ci.edits.edit import Edit, FileChange
from airbyte_ci.reports import changes as report

PROOF = Proof(
    is_proven=False,
    summary="1 lost · 5 same",
    text="old → new\n  ✗ variable API_LIMIT  10\n",
    markdown="| | What |\n|---|---|\n| lost | `variable API_LIMIT` |\n",
)


@pytest.fixture
def change() -> Change:
    return Change(
        connector="source-a",
        folder="connectors/source-a",
        title="source-a: use the base image",
        summary="1.0.0 → 1.0.1",
        before="1.0.0",
        after="1.0.1",
        edit=Edit.of([FileChange("connectors/source-a/Dockerfile", b"FROM x\n", None)]),
        proof=PROOF,
    )


def test_a_change_that_is_not_proven_fails(change: Change) -> None:
    """The outcome is a failure with the rows; a proven change has one line more."""
    outcome = report.outcome(change)
    assert (outcome.status, outcome.reason) == ("failed", "1.0.0 → 1.0.1, but not proven: 1 lost · 5 same")
    assert "✗ variable API_LIMIT  10" in outcome.details
    from dataclasses import replace

    proven = report.outcome(replace(change, proof=replace(PROOF, is_proven=True)))
    assert proven.status == "ok" and "✓ proven: 1 lost · 5 same" in proven.details


def test_a_plan_keeps_the_proof(change: Change, tmp_path: Path) -> None:
    """What was compared when the plan was made is what its delivery shows."""
    with plan.open_writer(tmp_path / "plan.json", "migrate_to_base_image") as writer:
        writer.add(change)
    (planned,) = plan.read(tmp_path / "plan.json").changes
    assert planned.change.proof == PROOF


def test_a_pull_request_shows_the_comparison(change: Change) -> None:
    """The body has the table below the connector's name, before airbyte-ci's last line."""
    body = wording.body([change], "migrate_to_base_image")
    heading, table, end = (
        body.index(text) for text in ("source-a: comparison of the images", "| lost | `variable", "Made by")
    )
    assert heading < table < end
