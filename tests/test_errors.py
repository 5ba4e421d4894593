"""The error tree and outcomes: exit codes, and what a person reads."""

import inspect
import re
from typing import Any

import pytest

from airbyte_ci import errors, outcomes
from airbyte_ci.errors import AirbyteCiError, CommandFailed
from airbyte_ci.outcomes import Outcome

CLASSES = [item for _, item in inspect.getmembers(errors, inspect.isclass) if issubclass(item, AirbyteCiError)]


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    """Each class is drawn below its parent, with its exit code."""
    lines = re.findall(r"^([│├└─ ]*)(\w+)\s+(\d)\b", errors.__doc__ or "", re.MULTILINE)
    drawn = [(len(indent), name, int(code)) for indent, name, code in lines]
    assert {name for _, name, _ in drawn} == {item.__name__ for item in CLASSES}
    for position, (depth, name, code) in enumerate(drawn):
        item = getattr(errors, name)
        assert item.exit_code == code
        if depth:
            parent = next(other for level, other, _ in reversed(drawn[:position]) if level < depth)
            assert item.__bases__ == (getattr(errors, parent),)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_says_what_and_what_next(kind: type[AirbyteCiError]) -> None:
    """Message and advice are separate, and together on one line; every class documents when it is raised."""
    more: dict[str, Any] = {"returncode": 7} if kind is CommandFailed else {}
    bare, advised = kind("doing x: no", **more), kind("doing x: no", advice="do y", **more)
    assert (str(bare), bare.advice) == ("doing x: no", None)
    assert (str(advised), advised.message, advised.advice) == ("doing x: no → do y", "doing x: no", "do y")
    assert kind.__doc__


def test_a_failed_command_knows_its_exit_code() -> None:
    """A command that ran in an image and failed reports its exit code."""
    assert CommandFailed("x", returncode=7).returncode == 7


def outcome(status: outcomes.Status) -> Outcome:
    return Outcome(subject="source-x", status=status)


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        ([], 0),
        (["ok"], 0),
        (["ok", "skipped", "unverified"], 0),
        (["failed"], 1),
        (["ok", "failed", "skipped"], 1),
    ],
    ids=str,
)
def test_the_exit_code_tells_of_failures(statuses: list[outcomes.Status], code: int) -> None:
    """One failure is enough; skipped and unverified outcomes are not failures."""
    assert outcomes.exit_code(map(outcome, statuses)) == code
    assert outcomes.exit_code(iter(map(outcome, statuses))) == code


def test_an_outcome_for_machines() -> None:
    """Name, status and facts; a reason, the next command and a failure's details only where there are some."""
    assert outcome("ok").to_json("build") == {"name": "source-x", "command": "build", "status": "ok"}
    full = Outcome(
        subject="source-x",
        status="failed",
        summary="summary",
        reason="why",
        advice="airbyte-ci x",
        details=("detail",),
        facts={"digest": "sha256:a"},
    )
    assert full.to_json("lock") == {
        "command": "lock",
        "name": "source-x",
        "status": "failed",
        "digest": "sha256:a",
        "reason": "why",
        "next": "airbyte-ci x",
        "details": ["detail"],
    }


def test_what_cannot_be_printed_is_escaped() -> None:
    """Texts of files, servers and hooks come into messages: they neither move the cursor nor hide; lines stay lines."""
    error = errors.LockError("a\x1b[2Jb\u202ec\ufeff é\n    \udc80 ✓")
    assert str(error) == "a\\x1b[2Jb\\u202ec\\ufeff é\n    \\udc80 ✓"
