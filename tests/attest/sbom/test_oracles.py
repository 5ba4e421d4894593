"""Bills compared with independent tools: a scanner finds the same packages, and validators accept both formats."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from spdx_tools.spdx.parser.json.json_parser import parse_from_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from airbyte_ci.attest.sbom import cyclonedx, make_bill, spdx
from airbyte_ci.attest.sbom.bill import BillOfMaterials
from airbyte_ci.attest.sbom.make_bill import BillFacts
from airbyte_ci.images import outputs
from airbyte_ci.oci.image import Image
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from tests.attest.sbom import sample_images

BASE = Reference.parse(f"registry.example/acme/base:1.0.0@sha256:{'b' * 64}")
FACTS = BillFacts(
    repository="registry.example/acme/source-x",
    created="2024-01-02T03:04:05Z",
    tool="1.0",
    base=BASE,
    base_layers=1,
    license="MIT",
)
KINDS: dict[str, Callable[[Store], Image]] = {
    "connector": sample_images.connector,
    "java": sample_images.java,
    "alpine": sample_images.alpine,
    "distroless": sample_images.distroless,
    "rpm": sample_images.amazon,
}
# What only one of the two finds, and why.
ONLY_OURS = {
    "connector": {
        "pkg:generic/acme/source-x@1.2.3",  # the connector itself, which no package manager knows
        f"pkg:oci/base@sha256:{'b' * 64}?repository_url=registry.example/acme/base&tag=1.0.0",
    },
    "java": {
        "pkg:generic/acme/source-x@1.2.3",
        f"pkg:oci/base@sha256:{'b' * 64}?repository_url=registry.example/acme/base&tag=1.0.0",
        # Without coordinates the scanner guesses a group; this tool says only what the jar says.
        "pkg:generic/plain@2.1",
        "pkg:generic/bulk-cdk-core-base@0.1.5",
        # The scanner leaves out jars without a manifest, and damaged ones.
        "pkg:generic/source-postal@1.0.0",
        "pkg:generic/broken@1.0",
    },
    "alpine": {f"pkg:oci/base@sha256:{'b' * 64}?repository_url=registry.example/acme/base&tag=1.0.0"},
    "rpm": {f"pkg:oci/base@sha256:{'b' * 64}?repository_url=registry.example/acme/base&tag=1.0.0"},
    "distroless": {f"pkg:oci/base@sha256:{'b' * 64}?repository_url=registry.example/acme/base&tag=1.0.0"},
}
ONLY_THE_SCANNERS = {
    "java": {
        "pkg:maven/plain/plain@2.1",
        "pkg:maven/bulk-cdk-core-base/bulk-cdk-core-base@0.1.5",
    },
}


def bill(store: Store, image: Image, facts: BillFacts = FACTS) -> BillOfMaterials:
    def bring() -> None:
        raise AssertionError("all layers are in the store")

    return make_bill.make(store, image, facts, bring)


def scan(store: Store, image: Image, folder: Path) -> set[str]:
    """The package URLs that syft finds."""
    outputs.write_layout(store, outputs.Result((image,)), folder, ["acme/x:1"])
    syft = str(Path(sys.executable).with_name("syft"))
    environment = {**os.environ, "SYFT_CHECK_FOR_APP_UPDATE": "false"}
    command = [syft, "scan", f"oci-dir:{folder}", "-q", "-o", "cyclonedx-json"]
    finished = subprocess.run(command, capture_output=True, check=True, env=environment)
    return {item["purl"] for item in json.loads(finished.stdout)["components"] if "purl" in item}


@pytest.mark.parametrize("kind", KINDS)
def test_a_scanner_finds_the_same_packages(kind: str, tmp_path: Path) -> None:
    """syft reports the same package URLs; each difference is listed with its reason."""
    store = Store(tmp_path / "store")
    image = KINDS[kind](store)
    ours = {item.purl for item in bill(store, image).components if item.purl}
    found = scan(store, image, tmp_path / "layout")
    assert found - ours == ONLY_THE_SCANNERS.get(kind, set())
    assert ours - found == ONLY_OURS[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_both_documents_are_valid(kind: str, tmp_path: Path) -> None:
    """The validators of CycloneDX and SPDX accept the documents, and their libraries read every component."""
    store = Store(tmp_path / "store")
    made = bill(store, KINDS[kind](store))
    text = cyclonedx.document(made).decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    parsed = Bom.from_json(json.loads(text))  # type: ignore[attr-defined]  # a class decorator adds it
    assert {item.bom_ref.value for item in parsed.components} == {item.ref for item in made.components}
    assert parsed.validate()
    path = tmp_path / "bill.spdx.json"
    path.write_bytes(spdx.document(made))
    document = parse_from_file(str(path))
    assert validate_full_spdx_document(document) == []
    assert len(document.packages) == len(made.components) + 1


@pytest.mark.parametrize("kind", KINDS)
def test_package_urls_are_in_their_canonical_form(kind: str, tmp_path: Path) -> None:
    """The reference implementation of package URLs writes each of them the same."""
    store = Store(tmp_path / "store")
    made = bill(store, KINDS[kind](store))
    urls = [item.purl for item in (made.root, *made.components) if item.purl]
    assert [PackageURL.from_string(url).to_string() for url in urls] == urls
