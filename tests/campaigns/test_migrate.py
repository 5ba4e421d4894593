"""The migration to a base image, on copies of the examples: what it changes, and what it refuses to change."""

import difflib
import re
from datetime import date
from pathlib import Path

import pytest
import yaml

from airbyte_ci.base_images.catalog import catalog
from airbyte_ci.base_images.catalog.catalog import Catalog
from airbyte_ci.campaigns.changes.change import Change, NotApplicable
from airbyte_ci.campaigns.changes.task import RequestedEntry
from airbyte_ci.campaigns.connector_files import release
from airbyte_ci.campaigns.migrations.migrate_to_base_image import MIGRATION, MigrateOptions
from airbyte_ci.campaigns.migrations.migration import plan_change
from airbyte_ci.checks import version_in_pyproject, version_semver
from airbyte_ci.checks.mending import Mending
from airbyte_ci.checks.texts import Texts
from airbyte_ci.errors import AirbyteCiError, ConnectorError, EditRefused
from tests.campaigns.repositories import CONNECTORS, commit, copied, git, opened, snapshot, task

TODAY = date(2024, 2, 29)
REPOSITORY = "docker.io/airbyte/python-connector-base"
SUBJECT = MIGRATION.text.default


def version(number: str, python: str, **more: object) -> dict[str, object]:
    digest = f"sha256:{number.replace('.', '').replace('-rc', '').ljust(64, '0')}"
    return {"version": number, "address": f"{REPOSITORY}:{number}@{digest}", "python": python, **more}


KNOWN = catalog.parse(
    yaml.safe_dump({REPOSITORY: [version("4.1.0", "3.13"), version("2.0.0", "3.10.14"), version("1.2.0", "3.9.18")]}),
    "the test's catalog",
)
ADDRESS = f"{REPOSITORY}:2.0.0@sha256:200{'0' * 61}"


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """A git repository with the example fleet."""
    return copied("fleet", tmp_path / "fleet")


@pytest.fixture
def single(tmp_path: Path) -> Path:
    """A git repository with the single connector."""
    return copied("single-connector", tmp_path / "single")


def planned(
    root: Path,
    name: str,
    pull_request: int | None = 4711,
    known: Catalog = KNOWN,
    subject: str = SUBJECT,
    to: str | None = None,
    is_written: bool = True,
) -> Change:
    entry = RequestedEntry(pull_request, subject, TODAY, is_written)
    return plan_change(MIGRATION, task(root, name, entry, deletes=MIGRATION.deletes, known=known), MigrateOptions(to))


def changed(before: dict[str, bytes], after: dict[str, bytes]) -> dict[str, list[str]]:
    """Of every changed file, the removed (-) and the added lines (+)."""
    result = {}
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path, b"").decode().split("\n"), after.get(path, b"").decode().split("\n")
        if path not in after:
            result[path] = ["deleted"]
        elif old != new:
            result[path] = [line for line in difflib.ndiff(old, new) if line[0] in "+-"]
    return result


def migrated(root: Path, name: str, pull_request: int | None = 4711) -> dict[str, list[str]]:
    before = snapshot(root)
    planned(root, name, pull_request).edit.apply(root)
    return changed(before, snapshot(root))


def refusal(root: Path, name: str, kind: type[AirbyteCiError] = EditRefused, known: Catalog = KNOWN) -> str:
    """The message of a refusal, which has changed nothing."""
    before = snapshot(root)
    with pytest.raises(kind) as caught:
        planned(root, name, known=known)
    assert snapshot(root) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def rewrite(root: Path, path: str, old: str, new: str) -> None:
    """A committed change of one text in a file."""
    text = (root / path).read_bytes().decode()
    assert old in text
    (root / path).write_bytes(text.replace(old, new).encode())
    commit(root)


# --- what it does ----------------------------------------------------------------------------------


