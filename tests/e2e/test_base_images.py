"""Base images: built from a declaration, on Debian packages or on a pulled root, checked and recorded."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Index
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.validate import validate
from airbyte_ci.registry.client import client_of_user
from airbyte_ci.registry.options import RegistryOptions
from tests.e2e.conftest import Base, Command, Result, airbyte_ci

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


def test_the_demo_s_base_has_the_shape_of_the_published_ones(base: Base, run: Command, cataloged: Path) -> None:
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
        ({"repository": "UPPER"}, ["UPPER"]),
        ({"version": None}, ["version must be a semantic version such as 1.2.3, not null"]),
        ({"root": {"image": "REGISTRY/airbyte/python-connector-base:1.0.0"}}, ["no digest", "1.0.0@sha256:"]),
        ({"python": "3.13"}, ["declares Python 3.13", "3.11."]),
        ({"stepz": []}, ["unknown key 'stepz'"]),
        ({"version": "1.3"}, ["'1.3' is not a semantic version"]),
        ({"steps": [{"dance": "tango"}]}, ["unknown step 'dance'"]),
        ({"steps": [{"exec": ["false"]}]}, ["'false'", "exit code 1"]),
        ({"checks": [{"name": "moon", "run": ["echo", "sun"], "expect": "moon"}]}, ["sanity checks", "moon", "sun"]),
        ({"requirements": "missing.txt"}, ["missing.txt"]),
    ],
    ids=[
        "repository",
        "no version",
        "root without digest",
        "other Python",
        "unknown key",
        "version",
        "unknown step",
        "failing step",
        "failing check",
        "missing file",
    ],
)
def test_a_declaration_that_cannot_be_built_is_one_clear_line(
    changes: dict[str, object], words: list[str], fleet: Path, root: str, home: Path, tmp_path: Path
) -> None:
    """Reports the error and records nothing."""
    named = json.loads(json.dumps(changes).replace("REGISTRY", root.partition("/")[0]))
    declaration = _declaration(tmp_path, root, named)
    built = airbyte_ci("base-images", "build", str(declaration), cwd=fleet, home=home)
    assert built.code in (1, 2), built.out + built.err
    assert [word for word in words if word not in built.err] == []
    assert "Traceback" not in built.err
    assert not (fleet / "base-images.yaml").exists()


def test_a_base_that_breaks_the_contract_is_told_clause_by_clause(
    fleet: Path, root: str, home: Path, tmp_path: Path
) -> None:
    """Every check is shown, green or not: a home that cannot be written, others' files that can, another time zone."""
    faults = (
        "useradd --uid 1234 --create-home acme && chown root /home/acme && chmod 755 /home/acme"
        " && rm /etc/ssl/certs/* && mkdir /srv/open && chmod 777 /srv/open"
        " && install -o acme -m 600 /dev/null /etc/acme-owned"
    )
    changes = {
        "steps": [{"exec": ["sh", "-c", faults]}, {"env": {"TZ": "Asia/Tokyo"}}, {"env": {"PYTHONUTF8": "0"}}],
        "user": "acme",
        "writable": ["/srv/allowed"],
        "checks": [{"name": "the sun", "run": ["echo", "moon"], "expect": "sun"}],
    }
    declaration = _declaration(tmp_path, root, changes)
    checked = airbyte_ci("base-images", "check", str(declaration), "--json", cwd=fleet, home=home)
    assert checked.code == 1, checked.err
    results = {item["name"]: item for item in map(json.loads, checked.out.splitlines())}
    failed = {name: item["reason"] for name, item in results.items() if item["status"] == "failed"}
    assert failed["the sun"].startswith("echo moon")
    assert "/home/acme" in failed["the user can write its home, /tmp and the working directory"]
    assert failed["the user can write nothing else"] == "can write /etc/acme-owned, /srv/open"
    assert "JST" in failed["the time zone is UTC"]
    assert failed["certificates are trusted"] == "Python trusts 0"
    assert results["a read-only root file system works"]["status"] == "ok"
    assert results["a sample connector answers spec"]["status"] == "ok"
    released = airbyte_ci("base-images", "release", str(declaration), cwd=fleet, home=home)
    assert released.code == 1
    assert "sanity checks" in released.err
    assert not (fleet / "base-images" / "python-connector-base-1.3.0.lock.json").exists()


def test_a_release_needs_its_root_its_platforms_and_a_changelog(
    fleet: Path, root: str, home: Path, store: Store, tmp_path: Path
) -> None:
    """An overwritten tag of the root, a missing platform, an empty changelog: each is reported."""

    def released(changes: Mapping[str, object], *options: str) -> Result:
        steps = [{"exec": ["true"]}, {"exec": ["sh", "-c", "date > /srv/made"]}, {"env": {"ACME": "1"}}]
        both = {"steps": steps, "checks": [], "platforms": ["linux/amd64"], **changes}
        declaration = _declaration(tmp_path, root, both)
        return airbyte_ci("base-images", "release", str(declaration), *options, cwd=fleet, home=home)

    assert "changelog entry is empty" in released({"changelog": " "}).err
    two = released({"platforms": ["linux/amd64", "linux/arm64"]})
    assert two.code == 1
    assert "no image for linux/arm64" in two.err
    address = Reference.parse(root)
    assert address.digest is not None
    index = store.manifest(address.digest)
    assert isinstance(index, Index)
    other = Index.make(index.manifests, {"made": "anew"})
    store.put(other.raw)
    with client_of_user(RegistryOptions()) as client:
        client.push(store, other.digest, address.with_tag(address.tag or ""))
        try:
            moved, kept = released({}), released({}, "--keep-root")
        finally:
            client.push(store, address.digest, address.with_tag(address.tag or ""))
    assert moved.code == 1
    assert "tag 1.0.0 was overwritten upstream" in moved.err
    assert str(other.digest) in moved.err
    assert kept.code == 0, kept.err
    # Commands are replayed from what they gave, also one that changed nothing.
    lock = "base-images/python-connector-base-1.3.0.lock.json"
    again = airbyte_ci("base-images", "build", lock, cwd=fleet, home=home)
    assert again.code == 0, again.err
    assert again.out.splitlines()[-1] == kept.out.splitlines()[-1]
    # The same version again is another version.
    assert "this version was released on" in released({}).err


