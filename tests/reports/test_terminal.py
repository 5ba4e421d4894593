"""Outcomes as lines for people."""

import pytest
from click import unstyle

from airbyte_ci.outcomes import Outcome
from airbyte_ci.reports import terminal


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (Outcome(subject="source-x", status="ok", summary="1.0.0 → 1.0.1"), "✓ source-x 1.0.0 → 1.0.1"),
        (Outcome(subject="source-x", status="ok", summary="done", reason="not shown"), "✓ source-x done"),
        (Outcome(subject="source-x", status="skipped", reason="migrated already"), "– source-x migrated already"),
        (Outcome(subject="source-x", status="failed", summary="tried", reason="no space"), "✗ source-x no space"),
        (Outcome(subject="source-x", status="failed", summary="tried"), "✗ source-x tried"),
        (Outcome(subject="source-x", status="unverified", reason="no runc"), "? source-x no runc"),
        (
            Outcome(subject="source-x", status="failed", reason="building source-x: no lock"),
            "✗ building source-x: no lock",
        ),
        (
            Outcome(
                subject="source-x",
                status="ok",
                summary="done",
                advice="airbyte-ci build",
                details=("− Dockerfile", "~ metadata.yaml"),
            ),
            "✓ source-x done\n  − Dockerfile\n  ~ metadata.yaml\n  next: airbyte-ci build",
        ),
    ],
    ids=lambda item: item.status if isinstance(item, Outcome) else "",
)
def test_an_outcome_is_a_line_and_what_belongs_to_it(item: Outcome, expected: str) -> None:
    """Mark, subject (once) and what happened; then details, then the next command."""
    assert unstyle(terminal.outcome(item)) == expected


def test_the_last_line_counts() -> None:
    """The number of selected connectors, of finished ones (always), and of the other outcomes."""
    items = [
        Outcome(subject="a", status="ok"),
        Outcome(subject="b", status="failed"),
        Outcome(subject="c", status="skipped"),
        Outcome(subject="d", status="skipped"),
    ]
    assert terminal.count(items, "built") == "4 connectors: 1 built · 2 skipped · 1 failed"
    assert terminal.count([Outcome(subject="b", status="failed")], "built") == "1 connectors: 0 built · 1 failed"
    assert (
        terminal.count([Outcome(subject="d", status="unverified")], "built") == "1 connectors: 0 built · 1 unverified"
    )
