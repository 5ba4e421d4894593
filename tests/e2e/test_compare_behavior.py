"""`connectors compare --config`: both images read one source, whose traffic is recorded from the old and replayed."""

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry
from airbyte_ci.reports.comparison import kinds_table
from tests.e2e import console
from tests.e2e.command import GIT, PROJECT, Result, airbyte_ci
from tests.e2e.conftest import Base
from tests.e2e.http_source import MAIN, TOKEN, Api
from tests.e2e.tiny import NAME, Tiny, derived

pytestmark = pytest.mark.slow
CHANGES = (
    ('"properties": {"url"', '"required": ["url"], "properties": {"url"'),
    ('[STREAM, {**STREAM, "name": "more"}]', "[STREAM]"),
    ('for name in ("items", "more")', 'for name in ("items",)'),
    ('"data": item', '"data": {**item, "name": "changed"}'),
    ('state["at"] = item["id"]', 'state = {"at": item["id"], "page": 1}'),
    ('get("/ping")', 'get("/ping2?secret=" + config["token"])'),
)


# A destination neither discovers nor reads.
OF_DESTINATION = (
    ('{"connectionSpecification"', '{"supported_destination_sync_modes": ["append"], "connectionSpecification"'),
    ('sys.argv[1] == "discover"', 'sys.argv[1] == ""'),
)


@dataclass
class Images:
    """The old image, the same once more, one with other behavior, and a destination."""

    home: Path
    config: Path

    def compare(self, api: Api, old: str, new: str, *arguments: str) -> Result:
        api.write_config(self.config)
        names = [f"acme/behavior:{name}" for name in (old, new)]
        command = ("connectors", "compare", *names, f"--config={self.config}", "--ignore-parameter=nonce", *arguments)
        return airbyte_ci(*command, cwd=self.config.parent, home=self.home, env=api.environment)


@pytest.fixture
def images(base: Base, store: Store, home: Path, tmp_path: Path) -> Images:
    changed = MAIN
    for before, after in CHANGES:
        assert before in changed
        changed = changed.replace(before, after)
    destination = MAIN
    for before, after in OF_DESTINATION:
        assert before in destination
        destination = destination.replace(before, after)
    for name, text in (("old", MAIN), ("same", MAIN + "\n"), ("changed", changed), ("destination", destination)):
        settings = {"Entrypoint": ["python", "/main.py"], "Cmd": None}
        address = derived(
            store, base.address, Entry(path="main.py", content=text.encode()), tag=name, execution=settings
        )
        store.tag(f"acme/behavior:{name}", store.manifest(Digest.parse(address.partition("@")[2])).descriptor)
    return Images(home, tmp_path / "config.json")


def rows(result: Result) -> dict[tuple[str, str], dict[str, Any]]:
    found = json.loads(result.out)["rows"]
    return {(row["kind"], row["name"]): row for row in found if row["kind"] != "file"}


ASKED = ["/ping", "/items?since=0", "/items?since=3"]
BEHAVIOR = ("spec", "check", "discover", "read", "state", "traffic")


def test_the_same_connector_sees_the_same_source(images: Images, api: Api) -> None:
    """The source is asked by the old image only, and everything that the new one answers is equal, in JSON and text."""
    done = images.compare(api, "old", "same", "--network=host", "--json")
    found = {key: row["verdict"] for key, row in rows(done).items() if key[0] in BEHAVIOR}
    assert set(found.values()) == {"same"}, done.out + done.err
    assert {kind for kind, _ in found} == set(BEHAVIOR)
    assert api.paths == ASKED


