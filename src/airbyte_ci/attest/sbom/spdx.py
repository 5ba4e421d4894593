"""A bill of materials as an SPDX 2.3 document in JSON: equal bills, equal bytes.

https://spdx.github.io/spdx-spec/v2.3/
"""

import hashlib
import re
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

from airbyte_ci.attest.sbom.bill import BillOfMaterials, Component
from airbyte_ci.attest.sbom.found_package import LicenseText
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import canonical_json

SPECIFICATION = "SPDX-2.3"
_NAMESPACE = "https://spdx.org/spdxdocs"
_PURPOSES = {
    "application": "APPLICATION",
    "container": "CONTAINER",
    "library": "LIBRARY",
    "operating-system": "OPERATING-SYSTEM",
}
_NOT_IDENTIFIER = re.compile(r"[^A-Za-z0-9.-]+")
_ABSENT = "NOASSERTION"


def document(bill: BillOfMaterials) -> bytes:
    """Returns the document; its namespace is a function of the rest."""
    items = (bill.root, *bill.components)
    identifiers = {item.ref: _identifier(item) for item in items}
    body: dict[str, Any] = {
        "spdxVersion": SPECIFICATION,
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": bill.root.name,
        "creationInfo": {"created": bill.created, "creators": [f"Tool: airbyte-ci-{bill.tool}"]},
        "packages": [_package(item, identifiers[item.ref]) for item in items],
        "relationships": list(_relationships(bill, identifiers)),
    }
    if extracted := _extracted(item.license for item in items):
        body["hasExtractedLicensingInfos"] = extracted
    if bill.unread:
        body["comment"] = f"Incomplete: not read are {', '.join(f'/{path}' for path in bill.unread)}"
    unique = uuid.uuid5(uuid.NAMESPACE_URL, str(Digest.of(canonical_json(body))))
    name = _NOT_IDENTIFIER.sub("-", bill.root.name)
    return canonical_json({**body, "documentNamespace": f"{_NAMESPACE}/{name}-{unique}"})


def _identifier(item: Component) -> str:
    """Returns an identifier that stays the same when other components change."""
    name = _NOT_IDENTIFIER.sub("-", f"{item.name}-{item.version}")[:80].strip("-")
    return f"SPDXRef-Package-{name}-{hashlib.sha256(item.ref.encode()).hexdigest()[:12]}"


def _package(item: Component, identifier: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "SPDXID": identifier,
        "name": f"{item.group}:{item.name}" if item.group else item.name,
        "downloadLocation": item.repository or _ABSENT,
        "filesAnalyzed": False,
        "licenseConcluded": _ABSENT,
        "licenseDeclared": _declared(item.license),
        "copyrightText": _ABSENT,
        "supplier": _ABSENT,
        "primaryPackagePurpose": _PURPOSES[item.kind],
        "comment": f"airbyte-ci:origin={item.origin}",
    }
    if item.version:
        found["versionInfo"] = item.version
    if item.purl:
        reference = {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": item.purl}
        found["externalRefs"] = [reference]
    if item.sha256:
        found["checksums"] = [{"algorithm": "SHA256", "checksumValue": item.sha256}]
    if item.file:
        found["packageFileName"] = item.file
    if item.layer:
        place = f" at /{item.path}" if item.path else ""
        found["sourceInfo"] = f"found in layer {item.layer}{place}"
    return found


def _declared(text: LicenseText) -> str:
    if text.expression:
        return text.expression
    return " AND ".join(_license_reference(name) for name in text.names) or _ABSENT


def _license_reference(name: str) -> str:
    """Returns the document's own identifier for a license that is no SPDX expression."""
    readable = _NOT_IDENTIFIER.sub("-", name)[:60].strip("-") or "text"
    return f"LicenseRef-{readable}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _extracted(texts: Iterable[LicenseText]) -> list[dict[str, str]]:
    names = sorted({name for text in texts if not text.expression for name in text.names})
    return [
        {
            "licenseId": _license_reference(name),
            "extractedText": name,
            "name": name,
            "comment": "the text in the metadata",
        }
        for name in names
    ]


def _relationships(bill: BillOfMaterials, identifiers: dict[str, str]) -> Iterator[dict[str, str]]:
    root = identifiers[bill.root.ref]
    yield _relationship("SPDXRef-DOCUMENT", "DESCRIBES", root)
    for item in bill.components:
        yield _relationship(root, "CONTAINS", identifiers[item.ref])
    for item in bill.components:
        # The base image contains its packages; everything else requires its own.
        kind = "CONTAINS" if item.kind == "container" else "DEPENDS_ON"
        for ref in item.depends:
            yield _relationship(identifiers[item.ref], kind, identifiers[ref])


def _relationship(element: str, kind: str, related: str) -> dict[str, str]:
    return {"spdxElementId": element, "relationshipType": kind, "relatedSpdxElement": related}
