"""The page of two base images' differences."""

import re

from airbyte_ci.base_images.inspection.difference import ChangedItem, Difference, LayerChange
from airbyte_ci.base_images.inspection.osv import Comparison
from airbyte_ci.base_images.inspection.osv_database import Vulnerability
from airbyte_ci.reports import base_images_diff_page

FOUND = Difference(
    before="base 1",
    after="base 2",
    facts=(ChangedItem("user", "root", "airbyte"),),
    packages=(ChangedItem("added", "", "1"), ChangedItem("moved", "1", "2"), ChangedItem("gone", "3", "")),
    distributions=(),
    environment=(),
    accounts=(),
    files=tuple(ChangedItem(f"etc/{number}", "", "x") for number in range(1500)),
    layers=(LayerChange("-", "sha256:a", 4_000_000, "x"), LayerChange("+", "sha256:b", 9_000_000, "y")),
    shared_layers=1,
    size_before=10_000_000,
    size_after=15_000_000,
)


def test_every_changed_part_is_a_section_and_removals_come_first() -> None:
    """Sizes are divided into layers of both images and of one; a long list of files says how many are left out."""
    html = base_images_diff_page.html(FOUND, None)
    assert re.findall(r"<h2[^>]*>(.*?)</h2>", html) == ["Sizes", "Image", "Debian packages", "Files"]
    names = [name for name in re.findall(r"<th scope=row>(\w+)</th>", html) if name in ("added", "moved", "gone")]
    assert names == ["gone", "moved", "added"]
    assert "in both images 6 MB, only here 4 MB" in html and "in both images 6 MB, only here 9 MB" in html
    assert "500 more files are in the output of --format=json." in html


def test_introduced_vulnerabilities_come_first() -> None:
    """Those that are left and those that are fixed follow; packages that were not inspected are named."""
    one, two, three = (
        Vulnerability(package="openssl", name=f"CVE-{number}", version="3", fixed="", severity="high")
        for number in (1, 2, 3)
    )
    html = base_images_diff_page.html(FOUND, Comparison((one,), (two,), (three,), ("busybox: no version",)))
    assert re.findall(r"<th scope=row>(CVE-\d)</th>", html) == ["CVE-2", "CVE-3", "CVE-1"]
    assert "Not inspected: busybox: no version" in html
