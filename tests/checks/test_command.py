"""`connectors check` as a whole: exit codes, weights, choices, registries, pull requests, reports."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from airbyte_ci.checks.all_checks import IDS
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.testing.clients import quick_client
from airbyte_ci.testing.docker_registry import docker_registry
from airbyte_ci.testing.images import random_image
from tests.checks.repository import FOLDER, Repository, address
from tests.checks.test_reviews import PullRequest
from tests.github import double
from tests.github.description import ENTERPRISE, PUBLIC

METADATA, DOCKERFILE, HOOK = f"{FOLDER}/metadata.yaml", f"{FOLDER}/Dockerfile", f"{FOLDER}/build_customization.py"
PROJECT = f"{FOLDER}/pyproject.toml"
USED = address("1.2.0")


def test_an_error_fails_and_a_warning_does_not(repository: Repository) -> None:
    """1 for certified connectors, 0 for others; `[checks]` and --severity override it, the latter last."""
    repository.write(DOCKERFILE, "FROM x\n")
    only = ("--offline", "--only=no-dockerfile")
    assert repository.checked(*only)[0] == 1
    assert repository.checked(*only, "--severity=no-dockerfile=warning")[0] == 0
    repository.replace(METADATA, "certified", "community")
    repository.write(DOCKERFILE, None)
    repository.merge()
    repository.write(DOCKERFILE, "FROM x\n")
    assert repository.checked(*only)[0] == 0
    repository.replace(".airbyte-ci.toml", "customization", '[checks]\nerror = ["no-dockerfile"]\noff = ["tested"]\n#')
    repository.merge()
    code, found = repository.checked("--offline", "--skip=version-increment")
    assert (code, found["no-dockerfile"]["severity"], "tested" in found) == (1, "error", False)
    assert repository.checked(*only, "--severity=no-dockerfile=warning")[0] == 0


def test_a_branch_makes_no_rule_lighter_for_itself(repository: Repository) -> None:
    """Neither by the support level nor by `[checks]`: the stricter of here and the merge base applies."""
    repository.replace(".airbyte-ci.toml", "customization", '[checks]\noff = ["hook-owned"]\n#')
    repository.merge()
    repository.write(DOCKERFILE, "FROM x\n")
    only = ("--offline", "--only=no-dockerfile", "--only=docs-page")
    asked = ("--name=source-x", "check", *only)
    for level in ("  supportLevel: community\n", "  supportLevel: archived\n", ""):
        repository.git("checkout", "-q", "--", METADATA)
        repository.replace(METADATA, "  supportLevel: certified\n", level)
        code, out, err = repository.check(*asked)
        assert (code, err) == (1, "")
        assert "  ! checked as certified, the supportLevel at the merge base" in out
    assert repository.check(*asked, "--diffed-branch=HEAD")[0] == 1
    repository.git("commit", "-qam", "lighter")
    assert repository.check(*asked)[0] == 1
    assert repository.check(*asked, "--diffed-branch=HEAD")[0] == 0

    repository.git("checkout", "-q", "HEAD~", "--", METADATA)
    repository.replace(".airbyte-ci.toml", '"hook-owned"', '"hook-owned", "no-dockerfile"')
    code, out, err = repository.check("--name=source-x", "check", "--offline", "--json")
    assert (code, "no-dockerfile" in out, "hook-owned" in out) == (1, True, False)
    assert "[checks] differs from the merge base" in err
    assert repository.check(*asked, "--severity=no-dockerfile=off")[0] == 1, "it was asked for by its id"
    assert repository.check("--name=source-x", "check", "--offline", "--severity=no-dockerfile=off")[0] == 1
    repository.merge()
    code, out, err = repository.check("--name=source-x", "check", "--offline", "--json")
    assert ("no-dockerfile" in out, err) == (False, "")


def test_a_branch_allows_itself_nothing(repository: Repository) -> None:
    """Owners of customizations and repositories of base images must be right by the merge base's configuration too."""
    repository.write(HOOK, "MAIN_FILE_NAME = 'main.py'\n")
    repository.write("CODEOWNERS", "* @zoe\n")
    repository.replace(".airbyte-ci.toml", "@acme/connector-ops", "@zoe")
    repository.replace(".airbyte-ci.toml", '"registry.acme', '"evil.example/base", "registry.acme')
    only = ("--offline", "--only=hook-owned", "--only=base-image-allowed")
    code, found = repository.checked(*only)
    assert (code, found["base-image-allowed"]["status"]) == (1, "ok")
    assert found["hook-owned"]["reason"] == (
        "CODEOWNERS:1 assigns build_customization.py to @zoe, not to @acme/connector-ops"
    )
    repository.write("CODEOWNERS", "* @zoe @acme/connector-ops\n")
    repository.replace(METADATA, "registry.acme.example/python-connector-base", "evil.example/base")
    code, found = repository.checked(*only)
    assert (code, found["hook-owned"]["status"]) == (1, "ok")
    assert found["base-image-allowed"]["reason"].startswith("evil.example/base is allowed on this branch only (at the")
    repository.replace(".airbyte-ci.toml", '["evil.example/base", ', "[")
    assert "is not an allowed base image" in repository.checked(*only)[1]["base-image-allowed"]["reason"]
    repository.replace(".airbyte-ci.toml", '"registry.acme', '"evil.example/base", "registry.acme')
    repository.merge()
    assert repository.checked(*only)[0] == 0


