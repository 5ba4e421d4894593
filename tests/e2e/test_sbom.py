"""The bill of materials of a connector that was really built, by name, from its layers alone, and as published."""

import gzip
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airbyte_ci.attest.sbom import attachments, layer_evidence
from airbyte_ci.attest.sbom.bill import BillOfMaterials
from airbyte_ci.attest.subject import Subject
from airbyte_ci.oci.image import Image
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry
from airbyte_ci.python.environment import layer_wheels
from airbyte_ci.testing.registry import RegistryServer
from tests.attest import releases
from tests.e2e.command import airbyte_ci
from tests.e2e.conftest import Base
from tests.e2e.tiny import NAME, Tiny, derived, tiny_fleet

pytestmark = pytest.mark.slow
# A package as apt would add it: the database of packages is what says that it is installed.
HOOK = """STANZA = "Package: socks\\nStatus: install ok installed\\nArchitecture: all\\nVersion: 1.0-1\\n"

async def pre_connector_install(container):
    return container.with_exec(["sh", "-c", f"printf '\\n{STANZA}\\n' >> /var/lib/dpkg/status"])
"""


@dataclass(frozen=True)
class BuiltConnector:
    """A connector with a hook and a bundled package, and its image."""

    tiny: Tiny
    store: Store
    image: Image
    hashes: dict[str, str]

    def bill(self, *arguments: str, home: Path | None = None) -> dict[str, Any]:
        ended = self.tiny.run("connectors", "sbom", *arguments, home=home)
        assert ended.code == 0, ended.err
        found: dict[str, Any] = json.loads(ended.out)
        return found


@pytest.fixture(scope="module")
def built(home: Path, base: Base, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuiltConnector]:
    with tiny_fleet(tmp_path_factory.mktemp("sbom"), home, base.address) as tiny:
        (tiny.connector() / "build_customization.py").write_text(HOOK)
        metadata = "Metadata-Version: 2.1\nName: inner\nVersion: 3.1\n\n"
        outer = tiny.wheel("outer", "2.0", {"outer/_vendor/inner-3.1.dist-info/METADATA": metadata})
        lines = [tiny.big, tiny.small(), outer]
        tiny.require(*lines[1:])
        made = tiny.build()
        assert made.code == 0, made.err
        store = Store(home)
        named = store.resolve(f"acme/{NAME}:dev")
        assert named
        hashes = {line.partition("==")[0]: line.strip().rpartition(":")[2] for line in lines}
        yield BuiltConnector(tiny, store, store.image(named.digest), hashes)


def _components(bill: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in bill["components"]}


def _origins(bill: dict[str, Any]) -> dict[str, str]:
    return {name: item["properties"][0]["value"] for name, item in _components(bill).items()}


def test_packages_have_the_hashes_of_the_plan_and_their_origin(built: BuiltConnector) -> None:
    """Wheels have the hash that the lock allowed; a hook's packages are the customization's, the rest the base's."""
    bill = built.bill(NAME)
    found = _components(bill)
    assert {name: found[name]["hashes"][0]["content"] for name in built.hashes} == built.hashes
    origins = _origins(bill)
    assert {name for name, origin in origins.items() if origin == "connector"} == {
        *("bigdep", "tinydep", "outer", "inner", f"acme/{NAME}")
    }
    assert [name for name, origin in origins.items() if origin == "customization"] == ["socks"]
    assert origins["bash"] == "base" == origins["poetry"]
    assert found["localhost/airbyte/python-connector-base"]["version"] in built.tiny.base


def test_wheels_say_the_same_as_the_layers_that_were_made_of_them(built: BuiltConnector) -> None:
    """What is known of a layer's wheels equals what its archive has, for every layer of packages."""
    compared = 0
    for descriptor, diff_id in built.image.layers:
        if layer_wheels.recall(built.store, diff_id) is None:
            continue
        known = layer_evidence.of_wheels(built.store, diff_id)
        assert known == layer_evidence.read(built.store, descriptor, diff_id)
        compared += 1
    assert compared >= 2