def test_every_connector_of_the_example_fleet(fleet: Path) -> None:
    """Those with a Dockerfile are migrated, the others report why not; planning alone writes nothing."""
    before = snapshot(fleet)
    ends = {}
    for name, connector in opened(fleet)[1].items():
        try:
            plan = planned(fleet, name)
            ends[name] = plan.summary.partition(" (")[0]
        except NotApplicable as error:
            ends[name] = error.message.replace(connector.base_image or "\0", "…")
    assert snapshot(fleet) == before
    assert ends == {
        "destination-jsonl-archive": "0.1.7 → 0.1.8 on python-connector-base 2.0.0",
        "source-exchange-rates-archive": "source-exchange-rates-archive is migrated already: it uses …",
        "source-ledger": "source-ledger is not a Python connector (java)",
        "source-library-catalogue": "0.1.3 → 0.1.4 on python-connector-base 4.1.0",
        "source-lighthouses": "source-lighthouses is not a Python connector (manifest-only)",
        "source-newsfeed": "source-newsfeed is migrated already: it uses …",
        "source-parcels": "0.3.9 → 0.3.10 on python-connector-base 2.0.0",
        "source-tides": "0.2.4 → 0.2.5 on python-connector-base 2.0.0",
        "source-weather-stations": "source-weather-stations is migrated already: it uses …",
    }


def test_only_the_bytes_that_must_change(fleet: Path) -> None:
    """Odd quoting, comments, flow lists and a missing final newline stay; every line that changes is meant."""
    folder = f"{CONNECTORS}/source-tides"
    row = f"| 0.2.5   | 2024-02-29 | [4711](https://github.com/acme/connectors/pull/4711) | {SUBJECT} |"
    result = migrated(fleet, "source-tides")
    assert "- docker build -t acme/source-tides:dev ." in result.pop(f"{folder}/README.md")
    assert result == {
        f"{folder}/Dockerfile": ["deleted"],
        f"{folder}/metadata.yaml": [
            '-   dockerImageTag: "0.2.4"   # keep in step with pyproject.toml',
            '+   dockerImageTag: "0.2.5"   # keep in step with pyproject.toml',
            '-       dockerImageTag: "0.2.4"',
            '+       dockerImageTag: "0.2.5"',
            "+   connectorBuildOptions:",
            f"+     baseImage: {ADDRESS}",
        ],
        f"{folder}/pyproject.toml": ['- version = "0.2.4"', '+ version = "0.2.5"'],
        "docs/integrations/sources/tides.md": [f"+ {row}"],
    }
    data = yaml.safe_load((fleet / folder / "metadata.yaml").read_text())["data"]
    assert data["connectorBuildOptions"] == {"baseImage": ADDRESS}
    assert not (fleet / "docs/integrations/sources/tides.md").read_bytes().endswith(b"\n")


def test_the_migrated_connector_reads_as_migrated(fleet: Path) -> None:
    """Afterwards the repository has a connector on the base image; the Dockerfile is gone, and git can undo it."""
    migrated(fleet, "source-parcels")
    connector = opened(fleet)[1]["source-parcels"]
    assert (connector.base_image, connector.version, connector.has_dockerfile) == (ADDRESS, "0.3.10", False)
    git(fleet, "checkout", "-q", ".")
    assert opened(fleet)[1]["source-parcels"].version == "0.3.9"


def test_the_plan_tells_what_a_person_should_know(fleet: Path) -> None:
    """The skipped versions with reasons, the allowed Pythons, and the Dockerfile's instructions that the base lacks."""
    plan = planned(fleet, "source-tides")
    assert plan.summary.endswith("on python-connector-base 2.0.0 (newest for Python ^3.9,<3.13; 4.1.0 has Python 3.13)")
    assert plan.notes == (
        "Python 3.9 → 3.10",
        "Alpine → Debian",
        "compilers for Alpine (build-base): Debian's wheels need none",
    )
    assert (plan.carried, plan.not_carried, plan.row_waits) == ((), (), False)
    assert plan.edit.diff().count("diff --git") == 5