def test_what_a_branch_archives_is_not_modified(repository: Repository) -> None:
    """As in the original, the support level is the working tree's; who names the connector has it checked."""
    repository.write(DOCKERFILE, "FROM x\n")
    modified = ("--modified", "check", "--offline", "--only=no-dockerfile")
    assert repository.check(*modified)[0] == 1
    repository.replace(METADATA, "certified", "archived")
    code, out, err = repository.check(*modified)
    assert (code, out, "no modified connector matches" in err) == (0, "", True)
    code, out, _ = repository.check("--name=source-x", *modified[1:])
    assert (code, "checked as certified, the supportLevel at the merge base" in out) == (1, True)


def test_a_misspelt_support_level_makes_nothing_lighter(repository: Repository) -> None:
    """Only the levels that are known to be lighter are."""
    repository.write(DOCKERFILE, "FROM x\n")
    repository.replace(METADATA, "certified", "certifed")
    assert repository.checked("--offline", "--only=no-dockerfile")[0] == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only=no-dockerfil"], "did you mean no-dockerfile?"),
        (["--skip=x"], "unknown check 'x'"),
        (["--severity=no-dockerfile"], "--severity ID=error"),
        (["--severity=nothing=error"], "unknown check 'nothing'"),
        (["--sarif=main.py/x"], "cannot write main.py/x"),
    ],
)
def test_wrong_usage_is_told(repository: Repository, arguments: list[str], said: str) -> None:
    """Exit code 2 and what to write instead."""
    repository.write("main.py", "")
    code, _, err = repository.check("--name=source-x", "check", "--offline", *arguments)
    assert (code, said in err) == (2, True), err


def test_a_person_sees_six_points_in_one_line(repository: Repository) -> None:
    """Numbered like in the guide, with the failures below, and one command for all that it fixes."""
    repository.write(DOCKERFILE, "FROM x\n")
    repository.replace(METADATA, f"  connectorBuildOptions:\n    baseImage: {USED}\n", "")
    code, out, _ = repository.check("--name=source-x", "check", "--offline", "--pull-request=12")
    assert (code, out.splitlines()) == (
        1,
        [
            "✗ source-x  1 no Dockerfile ✗  2 latest base ✗  3 patch bump ✗  4 changelog ✓  "
            "5 built ? tested ?  6 hook –  manifest – metadata ✓",
            "  ✗ no-dockerfile      the connector is still built from its Dockerfile",
            "  ✗ base-image-used    metadata.yaml names no base image",
            "    next: airbyte-ci connectors --name=source-x migrate_to_base_image 12",
            "  ✗ version-increment  Dockerfile and 1 more file changed, but the version is still 1.4.2",
            "    next: airbyte-ci connectors --name=source-x bump_version patch 12 'what changed'",
            "  ? built              not built",
            "    next: airbyte-ci connectors --name=source-x build",
            "  ? tested             not tested",
            "    next: airbyte-ci connectors --name=source-x test",
        ],
    )


