"""Each rule by itself: a repository that holds all of them, and what one change of it breaks."""

import shlex

import pytest

from airbyte_ci.checks.all_checks import IDS
from tests.checks.repository import FOLDER, Repository, address

METADATA, PROJECT, PAGE = f"{FOLDER}/metadata.yaml", f"{FOLDER}/pyproject.toml", "docs/integrations/sources/x.md"
USED = address("1.2.0")
DOCKERFILE = f"{FOLDER}/Dockerfile"
HOOK = f"{FOLDER}/build_customization.py"
BY = "airbyte-ci connectors --name=source-x"


def test_a_good_connector_holds_every_rule(repository: Repository) -> None:
    """Nothing fails; only what cannot be known offline, or was never built, is not verified."""
    code, found = repository.checked("--offline")
    assert (code, tuple(found)) == (0, IDS)
    statuses = {name: item["status"] for name, item in found.items()}
    assert {name for name, status in statuses.items() if status == "unverified"} == {
        "base-image-exists",
        "built",
        "tested",
    }
    assert "failed" not in statuses.values()


# (file, old text or None: the whole file, new text or None: no file), the rule that fails, part of its reason, the
# command that fixes it, the line it points at.
BROKEN = [
    (DOCKERFILE, None, "FROM x\n", "no-dockerfile", "in addition to its base image", f"git rm {DOCKERFILE}", 0),
    (METADATA, f"    baseImage: {USED}", "    {}", "base-image-used", "names no base image", "base-images list", 2),
    (METADATA, f"@sha256:{'120':0>64}", "", "base-image-address", "no digest", f"{BY} upgrade_base_image", 4),
    (METADATA, ":1.2.0@", "@", "base-image-address", "no tag", f"{BY} upgrade_base_image", 4),
    (METADATA, "sha256:000", "sha256:", "base-image-address", "", f"{BY} upgrade_base_image --to latest", 4),
    (
        METADATA,
        ":1.2.0@",
        ":1.3.0@",
        "base-image-address",
        "the digest belongs to 1.2.0",
        f"{BY} upgrade_base_image --to 1.2.0",
        4,
    ),
    (METADATA, "acme.example/", "evil.example/", "base-image-allowed", "registry.evil.example/", "base-images list", 4),
    (METADATA, USED, address("1.0.0"), "base-image-not-yanked", "broken", f"{BY} upgrade_base_image", 4),
    (METADATA, USED, address("1.1.0"), "base-image-supported", "until 2021-06-30", f"{BY} upgrade_base_image", 4),
    (METADATA, USED, address("1.1.0"), "base-image-latest", "1.2.0 is available", f"{BY} upgrade_base_image", 4),
    (METADATA, "1.4.2", "1.4", "version-semver", "1.4", f"{BY} bump_version version:1.4.3", 8),
    (METADATA, "1.4.2", "v1.5", "version-semver", "1.5", f"{BY} bump_version version:1.5.0", 8),
    (METADATA, "  dockerImageTag: 1.4.2\n", "", "version-semver", "is missing", "bump_version", 2),
    (METADATA, "1.4.2", "1.4.1", "version-increment", "decreased from", f"{BY} bump_version patch 'what changed'", 8),
    (METADATA, "1.4.2", "1.4.3", "changelog-row", "no changelog row", f"{BY} bump_version version:1.4.3", 0),
    (PAGE, "| 1.4.2 ", "| 1.4.20", "changelog-row", "no changelog row for 1.4.2;", "bump_version version:1.4.2", 0),
    (PAGE, "Subject", "What", "changelog-row", "no changelog table", "table", 0),
    (PAGE, None, None, "docs-page", "integrations/sources/x", "documentationUrl", 10),
    (PROJECT, "1.4.2", "1.4.1", "version-in-pyproject", "is 1.4.1 in", f"(cd {FOLDER} && poetry version 1.4.2)", 3),
    (PROJECT, "[tool.poetry]", "[project]", "version-in-pyproject", "", "uv version", 3),
    (PROJECT, None, "[", "version-in-pyproject", "not valid TOML", "$EDITOR", 0),
    (METADATA, "supportLevel:", "supportlevel:", "metadata-schema", "unknown key supportlevel", "$EDITOR", 15),
    (METADATA, 'metadataSpecVersion: "1.0"\n', "", "metadata-schema", "metadataSpecVersion is missing", "echo", 0),
]