def test_a_second_run_has_nothing_to_do(fleet: Path) -> None:
    """Migrating again, for any pull request, changes nothing."""
    migrated(fleet, "source-tides")
    message = refusal(fleet, "source-tides", NotApplicable)
    assert message.startswith(f"source-tides is migrated already: it uses {ADDRESS} → airbyte-ci ")


def test_equal_overrides_move_and_pinned_ones_stay(fleet: Path) -> None:
    """A registry that repeats the version gets the new one; one that is pinned to another keeps it."""
    path = f"{CONNECTORS}/source-tides/metadata.yaml"
    rewrite(
        fleet, path, "    oss:\n      enabled: true\n", "    oss:\n      enabled: true\n      dockerImageTag: 0.1.0\n"
    )
    migrated(fleet, "source-tides")
    registries = yaml.safe_load((fleet / path).read_text())["data"]["registries"]
    assert {name: item["dockerImageTag"] for name, item in registries.items()} == {"cloud": "0.2.5", "oss": "0.1.0"}


@pytest.mark.parametrize(("tag", "project"), [("v0.2.4", "0.2.4"), ("0.2.4", "0.1.0"), ("V0.2.4", "0.9.9-rc.1")])
def test_versions_agree_afterwards(fleet: Path, tag: str, project: str) -> None:
    """A version with a v, and another one in pyproject.toml, become one that the checks pass, and that is reported."""
    for name, version in (("metadata.yaml", tag), ("pyproject.toml", project)):
        if version != "0.2.4":
            rewrite(fleet, f"{CONNECTORS}/source-tides/{name}", '"0.2.4"', f'"{version}"')
    change = planned(fleet, "source-tides")
    change.edit.apply(fleet)
    assert change.after == "0.2.5"
    assert bool([note for note in change.notes if "without its v" in note]) == (tag != "0.2.4")
    assert (f"the version in pyproject.toml changes from {project} to 0.2.5" in change.notes) == (project != "0.2.4")
    connector = opened(fleet)[1]["source-tides"]
    mending = Mending(fleet, fleet)
    assert version_semver.check(connector, lambda: None, mending).status == "ok"
    assert version_in_pyproject.check(connector, Texts(), mending).status == "ok"


def test_a_build_command_that_stays_is_reported(fleet: Path) -> None:
    """A `docker build` that is more than the build of the folder is named with its line."""
    (fleet / CONNECTORS / "source-tides/README.md").write_text("# Tides\n\n```\ndocker build --pull -m 1g .\n```\n")
    commit(fleet)
    left = [item for item in planned(fleet, "source-tides").not_carried if item.startswith("README.md")]
    assert left == ["README.md line 4: docker build --pull -m 1g .: it builds with the Dockerfile"]


def test_a_setup_py_connector_needs_no_pyproject(fleet: Path) -> None:
    """Without a pyproject.toml, none is needed; a package that the base lacks is declared."""
    assert sorted(migrated(fleet, "source-library-catalogue")) == [
        f"{CONNECTORS}/source-library-catalogue/Dockerfile",
        f"{CONNECTORS}/source-library-catalogue/README.md",
        f"{CONNECTORS}/source-library-catalogue/build_customization.yaml",
        f"{CONNECTORS}/source-library-catalogue/metadata.yaml",
        "docs/integrations/sources/library-catalogue.md",
    ]


def test_a_repository_of_one_connector(single: Path) -> None:
    """Another layout, PEP 621, the page at the configured place: the same migration."""
    result = migrated(single, "source-lighthouse")
    assert sorted(result) == ["Dockerfile", "docs/lighthouse.md", "metadata.yaml", "pyproject.toml"]
    assert result["pyproject.toml"] == ['- version = "0.5.1"', '+ version = "0.5.2"']
    assert f"baseImage: {REPOSITORY}:4.1.0" in (single / "metadata.yaml").read_text()


def test_without_a_number_there_is_no_row(fleet: Path) -> None:
    """Without a pull request: everything except the changelog, and a note that the row is pending."""
    assert planned(fleet, "source-tides", None).row_waits
    result = migrated(fleet, "source-tides", None)
    names = sorted(path.rpartition("/")[2] for path in result)
    assert names == ["Dockerfile", "README.md", "metadata.yaml", "pyproject.toml"]