def test_a_connector_that_cannot_be_read_is_an_error_of_every_report(repository: Repository, tmp_path: Path) -> None:
    """It is not passed over because no filter can select it."""
    repository.write("connectors/source-broken/metadata.yaml", "data: [\n")
    sarif, junit = tmp_path / "x.sarif", tmp_path / "x.xml"
    code, out, _ = repository.check(
        "--all", "check", "--offline", "--github-annotations", f"--sarif={sarif}", f"--junit={junit}"
    )
    assert code == 1
    assert (
        "::error file=connectors/source-broken/metadata.yaml,line=2,title=source-broken%3A metadata-schema::not" in out
    )
    assert "2 connectors: 1 without a failure · 1 error in 1" in out
    (result,) = json.loads(sarif.read_text())["runs"][0]["results"]
    assert (
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        == "connectors/source-broken/metadata.yaml"
    )
    assert '<testsuite name="source-broken" tests="1" failures="1"' in junit.read_text()
    assert repository.check("--name=source-x", "check", "--offline")[0] == 0


def test_reports_are_written_where_nothing_was_modified(repository: Repository, tmp_path: Path) -> None:
    """A later step of the job uploads them, and must find them."""
    junit = tmp_path / "reports" / "x.xml"
    code, out, err = repository.check("--modified", "check", "--offline", f"--junit={junit}")
    assert (code, out) == (0, "")
    assert "nothing to check" in err
    assert 'tests="0" failures="0"' in junit.read_text()


@pytest.mark.parametrize(
    "data",
    [
        "data: {}",
        "data: {dockerImageTag: [], connectorBuildOptions: {baseImage: {a: b}}, documentationUrl: 7, supportLevel: 1}",
        "data: {connectorBuildOptions: [1], registries: 1, tags: 5, releases: no, name: !!binary YWJj, icon: .nan}",
        "data: {1: 2, null: 3, ? [a, b] : c, 2024-01-01: d}",
        'data: {documentationUrl: "https://docs.airbyte.com/../../etc/passwd", dockerRepository: "../../x"}',
        'data: {documentationUrl: "http://[", dockerImageTag: "1.0.0\\u001b[31m", dockerRepository: 1}',
        "data: {x: " + "[" * 300 + "]" * 300 + "}",
        "data: &a {x: *a}",
    ],
)
def test_no_metadata_is_a_bug_of_ours(repository: Repository, data: str) -> None:
    """Any content is a finding, or an error that names the file."""
    repository.write(METADATA, f'metadataSpecVersion: "1.0"\n{data}\n')
    repository.write(PROJECT, "[tool]\npoetry = 1\n[project]\nversion = 2\n")
    repository.write(HOOK, "")
    code, out, err = repository.check("--all", "check", "--offline", "--pull-request=1", "--github-annotations")
    assert (code, "metadata ✗" in out) == (1, True), err


def test_a_digest_is_asked_of_its_registry(repository: Repository, tmp_path: Path) -> None:
    """There: ok, with a note where the tag moved on. Another digest: failed. Offline: unverified, never a failure."""
    store = Store(tmp_path / "images")
    image = random_image(store, seed=1, layers=1)
    only = ("--only=base-image-exists",)
    with docker_registry(tmp_path / "registry") as host:
        pushed = f"{host}/base:1.0.0@{image.digest}"
        with quick_client() as client:
            client.push(store, image.digest, Reference.parse(f"{host}/base:1.0.0"))
        repository.replace(METADATA, USED, pushed)
        assert repository.checked(*only)[1]["base-image-exists"]["status"] == "ok"
        assert repository.checked(*only, "--offline")[1]["base-image-exists"]["status"] == "unverified"
        moved = random_image(store, seed=2, layers=1)
        with quick_client() as client:
            client.push(store, moved.digest, Reference.parse(f"{host}/base:1.0.0"))
        code, found = repository.checked(*only)
        assert (code, found["base-image-exists"]["status"]) == (0, "ok")
        assert (
            f"the tag 1.0.0 now points to another image ({moved.digest.short})" in found["base-image-exists"]["reason"]
        )
        repository.replace(METADATA, "1.0.0@", "0.9.0@")
        assert "no longer has the tag 0.9.0" in repository.checked(*only)[1]["base-image-exists"]["reason"]
        repository.replace(METADATA, "0.9.0@", "1.0.0@")
        other = f"{host}/base:1.0.0@sha256:{1:064x}"
        repository.replace(METADATA, pushed, other)
        missing = repository.checked(*only)[1]["base-image-exists"]
        assert (missing["status"], f"{host} has no base@sha256:0000" in missing["reason"]) == ("failed", True)