def test_a_version_waits_for_its_other_platforms(fleet: Path, base: Base, registry: str, home: Path) -> None:
    """Its own part is locked and pushed by digest; the catalog does not have it, and the exit code reports it."""
    declaration = fleet / "base-images" / "acme.yaml"
    text = declaration.read_text().replace("localhost:5000", registry).replace("acme/", "two/")
    declaration.write_text(text.replace("[linux/amd64]", "[linux/amd64, linux/arm64]"))
    released = airbyte_ci("base-images", "release", str(declaration), cwd=fleet, home=home)
    assert released.code == 1
    assert "linux/arm64 must also be built and checked" in released.err
    lock = json.loads((fleet / "base-images" / "python-connector-base-1.0.0-rc.1.lock.json").read_text())
    assert list(lock["platforms"]) == ["linux/amd64"]
    published = airbyte_ci("base-images", "publish", "1.0.0-rc.1", cwd=fleet, home=home)
    assert published.code == 1
    assert "linux/arm64 is missing" in published.err
    with client_of_user(RegistryOptions()) as client:
        place = Reference.parse(f"{registry}/two/python-connector-base")
        client.manifest(place.with_digest(Digest.parse(lock["platforms"]["linux/amd64"]["manifest"])))
        assert [tag for tag in client.tags(place) if not tag.startswith("inputs-")] == []
    assert not (fleet / "base-images.yaml").exists()


def test_packages_are_installed_by_root_on_a_root_with_another_user(
    fleet: Path, root: str, home: Path, tmp_path: Path
) -> None:
    """The user of the root image comes back; a lock of it gives the same digest again."""
    registry = root.partition("/")[0]
    user: dict[str, object] = {
        "steps": [{"exec": ["useradd", "--uid", "1234", "--create-home", "acme"]}],
        "user": "acme",
    }
    user |= {"workdir": "/home/acme", "checks": []}
    first = {"repository": f"{registry}/acme/with-user", "platforms": ["linux/amd64"], **user}
    released = airbyte_ci(
        "base-images", "release", str(_declaration(tmp_path, root, first)), "--json", cwd=fleet, home=home
    )
    assert released.code == 0, released.err
    assert airbyte_ci("base-images", "publish", "acme/with-user:1.3.0", cwd=fleet, home=home).code == 0
    changes = {
        "packages": ["netbase"],
        "platforms": ["linux/amd64"],
        "steps": [],
        "checks": [
            {"name": "the user", "run": ["id", "-un"], "expect": "^acme$"},
            {"name": "the package", "run": ["dpkg-query", "-W", "netbase"], "expect": "^netbase"},
        ],
    }
    second = str(_declaration(tmp_path, released.json["address"], changes))
    made = airbyte_ci("base-images", "release", second, "--json", cwd=fleet, home=home)
    assert made.code == 0, made.err
    assert made.json["user"] == "acme"
    lock = "base-images/python-connector-base-1.3.0.lock.json"
    again = airbyte_ci("base-images", "build", lock, "--json", cwd=fleet, home=home)
    assert again.code == 0, again.err
    assert again.json["address"] == made.json["address"]
    # The installed packages are named if the layer is gone.
    (command,) = json.loads((fleet / lock).read_text())["platforms"]["linux/amd64"]["commands"]
    assert [item.split()[0] for item in command["packages"]] == ["netbase"]
    gone = airbyte_ci("base-images", "build", lock, cwd=fleet, home=tmp_path / "empty")
    assert gone.code == 1
    assert f"({command['packages'][0]})" in gone.err


def test_a_release_never_takes_another_root_than_the_declared_one(fleet: Path, home: Path, tmp_path: Path) -> None:
    """If the image cannot be pulled, Debian packages are its root only on request."""
    declaration = _declaration(tmp_path, "", {})
    document = yaml.safe_load(declaration.read_text())
    document["root"] = {
        "image": f"127.0.0.1:1/acme/root:1@sha256:{'a' * 64}",
        "debian": {
            "suite": "bookworm",
            "packages": ["python3", "python3-venv", "ca-certificates", "socat", "tzdata"],
            "steps": [{"exec": ["python3", "-m", "venv", "/usr/local"]}],
        },
    }
    document |= {"platforms": ["linux/amd64"], "checks": []}
    document["steps"] = [{"env": {"LANG": "C.UTF-8"}}, {"env": {"TZ": "Etc/UTC"}}]
    declaration.write_text(yaml.safe_dump(document))
    refused = airbyte_ci("base-images", "release", str(declaration), cwd=fleet, home=home)
    assert refused.code != 0
    assert "root 127.0.0.1:1/acme/root:1" in refused.err
    assert "--root debian" in refused.err
    assert refused.err.count("\n") == 1
    assert not (fleet / "base-images.yaml").exists()
    released = airbyte_ci("base-images", "release", str(declaration), "--root", "debian", cwd=fleet, home=home)
    assert released.code == 0, released.err