@pytest.mark.parametrize(("path", "old", "new", "rule", "reason", "command", "line"), BROKEN)
def test_a_broken_rule_says_why_where_and_what_mends_it(
    repository: Repository,
    path: str,
    old: str | None,
    new: str | None,
    rule: str,
    reason: str,
    command: str,
    line: int,
) -> None:
    """Exactly the rule that was broken fails, with its reason, a command, and the line of the file."""
    if old is None:
        repository.write(path, new)
    else:
        assert new is not None
        repository.replace(path, old, new)
    if rule == "version-in-pyproject" and new == "[project]":
        repository.replace(path, '"1.4.2"', '"9.9.9"')
    found = repository.checked("--offline", "--only", rule)[1][rule]
    assert found["status"] == "failed"
    assert reason in found["reason"]
    assert command in (found.get("next") or found["advice"])
    assert found.get("line", 0) == line


def test_one_mistake_is_told_once(repository: Repository) -> None:
    """A broken address is one failure, not five, because nothing else can be checked."""
    repository.replace(METADATA, "sha256:000", "sha256:")
    found = repository.checked("--offline", "--skip=version-increment")[1]
    assert [name for name, item in found.items() if item["status"] == "failed"] == ["base-image-address"]


def test_what_the_python_does_not_admit_is_not_the_latest(repository: Repository) -> None:
    """1.3.0 has Python 3.13 and 2.0.0 is another major version; a connector that admits 3.13 is behind 1.3.0."""
    assert repository.checked("--offline")[1]["base-image-latest"]["status"] == "ok"
    repository.replace(PROJECT, "<3.12", "<3.14")
    found = repository.checked("--offline")[1]["base-image-latest"]
    assert (found["status"], found["severity"]) == ("failed", "warning")
    assert "1.3.0 is available" in found["reason"]


def test_a_connector_that_is_not_built_has_no_base_image_to_use(repository: Repository) -> None:
    """The rules about base images apply to the languages that are built, and to all connectors with a base image."""
    repository.write(PROJECT, None)
    repository.write(f"{FOLDER}/Dockerfile", "FROM x\n")
    repository.replace(METADATA, f"  connectorBuildOptions:\n    baseImage: {USED}\n", "")
    found = repository.checked("--offline")[1]
    about = ("no-dockerfile", "base-image-used", "base-image-allowed", "base-image-exists", "built", "tested")
    assert {found[name]["status"] for name in about} == {"skipped"}


def test_a_java_connector_is_told_what_fits_its_language(repository: Repository) -> None:
    """It gets its first base image by upgrade_base_image: only Python connectors are migrated from a Dockerfile."""
    repository.write(PROJECT, None)
    repository.write(f"{FOLDER}/src/main/java/X.java", "")
    repository.write(f"{FOLDER}/Dockerfile", "FROM x\n")
    repository.replace(METADATA, f"  connectorBuildOptions:\n    baseImage: {USED}\n", "")
    found = repository.checked("--offline")[1]
    assert {found[name]["status"] for name in ("no-dockerfile", "base-image-used")} == {"failed"}
    assert "git rm" in found["no-dockerfile"]["next"]
    assert "upgrade_base_image --set-if-not-exists=true" in found["base-image-used"]["next"]