def test_other_behavior_is_named(images: Images, api: Api) -> None:
    """Each change is a row with the right verdict, and no report has the token or a value of a record."""
    done = images.compare(api, "old", "changed", "--network=host", "--json")
    found = {key: row["verdict"] for key, row in rows(done).items() if key[0] in BEHAVIOR and row["verdict"] != "same"}
    assert done.code == 1
    assert found == {
        ("spec", "connectionSpecification.required"): "unexplained",
        ("check", "check"): "unexplained",
        ("discover", "more"): "lost",
        ("read", "items (first read)"): "unexplained",
        ("read", "more (first read)"): "lost",
        ("state", "items (first read)"): "unexplained",
        ("traffic", f"GET {api.url}/ping2"): "unexplained",
    }
    assert "values of name differ" in done.out
    assert TOKEN not in done.out + done.err and '"changed"' not in done.out


def test_a_destination_is_only_checked(images: Images, api: Api) -> None:
    """Neither discover nor read is run, so two images of a destination are the same."""
    done = images.compare(api, "destination", "destination", "--network=host", "--json")
    assert done.code == 0, done.out + done.err
    assert {kind for kind, _ in rows(done) if kind in BEHAVIOR} == {"spec", "check", "traffic"}
    assert api.paths == ["/ping"]


def test_this_machine_is_out_of_reach(images: Images, api: Api) -> None:
    """Without --network=host, the proxy reaches no address of this machine; and failing alike proves nothing."""
    done = images.compare(api, "old", "same", "--json")
    assert done.code == 1 and not api.requests
    assert rows(done)["check", "check"]["verdict"] == "unexplained"


# --- upgrades -----------------------------------------------------------------------------------------


UPGRADE = ("connectors", f"--name={NAME}", "upgrade_base_image", "--no-changelog", "--dry-run")


