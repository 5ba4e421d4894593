"""The page of vulnerabilities."""

import re

from airbyte_ci.attest.sbom.bill import ComponentOrigin
from airbyte_ci.attest.vulnerabilities.examine_images import ImageVulnerabilities
from airbyte_ci.attest.vulnerabilities.finding import VulnerabilityFinding
from airbyte_ci.reports import vulnerabilities_page


def finding(name: str, severity: str, origin: ComponentOrigin) -> VulnerabilityFinding:
    return VulnerabilityFinding(
        name=name,
        aliases=(),
        severity=severity,
        ecosystem="PyPI",
        package="x<b>",
        version="1.0",
        fixed="",
        origin=origin,
        components=("pkg:pypi/x@1.0",),
    )


def test_a_finding_of_several_images_is_one_row() -> None:
    """Findings are grouped by origin, the worst first; packages that were not checked are named."""
    shared = finding("CVE-1", "low", "base")
    one = ImageVulnerabilities((finding("CVE-2", "high", "base"), shared), ("2 jars",))
    two = ImageVulnerabilities((shared, finding("CVE-3", "unrated", "framework")), ())
    html = vulnerabilities_page.html({"source-a": one, "source-b": two})
    assert re.findall(r"<th scope=row>(CVE-\d)</th>", html) == ["CVE-2", "CVE-1", "CVE-3"]
    titles = re.findall(r"<h2[^>]*>(.*?)</h2>", html)
    assert titles == ["Images", "Base image", "Framework (airbyte-cdk and its requirements)", "Not checked"]
    assert "source-a, source-b" in html and "source-a: 2 jars" in html and "x&lt;b&gt;" in html


def test_a_page_without_findings() -> None:
    """It says so, and still lists the images."""
    html = vulnerabilities_page.html({"source-a": ImageVulnerabilities((), ())})
    assert "no known vulnerabilities" in html and ">source-a</th>" in html