@pytest.mark.slow
def test_a_registry_that_does_not_answer_is_no_failure(repository: Repository) -> None:
    """It is tried again for some seconds, then the digest is not verified; only --strict fails for that."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        repository.replace(METADATA, "registry.acme.example", f"127.0.0.1:{taken.getsockname()[1]}")
        code, found = repository.checked("--only=base-image-exists")
    assert (code, found["base-image-exists"]["status"]) == (0, "unverified")
    assert repository.checked("--only=base-image-exists", "--strict", "--offline")[0] == 1


@pytest.mark.parametrize("github", [PUBLIC, ENTERPRISE])
def test_a_hook_must_be_approved_on_its_pull_request(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, github: str
) -> None:
    """By one of the configured owners, where the pull request changes it; GitHub is found as Actions describes it."""
    repository.write(HOOK, "MAIN_FILE_NAME = 'main.py'\n")
    monkeypatch.setenv("GITHUB_REPOSITORY", "acme/connectors")
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    only = ("--only=hook-approved", "--pull-request=4711")

    def asked(pull_request: PullRequest, *arguments: str) -> tuple[int, str, str, str]:
        with double.running(github, pull_request.answer) as running:
            monkeypatch.setenv("GITHUB_API_URL", running.api)
            code, found = repository.checked(*(arguments or only))
        item = found["hook-approved"]
        return code, item["status"], item.get("reason", ""), item.get("next") or item.get("advice", "")

    members = {"ann": "active"}
    assert asked(PullRequest([("ann", "APPROVED")], [(HOOK, "")], members))[:2] == (0, "ok")
    code, status, reason, command = asked(PullRequest([("zoe", "APPROVED")], [(HOOK, "")], members))
    assert (code, status) == (1, "failed")
    assert reason == "build_customization.py is not approved by @acme/connector-ops"
    assert command == "gh pr edit 4711 --add-reviewer acme/connector-ops"
    assert asked(PullRequest([], [("README.md", "")]))[1] == "skipped"
    assert asked(PullRequest([]), *only, "--offline")[1:3] == (
        "unverified",
        "offline, so GitHub was not asked who approved it",
    )
    assert asked(PullRequest([]), "--only=hook-approved")[1] == "skipped"


def test_a_pull_request_does_not_choose_its_approvers(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """The owners are those of the target branch, regardless of this branch's owners."""
    repository.git("switch", "-qc", "work")
    repository.write(HOOK, "MAIN_FILE_NAME = 'main.py'\n")
    repository.write("CODEOWNERS", "* @zoe\n")
    repository.replace(".airbyte-ci.toml", "@acme/connector-ops", "@zoe")
    for name, value in {"GITHUB_REPOSITORY": "acme/connectors", "GITHUB_TOKEN": "secret", "NO_PROXY": "*"}.items():
        monkeypatch.setenv(name, value)
    with double.running(PUBLIC, PullRequest([("zoe", "APPROVED")], [(HOOK, "")]).answer) as running:
        monkeypatch.setenv("GITHUB_API_URL", running.api)
        code, found = repository.checked("--only=hook-approved", "--only=hook-owned", "--pull-request=4711")
    assert code == 1
    assert found["hook-owned"]["reason"].endswith("assigns build_customization.py to @zoe, not to @acme/connector-ops")
    assert found["hook-approved"]["reason"] == "build_customization.py is not approved by @acme/connector-ops"