def test_the_number_fills_in_the_row_that_waits(fleet: Path) -> None:
    """Given later, committed or not, the number adds the row and nothing else; then there is nothing left to do."""
    migrated(fleet, "source-tides", None)
    git(fleet, "checkout", "-q", "-b", "work")
    for is_committed in (False, True):
        if is_committed:
            commit(fleet)
            git(fleet, "update-ref", "refs/remotes/origin/main", "main")
        plan = planned(fleet, "source-tides")
        assert [change.path for change in plan.edit.changes] == ["docs/integrations/sources/tides.md"]
        assert (plan.before, plan.after, plan.row_waits) == ("0.2.4", "0.2.5", False)
    plan.edit.apply(fleet)
    assert "| 0.2.5   | 2024-02-29 | [4711]" in (fleet / "docs/integrations/sources/tides.md").read_text()
    refusal(fleet, "source-tides", NotApplicable)


def test_no_row_waits_for_what_is_released(fleet: Path) -> None:
    """A version that the main branch has already gets no row from a later run."""
    migrated(fleet, "source-tides", None)
    commit(fleet)
    refusal(fleet, "source-tides", NotApplicable)


def test_a_branch_that_is_above_is_not_bumped_again(fleet: Path) -> None:
    """A version that the branch has already bumped is the new version; its row is added if it is missing."""
    path = f"{CONNECTORS}/source-tides/metadata.yaml"
    git(fleet, "checkout", "-q", "-b", "work")
    git(fleet, "update-ref", "refs/remotes/origin/main", "main")
    rewrite(fleet, path, '"0.2.4"   #', '"0.3.0"   #')
    plan = planned(fleet, "source-tides")
    assert (plan.before, plan.after) == ("0.3.0", "0.3.0")
    result = migrated(fleet, "source-tides")
    assert not [line for line in result[path] if "dockerImageTag" in line]
    assert "| 0.3.0   | 2024-02-29 |" in result["docs/integrations/sources/tides.md"][0]


def test_the_row_can_be_left_to_the_person(fleet: Path) -> None:
    """With --no-changelog the page is not touched, even one that is not there, and the row to paste is given."""
    plan = planned(fleet, "source-tides", is_written=False)
    assert plan.changelog is not None
    assert plan.changelog.text.startswith(
        "| 0.2.5   | 2024-02-29 | [4711](https://github.com/acme/connectors/pull/4711) |"
    )
    (fleet / "docs/integrations/sources/tides.md").unlink()
    commit(fleet)
    plan = planned(fleet, "source-tides", None, is_written=False)
    assert plan.changelog is not None
    assert plan.changelog.text.startswith(
        "| 0.2.5 | 2024-02-29 | [PR_NUMBER](https://github.com/acme/connectors/pull/PR_"
    )
    assert {change.path.partition("/")[0] for change in plan.edit.changes} == {"airbyte-integrations"}


def test_a_row_that_could_not_be_written_later_is_refused_now(fleet: Path) -> None:
    """Also without a number, a page without a table is a refusal, because the row could not be added."""
    rewrite(fleet, "docs/integrations/sources/tides.md", "| Version |", "| Release |")
    with pytest.raises(EditRefused, match=r"no changelog table.* or say --no-changelog"):
        planned(fleet, "source-tides", None)


def test_what_belongs_to_the_dockerfile_goes_with_it(fleet: Path) -> None:
    """.dockerignore and a left-over build.gradle are deleted too, and only when git has them."""
    folder = f"{CONNECTORS}/source-tides"
    (fleet / folder / "build.gradle").write_text("plugins {}\n")
    (fleet / folder / ".dockerignore").write_text("*\n")
    message = refusal(fleet, "source-tides")
    assert "source-tides/.dockerignore is untracked in git and would be lost" in message
    commit(fleet)
    result = migrated(fleet, "source-tides")
    assert [path for path, lines in result.items() if lines == ["deleted"]] == [
        f"{folder}/.dockerignore",
        f"{folder}/Dockerfile",
        f"{folder}/build.gradle",
    ]


