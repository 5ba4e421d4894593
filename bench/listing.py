"""Start-up, and listing a real fleet of 373 connectors against nothing but parsing its files."""

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from timing import Measure, Result, medians, seconds

PROJECT = Path(__file__).resolve().parents[1]
FLEET = PROJECT.parent / "shared" / "fleet" / "fleet-2023-10.tar.xz"
_PARSE = """
import sys, yaml
for path in sys.argv[1:]:
    with open(path, "rb") as file:
        yaml.load(file, yaml.CSafeLoader)
"""
QUERY = "data.supportLevel == 'certified' and data.connectorBuildOptions.baseImage is None"


def _installed(folder: Path) -> Path:
    """The built wheel in an environment of its own, byte code compiled: what people have."""
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    wheel = folder / "wheel"
    pip = [str(folder / "venv/bin/python"), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "-w", str(wheel), str(PROJECT)]
    subprocess.run([sys.executable, "-m", "pip", "--quiet", *build], check=True)
    requirements = ["--require-hashes", "-r", str(PROJECT / "requirements.txt")]
    subprocess.run([*pip, "install", *requirements], check=True)
    subprocess.run([*pip, "install", "--no-deps", *map(str, wheel.glob("*.whl"))], check=True)
    return folder / "venv" / "bin"


def version() -> Result:
    with tempfile.TemporaryDirectory() as name:
        binaries = _installed(Path(name))
        ours = [str(binaries / "airbyte-ci"), "--version"]
        peer = [str(binaries / "python"), "-c", "pass"]
        return medians(lambda: seconds(ours), lambda: seconds(peer))


def list_fleet(*arguments: str) -> Result:
    """Against `python -c pass` plus a process that only parses the same files; nothing is remembered."""
    if not FLEET.exists():
        return f"not measured: {FLEET.name} is not there"
    with tempfile.TemporaryDirectory() as name:
        with tarfile.open(FLEET) as archive:
            archive.extractall(name, filter="data")
        files = [str(path) for path in Path(name).glob("airbyte-integrations/connectors/**/metadata.yaml")]
        ours = [sys.executable, "-m", "airbyte_ci", "--repo", name, "connectors", *arguments, "list"]
        parse = [sys.executable, "-c", _PARSE, *files]
        idle = [sys.executable, "-c", "pass"]
        nowhere = {"AIRBYTE_CI_HOME": "/dev/null"}
        return medians(lambda: seconds(ours, env=nowhere), lambda: seconds(parse) + seconds(idle))


MEASURES = (
    Measure("airbyte-ci --version ÷ python -c pass", 10, version),
    Measure("connectors list, 373 connectors ÷ parsing their metadata", 2, list_fleet),
    Measure(
        "connectors list with a query ÷ parsing their metadata", 2, lambda: list_fleet(f"--metadata-query={QUERY}")
    ),
)