def test_paths_are_told_from_the_top_of_the_git_repository(repository: Repository) -> None:
    """If the configured root is a folder of a larger repository, GitHub's paths and CODEOWNERS start at its top."""
    repository.git("init", "-q", str(repository.root.parent))
    (repository.root / ".git").rename(repository.root.parent / "old-git")
    (repository.root / "CODEOWNERS").rename(repository.root.parent / "CODEOWNERS")
    repository.write(HOOK, "")
    (repository.root.parent / "CODEOWNERS").write_text("* @acme/connector-ops\n/repository/**/*.py @acme/all\n")
    arguments = ("--name=source-x", "check", "--offline", "--only=hook-owned", "--github-annotations")
    code, out, _ = repository.check(*arguments)
    assert code == 1
    assert f"next: echo '/repository/{HOOK} @acme/connector-ops' >> ../CODEOWNERS" in out
    assert f"::error file=repository/{HOOK},title=" in out


def test_the_command_runs_as_a_process(repository: Repository) -> None:
    """Like in CI: JSON on stdout, annotations on stderr, and the exit code."""
    repository.write(DOCKERFILE, "FROM x\n")
    command = [
        sys.executable,
        "-m",
        "airbyte_ci",
        "connectors",
        "--all",
        "check",
        "--offline",
        "--json",
        "--github-annotations",
    ]
    done = subprocess.run(command, cwd=repository.root, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (item,) = map(json.loads, done.stdout.splitlines())
    assert (item["name"], item["status"], item["points"]["1"]) == ("source-x", "failed", "error")
    assert tuple(check["id"] for check in item["checks"]) == IDS
    assert done.stderr.startswith("::error file=connectors/source-x/Dockerfile,title=source-x%3A no-dockerfile::")


def test_a_rule_names_the_page_that_the_repository_has_for_it(repository: Repository, tmp_path: Path) -> None:
    """SARIF's helpUri is a file of the repository at its remote, or the configured address; otherwise it is missing."""

    def pages() -> dict[str, str | None]:
        sarif = tmp_path / "x.sarif"
        assert repository.check("--all", "check", "--offline", f"--sarif={sarif}")[0] == 0
        (run,) = json.loads(sarif.read_text())["runs"]
        return {rule["id"]: rule.get("helpUri") for rule in run["tool"]["driver"]["rules"]}

    assert set(pages().values()) == {None}
    repository.write("docs/checks/docs-page.md", "# docs-page\n")
    assert set(pages().values()) == {None}  # its remote is a folder
    repository.git("remote", "set-url", "origin", "git@github.com:acme/connectors.git")
    assert {name: page for name, page in pages().items() if page} == {
        "docs-page": "https://github.com/acme/connectors/blob/HEAD/docs/checks/docs-page.md"
    }
    table = (repository.root / ".airbyte-ci.toml").read_text()
    repository.write(".airbyte-ci.toml", f'check-pages = "https://wiki.acme.example/{{id}}"\n{table}')
    assert pages()["tested"] == "https://wiki.acme.example/tested"
    repository.write(".airbyte-ci.toml", f'check-pages = "https://wiki.acme.example/"\n{table}')
    code, _, err = repository.check("--all", "check", "--offline")
    assert (code, "check-pages must contain {id}" in err) == (2, True)


@pytest.mark.parametrize(
    ("new", "weight"),
    [
        ("supportLevel: community\n  nmae: X", "warning"),
        ("supportLevel: archived\n  nmae: X", "warning"),
        ("nmae: X", "error"),
        ("supportlevel: community", "error"),
        ("supportLevel: comunity", "error"),
        ("supportLevel: certified\n  nmae: X", "error"),
    ],
)
def test_metadata_of_community_connectors_warns(repository: Repository, new: str, weight: str) -> None:
    """A bad key is an error for certified connectors and where the level is not known, a warning for the others."""
    repository.replace(METADATA, "supportLevel: certified", new)
    repository.merge()
    code, found = repository.checked("--offline", "--only=metadata-schema")
    assert (found["metadata-schema"]["status"], found["metadata-schema"]["severity"]) == ("failed", weight)
    assert code == int(weight == "error")