@pytest.mark.parametrize(
    ("instruction", "name", "said"),
    [
        ("ENV CODE_PATH=x\n", "build_customization.yaml", "ENV CODE_PATH"),
        ('RUN curl https://x.example | sh\nLABEL a.b="c d"\n', "build_customization.py", "RUN curl https://x"),
    ],
)
def test_drafts_do_not_overwrite(fleet: Path, instruction: str, name: str, said: str) -> None:
    """Settings that the base lacks are drafted; if such a file exists, they are reported instead."""
    path = f"{CONNECTORS}/source-tides/Dockerfile"
    rewrite(fleet, path, "LABEL io.airbyte.name", f"{instruction}LABEL io.airbyte.name")
    plan = planned(fleet, "source-tides")
    assert plan.carried[0].startswith(said)
    assert plan.carried[0].endswith(f"→ {name}")
    drafted = next(change for change in plan.edit.changes if change.path.endswith(name))
    assert drafted.before is None
    assert f"{name} needs the approval of @acme/connector-ops" in plan.notes
    (fleet / CONNECTORS / "source-tides" / name).write_text("# mine\n")
    commit(fleet)
    plan = planned(fleet, "source-tides")
    assert not [change for change in plan.edit.changes if change.path.endswith(name)]
    assert plan.not_carried[0].startswith(said)
    assert f"({name} already exists)" in plan.not_carried[0]


def test_the_label_of_the_dockerfile_counts(fleet: Path) -> None:
    """An image of the label's version was built: the next version is above both."""
    path = f"{CONNECTORS}/source-tides/Dockerfile"
    rewrite(fleet, path, "io.airbyte.version=0.2.3", "io.airbyte.version=0.2.7")
    plan = planned(fleet, "source-tides")
    assert (plan.after, plan.notes[0]) == ("0.2.8", "the Dockerfile's label says 0.2.7")


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ("1.2.0", "1.2.0 (as asked)"),
        ("1", "1.2.0 (as asked)"),
        ("latest", "2.0.0 (newest for"),
        ("2.0", "2.0.0 (as asked)"),
    ],
)
def test_a_base_image_can_be_asked_for(fleet: Path, to: str, expected: str) -> None:
    """One version, the newest of a line, or the latest."""
    assert f"on python-connector-base {expected}" in planned(fleet, "source-tides", to=to).summary


@pytest.mark.parametrize(
    ("python", "known", "expected"),
    [("3.7", KNOWN, "1.2.0"), ("3.11", KNOWN, "4.1.0"), ("3.14", KNOWN, "4.1.0"), ("3.10", KNOWN, "2.0.0")],
)
def test_a_python_that_nobody_declared_is_a_wish(fleet: Path, python: str, known: Catalog, expected: str) -> None:
    """The Dockerfile's own Python is taken where there is a base with it, else the next higher, else the highest."""
    path = f"{CONNECTORS}/source-library-catalogue"
    rewrite(fleet, f"{path}/Dockerfile", "python:3.9-slim", f"python:{python}-slim")
    setup = (fleet / path / "setup.py").read_text().replace("python_requires", "description")
    (fleet / path / "setup.py").write_text(setup)
    commit(fleet)
    assert f"on python-connector-base {expected} " in planned(fleet, "source-library-catalogue").summary
    assert "(as asked)" in planned(fleet, "source-library-catalogue", to="2.0.0").summary


def test_the_python_of_a_known_base_image_is_kept(fleet: Path) -> None:
    """As the one of an official image: a Dockerfile on a base image is a connector that was moved by half."""
    path = f"{CONNECTORS}/source-library-catalogue"
    rewrite(fleet, f"{path}/Dockerfile", "python:3.9-slim", f"{REPOSITORY}:1.2.0")
    setup = (fleet / path / "setup.py").read_text().replace("python_requires", "description")
    (fleet / path / "setup.py").write_text(setup)
    commit(fleet)
    plan = planned(fleet, "source-library-catalogue")
    assert "on python-connector-base 1.2.0 (newest for Python 3.9; " in plan.summary
    assert "no file declares a Python, so the Dockerfile's is kept; --to 4.1.0 has another" in plan.notes


