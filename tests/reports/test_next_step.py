"""Next steps: commands that a shell can run unchanged, each once for all connectors that share it."""

import shlex

import pytest
from click import unstyle

from airbyte_ci.outcomes import Outcome
from airbyte_ci.reports import next_step, terminal


@pytest.mark.parametrize(
    ("advice", "is_command"),
    [
        ("airbyte-ci connectors --name=source-x build", True),
        ("airbyte-ci connectors --name=source-x build && git add -A && git commit", True),
        ("$EDITOR +3 connectors/source-x/metadata.yaml", True),
        ("(cd connectors/source-x && poetry version 1.2.3)", True),
        ("docker login ghcr.io", True),
        ("/usr/bin/python3 -m pip install uv", True),
        ("airbyte-ci connectors --name=… run --shell", False),
        ("airbyte-ci base-images release FILE", False),
        ("airbyte-ci connectors --name=source-x bump_version patch PR_NUMBER 'what changed'", False),
        ("airbyte-ci connectors --name=source-x build; or push it with --allow-yanked", False),
        ("export AIRBYTE_CI_HOME=/a/folder/of/yours", False),
        ("run the check again without --offline", False),
        ("git", False),
    ],
)
def test_only_commands_are_next_steps(advice: str, is_command: bool) -> None:
    """Advice that is a sentence or has a placeholder has an arrow instead.

    In JSON, `next` has only commands, and `advice` the rest.
    """
    assert unstyle(next_step.line(advice)) == f"{'next:' if is_command else '→'} {advice}"
    document = Outcome(subject="source-x", status="failed", reason="no", advice=advice).to_json("lock")
    assert document == {
        "name": "source-x",
        "command": "lock",
        "status": "failed",
        "reason": "no",
        "next" if is_command else "advice": advice,
    }


@pytest.mark.parametrize("count", [1, 2, 26])
def test_one_command_is_for_all(count: int) -> None:
    """A command is printed once, with each name, or with `--all` if the user passed it."""
    names = [f"source-{number:02}" for number in range(count)]
    advices = [f"airbyte-ci connectors --name={name} build && git add -A && git commit" for name in names]
    (command,) = next_step.merge([*advices, "say it in words", *advices])
    assert [word for word in shlex.split(command) if word.startswith("--name=")] == [f"--name={name}" for name in names]
    (command,) = next_step.merge(advices, whole=count)
    assert command.startswith("airbyte-ci connectors --all build") == (count > 1)
    assert next_step.merge([f"git push origin {name}" for name in names]) == [f"git push origin {' '.join(names)}"]


@pytest.mark.parametrize(
    ("advice", "arguments"),
    [
        ("airbyte-ci connectors --name={} build && git add -A && git commit", "--name={}"),
        ("git rm {}/Dockerfile", "{}/Dockerfile"),
        ("git push origin airbyte-ci/{}", "airbyte-ci/{}"),
    ],
)
@pytest.mark.parametrize("length", [10, 200, 2000])
def test_no_command_is_too_long_to_read(advice: str, arguments: str, length: int) -> None:
    """A command for many is given as several of at most 500 characters, or one name each: none is lost."""
    names = [f"source-{number:02}".ljust(length, "x") for number in range(40)]
    commands = next_step.merge(map(advice.format, names))
    words = [word for command in commands for word in shlex.split(command)]
    assert [word for word in words if "source-" in word] == [arguments.format(name) for name in names]
    assert all(len(command) <= 500 or command.count("source-") == 1 for command in commands)
    assert len(commands) < 4 if length == 10 else len(commands) > 3
    assert all(command.startswith(advice.partition("{")[0]) for command in commands)


def test_different_commands_stay_apart() -> None:
    """Options and commands after the connectors are part of what must be the same."""
    first, second = (f"airbyte-ci connectors --name=source-x {verb}" for verb in ("build", "test"))
    assert next_step.merge([first, second, first]) == [first, second]


def test_several_outcomes_end_with_one_command() -> None:
    """Advice in words stays with its outcome, commands come last; a single outcome has its own."""
    command = "airbyte-ci connectors --name={} build"
    items = [
        Outcome(subject=name, status="ok", summary="done", advice=command.format(name))
        for name in ("source-a", "source-b")
    ]
    items.append(Outcome(subject="source-c", status="failed", reason="no", advice="think again"))
    shown = [unstyle(terminal.outcome(item, alone=False)) for item in items]
    assert shown == ["✓ source-a done", "✓ source-b done", "✗ source-c no\n  → think again"]
    assert unstyle(terminal.ending(items, "built")).splitlines() == [
        "3 connectors: 2 built · 1 failed",
        "next: airbyte-ci connectors --name=source-a --name=source-b build",
    ]
    assert terminal.ending(items[:1], "built") == ""
    assert unstyle(terminal.outcome(items[0])) == "✓ source-a done\n  next: airbyte-ci connectors --name=source-a build"


def test_what_is_about_one_place_stays_with_its_connector() -> None:
    """An editor at a line, or a command in a folder, is for one connector; removing files is one command for all."""
    assert not next_step.is_shared("$EDITOR +3 source-x/metadata.yaml")
    assert not next_step.is_shared("(cd source-x && poetry version 1.2.3)")
    assert next_step.merge(["git rm a/Dockerfile", "$EDITOR a/metadata.yaml", "git rm b/Dockerfile"]) == [
        "git rm a/Dockerfile b/Dockerfile"
    ]
