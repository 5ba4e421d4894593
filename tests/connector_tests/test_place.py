"""The folder in which a connector's tests run: which of the connector's files it has."""

import os
from pathlib import Path

import pytest

from airbyte_ci.connector_tests.place import StepSandbox
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.images.source import CODE
from airbyte_ci.oci.store.store import Store
from airbyte_ci.rootfs.tree import Tree
from airbyte_ci.sandbox.command import Command

SECRETS = (
    *("secrets/config.json", "integration_tests/secrets/config.json", "unit_tests/deep/secrets/a", ".env"),
    *("integration_tests/.env.local", "integration_tests/.aws/credentials", "unit_tests/id_rsa", "unit_tests/key.pem"),
    *(".venv/bin/python", "unit_tests/__pycache__/a.pyc", "unit_tests/.pytest_cache/a", "source_x/main.py", "main.py"),
)
COPIED = ("pyproject.toml", "unit_tests/test_a.py", "unit_tests/data.json", "unit_tests/cert.pem", ".env.example")


@pytest.mark.skipif(os.geteuid() != 0, reason="files get the image's owner")
def test_a_tests_folder_has_no_secrets(tmp_path: Path) -> None:
    """At any depth: neither secrets nor caches, nor the code that the image has; everything else."""
    folder, upper = tmp_path / "source-x", tmp_path / "upper"
    for name in (*SECRETS, *COPIED):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("-----BEGIN PRIVATE KEY-----" if name.endswith("key.pem") else "text")
    (folder / "unit_tests" / "link").symlink_to("../secrets/config.json")
    upper.mkdir()
    place = StepSandbox(
        Store(tmp_path / "store"), Tree(()), Command(arguments=("python",), environment={}, uid=1000, gid=1000)
    )
    place.copy(
        upper, Connector("source-x", folder, relative="connectors/source-x", data={}, names=frozenset()), "main.py"
    )
    code = upper / CODE
    found = {str(path.relative_to(code)) for path in code.rglob("*") if path.is_symlink() or not path.is_dir()}
    assert found == {*COPIED, "unit_tests/link"}
    assert {path.lstat().st_uid for path in code.rglob("*")} == {1000}
    assert (code / "unit_tests" / "link").is_symlink()
