"""The history of base images, from real git."""

from datetime import date
from pathlib import Path

import pytest

from airbyte_ci.campaigns.waves import base_history
from airbyte_ci.campaigns.waves.base_history import NONE
from airbyte_ci.errors import UsageError
from tests.campaigns.repositories import git


def write(root: Path, name: str, base: str, day: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commits a connector on a base image at noon of a day."""
    folder = root / "connectors" / name
    folder.mkdir(parents=True, exist_ok=True)
    line = f"  connectorBuildOptions:\n    baseImage: docker.io/airbyte/{base}@sha256:1\n" if base else ""
    (folder / "metadata.yaml").write_text(f"data:\n  dockerImageTag: 1.0.0\n{line}")
    for variable in ("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"):
        monkeypatch.setenv(variable, f"{day}T12:00:00Z")
    git(root, "add", "-A")
    git(root, "commit", "-qm", f"{name} {day}", "--allow-empty")


def test_days_of_the_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each day has the state of its last commit; only named connectors count; few points span the whole time."""
    git(tmp_path, "init", "-q", "-b", "main")
    write(tmp_path, "source-a", "", "2026-01-01", monkeypatch)
    write(tmp_path, "source-b", "base:1.0.0", "2026-01-01", monkeypatch)
    write(tmp_path, "source-a", "base:1.0.0", "2026-02-01", monkeypatch)
    write(tmp_path, "other", "base:9.0.0", "2026-02-15", monkeypatch)
    write(tmp_path, "source-b", "base:2.0.0", "2026-03-01", monkeypatch)
    found = base_history.read(tmp_path, "HEAD", {"source-a", "source-b"}, 12)
    assert [(day.day.isoformat(), day.counts) for day in found] == [
        ("2026-01-01", {NONE: 1, "base:1.0.0": 1}),
        ("2026-02-01", {"base:1.0.0": 2}),
        ("2026-02-15", {"base:1.0.0": 2}),
        ("2026-03-01", {"base:1.0.0": 1, "base:2.0.0": 1}),
    ]
    few = base_history.read(tmp_path, "main", {"source-a", "source-b"}, 2)
    assert [day.day for day in few] == [date(2026, 1, 1), date(2026, 3, 1)]
    late = base_history.read(tmp_path, "main", None, 12, date(2026, 2, 10))
    assert [day.counts.get("base:9.0.0") for day in late] == [1, 1]


def test_a_reference_is_never_an_option(tmp_path: Path) -> None:
    """A reference that looks like an option of git is unknown, and no file is written."""
    git(tmp_path, "init", "-q", "-b", "main")
    with pytest.raises(UsageError, match="cannot read the history"):
        base_history.read(tmp_path, f"--output={tmp_path}/out", None, 2)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("text", "day"), [(None, None), ("2026-02-01", date(2026, 2, 1)), ("30d", date(2026, 2, 1))])
def test_since(text: str | None, day: date | None) -> None:
    """A date or a number of days."""
    assert base_history.parse_since(text, date(2026, 3, 3)) == day
    with pytest.raises(UsageError, match="neither a date nor a number of days"):
        base_history.parse_since("yesterday", date(2026, 3, 3))
