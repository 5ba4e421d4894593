"""Advisories in the OSV format: which apply, under which names, and which cannot be decided."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airbyte_ci.base_images.inspection import osv, osv_advisory
from airbyte_ci.base_images.inspection.contents import Contents
from airbyte_ci.errors import ConfigurationError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.rootfs.dpkg import DebianPackage

DEBIAN = {"ecosystem": "Debian:12", "name": "openssl"}
OPENSSL = DebianPackage("libssl3", "3.0.11-1", architecture="amd64", source="openssl", source_version="3.0.11-1")
HELD = Contents(
    system={"ID": "debian", "VERSION_ID": "12", "PRETTY_NAME": "Debian GNU/Linux 12"},
    libc="glibc 2.36",
    python="3.11.2",
    packages=(OPENSSL,),
    distributions=(("idna", "3.4"),),
    accounts=(),
    layers=(),
    files=Digest("0" * 64),
)


def affected(*events: dict[str, str], package: dict[str, str] | None = None, **others: object) -> dict[str, Any]:
    return {"package": package or DEBIAN, "ranges": [{"type": "ECOSYSTEM", "events": list(events)}], **others}


def left(tmp_path: Path, *advisories: object, contents: Contents = HELD) -> osv.Comparison:
    """The findings of a database of these for an unchanged image."""
    path = tmp_path / "database.json"
    path.write_text(json.dumps(advisories))
    return osv.compare(path, contents, contents)


ALWAYS = {"introduced": "0"}
IDNA = {"id": "PYSEC-9", "affected": [{"package": {"ecosystem": "PyPI", "name": "idna"}, "versions": ["3.4"]}]}


@pytest.mark.parametrize(
    "document", [{"matches": [{"vulnerability": {"id": "CVE-1"}}]}, [], {}, [{"id": 1}], ["CVE-1"], "CVE-1", 7]
)
def test_what_holds_no_advisory_is_no_database(tmp_path: Path, document: object) -> None:
    """Another tool's report would otherwise read as `nothing is affected`."""
    path = tmp_path / "report.json"
    path.write_text(json.dumps(document))
    with pytest.raises(ConfigurationError, match=r"report\.json: it contains no advisories"):
        osv.compare(path, HELD, HELD)
    with pytest.raises(ConfigurationError, match="it contains no advisories"):
        osv.compare(tmp_path, HELD, HELD)


def test_an_announcement_may_be_about_several(tmp_path: Path) -> None:
    """Each `upstream` is a vulnerability of its own; `aliases` are names of the same one."""
    found = left(
        tmp_path,
        {
            "id": "DSA-5764-1",
            "upstream": ["CVE-2024-1", "CVE-2024-2", "DEBIAN-CVE-2024-1"],
            "affected": [affected(ALWAYS, {"fixed": "3.0.14-1"})],
        },
        IDNA | {"aliases": ["GHSA-x", "CVE-2024-3"]},
    )
    assert [(item.name, item.fixed) for item in found.left] == [
        ("CVE-2024-3", ""),
        ("CVE-2024-1", "3.0.14-1"),
        ("CVE-2024-2", "3.0.14-1"),
    ]


@pytest.mark.parametrize(
    ("fixed", "expected"), [("3.0.14-1", [("CVE-2024-1", "3.0.14-1")]), ("3.0.11-1", []), ("3.0.10-1", [])]
)
@pytest.mark.parametrize("first", [True, False])
def test_the_advisory_that_knows_the_fix_counts(
    tmp_path: Path, fixed: str, expected: list[tuple[str, str]], first: bool
) -> None:
    """The tracker's entry without a fix and the announcement of one are the same vulnerability, in either order."""
    tracker = {"id": "DEBIAN-CVE-2024-1", "affected": [affected(ALWAYS)]}
    announced = {
        "id": "DSA-1-1",
        "upstream": ["CVE-2024-1"],
        "affected": [affected(ALWAYS, {"fixed": fixed})],
    }
    found = left(tmp_path, *((tracker, announced) if first else (announced, tracker)), IDNA)
    assert [(item.name, item.fixed) for item in found.left if item.package == "openssl"] == expected


@pytest.mark.parametrize(("urgency", "counts"), [("unimportant", False), ("not affected", False), ("medium", True)])
def test_what_debian_calls_unimportant_is_left_out(tmp_path: Path, urgency: str, counts: bool) -> None:
    """It is not a security problem of Debian's package; any other urgency is reported."""
    entry = affected(ALWAYS, ecosystem_specific={"urgency": urgency})
    found = left(tmp_path, {"id": "DEBIAN-CVE-2024-1", "affected": [entry]}, IDNA)
    assert [item.severity for item in found.left if item.package == "openssl"] == ([urgency] if counts else [])


@pytest.mark.parametrize(
    ("vector", "rating"),
    [
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "critical"),  # 9.8
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", "high"),  # 7.5
        ("CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", "medium"),  # 6.1
        ("CVSS:3.1/AV:L/AC:H/PR:L/UI:R/S:U/C:L/I:N/A:N", "low"),  # 2.2
        ("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:H/I:H/A:H", "critical"),  # 9.9
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", "none"),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H"),
    ],
)
def test_how_severe_it_is_follows_from_its_vector(vector: str, rating: str) -> None:
    """The words of the CVSS for its own examples' scores; a vector that is not understood is shown as it is."""
    said = osv_advisory.severity({"id": "x", "severity": [{"type": "CVSS_V3", "score": vector}]}, {})
    assert said.startswith(rating)
    assert osv_advisory.severity({"id": "x", "database_specific": {"severity": "HIGH"}}, {}) == "high"
    assert osv_advisory.severity({"id": "x"}, {}) == ""


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        (
            replace(HELD, system={"ID": "alpine", "PRETTY_NAME": "Alpine Linux v3.19"}, packages=()),
            "the packages of Alpine Linux v3.19: only packages of Debian and PyPI can be checked",
        ),
        (replace(HELD, system={"ID": "ubuntu", "PRETTY_NAME": "Ubuntu 22.04"}), "the packages of Ubuntu 22.04"),
        (HELD, "1 packages of Debian GNU/Linux 12: the database has no advisory for Debian:12"),
    ],
)
def test_what_was_not_looked_at_is_said(tmp_path: Path, contents: Contents, words: str) -> None:
    """A system without an ecosystem, or one that the database is not about, must not read as safe."""
    found = left(tmp_path, IDNA, contents=contents)
    assert [item.name for item in found.left] == ["PYSEC-9"]
    assert len(found.unseen) == 1
    assert words in found.unseen[0]
    both = left(tmp_path, IDNA, {"id": "CVE-1", "affected": [affected({"introduced": "9"})]})
    assert both.unseen == ()
