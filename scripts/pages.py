"""Shows the HTML pages in Debian's Chromium, checks them with axe-core, and writes the screenshots of the docs.

scripts/pages.py AXE FOLDER: AXE is axe.min.js of the npm package axe-core; pages go to FOLDER, images to docs/images.
Pages that are in FOLDER before, such as those of a campaign's stages, are shown and checked too.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from airbyte_ci.base_images.inspection.difference import ChangedItem, Difference, LayerChange
from airbyte_ci.images.stored_layers import StoredLayer
from airbyte_ci.oci.digest import Digest
from airbyte_ci.reports import base_images_diff_page, fleet_page, results, results_page
from airbyte_ci.reports.listing import ListingRow

IMAGES = Path(__file__).parents[1] / "docs" / "images"
_CHROMIUM = (
    "chromium",
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
)
_SCHEMES = {"light": "1", "dark": "0"}
_SIZES = {"desktop": "1100,720", "phone": "390,720"}
# The screenshots that the docs show: page, color scheme, size.
_SHOWN = (("tests", "light", "desktop"), ("fleet", "dark", "desktop"), ("tests", "dark", "phone"))
_NAMES = ("ledger", "tides", "parcels", "newsfeed", "lighthouses", "weather-stations", "exchange-rates", "library")


def _tests() -> Iterator[Mapping[str, Any]]:
    for number, name in enumerate(_NAMES):
        is_bad = name == "ledger"
        steps: list[Mapping[str, Any]] = [
            {"id": "build", "status": "ok", "seconds": 2.5 + number % 3, "summary": "linux/amd64"},
            {
                "id": "unit",
                "status": "failed" if is_bad else "ok",
                "seconds": 1.5 + number % 4,
                "reason": "1 of 12 tests failed" if is_bad else "",
                "output": ["FAILED unit_tests/test_rows.py::test_totals", "assert 41 == 42"] if is_bad else [],
                "tests": {"passed": 11 + number, "failed": int(is_bad), "skipped": 0},
            },
            {"id": "spec", "status": "ok", "seconds": 0.6},
            {"id": "check", "status": "skipped", "seconds": 0, "reason": "no configuration"},
            {"id": "rules", "status": "unverified" if name == "tides" else "ok", "seconds": 0.1},
        ]
        yield {"name": f"source-{name}", "status": "failed" if is_bad else "ok", "steps": steps}


def _checks() -> Iterator[Mapping[str, Any]]:
    for number, name in enumerate(_NAMES):
        severity = "error" if number < 2 else "warning"
        bad = {"id": "changelog-row", "status": "failed", "severity": severity, "reason": "no row for 1.2.0"}
        found = [{**bad, "next": f"airbyte-ci connectors --name=source-{name} bump_version patch 1 'x'"}] * (number < 4)
        unknown = {"id": "base-image-exists", "status": "unverified", "severity": "error", "reason": "offline"}
        yield {"name": f"source-{name}", "status": "failed" if number < 2 else "ok", "checks": [*found, unknown]}


def _builds() -> Iterator[Mapping[str, Any]]:
    for number, name in enumerate(_NAMES):
        digest = str(Digest.of(name.encode()))
        sizes = {"base image": 50_000_000, "packages": number * 9_000_000, "code": 40_000, "customization": 0}
        platform = {"platform": "linux/amd64", "digest": digest, "sizes": sizes, "seconds": 1.0 + number}
        yield {"name": f"source-{name}", "status": "ok", **platform}
    yield {"name": "source-broken", "status": "failed", "reason": "poetry.lock is missing", "details": ["searched: ."]}


def _fleet() -> str:
    states = ("1 behind", "latest", "latest", "3 behind", "Dockerfile", "latest", "yanked", "latest")
    rows = []
    layers: dict[str, Sequence[StoredLayer]] = {}
    base = StoredLayer(Digest.of(b"base"), 51_000_000, "base image")
    shared = StoredLayer(Digest.of(b"cdk"), 24_000_000, "packages")
    for number, (name, state) in enumerate(zip(_NAMES, states, strict=True)):
        version = f"3.{number % 3}.0"
        is_migrated = state != "Dockerfile"
        rows.append(
            ListingRow(
                name=f"source-{name}",
                language="python",
                support_level="certified" if number % 2 else "community",
                version=f"1.{number}.0",
                folder=f"connectors/source-{name}",
                base_image=f"acme/python-connector-base:{version}@sha256:{'0' * 64}" if is_migrated else None,
                base_name=f"python-connector-base {version}" if is_migrated else "–",
                state=state,
                is_python=True,
                data={},
                base=lambda state=state: {"behind": int(state[0]) if state[0].isdigit() else 0},  # type: ignore[misc]  # mypy does not infer the default
            )
        )
        own = StoredLayer(Digest.of(name.encode()), 1_000_000 * (number + 1), "packages")
        layers[f"source-{name}"] = (base, shared, own)
    return fleet_page.html(rows, len(rows), layers)


def _difference() -> str:
    changes = tuple(ChangedItem(f"package-{number}", f"{number}.0", f"{number}.1") for number in range(20))
    found = Difference(
        before="python-connector-base 3.0.0",
        after="python-connector-base 3.1.0",
        facts=(ChangedItem("user", "root", "airbyte"),),
        packages=(*changes, ChangedItem("gone", "1.0", "")),
        distributions=changes[:5],
        environment=(),
        accounts=(),
        files=tuple(ChangedItem(f"etc/file-{number}", "", "x") for number in range(40)),
        layers=(LayerChange("-", "a", 9_000_000, "x"), LayerChange("+", "b", 12_000_000, "y")),
        shared_layers=2,
        size_before=51_000_000,
        size_after=54_000_000,
    )
    return base_images_diff_page.html(found, None)


def _pages() -> dict[str, str]:
    def page(documents: Iterator[Mapping[str, Any]], command: str) -> str:
        found = [item for document in documents if (item := results.parse(document))]
        return results_page.html(found, f"airbyte-ci connectors --all {command}")

    return {
        "tests": page(_tests(), "test"),
        "checks": page(_checks(), "check"),
        "builds": page(_builds(), "build"),
        "fleet": _fleet(),
        "base-images-diff": _difference(),
    }


def _violations(page: Path, axe: Path, scheme: str) -> list[str]:
    """Returns what axe-core finds, with every part of the page open; a copy without its policy runs axe."""
    run = "axe.run().then((found) => { document.body.textContent = 'AXE' + JSON.stringify(found.violations) + 'AXE'; })"
    opened = "document.querySelectorAll('details').forEach((item) => { item.open = true; })"
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text())
    copy = page.with_suffix(".axe.html")
    copy.write_text(
        text.replace("</body>", f"<script>{axe.read_text()}</script><script>{opened};{run}</script></body>")
    )
    command = [*_CHROMIUM, f"--blink-settings=preferredColorScheme={_SCHEMES[scheme]}", "--virtual-time-budget=20000"]
    shown = subprocess.run([*command, "--dump-dom", copy.as_uri()], capture_output=True, text=True, check=True).stdout
    copy.unlink()
    found = re.search(r"AXE(\[.*\])AXE", shown, re.DOTALL)
    if not found:
        return [f"{page.name}: axe-core did not end"]
    text = found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return [
        f"{page.name} ({scheme}): {item['impact']}: {item['help']}: {item['nodes'][0]['html'][:150]}"
        for item in json.loads(text)
    ]


def _shoot(page: Path, image: Path, scheme: str, size: str) -> None:
    command = [*_CHROMIUM, f"--blink-settings=preferredColorScheme={_SCHEMES[scheme]}", f"--window-size={_SIZES[size]}"]
    subprocess.run([*command, f"--screenshot={image}", page.as_uri()], capture_output=True, check=True)


def main(axe: Path, folder: Path) -> int:
    """Writes the pages and images; returns 1 if axe-core finds anything."""
    folder.mkdir(parents=True, exist_ok=True)
    IMAGES.mkdir(exist_ok=True)
    found: list[str] = []
    for name, html in _pages().items():
        (folder / f"{name}.html").write_text(html)
    for page in sorted(folder.resolve().glob("*.html")):
        name = page.stem
        for scheme in _SCHEMES:
            found += _violations(page, axe, scheme)
            for size in _SIZES:
                image = folder.resolve() / f"{name}-{scheme}-{size}.png"
                _shoot(page, image, scheme, size)
                if (name, scheme, size) in _SHOWN:
                    (IMAGES / f"page-{image.name}").write_bytes(image.read_bytes())
    print("\n".join(found) or f"axe-core finds nothing; the pages and their screenshots are in {folder}")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
