"""The pages of the checks: one for each, and what they show is what happens."""

import shlex
import subprocess
from pathlib import Path

import pytest

from airbyte_ci.checks.all_checks import IDS, RULES
from airbyte_ci.checks.rule import Rule
from airbyte_ci.cli import main
from tests.campaigns.repositories import copied, git
from tests.e2e import console

PAGES = Path(__file__).parents[2] / "docs" / "checks"
_WEIGHTS = {
    "error": "an error for every connector",
    "warning": "a warning for every connector",
    None: "an error for certified connectors, a warning for others",
}


def test_each_check_has_its_page() -> None:
    """No page is missing, none is left over, and the index names all of them in their order."""
    assert {path.stem for path in PAGES.glob("*.md")} == {*IDS, "README"}
    index = (PAGES / "README.md").read_text()
    rows = [f"| {rule.point or '–'} | [{rule.id}]({rule.id}.md) | {rule.title} |" for rule in RULES]
    assert "\n".join(rows) in index


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_a_page_says_what_the_rule_says(rule: Rule) -> None:
    """Title, reason, point and weight are those of the rule."""
    text = (PAGES / f"{rule.id}.md").read_text()
    point = f"point {rule.point} of the guide" if rule.point else "none of the guide's six points"
    head = f"# {rule.id}\n\n{rule.title}\n\n{rule.why}\n\nBelongs to {point}; {_WEIGHTS[rule.severity]}.\n"
    assert text.startswith(head)


@pytest.mark.parametrize("name", [*IDS, "README"])
def test_what_a_page_shows_is_what_happens(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its commands, run in order on the example fleet, print the documented output, and ✗ is exit code 1."""
    root = copied("fleet", tmp_path / "fleet")
    git(root, "clone", "-q", "--bare", ".", "../origin.git")
    git(root, "remote", "add", "origin", "../origin.git")
    git(root, "fetch", "-q")
    git(root, "remote", "set-head", "origin", "main")
    monkeypatch.chdir(root)
    monkeypatch.setenv("AIRBYTE_CI_HOME", str(tmp_path / "home"))
    for variable in ("GITHUB_REPOSITORY", "GITHUB_API_URL"):
        monkeypatch.delenv(variable, raising=False)
    commands = console.steps((PAGES / f"{name}.md").read_text())
    assert commands
    for step in commands:
        is_ours = step.command.startswith("airbyte-ci ")
        words = shlex.split(step.command) if is_ours else ["bash", "-c", step.command]
        if is_ours:
            code = main.run(words[1:])
            printed, said = capsys.readouterr()
        else:
            done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=False)
            code, printed, said = done.returncode, done.stdout, done.stderr
        # Only what failed as an error, or with --strict what is not known, ends a check with 1: a warning does not.
        fails = step.output.startswith("✗") or "\n✗" in step.output or "--strict" in words
        assert code == int(fails), f"{step.command}\n{printed}{said}"
        assert not step.output or printed.rstrip("\n") == step.output.rstrip("\n")