def test_a_python_that_is_declared_is_not(fleet: Path) -> None:
    """A requested version that is unknown or not allowed is refused."""
    for to, said in (("4.1.0", "has Python 3.13, and the connector admits"), ("9", "has no base image 9")):
        with pytest.raises(ConnectorError, match=said):
            planned(fleet, "source-tides", to=to)


def test_the_changelog_says_what_was_asked(fleet: Path) -> None:
    """The text of the row is an option; characters that would break the table are escaped."""
    planned(fleet, "source-tides", subject="Base | image").edit.apply(fleet)
    assert "| Base \\| image" in (fleet / "docs/integrations/sources/tides.md").read_text()


GITLAB = "git@gitlab.com:acme/x.git"
TABLE = "# X\n\n## Changelog\n\n| Version | Date | Pull Request | Subject |\n|:--|:--|:--|:--|\n"


@pytest.mark.parametrize(
    ("cell", "configured", "remote", "expected"),
    [
        ("[1](https://neighbor.example/x/pull/1)", True, GITLAB, "[4711](https://neighbor.example/x/pull/4711)"),
        ("[\\#1](https://neighbor.example/x/pull/1)", True, None, "[\\#4711](https://neighbor.example/x/pull/4711)"),
        ("#1", True, GITLAB, "#4711"),
        (None, True, GITLAB, "[4711](https://github.com/acme/connectors/pull/4711)"),
        ("", True, GITLAB, "[4711](https://github.com/acme/connectors/pull/4711)"),
        ("", False, GITLAB, "[4711](https://gitlab.com/acme/x/-/merge_requests/4711)"),
        (None, False, GITLAB, "[4711](https://gitlab.com/acme/x/-/merge_requests/4711)"),
        ("", False, "https://git.example/acme/x", "4711"),
        ("", False, "/srv/git/x.git", "4711"),
        (None, False, None, "4711"),
    ],
)
def test_where_the_row_links_to(
    fleet: Path, cell: str | None, configured: bool, remote: str | None, expected: str
) -> None:
    """Like its neighbors, else as configured, else to the remote's forge, else without a link."""
    page = fleet / "docs/integrations/sources/tides.md"
    page.write_text(TABLE + ("" if cell is None else f"| 0.2.4 | 2024-01-09 | {cell} | a |\n"))
    if not configured:
        table = fleet / ".airbyte-ci.toml"
        table.write_text(re.sub(r"pull-request-url = .*\n", "", table.read_text()))
    if remote:
        git(fleet, "remote", "add", "origin", remote)
    migrated(fleet, "source-tides")
    assert f"| {expected} |" in page.read_text()


def test_the_first_repository_with_an_admitted_base_counts(fleet: Path) -> None:
    """The configuration orders repositories: a company's own base comes before the published ones."""
    own = "localhost/airbyte/python-connector-base"
    ours = catalog.parse(
        f"{own}:\n- {{version: 1.0.0, address: '{own}:1.0.0@sha256:{'a' * 64}', python: 3.11.2}}\n", "ours"
    )
    base_image = planned(fleet, "source-tides", known=KNOWN.merged(ours)).base_image
    assert base_image is not None
    assert base_image.startswith(f"{own}:1.0.0@")


def test_a_connector_with_both_is_migrated(fleet: Path) -> None:
    """A Dockerfile next to a base image is an unfinished migration: it is removed, and the base is the latest."""
    path = f"{CONNECTORS}/source-weather-stations"
    (fleet / path / "Dockerfile").write_text("FROM python:3.9\n")
    commit(fleet)
    address = planned(fleet, "source-weather-stations").base_image
    result = migrated(fleet, "source-weather-stations")
    assert result[f"{path}/Dockerfile"] == ["deleted"]
    assert f"+     baseImage: {address}" in result[f"{path}/metadata.yaml"]
    assert "# a certified base: change it with airbyte-ci only" in (fleet / path / "metadata.yaml").read_text()