@pytest.mark.parametrize(
    ("owners", "expected", "reason"),
    [
        ("/connectors/**/build_customization.* @acme/connector-ops\n", "ok", ""),
        ("/connectors/**/build_customization.* @acme/Connector-Ops @x\n", "ok", ""),
        ("build_customization.* @acme/connector-ops\n/connectors/ @acme/all\n", "failed", "CODEOWNERS:2 assigns"),
        ("* @acme/all\n", "failed", "to @acme/all, not to @acme/connector-ops"),
        ("*.md @acme/connector-ops\n", "failed", "to nobody"),
        ("build_customization.py\n", "failed", "CODEOWNERS:1 assigns build_customization.py to nobody"),
        (None, "failed", "the repository has no CODEOWNERS"),
    ],
)
def test_a_customisation_has_the_configured_owners(
    repository: Repository, owners: str | None, expected: str, reason: str
) -> None:
    """The last matching line of CODEOWNERS must name one of them; the advised command does."""
    repository.write("CODEOWNERS", owners)
    repository.write(HOOK, "")
    found = repository.checked("--offline", "--only", "hook-owned")[1]["hook-owned"]
    assert found["status"] == expected
    assert reason in found.get("reason", "")
    if expected == "failed":
        # It is a command: run it, and look again.
        words = shlex.split(found["next"])
        assert (words[0], words[2]) == ("echo", ">>")
        with (repository.root / words[3]).open("a") as file:
            file.write(f"{words[1]}\n")
        assert repository.checked("--offline", "--only", "hook-owned")[1]["hook-owned"]["status"] == "ok"


def test_a_hook_is_an_error_whatever_the_support_level(repository: Repository) -> None:
    """The permission to run code in builds is independent of the support level; other rules are not."""
    repository.replace(METADATA, "certified", "community")
    repository.merge()
    repository.write("CODEOWNERS", "* @acme/all\n")
    repository.write(HOOK, "")
    repository.write(f"{FOLDER}/Dockerfile", "FROM x\n")
    code, found = repository.checked("--offline")
    assert code == 1
    failed = {name: item["severity"] for name, item in found.items() if item["status"] == "failed"}
    assert failed == {"no-dockerfile": "warning", "hook-owned": "error", "version-increment": "warning"}


_LEFT = {"1.0.0": "base-image-not-yanked", "1.1.0": "base-image-supported"}


@pytest.mark.parametrize(
    ("base", "unlisted", "python", "to"),
    [
        ("1.0.0", (), "<3.12", ""),
        ("1.1.0", (), "<3.12", ""),
        ("1.0.0", ("1.2.0",), "<3.12", "--to latest"),
        ("1.1.0", ("1.2.0",), "<3.12", "--to latest"),
        ("1.1.0", ("1.2.0", "2.0.0"), "<3.13", "--to latest"),
    ],
)
def test_the_advised_upgrade_is_not_refused(
    repository: Repository, base: str, unlisted: tuple[str, ...], python: str, to: str
) -> None:
    """A base image that must be left is left by the command that the check names: inside of the major version where
    that has another, else outside of it, and in another repository where its own has nothing."""
    for version in unlisted:
        lines = (repository.root / "base-images.yaml").read_text().splitlines(keepends=True)
        repository.write("base-images.yaml", "".join(line for line in lines if f"version: {version}," not in line))
    if len(unlisted) > 1:
        repository.replace(
            ".airbyte-ci.toml", '"registry.acme', '"docker.io/airbyte/python-connector-base", "registry.acme'
        )
    repository.replace(METADATA, USED, address(base))
    repository.replace(PROJECT, ">=3.10,<3.12", f">=3.9,{python}")
    repository.merge()
    rule = _LEFT[base]
    found = repository.checked("--offline", f"--only={rule}", "--pull-request=7")[1][rule]
    assert found["next"] == f"{BY} upgrade_base_image 7 {to}".rstrip()
    code, out, err = repository.check(*shlex.split(found["next"])[2:])
    assert code == 0, out + err
    assert repository.checked("--offline", f"--only={rule}")[1][rule]["status"] == "ok"


def test_where_no_upgrade_leads_out_the_reason_is_told(repository: Repository) -> None:
    """No command that would be refused is advised: the connector's Python keeps it where it is."""
    repository.replace(METADATA, USED, address("1.0.0"))
    repository.replace(PROJECT, ">=3.10,<3.12", "==3.7.*")
    found = repository.checked("--offline", "--only=base-image-not-yanked")[1]["base-image-not-yanked"]
    assert found["reason"].startswith("python-connector-base 1.0.0 was yanked: it was broken; no base image ")
    assert found["advice"].startswith("widen the Python in pyproject.toml")
