"""A connector with setup.py and no lock: its code reports the requirements in the sandbox, and a lock is written."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import Base, Command

pytestmark = pytest.mark.slow
FOLDER = Path("airbyte-integrations/connectors/source-library-catalogue")
NAME = ("connectors", "--name=source-library-catalogue")
DAY = "--resolve-as-of=2024-05-01"


def test_from_setup_py_to_a_lock_and_an_image(run: Command, fleet: Path, base: Base) -> None:
    """The exact next command, the same packages with and without the lock, one new file, and a stale lock refused."""
    trace = Path(f"/tmp/was-here-{fleet.parent.name}")
    setup, on = fleet / FOLDER / "setup.py", f"--base-image={base.address}"
    # It runs only in the sandbox; the files that it finds there decide what it requires.
    code = f'import sys\nopen("{trace}", "w").close()\nMORE = ["six"] if sys.version_info >= (3, 11) else []\n'
    text = setup.read_text().replace('["defusedxml~=0.7"]', '["defusedxml~=0.7", *MORE]')
    setup.write_text(text.replace("from setuptools", f"{code}\nfrom setuptools", 1))
    subprocess.run(
        ["git", "-C", str(fleet), "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qam", "x"], check=True
    )

    refused = run(*NAME, "build", on)
    assert refused.code == 1
    assert "airbyte-ci connectors --name=source-library-catalogue lock" in refused.out
    resolved = run(*NAME, "environment", on, DAY, "--json")
    assert resolved.code == 0, resolved.err
    versions = {item["name"]: item["version"] for item in resolved.json}
    assert versions == {"defusedxml": "0.7.1", "six": "1.16.0"}
    assert not trace.exists()

    locked = run(*NAME, "lock", on, DAY)
    assert locked.code == 0, locked.out + locked.err
    status = subprocess.run(
        ["git", "-C", str(fleet), "status", "--porcelain"], capture_output=True, text=True, check=True
    )
    assert status.stdout.split() == ["??", str(FOLDER / "pylock.toml")]
    assert "is current" in run(*NAME, "lock", on, DAY).out
    assert {item["name"]: item["version"] for item in run(*NAME, "environment", on, "--json").json} == versions
    built = run(*NAME, "build", on, "--json")
    assert built.code == 0, built.out + built.err
    assert json.loads(built.out)["status"] == "ok"

    setup.write_text(setup.read_text().replace("defusedxml~=0.7", "defusedxml~=0.6.0"))
    stale = run(*NAME, "build", on)
    assert stale.code == 1
    assert "pylock.toml does not match the current requirements of" in stale.out and "defusedxml" in stale.out


def test_a_lock_of_airbyte_ci_is_upgraded(run: Command, fleet: Path, base: Base) -> None:
    """upgrade_dependencies resolves again, changes only the named package, and has nothing to do the second time."""
    setup = fleet / FOLDER / "setup.py"
    setup.write_text(setup.read_text().replace('["defusedxml~=0.7"]', '["defusedxml~=0.7", "six"]'))
    metadata = fleet / FOLDER / "metadata.yaml"
    named = f"data:\n  connectorBuildOptions:\n    baseImage: {base.address}\n"
    metadata.write_text(metadata.read_text().replace("data:\n", named, 1))
    locked = run(*NAME, "lock", DAY)
    assert locked.code == 0, locked.out + locked.err
    before = (fleet / FOLDER / "pylock.toml").read_text()
    assert 'version = "1.16.0"' in before
    upgraded = run(*NAME, "upgrade_dependencies", "--package=six", "--no-changelog", "--json")
    assert upgraded.code == 0, upgraded.out + upgraded.err
    (note,) = json.loads(upgraded.out)["notes"]
    assert note.startswith("six 1.16.0 → ")
    assert 'version = "1.16.0"' not in (fleet / FOLDER / "pylock.toml").read_text()
    again = run(*NAME, "upgrade_dependencies", "--package=six", "--no-changelog")
    assert (again.code, "its dependencies are the newest" in again.out) == (1, True)
