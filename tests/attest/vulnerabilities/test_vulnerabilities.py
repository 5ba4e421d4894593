"""Vulnerabilities of an image: by advisories and by scanners' reports, with their origin and what fixes them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airbyte_ci.attest.sbom.bill import BillOfMaterials
from airbyte_ci.attest.vulnerabilities import examine_images, scanner_report
from airbyte_ci.attest.vulnerabilities.audited import audit
from airbyte_ci.attest.vulnerabilities.examine_images import ExaminedImage, ImageVulnerabilities
from airbyte_ci.attest.vulnerabilities.finding import VulnerabilityFinding, is_at_least
from airbyte_ci.attest.vulnerabilities.remedies import NewerBase
from airbyte_ci.base_images.inspection.osv_database import AuditedPackage
from airbyte_ci.errors import ConfigurationError
from airbyte_ci.oci.store.store import Store
from airbyte_ci.reports import vulnerabilities as report
from tests.attest.sbom import sample_images
from tests.attest.sbom.sample_images import distribution, image
from tests.attest.sbom.test_oracles import FACTS, bill


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("vulnerabilities") / "store")


@pytest.fixture(scope="module")
def connector(store: Store) -> BillOfMaterials:
    return bill(store, sample_images.connector(store))


def advisory(name: str, ecosystem: str, package: str, *events: Mapping[str, str], **more: object) -> dict[str, Any]:
    affected = {
        "package": {"ecosystem": ecosystem, "name": package},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, *events]}],
    }
    return {"id": name, "affected": [affected], **more}


def examined(
    tmp_path: Path, described: BillOfMaterials, *advisories: object, newer: Sequence[NewerBase] = ()
) -> ImageVulnerabilities:
    """The vulnerabilities by a database of these advisories."""
    path = tmp_path / "database.json"
    path.write_text(json.dumps(advisories))
    (found,) = examine_images.by_database([ExaminedImage("x", "source-x", described, (), tuple(newer))], path)
    return found


def reported(tmp_path: Path, described: BillOfMaterials, document: object) -> ImageVulnerabilities:
    path = tmp_path / "report.json"
    path.write_text(json.dumps(document))
    return examine_images.by_report(ExaminedImage("x", "source-x", described), scanner_report.read_report(path))


def short(found: ImageVulnerabilities) -> set[tuple[str, str, str, str]]:
    return {(item.name, item.package, item.origin, item.fixed) for item in found.findings}


def test_findings_belong_to_the_part_of_the_image_that_has_the_package(
    connector: BillOfMaterials, tmp_path: Path
) -> None:
    """Python packages by name, Debian packages by their source package, each with the origin of its component."""
    found = examined(
        tmp_path,
        connector,
        advisory("CVE-1", "Debian:12", "zlib", {"fixed": "1:1.2.13.dfsg-2"}),
        advisory("CVE-2", "Debian:12", "curl"),
        advisory("CVE-3", "PyPI", "Deep", {"fixed": "3.1"}),
        advisory("CVE-4", "PyPI", "own_choice", {"fixed": "0.2"}),
        advisory("CVE-5", "PyPI", "inner", {"fixed": "6.0"}),
        advisory("CVE-6", "PyPI", "pip", {"fixed": "23.1"}),  # that of the base, which was replaced
    )
    assert short(found) == {
        ("CVE-1", "zlib", "base", "1:1.2.13.dfsg-2"),
        ("CVE-2", "curl", "customization", ""),
        ("CVE-3", "deep", "framework", "3.1"),
        ("CVE-4", "own-choice", "connector", "0.2"),
        ("CVE-5", "inner", "framework", "6.0"),
    }


def test_names_of_one_vulnerability_are_one_finding(connector: BillOfMaterials, tmp_path: Path) -> None:
    """Advisories with a common CVE, or which name each other, are one; others stay apart."""
    found = examined(
        tmp_path,
        connector,
        advisory("GHSA-1", "PyPI", "deep", {"fixed": "3.1"}, aliases=["CVE-7"]),
        advisory("PYSEC-1", "PyPI", "deep", aliases=["CVE-7", "GHSA-1"]),
        advisory("GHSA-2", "PyPI", "deep", aliases=["PYSEC-2"]),
        advisory("PYSEC-2", "PyPI", "deep", aliases=["GHSA-2"]),
        advisory("GHSA-3", "PyPI", "deep"),
    )
    assert {(item.name, item.aliases) for item in found.findings} == {
        ("CVE-7", ("GHSA-1", "PYSEC-1")),
        ("GHSA-2", ("PYSEC-2",)),
        ("GHSA-3", ()),
    }


def test_the_remedy_names_who_has_to_act(store: Store, tmp_path: Path) -> None:
    """A requirement that excludes the fix is named; otherwise the lock is upgraded, or the outer package."""
    packages = [
        distribution("airbyte-cdk", "7.1.0", "Requires-Dist: pinned==1.0", "Requires-Dist: free>=1"),
        distribution("pinned", "1.0"),
        distribution("free", "1.0"),
        distribution("inner", "1.0", site=f"{sample_images.SITE}/free/_vendor"),
    ]
    made = bill(store, image(store, [], packages, history=("", "install Python dependencies")))
    names = ("pinned", "free", "inner")
    found = examined(tmp_path, made, *(advisory(f"CVE-{name}", "PyPI", name, {"fixed": "1.1"}) for name in names))
    assert {item.package: item.remedy for item in found.findings} == {
        "pinned": "airbyte-cdk 7.1.0 requires pinned==1.0",
        "free": "airbyte-ci connectors --name=source-x upgrade_dependencies",
        "inner": "a copy inside free 1.0: upgrade free",
    }


def test_the_oldest_newer_base_with_the_fix_is_named(connector: BillOfMaterials, tmp_path: Path) -> None:
    """A base on another release of Debian counts only if the database covers that; a removed package is fixed."""

    def base(version: str, *packages: AuditedPackage) -> NewerBase:
        return NewerBase(version, frozenset(packages))

    old = AuditedPackage("Debian:12", "zlib", "1:1.2.13.dfsg-1")
    new = AuditedPackage("Debian:12", "zlib", "1:1.2.13.dfsg-2")
    trixie = AuditedPackage("Debian:13", "zlib", "1:1.3.1-1")
    fixed = advisory("CVE-1", "Debian:12", "zlib", {"fixed": "1:1.2.13.dfsg-2"})
    covered = advisory("CVE-9", "Debian:13", "other")

    def named(*newer: NewerBase, more: Sequence[object] = ()) -> tuple[str, str]:
        (found,) = examined(tmp_path, connector, fixed, *more, newer=newer).findings
        return found.fixed_by, found.remedy

    assert named(base("1.1.0", old), base("1.2.0", new), base("2.0.0", new)) == ("1.2.0", "base 1.2.0 fixes it")
    assert named(base("1.1.0", old)) == ("", "base 1.1.0 does not fix it")
    assert named(base("2.0.0", trixie)) == ("", "base 2.0.0 does not fix it")
    assert named(base("2.0.0", trixie), more=[covered]) == ("2.0.0", "base 2.0.0 fixes it")
    assert named(base("3.0.0")) == ("3.0.0", "base 3.0.0 fixes it")
    assert named() == ("", "")


def test_what_was_not_checked_is_listed(store: Store, tmp_path: Path) -> None:
    """Ecosystems without advisories, jars without coordinates and unread lists are named: silence is not safety."""
    java = bill(store, sample_images.java(store))
    found = examined(tmp_path, java, advisory("CVE-1", "Maven", "com.google.guava:guava", {"fixed": "33.0.1"}))
    assert short(found) == {("CVE-1", "com.google.guava:guava", "connector", "33.0.1")}
    assert found.notes == (
        "4 jars without Maven coordinates",
        "2 packages of Debian:12: the database has no advisory for it",
        "3 packages of PyPI: the database has no advisory for it",
    )
    alpine = bill(store, sample_images.alpine(store))
    found = examined(tmp_path, alpine, advisory("CVE-2", "Alpine:v3.20", "openssl", {"fixed": "3.3.2-r1"}))
    assert short(found) == {("CVE-2", "openssl", "base", "3.3.2-r1")}
    rpm = replace(alpine, unread=("var/lib/rpm/Packages",))
    assert "/var/lib/rpm/Packages" in examined(tmp_path, rpm, advisory("CVE-2", "npm", "x")).notes[0]


# --- reports of scanners -------------------------------------------------------------------------

GRYPE = {
    "matches": [
        {
            "vulnerability": {"id": "GHSA-1", "severity": "High", "fix": {"versions": ["3.1"], "state": "fixed"}},
            "relatedVulnerabilities": [{"id": "CVE-7"}],
            "artifact": {"name": "deep", "version": "3.0", "type": "python", "purl": "pkg:pypi/deep@3.0"},
        },
        {
            "vulnerability": {"id": "CVE-1", "severity": "Negligible", "fix": {"versions": [], "state": "wont-fix"}},
            "artifact": {
                "name": "zlib1g",
                "version": "1:1.2.13.dfsg-1",
                "type": "deb",
                "purl": "pkg:deb/debian/zlib1g@1%3A1.2.13.dfsg-1?arch=amd64&upstream=zlib&distro=debian-12",
            },
        },
    ]
}
TRIVY = {
    "SchemaVersion": 2,
    "ArtifactName": "x",
    "Results": [
        {"Target": "x (debian 12.1)", "Class": "os-pkgs", "Type": "debian"},
        {
            "Target": "x (debian 12.1)",
            "Class": "os-pkgs",
            "Type": "debian",
            "Vulnerabilities": [
                {
                    "VulnerabilityID": "CVE-1",
                    "PkgName": "zlib1g",
                    "PkgIdentifier": {
                        "PURL": "pkg:deb/debian/zlib1g@1.2.13.dfsg-1?arch=amd64&distro=debian-12.1&epoch=1"
                    },
                    "InstalledVersion": "1:1.2.13.dfsg-1",
                    "Severity": "LOW",
                }
            ],
        },
        {
            "Target": "Python",
            "Type": "python-pkg",
            "Vulnerabilities": [
                {
                    "VulnerabilityID": "CVE-7",
                    "VendorIDs": ["GHSA-1"],
                    "PkgName": "deep",
                    "InstalledVersion": "3.0",
                    "FixedVersion": "3.1, 4.0",
                    "Severity": "HIGH",
                }
            ],
        },
    ],
}
OSV_SCANNER = {
    "results": [
        {
            "source": {"path": "x", "type": "artifact"},
            "packages": [
                {
                    "package": {"name": "deep", "version": "3.0", "ecosystem": "PyPI"},
                    "vulnerabilities": [
                        advisory("GHSA-1", "PyPI", "deep", {"fixed": "3.1"}, aliases=["CVE-7"]),
                        advisory("PYSEC-1", "PyPI", "deep", aliases=["CVE-7"]),
                    ],
                    "groups": [{"ids": ["GHSA-1", "PYSEC-1"], "aliases": ["CVE-7"], "max_severity": "8.1"}],
                },
                {
                    "package": {"name": "zlib", "version": "1:1.2.13.dfsg-1", "ecosystem": "Debian:12"},
                    "vulnerabilities": [{"id": "CVE-1", "database_specific": {"severity": "LOW"}}],
                },
            ],
        }
    ]
}


@pytest.mark.parametrize("document", [GRYPE, TRIVY, OSV_SCANNER], ids=["Grype", "Trivy", "OSV-Scanner"])
def test_the_report_of_each_scanner_is_attributed(document: object, connector: BillOfMaterials, tmp_path: Path) -> None:
    """The same findings, whichever scanner reports them."""
    found = reported(tmp_path, connector, document)
    assert short(found) == {("CVE-7", "deep", "framework", "3.1"), ("CVE-1", "zlib", "base", "")}
    assert {item.name: item.severity for item in found.findings} == {"CVE-7": "high", "CVE-1": "low"}
    assert all("GHSA-1" in item.aliases for item in found.findings if item.name == "CVE-7")
    assert found.notes == ()


def test_packages_that_the_image_lacks_are_named(connector: BillOfMaterials, tmp_path: Path) -> None:
    """Some of them is a note; if all are, the report is about another image."""
    stranger = json.loads(json.dumps(GRYPE["matches"][0]).replace("deep", "stranger"))
    found = reported(tmp_path, connector, {"matches": [*GRYPE["matches"], stranger]})
    assert len(found.findings) == 2
    assert found.notes == ("findings about packages that the image does not have: stranger 3.0",)
    with pytest.raises(ConfigurationError, match="the Grype report is about another image"):
        reported(tmp_path, connector, {"matches": [stranger]})
    assert reported(tmp_path, connector, {"matches": []}).findings == ()
    assert reported(tmp_path, connector, {"SchemaVersion": 2, "ArtifactName": "x"}).findings == ()


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"matches": {}}', '{"matches": [{}]}', '{"Results": [1]}', '{"results": [{"packages": 1}]}'],
)
def test_another_file_is_no_report(text: str, tmp_path: Path) -> None:
    """Each is one error that names the file and the accepted forms."""
    path = tmp_path / "report.json"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"cannot read the report .*report\.json"):
        scanner_report.read_report(path)


# --- severities and text -------------------------------------------------------------------------


def test_a_severity_is_compared_with_the_limit() -> None:
    """Unrated ones are as bad as the lowest, because nobody has rated them harmless."""
    order = ("low", "medium", "high", "critical")
    for number, severity in enumerate(order):
        assert [is_at_least(severity, least) for least in order] == [number >= place for place in range(4)]
    assert is_at_least("unrated", "low")
    assert not is_at_least("unrated", "medium")


def test_the_text_lists_the_worst_of_each_origin_first() -> None:
    """One line for each finding, and one for each thing that was not checked."""

    def finding(name: str, severity: str, package: str) -> VulnerabilityFinding:
        return VulnerabilityFinding(
            name=name,
            aliases=(),
            severity=severity,
            ecosystem="PyPI",
            package=package,
            version="1.0",
            fixed="1.1" if severity == "high" else "",
            origin="framework",
            components=(f"pkg:pypi/{package}@1.0",),
            remedy="upgrade the lock" if severity == "high" else "",
        )

    shown = report.text(
        "source-x", [finding("CVE-1", "high", "a"), finding("CVE-2", "low", "bb\n::error::")], ["2 jars"]
    )
    assert shown == (
        "source-x: 2 vulnerabilities (1 high, 1 low)\n"
        "framework (airbyte-cdk and its requirements) (2)\n"
        "  high  CVE-1  a 1.0              fixed in 1.1  upgrade the lock\n"
        "  low   CVE-2  bb\\n::error:: 1.0  no fix known\n"
        "! not checked: 2 jars\n"
    )
    assert report.text("source-x", [], []) == "source-x: no known vulnerabilities\n"


def test_a_bill_of_a_base_image_is_audited(store: Store) -> None:
    """Several binary packages of one source package are one package to check."""
    audited = audit(bill(store, sample_images.connector(store), replace(FACTS, base_layers=5)))
    assert {package.ecosystem for package in audited.packages} == {"Debian:12", "PyPI"}
    assert {origin for _, origin in audited.groups} == {"base"}
