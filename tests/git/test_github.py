"""Which repository on which GitHub this is."""

import subprocess
from pathlib import Path

import pytest

from airbyte_ci.git import github

ACTIONS = {"GITHUB_API_URL": "https://api.github.com", "GITHUB_REPOSITORY": "acme/connectors", "GITHUB_TOKEN": "t1"}
PUBLIC, ENTERPRISE = "https://api.github.com", "https://ghe.acme.example/api/v3"


@pytest.mark.parametrize(
    ("remote", "environment", "expected"),
    [
        ("", ACTIONS, (PUBLIC, "acme/connectors", "t1")),
        ("", {**ACTIONS, "GITHUB_API_URL": f"{ENTERPRISE}/"}, (ENTERPRISE, "acme/connectors", "t1")),
        ("https://github.com/other/one.git", ACTIONS, (PUBLIC, "acme/connectors", "t1")),
        ("https://github.com/acme/connectors.git", {"GH_TOKEN": "t2"}, (PUBLIC, "acme/connectors", "t2")),
        ("git@github.com:acme/connectors.git", {"GITHUB_TOKEN": ""}, (PUBLIC, "acme/connectors", "")),
        (
            "git@ghe.acme.example:acme/connectors.git",
            {"GH_TOKEN": "a", "GITHUB_TOKEN": "b"},
            (ENTERPRISE, "acme/connectors", "b"),
        ),
        ("https://ghe.acme.example/acme/connectors", {}, (ENTERPRISE, "acme/connectors", "")),
        ("https://gitlab.example/group/sub/connectors", {}, None),
        ("../origin.git", {}, None),
        ("", {"GITHUB_TOKEN": "t"}, None),
    ],
)
def test_actions_say_it_first_and_the_remote_second(
    tmp_path: Path, remote: str, environment: dict[str, str], expected: tuple[str, str, str] | None
) -> None:
    """GitHub Enterprise too; a token is never shown."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    if remote:
        subprocess.run(["git", "-C", str(tmp_path), "remote", "add", "origin", remote], check=True)
    found = github.repository(tmp_path, environment)
    assert (None if found is None else (found.api, found.name, found.token)) == expected
    assert found is None or not found.token or f"'{found.token}'" not in repr(found)
