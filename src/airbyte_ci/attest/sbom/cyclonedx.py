"""A bill of materials as a CycloneDX 1.6 document (https://cyclonedx.org/docs/1.6/json/). Equal bills, equal bytes."""

import uuid
from collections.abc import Iterator
from typing import Any

from airbyte_ci.attest.sbom.bill import BillOfMaterials, Component
from airbyte_ci.attest.sbom.found_package import LicenseText
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import canonical_json

SPECIFICATION = "1.6"


def document(bill: BillOfMaterials) -> bytes:
    """Returns the document; its serial number is a function of the rest."""
    body: dict[str, Any] = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPECIFICATION,
        "version": 1,
        "metadata": {
            "timestamp": bill.created,
            "tools": {"components": [{"type": "application", "name": "airbyte-ci", "version": bill.tool}]},
            "component": _component(bill.root, is_root=True),
            "properties": list(_properties_of_bill(bill)),
        },
        "components": [_component(item) for item in bill.components],
        "dependencies": [
            {"ref": item.ref, **({"dependsOn": list(item.depends)} if item.depends else {})}
            for item in (bill.root, *bill.components)
        ],
    }
    if bill.unread:
        assemblies = [bill.root.ref]
        body["compositions"] = [{"aggregate": "incomplete", "assemblies": assemblies}]
    serial = uuid.uuid5(uuid.NAMESPACE_URL, str(Digest.of(canonical_json(body))))
    return canonical_json({**body, "serialNumber": f"urn:uuid:{serial}"})


def _component(item: Component, *, is_root: bool = False) -> dict[str, Any]:
    found: dict[str, Any] = {"type": item.kind, "bom-ref": item.ref, "name": item.name}
    if item.version:
        found["version"] = item.version
    if item.purl:
        found["purl"] = item.purl
    if item.group:
        found["group"] = item.group
    if licenses := _licenses(item.license):
        found["licenses"] = licenses
    if item.sha256:
        found["hashes"] = [{"alg": "SHA-256", "content": item.sha256}]
    if item.repository:
        found["externalReferences"] = [{"type": "vcs", "url": item.repository}]
    if item.path:
        found["evidence"] = {"occurrences": [{"location": f"/{item.path}"}]}
    if not is_root:
        found["properties"] = [{"name": name, "value": value} for name, value in _properties(item)]
    return found


def _licenses(text: LicenseText) -> list[dict[str, Any]]:
    """An expression stands alone; names are each a license of their own (schema: licenseChoice)."""
    if text.expression:
        return [{"expression": text.expression, "acknowledgement": "declared"}]
    return [{"license": {"name": name, "acknowledgement": "declared"}} for name in text.names]


def _properties(item: Component) -> Iterator[tuple[str, str]]:
    yield "airbyte-ci:origin", item.origin
    if item.file:
        yield "airbyte-ci:file", item.file
    if item.layer:
        yield "airbyte-ci:layer", item.layer
        # The names by which viewers of two scanners group components.
        yield "aquasecurity:trivy:LayerDiffID", item.layer
        if item.path:
            yield "syft:location:0:layerID", item.layer
            yield "syft:location:0:path", f"/{item.path}"


def _properties_of_bill(bill: BillOfMaterials) -> Iterator[dict[str, str]]:
    yield {"name": "airbyte-ci:platform", "value": str(bill.platform)}
    for path in bill.unread:
        yield {"name": "airbyte-ci:unread", "value": f"/{path}"}