def test_an_image_without_the_store_has_the_same_packages(built: BuiltConnector, tmp_path: Path) -> None:
    """In an empty store, an archive has the same packages, layers, licenses and origins; only a plan has hashes.

    Nobody can tell the layers of a hook from those of the base image, which is not there.
    """
    archive = tmp_path / "image.tar"
    assert built.tiny.build(f"--output=archive:{archive}").code == 0
    known = _components(built.bill(NAME))
    found = _components(built.bill(str(archive), home=tmp_path / "store"))
    del known[f"acme/{NAME}"], found[f"acme/{NAME}"]
    assert {name: item["purl"] for name, item in known.items() if "purl" in item} == {
        name: item["purl"] for name, item in found.items() if "purl" in item
    }
    for name, item in known.items():
        expected = [*item["properties"]]
        if name == "socks":
            expected[0] = {"name": "airbyte-ci:origin", "value": "base"}
        properties = [entry for entry in expected if entry["name"] != "airbyte-ci:file"]
        assert found[name]["properties"] == properties, name
        assert found[name].get("licenses") == item.get("licenses")


def test_a_published_image_comes_with_its_plan(built: BuiltConnector, tmp_path: Path) -> None:
    """In an empty store, without the registry of the base image, the SBOM has the plan's hashes and all origins."""
    with RegistryServer() as server:
        images = releases.build(built.tiny, built.store)
        subject = releases.describe(built.tiny, built.store, server.host, images)
        published = releases.release(subject, built.store, None)
        found = built.bill(str(published.address), home=tmp_path / "store")
        attached = attachments.CYCLONEDX.write(_of_release(subject, built.store))
    assert _components(found) == {
        **_components(json.loads(attached)),
        f"acme/{NAME}": _components(found)[f"acme/{NAME}"],  # its license is in the repository only
    }
    assert _origins(found)["socks"] == "customization"


def _of_release(subject: Subject, store: Store) -> BillOfMaterials:
    with releases.tools(store) as opened:
        return attachments.of_release(subject, subject.images[0], opened)


def test_both_formats_and_all_spellings_describe_the_same_image(built: BuiltConnector, tmp_path: Path) -> None:
    """A file has exactly the printed bytes, and a second run prints them again."""
    first = built.tiny.run("connectors", f"--name={NAME}", "sbom", "--format=spdx")
    target = tmp_path / "bill.json"
    again = built.tiny.run("connectors", "sbom", NAME, "--format=spdx", "--output", str(target))
    assert (first.code, again.code, again.out) == (0, 0, "")
    assert target.read_text() == first.out.removesuffix("\n")
    names = {item["name"] for item in json.loads(first.out)["packages"]}
    bill = built.bill(f"acme/{NAME}:dev")
    assert names == {*_components(bill), bill["metadata"]["component"]["name"]}


def test_wrong_usage_is_one_line(built: BuiltConnector, tmp_path: Path) -> None:
    """An unknown name, two meanings, another platform and an unbuilt connector each say what to do."""
    built.tiny.add("source-unbuilt")
    cases = (
        (("sbom", "source-nothing"), 2, "is called 'source-nothing'"),
        (("--all", "sbom", NAME), 2, "names and filters exclude each other"),
        (("--all", "sbom"), 2, "but 2 connectors are selected"),
        (("sbom", NAME, "--platform=linux/arm64"), 1, "is an image for linux/amd64, not for linux/arm64"),
        (("sbom", "source-unbuilt"), 1, "is not built yet"),
        (("sbom", NAME, "--output", str(tmp_path / "no/folder")), 2, "cannot write"),
    )
    for arguments, code, text in cases:
        ended = built.tiny.run("connectors", *arguments)
        assert (ended.code, text in ended.err, ended.out) == (code, True, ""), ended.err
        assert len(ended.err.strip().splitlines()) <= 2
    shutil.rmtree(built.tiny.connector("source-unbuilt"))


