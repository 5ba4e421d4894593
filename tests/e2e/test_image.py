"""The built image itself: what is in it, that others can read it, that it is the same everywhere."""

import json
import os
import subprocess
import tomllib
from pathlib import Path

import pytest

from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.validate import validate
from airbyte_ci.registry.client import RegistryClient, client_of_user
from airbyte_ci.registry.options import RegistryOptions
from tests.e2e.conftest import Base, Command, Result, airbyte_ci, make_fleet

pytestmark = pytest.mark.slow
HOOKED = "--name=source-exchange-rates-archive"
LIST_DISTRIBUTIONS = (
    "import importlib.metadata as m, json; "
    "print(json.dumps([[d.metadata['Name'], d.version] for d in m.distributions()]))"
)


def _client() -> RegistryClient:
    return client_of_user(RegistryOptions())


def _published(base: Base, registry: str, store: Store) -> str:
    """The demo's base image in the registry, by its address there."""
    reference = Reference.parse(base.address)
    assert reference.digest is not None
    target = Reference.parse(f"{registry}/airbyte/python-connector-base:1.0.0")
    with _client() as client:
        pushed = client.push(store, reference.digest, target)
    return str(target.with_digest(pushed.digest))


def _shell(run: Command, name: str, script: str) -> str:
    result: Result = run("connectors", name, "run", "--shell", "--", "-c", script)
    assert result.code == 0, result.err
    return result.out


def test_the_image_runs_as_the_original_s_images_do(run: Command, cataloged: Path, base: Base, store: Store) -> None:
    """Entrypoint, working directory, environment and labels are those that Airbyte expects."""
    built = run("connectors", HOOKED, "build", f"--base-image={base.address}", "--json")
    assert built.code == 0, built.err
    image = store.image(Digest.parse(built.json["digest"]))
    settings = image.config.execution
    assert settings["Entrypoint"] == ["python", "/airbyte/integration_code/main.py"]
    assert settings["WorkingDir"] == "/airbyte/integration_code"
    assert image.config.environment["AIRBYTE_ENTRYPOINT"] == "python /airbyte/integration_code/main.py"
    assert settings["Labels"]["io.airbyte.version"] == "2.1.0"
    assert settings["Labels"]["io.airbyte.name"] == "acme/source-exchange-rates-archive"
    assert image.manifest.annotations["org.opencontainers.image.base.name"] == base.address
    validate(store, image.digest)


