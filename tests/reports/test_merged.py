"""`reports merge`: the reports of many jobs become one, and nothing is lost silently."""

import json
from pathlib import Path
from typing import Any

import pytest

from airbyte_ci.errors import UsageError
from airbyte_ci.outcomes import Outcome
from airbyte_ci.reports import merged
from airbyte_ci.reports.merged import MergedReport
from tests.e2e.command import airbyte_ci


def _tested(name: str, status: str = "ok", shard: str = "") -> dict[str, Any]:
    steps = [{"id": "unit", "status": status, "seconds": 1, "reason": "" if status == "ok" else "broken"}]
    return {"name": name, "status": status, "steps": steps, **({"shard": shard} if shard else {})}


def _merge(*files: list[dict[str, Any]]) -> MergedReport:
    return merged.merge(
        (f"{number}.json", "".join(f"{json.dumps(item)}\n" for item in items).encode())
        for number, items in enumerate(files, start=1)
    )


def test_the_last_result_of_a_connector_is_used() -> None:
    """A job that ran again replaces what it reported before; results of other commands and platforms stay."""
    build = {"name": "source-a", "status": "ok", "platform": "linux/amd64"}
    found = _merge(
        [_tested("source-a", "failed"), build, {**build, "platform": "linux/arm64"}, _tested("source-b")],
        [_tested("source-a")],
    )
    assert not found.is_failed
    assert sorted((item.command, item.name) for item in found.results) == [
        ("build", "source-a"),
        ("build", "source-a"),
        ("test", "source-a"),
        ("test", "source-b"),
    ]
    assert [json.loads(line)["name"] for line in merged.to_json(found)] == [item.name for item in found.results]


def test_a_shard_without_a_report_is_named() -> None:
    """A job that died is a failure. Shards beyond the number of connectors are empty and miss nothing."""
    found = _merge([_tested("a", shard="1/3"), _tested("b", shard="1/3")], [_tested("c", shard="3/3")])
    assert (found.missing, found.is_failed) == (("2/3 of test",), True)
    assert _merge([_tested("a", shard="1/8")], [_tested("b", shard="2/8")], []).missing == ()


def test_a_connector_has_one_result_of_each_command() -> None:
    """A publication that failed is no build, and what other commands report about connectors is refused."""
    failed = Outcome(subject="a", status="failed", reason="no")
    found = _merge([failed.to_json(command) for command in ("build", "test", "check", "publish")])
    assert sorted(item.command for item in found.results) == ["build", "check", "publish", "test"]
    assert [line.partition(": ")[0] for line in merged.lines(found).splitlines()[4:]] == [
        "build",
        "test",
        "check",
        "publish",
    ]
    with pytest.raises(UsageError, match=r"line 1: it is not the result of a connector"):
        _merge([failed.to_json("lock")])


@pytest.mark.parametrize(
    "line", ["{", "[]", "1", '{"name": "a"}', '{"name": 1, "status": "ok"}', "[" * 500 + "]" * 500, "\udcff"]
)
def test_other_files_are_refused_with_their_line(line: str) -> None:
    """A file that is cut off or of another kind is wrong usage, named with its line."""
    good = json.dumps(_tested("a"))
    with pytest.raises(UsageError, match=r"cannot read x\.json, line 2: "):
        merged.merge([("x.json", f"{good}\n{line}\n".encode(errors="surrogateescape"))])


def test_the_command_writes_each_form(tmp_path: Path) -> None:
    """It needs no repository; its exit code says whether anything failed, and a missing file is wrong usage."""
    one, two = tmp_path / "1.json", tmp_path / "2.json"
    one.write_text(json.dumps(_tested("source-a", "failed")) + "\n")
    two.write_text(json.dumps(_tested("source-b")) + "\n")
    files = ("--html=out/a.html", "--markdown=out/a.md", "--output=out/a.json", "--github-annotations")
    done = airbyte_ci("reports", "merge", "1.json", "2.json", *files, cwd=tmp_path, home=tmp_path / "home")
    assert (done.code, done.err) == (1, "")
    assert done.out.splitlines() == [
        "✗ source-a test: unit: broken",
        "test: 2 connectors, 1 failed",
        "::error title=source-a%3A unit::broken",
    ]
    assert [json.loads(line)["name"] for line in (tmp_path / "out/a.json").read_text().splitlines()] == [
        "source-a",
        "source-b",
    ]
    assert "source-b" in (tmp_path / "out/a.html").read_text()
    assert "| source-a | ❌ failed | unit | broken |" in (tmp_path / "out/a.md").read_text()
    assert airbyte_ci("reports", "merge", "2.json", cwd=tmp_path, home=tmp_path / "home").code == 0
    assert airbyte_ci("reports", "merge", "3.json", cwd=tmp_path, home=tmp_path / "home").code == 2
