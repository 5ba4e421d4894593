"""Formats publications: text for people, and JUnit XML with a case per connector."""

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from airbyte_ci.oci.store.size import format_size
from airbyte_ci.outcomes import Outcome
from airbyte_ci.reports.junit import plain, written
from airbyte_ci.text import plural

_COMMAND = "airbyte-ci connectors publish"


def summary(record: Mapping[str, Any], *, is_dry: bool) -> str:
    """Returns the line about a release, from its record."""
    platforms = ", ".join(item["platform"] for item in record["platforms"])
    if record.get("unchanged"):
        return f"{record['tag']} is the same as {record['unchanged']}, which is published; nothing was pushed"
    fresh = "would be published" if is_dry else "published"
    how = "is already published" if record["already"] else fresh
    count = len(record["attachments"])
    documents = f"{plural(count, 'document')} attached" if count else "no documents"
    parts = [platforms, format_size(record["size"]), documents, f"{record['seconds']:.1f} s"]
    return f"{record['tag']} {how} · {' · '.join(parts)}"


def details(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the lines below the summary: the address, `latest`, and what the record must not hide."""
    found = [record["address"]]
    latest = record.get("latest")
    if latest and latest != record["tag"]:
        found.append(f"latest stays at {latest}, a newer version")
    elif latest:
        found.append(f"latest points to {latest}")
    if package := record.get("package"):
        new = sum(item["new"] for item in package["files"])
        how = "published" if new else "is already published"
        found.append(f"{package['name']} {package['version']} {how} at {package['index']}")
    if changes := record.get("uncommitted"):
        found.append(
            f"! published with uncommitted changes: {', '.join(changes[:3])}{' …' if len(changes) > 3 else ''}"
        )
    if blocked := record.get("ignoredBlock"):
        found.append(f"! published although block-release.yaml says: {blocked}")
    return tuple(found)


def commands(record: Mapping[str, Any]) -> list[str]:
    """Returns the commands that check a signed release, with airbyte-ci and with cosign 3; the key is the reader's."""
    address = f"{record['address'].partition('@')[0].rpartition(':')[0]}@{record['digest']}"
    cosign = "--key signing.pub --insecure-ignore-tlog"
    return [
        f"airbyte-ci verify --key signing.pub {address}",
        f"cosign verify {cosign} {address}",
        f"cosign verify-attestation {cosign} --type slsaprovenance1 {address}",
    ]


def document(items: Sequence[Outcome], shard: str = "") -> str:
    """Returns the JUnit report: failures are connectors that were not published."""
    failures = sum(item.status == "failed" for item in items)
    skipped = sum(item.status in ("skipped", "unverified") and not item.facts.get("digest") for item in items)
    totals = {
        "tests": str(len(items)),
        "failures": str(failures),
        "errors": "0",
        "skipped": str(skipped),
        "time": f"{sum(_seconds(item) for item in items):.3f}",
    }
    root = ElementTree.Element("testsuites", {"name": _COMMAND, **totals})
    suite = ElementTree.SubElement(root, "testsuite", {"name": "publish", **totals})
    if shard:
        properties = ElementTree.SubElement(suite, "properties")
        ElementTree.SubElement(properties, "property", {"name": "shard", "value": shard})
    for item in items:
        _case(suite, item)
    return written(root)


def _case(suite: ElementTree.Element, item: Outcome) -> None:
    attributes = {"name": "publish", "classname": plain(item.subject), "time": f"{_seconds(item):.3f}"}
    case = ElementTree.SubElement(suite, "testcase", attributes)
    message = plain("\n".join(part for part in (item.reason, item.advice, *item.details) if part))
    if item.status == "failed":
        failure = {"message": plain(item.reason), "type": item.error_id or "publish"}
        ElementTree.SubElement(case, "failure", failure).text = message
    elif item.facts.get("digest"):
        ElementTree.SubElement(case, "system-out").text = plain("\n".join((item.summary, *item.details)))
    else:
        ElementTree.SubElement(case, "skipped", {"message": plain(item.reason or item.summary)})


def _seconds(item: Outcome) -> float:
    return float(item.facts.get("seconds") or 0)
