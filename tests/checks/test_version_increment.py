"""The version against the merge base, with real branches."""

import pytest

from airbyte_ci.cli import main
from tests.checks.repository import FOLDER, Repository

METADATA, MAIN = f"{FOLDER}/metadata.yaml", f"{FOLDER}/main.py"
RULE = "version-increment"
OPTED_OUT = "data:\n  ab_internal: {requireVersionIncrementsInPullRequests: false}"


def status(repository: Repository, *arguments: str) -> tuple[str, str]:
    found = repository.checked("--offline", "--only", RULE, *arguments)[1][RULE]
    return found["status"], found.get("reason", "")


@pytest.mark.parametrize(
    ("changes", "expected", "reason"),
    [
        ({}, "skipped", "did not change"),
        ({MAIN: ("print()", "print(1)")}, "failed", "main.py changed, but the version is still 1.4.2"),
        ({MAIN: ("print()", "print(1)"), METADATA: ("1.4.2", "1.4.3")}, "ok", ""),
        ({MAIN: ("print()", "print(1)"), METADATA: ("1.4.2", "2.0.0-rc.1")}, "ok", ""),
        ({METADATA: ("name: X", "name: Y")}, "skipped", "need no new version"),
        ({METADATA: (":1.2.0@", ":1.2.1@")}, "failed", "metadata.yaml changed"),
        ({METADATA: ("1.4.2", "1.4.1")}, "failed", "the version decreased"),
        ({METADATA: ("1.4.2", "next")}, "skipped", "not a semantic version"),
        ({f"{FOLDER}/README.md": (None, "# X\n")}, "skipped", "did not change"),
        ({f"{FOLDER}/unit_tests/test_x.py": (None, "")}, "skipped", "need no new version"),
        ({"docs/integrations/sources/x.md": ("# X", "# Y")}, "skipped", "did not change"),
        (
            {
                MAIN: ("print()", "print(1)"),
                METADATA: ("data:", OPTED_OUT),
            },
            "skipped",
            "opts out of",
        ),
    ],
)
@pytest.mark.parametrize("committed", [True, False])
def test_a_change_of_the_image_needs_a_higher_version(
    repository: Repository, changes: dict[str, tuple[str | None, str]], expected: str, reason: str, committed: bool
) -> None:
    """Changes since the merge base are included, committed or not; files that are not in the image are not."""
    repository.git("switch", "-qc", "work")
    for path, (old, new) in changes.items():
        if old is None:
            repository.write(path, new)
        else:
            repository.replace(path, old, new)
    if committed and changes:
        repository.git("add", "-A")
        repository.git("commit", "-qm", "work")
    found, told = status(repository)
    assert (found, reason in told) == (expected, True), told


def test_the_merge_base_counts_and_not_the_branch_of_today(repository: Repository) -> None:
    """Others' changes on the main branch meanwhile are not this branch's."""
    repository.git("switch", "-qc", "work")
    repository.git("switch", "-q", "main")
    repository.replace(MAIN, "print()", "print(2)")
    repository.replace(METADATA, "1.4.2", "1.5.0")
    repository.git("commit", "-qam", "of others")
    repository.git("push", "-q", "origin", "main")
    repository.git("switch", "-q", "work")
    assert status(repository)[0] == "skipped"


def test_candidates_of_one_release_follow_each_other(repository: Repository) -> None:
    """1.5.0-rc.1 goes on as 1.5.0-rc.2 or 1.5.0, not as a candidate of another version."""
    repository.replace(METADATA, "1.4.2", "1.5.0-rc.1")
    repository.git("commit", "-qam", "candidate")
    repository.git("push", "-q", "origin", "main")
    for version, expected in (("1.5.0-rc.2", "ok"), ("1.5.0", "ok"), ("1.6.0-rc.1", "failed")):
        repository.git("checkout", "-q", ".")
        repository.replace(METADATA, "1.5.0-rc.1", version)
        assert status(repository)[0] == expected, version


def test_a_new_connector_begins_where_it_likes(repository: Repository) -> None:
    """A new connector has no earlier version to exceed."""
    repository.git("mv", FOLDER, "connectors/source-y")
    repository.git("commit", "-qm", "renamed")
    code, out, _ = repository.check("--name=source-y", "check", "--json", "--offline", "--only", RULE)
    assert (code, '"status": "ok"' in out) == (0, True)


def test_without_a_branch_to_compare_with_nothing_is_known(repository: Repository) -> None:
    """No remote and no name: unverified, which only --strict fails for; a name that is wrong is wrong usage."""
    repository.replace(MAIN, "print()", "print(1)")
    repository.git("remote", "remove", "origin")
    assert status(repository)[0] == "unverified"
    assert repository.checked("--offline", "--only", RULE, "--strict")[0] == 1
    assert status(repository, "--diffed-branch=main")[0] == "failed"
    code, _, err = repository.check("--name=source-x", "check", "--offline", "--diffed-branch=nowhere")
    assert (code, "nowhere" in err) == (2, True)


def test_inside_a_connectors_folder_the_branch_still_counts(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """There the connector need not be named, and what it is compared with can be."""
    repository.replace(MAIN, "print()", "print(1)")
    repository.git("remote", "remove", "origin")
    monkeypatch.chdir(repository.root / FOLDER)
    assert main.run(["connectors", "check", "--offline", f"--only={RULE}", "--diffed-branch=main"]) == 1
    assert "main.py changed" in capsys.readouterr().out