@pytest.fixture
def upgradable(tiny: Tiny, base: Base, store: Store) -> Tiny:
    """One connector on a base image with a newer version, which has one more tool and another value of A."""
    repository = "localhost/acme/derived-base"
    brought = Entry(path="opt/new-tool", mode=0o755, content=b"tool")
    first = derived(store, base.address, tag="1.0.0", execution={"Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "A=1"]})
    settings = {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "A=2"]}
    second = derived(store, base.address, brought, tag="1.1.0", execution=settings)
    versions = [{"version": version, "address": address, "python": "3.11", "user": "airbyte"}
                for version, address in (("1.1.0", second), ("1.0.0", first))]  # fmt: skip
    (tiny.folder / "base-images.yaml").write_text(yaml.safe_dump({repository: versions}))
    with (tiny.folder / ".airbyte-ci.toml").open("a") as file:
        file.write(f'base-image-repositories = ["{repository}"]\n')
    metadata = tiny.connector() / "metadata.yaml"
    metadata.write_text(metadata.read_text().replace(base.address, first))
    subprocess.run([*GIT, "add", "-A"], cwd=tiny.folder, check=True)
    subprocess.run([*GIT, "commit", "-qm", "first"], cwd=tiny.folder, check=True)
    return tiny


def test_an_upgrade_of_the_base_image_is_proven(upgradable: Tiny, base: Base) -> None:
    """What the newer base changes is expected; another image's failing spec is not. Without a configuration, only spec
    is compared, and the report says so."""
    proven = upgradable.run(*UPGRADE, "--prove", "--json")
    assert proven.code == 0, proven.out + proven.err
    assert proven.json["proof"]["isProven"] and proven.json["proof"]["summary"].startswith("3 expected")
    assert proven.json["proof"]["summary"].endswith(" · compared spec")
    refuted = upgradable.run(*UPGRADE, f"--prove={base.address}")
    assert refuted.code == 1 and "but not proven" in refuted.err, refuted.err
    assert "spec command" in refuted.err
    assert "! only spec was compared: no configuration: neither --config nor" in refuted.err


def test_an_upgrade_is_proven_by_what_the_connector_reads(upgradable: Tiny, api: Api) -> None:
    """With secrets/config.json, both images also check, discover and read; the source is asked by the old one only.

    A record that the newer base changes is found; nothing shows the secrets.
    """
    folder = upgradable.connector()
    (folder / "main.py").write_text(MAIN.replace('"data": item', '"data": {**item, "name": os.environ["A"]}'))
    api.write_config(folder / "secrets" / "config.json")
    refuted = upgradable.run(*UPGRADE, "--prove", "--network=host", "--ignore-parameter=nonce", env=api.environment)
    assert refuted.code == 1, refuted.out + refuted.err
    assert "2 unexplained · 3 expected" in refuted.err and "compared spec, check, discover, read" in refuted.err
    rows = [line.strip() for line in refuted.err.splitlines() if "≠" in line]
    assert rows == [f"≠ read {name} (first read)  values of name differ" for name in ("items", "more")]
    assert api.paths == ASKED
    assert TOKEN not in refuted.out + refuted.err


def test_the_base_of_a_published_image_is_that_of_its_dockerfile(tiny: Tiny, base: Base, store: Store) -> None:
    """A named image without annotations is compared with the help of the Dockerfile's FROM."""
    own = [Entry(path=f"airbyte/integration_code/{name}", content=text.encode())
           for name, text in (("main.py", MAIN), ("source_tiny/__init__.py", ""))]  # fmt: skip
    settings = {
        "Entrypoint": ["python", "/airbyte/integration_code/main.py"],
        "WorkingDir": "/airbyte/integration_code",
    }
    address = derived(store, base.address, *own, tag="published", execution=settings)
    store.tag("acme/published:1.0.0", store.manifest(Digest.parse(address.partition("@")[2])).descriptor)
    (tiny.connector() / "main.py").write_text(MAIN)
    (tiny.connector() / "metadata.yaml").write_text(
        "data:\n  dockerRepository: acme/source-tiny\n  dockerImageTag: 1.0.0\n"
    )
    (tiny.connector() / "Dockerfile").write_text(
        f"FROM {base.address}\nWORKDIR /airbyte/integration_code\nCOPY main.py source_tiny ./\n"
        'ENTRYPOINT ["python", "/airbyte/integration_code/main.py"]\n'
    )
    (tiny.folder / "base-images.yaml").write_text(base.catalog)
    with (tiny.folder / ".airbyte-ci.toml").open("a") as file:
        file.write(f'base-image-repositories = ["{base.address.partition(":")[0]}"]\n')
    subprocess.run([*GIT, "add", "-A"], cwd=tiny.folder, check=True)
    subprocess.run([*GIT, "commit", "-qm", "first"], cwd=tiny.folder, check=True)
    migrate = ("connectors", f"--name={NAME}", "migrate_to_base_image", "--no-changelog", "--dry-run")
    done = tiny.run(*migrate, "--prove=acme/published:{version}")
    assert "the base of the old image is unknown" not in done.err
    assert "distribution tinydep  added: 1.0" in done.err, done.err


# --- the page --------------------------------------------------------------------------------------

PAGE = PROJECT / "docs" / "compare.md"


def _settled(text: str) -> str:
    text = re.sub(r"[\d,.#]+ (same|MB|kB|s)\b", r"# \1", console.same(text))
    # The lines are broken where the numbers let them.
    return " ".join(text.split())


def test_what_the_page_shows_is_what_happens(cataloged: Path, home: Path) -> None:
    """The commands of the page print what it shows, except for sizes and times."""
    commands = console.steps(PAGE.read_text())
    assert len(commands) == 3
    outputs = [console.run(step, cataloged, home) for step in commands]
    if "REWRITE" in os.environ:
        PAGE.write_text(console.rewritten(PAGE.read_text(), [output for _, output in outputs]))
    assert [code for code, _ in outputs] == [0, 0, 1]
    for step, (_, output) in zip(commands, outputs, strict=True):
        assert _settled(output) == _settled(step.output)


def test_the_page_lists_every_kind() -> None:
    """The table of kinds is that of the code."""
    assert kinds_table() in PAGE.read_text()