def test_vulnerabilities_decide_the_exit_code(built: BuiltConnector, tmp_path: Path) -> None:
    """A severe finding is exit code 1; a newer base image of the catalog that has the fix is named."""
    tiny, store = built.tiny, built.store
    status = b"Package: zlib1g\nStatus: install ok installed\nSource: zlib\nVersion: 2:9\n"
    newer = derived(store, tiny.base, Entry(path="var/lib/dpkg/status", content=status), tag="1.1.0")
    address = newer.replace("localhost/acme/derived-base", "localhost/airbyte/python-connector-base")
    (tiny.folder / "base-images.yaml").write_text(
        "localhost/airbyte/python-connector-base:\n"
        f"- {{version: 1.1.0, python: 3.11.2, address: '{address}'}}\n"
        f"- {{version: 1.0.0, python: 3.11.2, address: '{tiny.base}'}}\n"
    )
    events = [{"introduced": "0"}, {"fixed": "2:1"}]
    zlib = {"package": {"ecosystem": "Debian:12", "name": "zlib"}, "ranges": [{"type": "ECOSYSTEM", "events": events}]}
    database = tmp_path / "osv.json"
    specific = {"severity": "HIGH"}
    database.write_text(json.dumps([{"id": "CVE-1", "affected": [zlib], "database_specific": specific}]))
    with_database = ("vulnerabilities", NAME, "--db", str(database))
    cases = (
        (with_database, 1, "base 1.1.0 fixes it"),
        ((*with_database, "--fail-on=critical"), 0, "high  CVE-1  zlib"),
        ((f"--name={NAME}", *with_database[:1], *with_database[2:], "--fail-on=never"), 0, "1 vulnerability (1 high)"),
    )
    try:
        for arguments, code, text in cases:
            ended = tiny.run("connectors", *arguments)
            assert (ended.code, text in ended.out) == (code, True), ended.out + ended.err
        ended = tiny.run("connectors", *with_database, "--json")
        (finding,) = json.loads(ended.out)["findings"]
        of_base = tiny.run("connectors", "vulnerabilities", tiny.base, *with_database[2:])
        assert (of_base.code, "base 1.1.0 fixes it" in of_base.out) == (1, True), of_base.out
        assert (finding["origin"], finding["fixedByBase"], finding["fixedIn"]) == ("base", "1.1.0", "2:1")
    finally:
        (tiny.folder / "base-images.yaml").unlink()


def test_wrong_usage_of_vulnerabilities_is_one_line(built: BuiltConnector, tmp_path: Path) -> None:
    """Neither or both sources, a report for several images, and a file of another kind."""
    other = tmp_path / "other.json"
    other.write_text("{}")
    cases = (
        (("vulnerabilities", NAME), 2, "needs --db or --report"),
        (("vulnerabilities", NAME, "--db", str(other), "--report", str(other)), 2, "and not both"),
        (("vulnerabilities", NAME, NAME, "acme/x:dev", "--report", str(other)), 2, "--report is about one image"),
        (("vulnerabilities", NAME, "--db", str(other)), 2, "it contains no advisories"),
        (("vulnerabilities", NAME, "--report", str(other)), 2, "it is not a report of a known scanner"),
    )
    for arguments, code, text in cases:
        ended = built.tiny.run("connectors", *arguments)
        assert (ended.code, text in ended.err, ended.out) == (code, True, ""), ended.err


def test_a_damaged_archive_is_one_line(built: BuiltConnector, tmp_path: Path) -> None:
    """An image whose layer has other bytes than its digest says is refused, outside of a repository too."""
    archive = tmp_path / "image.tar"
    archive.write_bytes(gzip.compress(b"not a tar"))
    ended = airbyte_ci("connectors", "sbom", str(archive), cwd=tmp_path, home=tmp_path / "store")
    assert ended.code == 1
    assert "cannot read the image" in ended.err
