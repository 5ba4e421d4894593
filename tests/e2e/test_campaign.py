"""A whole campaign: real git with a remote, real builds, and a GitHub that executes the published GraphQL schema."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from airbyte_ci import app
from airbyte_ci.campaigns.delivery import pull_requests
from airbyte_ci.cli import main
from airbyte_ci.oci.store.store import Store
from tests.campaigns.repositories import commit, git, with_remote
from tests.campaigns.waves.hub import Hub
from tests.e2e.conftest import Base
from tests.e2e.tiny import Tiny, derived
from tests.github import double
from tests.github.description import PUBLIC
from tests.github.hub import TOKEN

pytestmark = pytest.mark.slow
REPOSITORY = "localhost/acme/derived-base"
CANARY, GOOD, BAD, TOUCHED = "source-canary", "source-good", "source-bad", "source-touched"
MAIN = """import os
if {condition}:
    raise SystemExit("it needs root")
print('{{"type": "SPEC", "spec": {{"connectionSpecification": {{}}}}}}')
"""
CAMPAIGN = f"""# Everything on 2.0.0.
migration: upgrade_base_image
options: {{to: "2.0.0"}}
trial: [build, spec]
automerge: true
waves:
  - {{name: canary, connectors: [{CANARY}], soak: 1d}}
  - {{name: early, size: 3, gate: {{failures: 50%}}}}