# --- what it refuses --------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["modified", "staged", "untracked", "ignored"])
def test_a_dockerfile_that_is_not_in_git_is_not_deleted(fleet: Path, state: str) -> None:
    """A deletion that would lose content is refused, with the command that saves it."""
    file = fleet / CONNECTORS / "source-tides/Dockerfile"
    if state in ("modified", "staged"):
        file.write_text(file.read_text() + "ENV NEW=1\n")
    else:
        git(fleet, "rm", "-q", "--cached", str(file))
        (fleet / ".gitignore").write_text("Dockerfile\n" if state == "ignored" else "")
        git(fleet, "commit", "-qm", "without it")
    if state == "staged":
        git(fleet, "add", str(file))
    message = refusal(fleet, "source-tides")
    told = "modified" if state in ("modified", "staged") else "untracked"
    assert f"{CONNECTORS}/source-tides/Dockerfile is {told} in git and would be lost" in message
    assert f"git add {CONNECTORS}/source-tides/Dockerfile && git commit" in message


@pytest.mark.parametrize(
    ("path", "old", "new", "said"),
    [
        (
            "docs/integrations/sources/tides.md",
            "| Version |",
            "| Release |",
            "tides.md: the page has no changelog table",
        ),
        ("docs/integrations/sources/tides.md", "| 0.2.4 ", "| 0.2.5 ", "tides.md: the changelog has 0.2.5 already"),
        (
            "docs/integrations/sources/tides.md",
            "| 0.2.4 ",
            "| 0.3.0 ",
            "tides.md: the changelog has 0.3.0, which is not",
        ),
        (
            f"{CONNECTORS}/source-tides/metadata.yaml",
            '"0.2.4"   #',
            '"0.2"   #',
            "dockerImageTag '0.2' is not a semantic",
        ),
        (f"{CONNECTORS}/source-tides/metadata.yaml", '"0.2.4"   #', "latest   #", "dockerImageTag 'latest' is not a"),
        (
            f"{CONNECTORS}/source-tides/metadata.yaml",
            '  dockerImageTag: "0.2.4"   #',
            "  #",
            "dockerImageTag '' is not a",
        ),
        (
            f"{CONNECTORS}/source-tides/metadata.yaml",
            "sources/tides\n  github",
            "sources/none\n  github",
            "it has no documentation page, so there is no changelog",
        ),
        (
            f"{CONNECTORS}/source-tides/metadata.yaml",
            "  license: MIT\n",
            "  license: MIT\n  connectorBuildOptions: text\n",
            "metadata.yaml: ",
        ),
        (
            f"{CONNECTORS}/source-tides/metadata.yaml",
            "  license: MIT\n",
            "  license: MIT\n  dockerImageTag: 0.2.4\n",
            "metadata.yaml: ",
        ),
    ],
    ids=["no table", "same row", "newer row", "not semver", "a word", "no version", "no page", "no mapping", "twice"],
)
def test_what_cannot_be_exact_is_refused(fleet: Path, path: str, old: str, new: str, said: str) -> None:
    """The refusal names the connector, the file and the reason; no file has changed."""
    rewrite(fleet, path, old, new)
    message = refusal(fleet, "source-tides")
    assert message.startswith("migrating source-tides: ")
    assert said in message


@pytest.mark.parametrize("path", ["docs/integrations/sources/tides.md", f"{CONNECTORS}/source-tides/metadata.yaml"])
def test_a_text_that_is_not_utf_8_is_refused(fleet: Path, path: str) -> None:
    """Bytes that cannot be read cannot be edited exactly."""
    text = (fleet / path).read_text()
    (fleet / path).write_bytes(text.encode("utf-16") if path.endswith("yaml") else text.encode() + b"\n\xe9\n")
    commit(fleet)
    assert refusal(fleet, "source-tides").startswith(f"migrating source-tides: {path}: it is not UTF-8 text")


