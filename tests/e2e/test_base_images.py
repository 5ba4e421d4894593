"""Base images: built from a declaration, on Debian packages or on a pulled root, checked and recorded."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.registry.client import client_of_user
from airbyte_ci.oci.registry.options import RegistryOptions
from airbyte_ci.oci.store import Store
from airbyte_ci.oci.validate import validate
from tests.e2e.conftest import Base, Command, airbyte_ci

pytestmark = pytest.mark.slow


def _declaration(folder: Path, root: str, changes: Mapping[str, object]) -> Path:
    document = {
        "repository": "localhost/acme/python-connector-base",
        "version": "1.3.0",
        "changelog": "a note and a variable",
        "root": {"image": root},
        "steps": [
            {"env": {"ACME": "yes"}},
            {"file": {"path": "/etc/acme", "contents": "a note\n"}},
            {"exec": ["sh", "-c", "echo made > /var/lib/acme"]},
        ],
        "checks": [{"name": "the note is there", "run": ["cat", "/etc/acme"], "expect": "^a note$"}],
        **changes,
    }
    path = folder / "acme-base.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.fixture
def root(base: Base, registry: str, store: Store) -> str:
    """The demo's base image in a registry: a root that can be pulled."""
    reference = Reference.parse(base.address)
    assert reference.digest is not None
    target = Reference.parse(f"{registry}/airbyte/python-connector-base:1.0.0")
    with client_of_user(RegistryOptions()) as client:
        return str(target.with_digest(client.push(store, reference.digest, target).digest))


def test_a_base_on_a_pulled_root(fleet: Path, root: str, tmp_path: Path) -> None:
    """The same recipe works on a root from a registry, in an empty store, and a second build changes nothing."""
    declaration = str(_declaration(tmp_path, root, {}))
    home = tmp_path / "cold"
    built = airbyte_ci("base-images", "build", declaration, "--json", cwd=fleet, home=home)
    assert built.code == 0, built.err
    assert built.json["root"] == root
    assert built.json["python"].startswith("3.11.")
    address = Reference.parse(built.json["address"])
    assert address.digest is not None
    validate(Store(home), address.digest)
    recorded = (fleet / "base-images.yaml").read_text()
    again = airbyte_ci("base-images", "build", declaration, "--json", cwd=fleet, home=home)
    assert again.json["address"] == built.json["address"]
    assert (fleet / "base-images.yaml").read_text() == recorded
    listed = airbyte_ci("base-images", "list", "--json", cwd=fleet, home=home).json
    assert built.json["address"] in [item["address"] for item in listed]


def test_the_demo_s_base_has_the_shape_of_the_published_ones(base: Base, run: Command, catalogued: Path) -> None:
    """Python and its packages in /usr/local, some 45 distributions, poetry 1.6.1, UTC."""
    name = "--name=source-tides"
    assert run("connectors", name, "build", f"--base-image={base.address}").code == 0
    script = (
        "import sys, sysconfig, json, importlib.metadata as m; "
        "print(json.dumps([sys.prefix, sysconfig.get_path('purelib'), len(list(m.distributions()))]))"
    )
    shown = run("connectors", name, "run", "--shell", "--", "-c", f'python -c "{script}"; poetry --version; date')
    prefix, purelib, count = json.loads(shown.out.splitlines()[0])
    assert (prefix, purelib) == ("/usr/local", "/usr/local/lib/python3.11/site-packages")
    assert 40 <= count <= 55
    assert "Poetry (version 1.6.1)" in shown.out
    assert "UTC" in shown.out


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"version": None, "repository": "UPPER"}, ["UPPER"]),
        ({"root": {"image": "docker.io/library/python:3.11"}}, ["no digest"]),
        ({"steps": [{"dance": "tango"}]}, ["unknown step 'dance'"]),
        ({"steps": [{"exec": ["false"]}]}, ["'false'", "exit code 1"]),
        ({"checks": [{"name": "moon", "run": ["echo", "sun"], "expect": "moon"}]}, ["sanity checks", "moon", "sun"]),
        ({"requirements": "missing.txt"}, ["missing.txt"]),
    ],
    ids=["repository", "root without digest", "unknown step", "failing step", "failing check", "missing file"],
)
def test_a_declaration_that_cannot_be_built_is_one_clear_line(
    changes: dict[str, object], words: list[str], fleet: Path, root: str, home: Path, tmp_path: Path
) -> None:
    """Says what is wrong, and nothing is recorded."""
    declaration = _declaration(tmp_path, root, changes)
    built = airbyte_ci("base-images", "build", str(declaration), cwd=fleet, home=home)
    assert built.code in (1, 2), built.out + built.err
    assert [word for word in words if word not in built.err] == []
    assert "Traceback" not in built.err
    assert not (fleet / "base-images.yaml").exists()