"""
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def fleet(tiny: Tiny, base: Base, store: Store) -> Tiny:
    """Four connectors on a base image that runs as root, and a newer one that runs as another user."""
    (tiny.folder / "connectors/source-tiny").rename(tiny.connector(CANARY))
    versions = {"2.0.0": "games", "1.0.0": "root"}
    addresses = {version: derived(store, base.address, tag=version, user=user) for version, user in versions.items()}
    for name in (CANARY, GOOD, BAD, TOUCHED):
        folder = tiny.connector(name)
        folder.mkdir(exist_ok=True)
        package = folder / name.replace("-", "_")
        package.mkdir(exist_ok=True)
        (package / "__init__.py").touch()
        (folder / "main.py").write_text(MAIN.format(condition="os.getuid() != 0" if name == BAD else "False"))
        (folder / "pyproject.toml").write_text(f'[project]\nname = "{name}"\nversion = "1.0.0"\ndependencies = []\n')
        (folder / "requirements.txt").write_text("# nothing\n")
        tags = "[automerge:campaigns]" if name in (CANARY, GOOD) else "[]"
        (folder / "metadata.yaml").write_text(
            f"data:\n  dockerRepository: acme/{name}\n  dockerImageTag: 1.0.0\n  tags: {tags}\n"
            f"  connectorBuildOptions:\n    baseImage: {addresses['1.0.0']}\n"
        )
    entries = [
        {"version": version, "address": addresses[version], "python": "3.11", "user": user}
        for version, user in versions.items()
    ]
    (tiny.folder / "base-images.yaml").write_text(yaml.safe_dump({REPOSITORY: entries}))
    with (tiny.folder / ".airbyte-ci.toml").open("a") as file:
        file.write(f'base-image-repositories = ["{REPOSITORY}"]\nchangelog = false\n')
    (tiny.folder / "campaigns").mkdir()
    (tiny.folder / "campaigns/two.yaml").write_text(CAMPAIGN)
    commit(tiny.folder)
    with_remote(tiny.folder)
    return tiny


@pytest.fixture
def hub(fleet: Tiny, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A GitHub with the fleet's remote, whose clock is also that of the commands."""
    state = Hub(remote=fleet.folder.parent / "remote.git")
    with double.running(PUBLIC, state.answer, state.graphql) as running:
        state.api = running.api
        variables = {
            **fleet.environment,
            "GITHUB_API_URL": running.api,
            "GITHUB_REPOSITORY": "acme/connectors",
            "GITHUB_TOKEN": TOKEN,
            "AIRBYTE_CI_HOME": str(fleet.home),
            "GIT_CONFIG_GLOBAL": "/dev/null",
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(app, "now", lambda: state.time)
        monkeypatch.setattr(pull_requests, "_SECONDS_BETWEEN_WRITES", 0)
        monkeypatch.chdir(fleet.folder)
        yield state


@pytest.fixture
def run(hub: Hub, fleet: Tiny, capfd: pytest.CaptureFixture[str]) -> Run:
    """The command in a clone that has just been updated, as in CI."""

    def call(*arguments: str) -> tuple[int, str]:
        git(fleet.folder, "fetch", "-q", "origin")
        git(fleet.folder, "reset", "-q", "--hard", "origin/main")
        capfd.readouterr()
        code = main.run(["campaign", *arguments])
        out, err = capfd.readouterr()
        assert code in (0, 1), err
        assert TOKEN not in out + err
        return code, out + err

    return call


@pytest.fixture
def look(hub: Hub, fleet: Tiny, tmp_path: Path) -> Callable[[str], None]:
    """Makes the status page of a stage, which has every recorded state. `make pages` says where to keep it."""

    def call(stage: str) -> None:
        page = Path(os.environ.get("CAMPAIGN_PAGES") or tmp_path) / f"campaign-{stage}.html"
        assert main.run(["campaign", "status", "two", "--html", str(page)]) == 0
        text = page.read_text()
        assert [item for pair in states(fleet).items() for item in pair if item not in text] == []

    return call


def states(fleet: Tiny) -> dict[str, str]:
    """The recorded states by connector."""
    document: dict[str, Any] = json.loads((fleet.folder / "campaigns/two.state.json").read_text())
    return {item["connector"]: item["state"] for item in document["connectors"]}


def push(fleet: Tiny) -> None:
    """Commits what a person changed in the clone, and pushes it to the main branch."""
    commit(fleet.folder)
    git(fleet.folder, "push", "-q", "origin", "HEAD:main")


def pull_of(hub: Hub, name: str) -> dict[str, Any]:
    return next(pull for pull in hub.pulls.values() if pull["branch"].endswith(f"/{name}"))


def test_a_whole_campaign(run: Run, hub: Hub, fleet: Tiny, look: Callable[[str], None]) -> None:
    """Canary, soak, a wave with a failed trial and a pull request of a person, a yank, a revert, and the end.

    Nothing of a person is overwritten, a repeated run does nothing, and exactly what was merged is reverted.
    """
    # The canary only.
    assert run("run", "two")[0] == 0
    assert states(fleet) == {CANARY: "in-pr", GOOD: "waiting", BAD: "waiting", TOUCHED: "waiting"}
    before = list(hub.done)
    assert run("run", "two")[0] == 0
    assert hub.done == before
    look("canary")
    # Its checks are green, and campaign and connector agree to merge it.
    hub.checks[40] = "SUCCESS"
    hub.pass_time(hours=2)
    assert "pull request 40 is merged" in run("run", "two")[1]
    hub.pass_time(hours=3)
    assert "soaks until 2026-03-03 11:00" in run("run", "two")[1]
    assert states(fleet)[GOOD] == "waiting"
    look("soak")
    # A day later the second wave begins.
    hub.pass_time(days=1)
    code, out = run("run", "two")
    assert (code, states(fleet)[CANARY], states(fleet)[BAD]) == (1, "healthy", "trial-failed"), out
    assert f"{BAD} build: the built image does not answer" in out and "it needs root" in out
    assert (states(fleet)[GOOD], states(fleet)[TOUCHED]) == ("in-pr", "in-pr")
    tried = len(hub.pulls)
    assert not any(pull["branch"].endswith(BAD) for pull in hub.pulls.values())
    # A person pushes to a branch; the other one waits for its checks.
    good, touched = pull_of(hub, GOOD), pull_of(hub, TOUCHED)
    hub.checks |= {good["number"]: "PENDING", touched["number"]: "SUCCESS"}
    git(fleet.folder, "fetch", "-q", "origin", touched["branch"])
    git(fleet.folder, "checkout", "-q", "FETCH_HEAD")
    (fleet.connector(TOUCHED) / "main.py").write_text("print('by hand')\n")
    git(fleet.folder, "commit", "-qam", "by hand")
    git(fleet.folder, "push", "-q", "origin", f"HEAD:refs/heads/{touched['branch']}")
    git(fleet.folder, "checkout", "-q", "main")
    by_hand = hub.head(touched)
    hub.pass_time(hours=1)
    code, out = run("run", "two")
    assert (code, good.get("automatic"), touched.get("automatic")) == (0, True, None), out
    assert "a person changed its branch" in out
    assert (hub.head(touched), len(hub.pulls)) == (by_hand, tried)
    look("second-wave")
    # The target is yanked: everything stops, and what GitHub would merge by itself too.
    catalog = fleet.folder / "base-images.yaml"
    entries = yaml.safe_load(catalog.read_text())
    entries[REPOSITORY][0]["yanked"] = "it leaks"
    catalog.write_text(yaml.safe_dump(entries))
    push(fleet)
    hub.pass_time(hours=1)
    code, out = run("run", "two")
    assert (code, good["automatic"]) == (0, False)
    assert f"on hold: the target {REPOSITORY}:2.0.0 was yanked: it leaks" in out
    assert states(fleet) == {CANARY: "healthy", GOOD: "held", BAD: "trial-failed", TOUCHED: "held"}
    look("held")
    # Exactly the merged connector is reverted, in a new version.
    code, out = run("revert", "two", "--reason", "2.0.0 leaks")
    assert code == 0, out
    (back,) = [pull for pull in hub.pulls.values() if "campaign-revert" in pull["branch"]]
    hub.merge(back["number"])
    assert run("run", "two")[0] == 0
    assert states(fleet)[CANARY] == "reverted"
    look("reverted")
    git(fleet.folder, "reset", "-q", "--hard", "origin/main")
    metadata = yaml.safe_load((fleet.connector(CANARY) / "metadata.yaml").read_text())["data"]
    assert metadata["dockerImageTag"] == "1.0.2"
    assert metadata["connectorBuildOptions"]["baseImage"].startswith(f"{REPOSITORY}:1.0.0@")
    # The end needs a decision about what is open.
    assert "2 of its pull requests are open" in run("close", "two")[1]
    code, out = run("close", "two", "--reason", "the target leaks", "--close-pull-requests")
    assert (code, {pull["state"] for pull in hub.pulls.values()}) == (0, {"closed"})
    assert yaml.safe_load((fleet.folder / "campaigns/two.yaml").read_text())["closed"] == "2026-03-03: the target leaks"
    push(fleet)
    assert "two is closed: 2026-03-03: the target leaks" in run("run", "two")[1]
    assert hub.head(touched) == by_hand
    look("closed")


def test_the_package_that_fails_is_named(run: Run, hub: Hub, fleet: Tiny) -> None:
    """Of two upgraded packages the one that breaks the connector is found by trying them apart."""
    small, other = (
        fleet.wheel(name, "1.0", {f"{name}/__init__.py": "VERSION = 1\n"}) for name in ("tinydep", "otherdep")
    )
    folder = fleet.connector(GOOD)
    (folder / "requirements.txt").write_text(small + other)
    (folder / "main.py").write_text("import otherdep, tinydep\n" + MAIN.format(condition="tinydep.VERSION != 1"))
    project = f'[project]\nname = "{GOOD}"\nversion = "1.0.0"\ndependencies = ["tinydep", "otherdep"]\n'
    (folder / "pyproject.toml").write_text(project)
    (fleet.folder / "campaigns/packages.yaml").write_text(
        f"migration: upgrade_dependencies\ntrial: [build, spec]\nselect: name == '{GOOD}'\n"
    )
    push(fleet)
    for name in ("tinydep", "otherdep"):
        fleet.wheel(name, "2.0", {f"{name}/__init__.py": "VERSION = 2\n"})
    code, out = run("run", "packages")
    assert code == 1, out
    assert "it fails with tinydep 1.0 → 2.0; 1 other upgrade succeeds" in out
    assert not hub.pulls


def test_a_change_is_not_blamed_for_what_failed_before(run: Run, hub: Hub, fleet: Tiny) -> None:
    """A step that fails without the change, too, does not stop it; a connector that is never built is not tried."""
    main_file = fleet.connector(GOOD) / "main.py"
    failed = 'print(\'{"type": "CONNECTION_STATUS", "connectionStatus": {"status": "FAILED"}}\')'
    main_file.write_text(f"import sys\nif 'check' in sys.argv:\n    {failed}\n    sys.exit()\n{main_file.read_text()}")
    (fleet.connector(GOOD) / "secrets").mkdir()
    (fleet.connector(GOOD) / "secrets/config.json").write_text("{}")
    (fleet.connector(BAD) / "requirements.txt").write_text(f"nowhere==1.0 --hash=sha256:{'0' * 64}\n")
    (fleet.folder / "campaigns/red.yaml").write_text(
        f"{CAMPAIGN.partition('trial')[0]}trial: [build, check]\nselect: name in ('{GOOD}', '{BAD}')\n"
    )
    push(fleet)
    assert main.run(["connectors", f"--name={GOOD}", "test", "--only-step=check"]) == 1
    code, out = run("run", "red")
    assert (code, [pull["branch"].rpartition("/")[2] for pull in hub.pulls.values()]) == (1, [GOOD]), out
    assert f"cannot try {BAD}: it cannot be built without the change either" in out
    document = json.loads((fleet.folder / "campaigns/red.state.json").read_text())
    assert {item["connector"]: item["state"] for item in document["connectors"]} == {GOOD: "in-pr", BAD: "planned"}