def test_no_base_for_its_python_is_refused_with_all_reasons(fleet: Path) -> None:
    """Every version that was passed over is named with its reason, and what can be done."""
    text = yaml.safe_dump(
        {
            REPOSITORY: [
                version("4.1.0", "3.13"),
                version("3.0.0", "3.10", yanked="leaks"),
                version("2.1.0-rc.1", "3.10"),
                version("2.0.0", "3.10", verified=False),
            ]
        }
    )
    message = refusal(fleet, "source-tides", ConnectorError, catalog.parse(text, "x"))
    assert message.startswith(
        "migrating source-tides: no base image for Python ^3.9,<3.13 "
        "(4.1.0 has Python 3.13; 3.0.0 yanked: leaks; 2.0.0 its digest is unverified)"
    )
    assert "the catalog has no base image in" in refusal(fleet, "source-tides", ConnectorError, Catalog(()))


def test_registries_that_are_no_mapping_are_none(fleet: Path) -> None:
    """Metadata that violates the schema does not stop a migration that does not need it."""
    path = f"{CONNECTORS}/source-parcels/metadata.yaml"
    rewrite(
        fleet,
        path,
        "  registries:\n    cloud:\n      enabled: false\n    oss:\n      enabled: true\n",
        "  registries: []\n",
    )
    assert path in migrated(fleet, "source-parcels")


def test_nothing_is_half_written_when_a_file_changes_meanwhile(fleet: Path) -> None:
    """If a user edits the page between plan and write, no file is changed, and the Dockerfile stays."""
    plan = planned(fleet, "source-tides")
    page = fleet / "docs/integrations/sources/tides.md"
    page.write_text(page.read_text() + "\nmore\n")
    before = snapshot(fleet)
    with pytest.raises(EditRefused, match=r"docs/integrations/sources/tides\.md has changed meanwhile"):
        plan.edit.apply(fleet)
    assert snapshot(fleet) == before


def test_without_git_it_works_too(fleet: Path) -> None:
    """A folder that is no repository has nothing to compare with: the migration is made all the same."""
    (fleet / ".git").rename(fleet.parent / "aside")
    assert f"{CONNECTORS}/source-tides/Dockerfile" in migrated(fleet, "source-tides")


def test_a_repository_that_git_does_not_read_is_refused(fleet: Path) -> None:
    """Not knowing whether the Dockerfile is safe is a reason not to delete it."""
    (fleet / ".git").rename(fleet.parent / "aside")
    (fleet / ".git").write_text("gitdir: /nonexistent\n")
    message = refusal(fleet, "source-tides", ConnectorError)
    assert "cannot find out whether" in message


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_a_dockerfile_may_have_a_byte_order_mark(fleet: Path, encoding: str) -> None:
    """A Dockerfile of any encoding with a mark is migrated as the same in UTF-8, and bumped in its own encoding."""
    path = fleet / CONNECTORS / "source-tides/Dockerfile"
    text = path.read_text()
    plain = planned(fleet, "source-tides")
    path.write_bytes((b"\xfe\xff" if encoding == "utf-16-be" else b"") + text.encode(encoding))
    commit(fleet)
    plan = planned(fleet, "source-tides")
    others = [item for item in plan.edit.changes if not item.path.endswith("Dockerfile")]
    assert others == [item for item in plain.edit.changes if not item.path.endswith("Dockerfile")]
    assert (plan.carried, plan.not_carried, plan.base_image) == (plain.carried, plain.not_carried, plain.base_image)
    bumped = task(fleet, "source-tides", RequestedEntry(4711, SUBJECT, TODAY))
    (change,) = (item for item in release.elsewhere(bumped, "0.2.5", label=True) if item.path.endswith("Dockerfile"))
    assert change.after is not None
    assert change.after.decode(encoding).removeprefix("\ufeff") == text.replace("0.2.4", "0.2.5")
