"""Signed releases by the command: published to a registry without a referrers API, and verified by anyone."""

import getpass
import json
import socket
from pathlib import Path

import pytest

from airbyte_ci.oci.image import Index, Manifest
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.testing.clients import quick_client
from tests.attest import releases
from tests.e2e.command import airbyte_ci
from tests.e2e.test_publish import releasing
from tests.publish.releasing import Releasing

__all__ = ["releasing"]
pytestmark = pytest.mark.slow
_SECRETS = {
    "AIRBYTE_CI_SIGN_PASSPHRASE": "correct horse",
    "GITHUB_TOKEN": "ghp_verysecrettoken",
    "OTHER": "hunter2hunter2",
}


@pytest.fixture(scope="module")
def private() -> str:
    """An encrypted private key."""
    made = releases.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    return releases.openssl("pkcs8", "-topk8", "-passout", "pass:correct horse", stdin=made)


@pytest.fixture(scope="module")
def public(private: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "signing.pub"
    path.write_text(releases.openssl("pkey", "-pubout", "-passin", "pass:correct horse", stdin=private))
    return path


def test_a_signed_release_is_verified_by_anyone(
    releasing: Releasing, private: str, public: Path, tmp_path: Path
) -> None:
    """Publish, publish again, verify without the repository, refuse another key, obey a policy; nothing leaks."""
    releasing.tiny.env |= {"SIGN_KEY": private, **_SECRETS}
    tested = releasing.tiny.run("connectors", "--name=source-tiny", "test", "--json", "--only-step=spec")
    assert tested.code == 0, tested.out
    (tmp_path / "results.json").write_text(tested.out)
    results = f"--test-results={tmp_path / 'results.json'}"
    arguments = ("--main-release", "--sign-key=env:SIGN_KEY", "--legacy-signatures", results)
    done = releasing.publish(*arguments)
    assert done.code == 0, done.out + done.err
    again = releasing.publish(*arguments, "--json")
    assert (again.code, again.json["pushed"]) == (0, False)
    address = f"{releasing.repository}@{again.json['digest']}"
    assert f"cosign verify --key signing.pub --insecure-ignore-tlog {address}" in done.out
    assert f"airbyte-ci verify --key signing.pub {address}" in done.out

    home = tmp_path / "elsewhere"
    verify = airbyte_ci("verify", address, f"--key={public}", "--json", cwd=tmp_path, home=home)
    assert verify.code == 0, verify.out + verify.err
    document = verify.json
    assert document["ok"] and document["digest"] == again.json["digest"]
    assert {item["status"] for item in document["checks"]} == {"ok"}
    subjects = {item["subject"] for item in document["checks"] if item["check"] == "signature"}
    assert subjects == {"index", "linux/amd64", "linux/arm64"}

    (tmp_path / "other.pub").write_text(_other_key())
    other = airbyte_ci("verify", address, f"--key={tmp_path / 'other.pub'}", cwd=tmp_path, home=home)
    assert other.code == 1
    assert "✗ index        signature   no valid signature: it is signed with another key" in other.out
    _confirm_policies(address, releasing, public, tmp_path, home)
    _confirm_summary(address, releasing, private, public, tmp_path, home)
    _confirm_legacy(releasing, again.json["digest"], public, tmp_path)

    shown = "".join((done.out, done.err, again.out, again.err, verify.out, other.out))
    everything = shown.encode() + b"".join(_published(releasing, again.json["digest"], Store(tmp_path / "read")))
    places = (str(releasing.tiny.folder), str(releasing.tiny.home), str(Path.home()) + "/")
    names = (f'"{socket.gethostname()}"', f'"{getpass.getuser()}"')
    for hidden in (*_SECRETS.values(), *private.splitlines()[1:-1], *places, *names):
        assert hidden.encode() not in everything, hidden


def _other_key() -> str:
    made = releases.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    return releases.openssl("pkey", "-pubout", stdin=made)


def _confirm_policies(address: str, releasing: Releasing, public: Path, folder: Path, home: Path) -> None:
    """A policy's key is relative to its file; its requirements are enforced; one without a rule verifies nothing."""
    repository = str(releasing.repository)
    (folder / "keys").mkdir()
    (folder / "keys/acme.pub").write_text(public.read_text())
    cases = [
        (f'[trust."{repository}"]\nkey = "keys/acme.pub"\nrequire = ["signature", "provenance", "sbom"]\n', 0, ""),
        (f'[trust."{repository}"]\nkey = "keys/acme.pub"\nrequire = ["test-result"]\n', 1, "linux/arm64  policy"),
        ('[trust."docker.io/acme/*"]\nkey = "keys/acme.pub"\n', 1, "has no rule for"),
        (f'[trust."{repository}"]\nkey = "keys/missing.pub"\n', 1, "cannot read the key"),
        (f'[trust."{repository}"]\nrequire = ["signature"]\n', 2, "has no key"),
        (f'[trust."{repository}"]\nkey = "x"\nrequire = ["magic"]\n', 2, "'magic', which is not one of"),
        ('keys = "x"\n', 2, "unknown key 'keys'"),
    ]
    policy = folder / "policy.toml"
    for text, code, said in cases:
        policy.write_text(text)
        done = airbyte_ci("verify", address, f"--policy={policy}", cwd=folder, home=home)
        assert done.code == code and said in done.out + done.err, (text, done.out, done.err)


def _confirm_summary(address: str, releasing: Releasing, private: str, public: Path, folder: Path, home: Path) -> None:
    """A successful verification is attested with a key of its own; a policy can require the attestation."""
    policy = folder / "policy.toml"
    policy.write_text(f'[trust."{releasing.repository}"]\nkey = "keys/acme.pub"\nrequire = ["verification"]\n')
    environment = {"SIGN_KEY": private, **_SECRETS}
    arguments = ("verify", address, f"--policy={policy}")
    before = airbyte_ci(*arguments, cwd=folder, home=home)
    assert before.code == 1 and "no verification summary was found" in before.out
    attested = airbyte_ci(
        *("verify", address, f"--key={public}", "--sign-key=env:SIGN_KEY"), cwd=folder, home=home, env=environment
    )
    assert attested.code == 0, attested.out + attested.err
    after = airbyte_ci(*arguments, cwd=folder, home=home)
    assert after.code == 0, after.out + after.err


def _confirm_legacy(releasing: Releasing, digest: str, public: Path, folder: Path) -> None:
    """OpenSSL accepts the signature under cosign 2's tag, and the signed document names the index."""
    store = Store(folder / "legacy")
    place = releasing.repository.with_tag(f"{digest.replace(':', '-')}.sig")
    with quick_client() as client:
        manifest = client.manifest(place)
        assert isinstance(manifest, Manifest)
        (layer,) = manifest.layers
        client.pull_blob(place, layer, store)
    payload = store.path(layer.digest)
    assert json.loads(payload.read_bytes())["critical"]["image"]["docker-manifest-digest"] == digest
    encoded = layer.annotations["dev.cosignproject.cosign/signature"]
    (folder / "sig.b64").write_text(encoded + "\n")
    releases.openssl("base64", "-d", "-A", "-in", str(folder / "sig.b64"), "-out", str(folder / "sig"))
    checked = releases.openssl(
        "dgst", "-sha256", "-verify", str(public), "-signature", str(folder / "sig"), str(payload)
    )
    assert "Verified OK" in checked


def _published(releasing: Releasing, digest: str, store: Store) -> list[bytes]:
    """Everything that is attached to the release: manifests and documents."""
    found = []
    with quick_client() as client:
        root = client.manifest(Reference.parse(f"{releasing.repository}@{digest}"))
        assert isinstance(root, Index)
        for subject in (root.digest, *(item.digest for item in root.manifests)):
            place = releasing.repository.with_digest(subject)
            for listed in client.referrers(place):
                manifest = client.manifest(releasing.repository.with_digest(listed.digest))
                assert isinstance(manifest, Manifest)
                client.pull_blob(place, manifest.layers[0], store)
                found += [manifest.raw, releases.readable(store.read(manifest.layers[0].digest))]
    return found
