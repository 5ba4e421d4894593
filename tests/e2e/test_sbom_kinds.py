"""Bills of connectors of the other kinds: Java, manifest-only, and an index of several platforms."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry, directory
from tests.e2e.test_java import a_connector, bare
from tests.e2e.tiny import Tiny, as_index, derived
from tests.images import distributions
from tests.images.distributions import NAME, jar

pytestmark = pytest.mark.slow
MANIFEST = "version: 4.3.0\ntype: DeclarativeSource\nstreams: []\n"


def components(tiny: Tiny, *arguments: str) -> dict[str, dict[str, Any]]:
    ended = tiny.run("connectors", "sbom", *arguments)
    assert ended.code == 0, ended.err
    return {item["name"]: item for item in json.loads(ended.out)["components"]}


def origins(found: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {name: item["properties"][0]["value"] for name, item in found.items()}


def test_jars_of_a_java_connector(tiny: Tiny, store: Store) -> None:
    """Each jar has its hash; those of the CDK are the framework's, all others and the connector its own."""
    folder = a_connector(tiny, bare(store))
    maven = "groupId=com.google.guava\nartifactId=guava\nversion=33.0-jre\n"
    guava = jar({"META-INF/maven/com.google.guava/guava/pom.properties": maven})
    contents = distributions.files(more={"lib/guava-33.0-jre.jar": guava})
    distributions.distribution(folder / f"build/distributions/{NAME}.tar", contents)
    built = tiny.build("--no-verify", name=NAME)
    assert built.code == 0, built.err
    found = components(tiny, NAME)
    assert origins(found) == {
        "airbyte-cdk-core": "framework",
        "answers": "connector",
        "guava": "connector",
        f"io.airbyte.airbyte-integrations.connectors-{NAME}": "connector",
        f"acme/{NAME}": "connector",
        "localhost/acme/bare-base": "base",
    }
    assert found["guava"]["purl"] == "pkg:maven/com.google.guava/guava@33.0-jre"
    hashes = {
        item["evidence"]["occurrences"][0]["location"]: item["hashes"][0]["content"]
        for item in found.values()
        if "evidence" in item
    }
    assert hashes == {
        f"/airbyte/{path}": hashlib.sha256(content).hexdigest()
        for path, content in contents.items()
        if path.endswith(".jar")
    }


def test_a_manifest_only_connector_adds_only_itself(tiny: Tiny, store: Store) -> None:
    """Its packages, the CDK included, are those of its base image: a newer base changes them."""
    site = "usr/local/lib/python3.11/site-packages/airbyte_cdk-7.0.0.dist-info"
    metadata = b"Metadata-Version: 2.4\nName: airbyte-cdk\nVersion: 7.0.0\nLicense-Expression: MIT\n\n"
    base = derived(store, tiny.base, directory(site), Entry(path=f"{site}/METADATA", content=metadata), tag="framework")
    folder = tiny.connector("source-declared")
    folder.mkdir(parents=True)
    (folder / "metadata.yaml").write_text(
        "data:\n  name: Declared\n  license: ELv2\n  dockerRepository: acme/source-declared\n  dockerImageTag: 1.0.0\n"
        f"  tags: [language:manifest-only]\n  connectorBuildOptions: {{baseImage: '{base}'}}\n"
    )
    (folder / "manifest.yaml").write_text(MANIFEST)
    built = tiny.build("--no-verify", name="source-declared")
    assert built.code == 0, built.err
    found = components(tiny, "source-declared")
    by_origin = origins(found)
    assert [name for name, origin in by_origin.items() if origin != "base"] == ["acme/source-declared"]
    assert found["airbyte-cdk"]["licenses"][0]["expression"] == "MIT"
    assert found["acme/source-declared"]["licenses"][0]["license"]["name"] == "ELv2"
    code = built.json["diffIds"][-1]
    assert found["acme/source-declared"]["hashes"][0]["content"] == code.removeprefix("sha256:")


def test_each_platform_of_an_index_has_a_bill_of_its_own(tiny: Tiny, store: Store, tmp_path: Path) -> None:
    """`--platform` selects the image, in the store and in a folder; another platform is refused."""
    folder = "usr/lib/aarch64-linux-gnu"
    library = b"GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\n"
    arm = derived(
        *(store, tiny.base, directory(folder), Entry(path=f"{folder}/libc.so.6", content=library)),
        tag="arm64",
        architecture="arm64",
    )
    tiny.base = as_index(store, derived(store, tiny.base, tag="amd64"), arm)
    tiny.add("source-both")
    layout = tmp_path / "layout"
    both = ("-a", "linux/amd64", "-a", "linux/arm64", "--no-verify", f"--output=oci:{layout}")
    assert tiny.build(*both, name="source-both").code == 0
    purls = set()
    for platform in ("linux/amd64", "linux/arm64"):
        for place in ("source-both", str(layout)):
            ended = tiny.run("connectors", "sbom", place, "--platform", platform)
            assert ended.code == 0, ended.err
            metadata = json.loads(ended.out)["metadata"]
            assert metadata["properties"][0] == {"name": "airbyte-ci:platform", "value": platform}
            purls.add(metadata["component"]["version"])
    assert len(purls) == 2
    ended = tiny.run("connectors", "sbom", "source-both", "--platform=linux/s390x")
    assert (ended.code, "has no image for linux/s390x" in ended.err) == (1, True), ended.err
