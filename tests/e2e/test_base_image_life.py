"""The life of a version of a base image: every command of its documentation page, and the output."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from airbyte_ci.attest.statement import CYCLONEDX_JSON
from airbyte_ci.base_images.catalog import catalog
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Index, Manifest
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.registry.client import client_of_user
from airbyte_ci.registry.options import RegistryOptions
from tests.e2e import console
from tests.e2e.conftest import GIT, PROJECT, airbyte_ci, make_fleet

pytestmark = pytest.mark.slow
PAGE = PROJECT / "docs" / "base-images.md"
REGISTRY = "localhost:5000"


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory, registry: str) -> Path:
    """The example fleet, with the registry of the tests in the place of the one that its files name."""
    folder = make_fleet(tmp_path_factory.mktemp("life") / "fleet")
    for path in (folder / ".airbyte-ci.toml", folder / "base-images" / "acme.yaml"):
        path.write_text(path.read_text().replace(REGISTRY, registry))
    subprocess.run([*GIT, "commit", "-qam", "the registry of the tests"], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="module")
def lived(acme: Path, registry: str, home: Path) -> Path:
    """The fleet after all commands of the page; each printed the documented output and succeeded.

    With UPDATE_DOCS set, the page is written again instead.
    """
    page = PAGE.read_text()
    outputs = []
    for step in console.steps(page):
        code, output = console.run(console.Step(step.command.replace(REGISTRY, registry), step.output), acme, home)
        assert code == 0, f"{step.command}\n{output}"
        outputs.append(output.replace(registry, REGISTRY))
        if not os.environ.get("UPDATE_DOCS"):
            assert console.same(outputs[-1]) == console.same(step.output), step.command
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(console.rewritten(page, outputs))
    return acme


def _address(folder: Path, version: str) -> Reference:
    known = catalog.read(folder / "base-images.yaml")
    return known.named(f"acme/python-connector-base:{version}").address


def test_the_page_is_true(lived: Path, registry: str) -> None:
    """Declared, released, published, upgraded to, withdrawn and left; the records match the state."""
    metadata = lived / "airbyte-integrations/connectors/source-tides/metadata.yaml"
    build_options = yaml.safe_load(metadata.read_text())["data"]["connectorBuildOptions"]
    assert build_options["baseImage"] == str(_address(lived, "1.0.0"))
    with client_of_user(RegistryOptions()) as client:
        for version in ("1.0.0-rc.1", "1.0.0", "1.1.0"):
            address = _address(lived, version)
            assert client.resolve(address.with_tag(version)).digest == address.digest
    yanked = catalog.read(lived / "base-images.yaml").named("1.1.0")
    assert (yanked.yanked, yanked.replaced_by) == ("the region does not exist", "1.0.0")
    assert "## 1.1.0 (" in (lived / "base-images/python-connector-base-CHANGELOG.md").read_text()
    assert (
        "ACME_REGION | eu-central-1 | eu-west-1"
        in (lived / "base-images/python-connector-base-CHANGELOG.md").read_text()
    )


def test_the_sbom_names_the_files_that_the_base_was_built_from(lived: Path, home: Path, tmp_path: Path) -> None:
    """A registry of Debian lists the SBOM; each Debian package and wheel of the lock has its file and its hash."""
    address = _address(lived, "1.0.0")
    with client_of_user(RegistryOptions()) as client:
        index = client.manifest(address)
        assert isinstance(index, Index)
        image = address.at(index.manifests[0].digest)
        (listed,) = client.referrers(image, CYCLONEDX_JSON)
        document = client.manifest(image.at(listed.digest))
        assert isinstance(document, Manifest)
        client.pull_blob(image, document.layers[0], Store(tmp_path / "store"))
    bill = json.loads(Store(tmp_path / "store").read(document.layers[0].digest))
    found = {(item["name"], item["hashes"][0]["content"]) for item in bill["components"] if item.get("hashes")}
    lock = json.loads((lived / "base-images/python-connector-base-1.0.0.lock.json").read_text())
    (part,) = lock["platforms"].values()
    debs = part["root"]["debian"]["debs"] if part["root"]["debian"] else []
    assert len(debs) + len(part["wheels"]) > 3
    assert found >= {(item["package"], item["sha256"]) for item in debs}
    assert found >= {(item["name"], item["sha256"]) for item in part["wheels"]}


def test_the_page_of_a_base_image_can_be_made_again(lived: Path, home: Path) -> None:
    """It follows from the catalog and the newest usable version, so nothing is lost with it."""
    path = lived / "base-images" / "python-connector-base.md"
    page = path.read_text()
    assert "~~1.1.0~~" in page
    assert "## 1.0.0\n" in page
    path.unlink()
    assert airbyte_ci("base-images", "docs", cwd=lived, home=home).code == 0
    assert path.read_text() == page


def test_a_released_version_is_built_again_in_an_empty_store(lived: Path, tmp_path: Path) -> None:
    """From its lock and the published inputs, offline except for the registry, to the same digest."""
    lock = "base-images/python-connector-base-1.0.0.lock.json"
    again = airbyte_ci("--quiet", "base-images", "build", lock, cwd=lived, home=tmp_path / "cold")
    assert again.code == 0, again.err
    address = _address(lived, "1.0.0")
    assert again.out.splitlines()[-1] == str(address)
    assert address.digest is not None
    assert Store(tmp_path / "cold").has(address.digest)


def test_a_version_whose_inputs_are_gone_is_refused_by_their_names(lived: Path, tmp_path: Path) -> None:
    """Without the store, the registry and the archive, each missing input is reported, and nothing is created."""
    text = (lived / "base-images/python-connector-base-1.0.0.lock.json").read_text()
    # As if nothing had been published, and the archive had moved away.
    text = text.replace("/acme/python-connector-base", "/nobody/python-connector-base")
    moved = lived / "gone.lock.json"
    moved.write_text(text.replace("http://", "file:///nonexistent/"))
    refused = airbyte_ci("base-images", "build", str(moved), cwd=lived, home=tmp_path / "cold")
    moved.unlink()
    assert refused.code == 1, refused.out
    assert "inputs are missing" in refused.err
    assert "adduser" in refused.err
    assert refused.err.count("\n") == 1


def test_a_published_version_is_never_overwritten(lived: Path, registry: str, home: Path, tmp_path: Path) -> None:
    """A tag whose content changed meanwhile is an error; `refresh` reports it too, and changes nothing."""
    folder = tmp_path / "fleet"
    shutil.copytree(lived, folder)
    address = _address(folder, "1.0.0")
    other = _address(folder, "1.1.0").digest
    assert other is not None
    recorded = (folder / "base-images.yaml").read_text()
    with client_of_user(RegistryOptions()) as client:
        place = address.with_tag("1.0.0")
        client.push(Store(home), other, place)
        try:
            published = airbyte_ci("base-images", "publish", "1.0.0", cwd=folder, home=home)
            refreshed = airbyte_ci(
                "base-images", "refresh", place.registry + "/" + place.repository, cwd=folder, home=home
            )
        finally:
            client.push(Store(home), Digest.parse(str(address.digest)), place)
    assert published.code == 1
    assert "never overwritten" in published.err
    assert refreshed.code == 1
    assert "1.0.0 was overwritten: the catalog has" in refreshed.err
    assert (folder / "base-images.yaml").read_text() == recorded


def test_what_is_not_there_is_one_clear_line(lived: Path, registry: str, home: Path, tmp_path: Path) -> None:
    """A released version, a yanked one, a digest that the registry has not: each is one line."""
    cases = [
        (("release", "base-images/acme.yaml"), "this version was yanked"),
        (("build", "base-images/acme.yaml"), "was released on"),
        (("publish", "1.1.0"), "1.1.0 was yanked: the region does not exist"),
        (("publish", "9.9.9"), "has no base image '9.9.9'"),
        (("users", "9.9.9"), "airbyte-ci base-images list"),
        (("yank", "1.0.0"), "--reason"),
        (("diff", f"{registry}/acme/python-connector-base@sha256:{'0' * 64}", "1.1.0"), "0000"),
        (("check", "shipped:none"), "has no base image"),
    ]
    for arguments, words in cases:
        ended = airbyte_ci("base-images", *arguments, cwd=lived, home=home)
        assert ended.code in (1, 2), (arguments, ended.out)
        assert words in ended.err, (arguments, ended.err)
        assert ended.err.count("\n") == 1, (arguments, ended.err)