def test_hooks_shape_the_image(run: Command, cataloged: Path, base: Base) -> None:
    """The image has the changes of both hooks, and nothing of their commands' mounts."""
    assert run("connectors", HOOKED, "build", f"--base-image={base.address}").code == 0
    seen = _shell(
        run,
        HOOKED,
        "echo $EXCHANGE_RATES_CACHE; stat -c %a /var/cache/exchange-rates; cat /usr/share/exchange-rates/SOURCE.txt",
    )
    assert seen.startswith("/var/cache/exchange-rates\n777\nRates as published")
    built = run("connectors", HOOKED, "build", f"--base-image={base.address}", "--output=oci:layout")
    assert built.code == 0
    names = subprocess.run(
        ["sh", "-c", "for blob in layout/blobs/sha256/*; do tar -tzf $blob 2>/dev/null; done"],
        cwd=cataloged,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    assert "integration_code/main.py" in names
    assert ".airbyte-ci" not in names


def test_each_distribution_is_there_once_at_the_lock_s_version(run: Command, cataloged: Path, base: Base) -> None:
    """The base has some 45 distributions; the lock's versions replace them, and pip lists each once."""
    name = "--name=source-parcels"
    assert run("connectors", name, "migrate_to_base_image", "1").code == 0
    assert run("connectors", name, "build").code == 0
    found = json.loads(_shell(run, name, f'python -c "{LIST_DISTRIBUTIONS}"'))
    names = [item[0].lower().replace("_", "-").replace(".", "-") for item in found]
    assert len(names) == len(set(names))
    versions = dict(zip(names, (item[1] for item in found), strict=True))
    lock = tomllib.loads((cataloged / "airbyte-integrations/connectors/source-parcels/poetry.lock").read_text())
    locked: dict[str, set[str]] = {}
    for package in lock["package"]:
        locked.setdefault(package["name"].replace("_", "-").replace(".", "-"), set()).add(package["version"])
    shared = versions.keys() & locked.keys()
    assert {"requests", "urllib3", "certifi"} <= shared
    main = {
        name for name in shared if any("main" in item["groups"] for item in lock["package"] if item["name"] == name)
    }
    assert {name for name in main if versions[name] not in locked[name]} == set()
    assert versions["poetry"] == "1.6.1"


def test_skopeo_and_umoci_read_the_layout(run: Command, cataloged: Path, base: Base, tmp_path: Path) -> None:
    """An `oci:` output is an image layout that other tools copy and unpack."""
    folder = tmp_path / "layout"
    built = run("connectors", HOOKED, "build", f"--base-image={base.address}", f"--output=oci:{folder}", "--json")
    assert built.code == 0, built.err
    place = f"{folder}:acme/source-exchange-rates-archive:dev"
    seen = subprocess.run(["skopeo", "inspect", f"oci:{place}"], capture_output=True, text=True, check=True)
    assert json.loads(seen.stdout)["Digest"] == built.json["digest"]
    subprocess.run(["skopeo", "copy", "-q", f"oci:{place}", f"dir:{tmp_path / 'copied'}"], check=True)
    # umoci names a layout's images by plain tags, so the image gets one.
    plain = tmp_path / "plain"
    subprocess.run(["skopeo", "copy", "-q", f"oci:{place}", f"oci:{plain}:dev"], check=True)
    subprocess.run(
        ["umoci", "unpack", "--image", f"{plain}:dev", str(tmp_path / "bundle")], check=True, capture_output=True
    )
    code = tmp_path / "bundle/rootfs/airbyte/integration_code"
    assert sorted(item.name for item in code.iterdir()) == ["main.py", "source_exchange_rates_archive"]
    assert str((tmp_path / "bundle/rootfs/etc/localtime").readlink()) == "/usr/share/zoneinfo/Etc/UTC"


def test_an_archive_is_read_in_both_ways(run: Command, cataloged: Path, base: Base, tmp_path: Path) -> None:
    """One file serves those who read OCI archives and those who read Docker's; two of them are the same bytes."""
    files = [tmp_path / name for name in ("one.tar", "two.tar")]
    outputs = [f"--output=archive:{file}" for file in files]
    built = run("connectors", HOOKED, "build", f"--base-image={base.address}", *outputs, "--json")
    assert built.code == 0, built.out
    assert files[0].read_bytes() == files[1].read_bytes()
    for kind in ("oci-archive", "docker-archive"):
        seen = subprocess.run(["skopeo", "inspect", f"{kind}:{files[0]}"], capture_output=True, text=True, check=True)
        assert json.loads(seen.stdout)["Labels"]["io.airbyte.name"] == "acme/source-exchange-rates-archive"
        subprocess.run(["skopeo", "copy", "-q", f"{kind}:{files[0]}", f"dir:{tmp_path / kind}"], check=True)


def test_a_registry_takes_the_image_and_gives_it_back(
    run: Command, cataloged: Path, base: Base, registry: str, store: Store, tmp_path: Path
) -> None:
    """Pushed to Debian's docker-registry, pulled into an empty store: the same digest, every byte verified."""
    built = run(
        "connectors", HOOKED, "build", f"--base-image={base.address}", f"--output=registry:{registry}", "--json"
    )
    assert built.code == 0, built.out
    address = Reference.parse(built.json["outputs"][1])
    assert str(address.digest) == built.json["digest"]
    other = Store(tmp_path / "other")
    with _client() as client:
        image = client.pull(address, store.image(Digest.parse(built.json["digest"])).config.platform, other)
    validate(other, image.digest)


def test_the_same_image_in_another_place_with_nothing_cached(
    run: Command, cataloged: Path, base: Base, registry: str, store: Store, tmp_path: Path
) -> None:
    """Another folder, store, umask, time zone, locale and hash seed; the base from a registry: the same digest."""
    address = _published(base, registry, store)
    first = run("connectors", HOOKED, "build", f"--base-image={address}", "--json")
    assert first.code == 0, first.out
    elsewhere = make_fleet(tmp_path / "a folder with a blank" / "fleet")
    for path in elsewhere.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)
    previous = os.umask(0o077)
    try:
        second = airbyte_ci(
            "connectors",
            HOOKED,
            "build",
            f"--base-image={address}",
            "--json",
            cwd=elsewhere,
            home=tmp_path / "cold store",
            env={"TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONHASHSEED": "1234", "HOME": str(tmp_path)},
        )
    finally:
        os.umask(previous)
    assert second.code == 0, second.out + second.err
    assert (second.json["digest"], second.json["diffIds"]) == (first.json["digest"], first.json["diffIds"])
