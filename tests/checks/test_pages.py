"""The pages of the checks: one for each, and what they show is what happens."""

import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from airbyte_ci.checks.all_checks import IDS, RULES
from airbyte_ci.checks.rule import Rule
from airbyte_ci.cli import main
from tests.campaigns.repositories import copied, git

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
    """Its commands run one after the other on the example fleet; where it shows what is printed, that is printed."""
    root = copied("fleet", tmp_path / "fleet")
    git(root, "clone", "-q", "--bare", ".", "../origin.git")
    git(root, "remote", "add", "origin", "../origin.git")
    git(root, "fetch", "-q")
    git(root, "remote", "set-head", "origin", "main")
    monkeypatch.chdir(root)
    monkeypatch.setenv("AIRBYTE_CI_HOME", str(tmp_path / "home"))
    for variable in ("GITHUB_REPOSITORY", "GITHUB_API_URL"):
        monkeypatch.delenv(variable, raising=False)
    commands = [*_commands((PAGES / f"{name}.md").read_text())]
    assert commands
    for command, shown in commands:
        words = shlex.split(command) if command.startswith("airbyte-ci ") else ["bash", "-c", command]
        if words[0] == "airbyte-ci":
            code = main.run(words[1:])
            printed, said = capsys.readouterr()
        else:
            done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=False)
            code, printed, said = done.returncode, done.stdout, done.stderr
        if shown:
            assert printed.rstrip("\n") == shown.rstrip("\n")
        else:
            assert code == 0, f"{command}\n{printed}{said}"


def _commands(page: str) -> Iterator[tuple[str, str]]:
    """Of the console blocks: each command with its further lines (`> …`), and what is shown below it."""
    for block in page.split("```console\n")[1:]:
        for part in f"\n{block.partition('```')[0]}".split("\n$ ")[1:]:
            lines = part.splitlines(keepends=True)
            further = [line.removeprefix("> ") for line in lines[1:] if line.startswith("> ")]
            shown = "".join(line for line in lines[1:] if not line.startswith("> "))
            yield "".join([lines[0], *further]).strip("\n"), shown
