"""Asks sigstore's own JavaScript libraries about airbyte-ci's signatures: `python -m tests.oracles.signatures DIR`.

`@sigstore/verify` must accept every bundle and refuse it with any byte of payload or signature changed.
`@sigstore/oci`, which GitHub's actions/attest uses, must write the same manifests as airbyte-ci to a registry without
a referrers API, and each must find what the other wrote. `make oracle` installs the libraries into DIR.
"""

import base64
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from airbyte_ci.attest.attachment import Attachment
from airbyte_ci.attest.signing import attest
from airbyte_ci.attest.signing.keys import SigningKey
from airbyte_ci.attest.statement import COSIGN_SIGN, CYCLONEDX, PROVENANCE, Statement
from airbyte_ci.attest.verification import claims, evidence
from airbyte_ci.oci.artifact import EMPTY
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import ImageConfig, Manifest
from airbyte_ci.oci.layer import layer_of
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry
from airbyte_ci.registry.client import RegistryClient
from airbyte_ci.registry.credentials import Credential, Fixed
from airbyte_ci.registry.options import RegistryOptions
from airbyte_ci.registry.referrers import Artifact, SmallBlob
from airbyte_ci.testing.docker_registry import docker_registry
from tests.attest import releases
from tests.registry.test_docker_registry import HTPASSWD

_SCRIPTS = Path(__file__).parent / "sigstore_js"
_CREATED = "2026-01-01T00:00:00Z"


def main(folder: Path) -> None:
    key, pem = releases.make_key()
    subject = Digest.of(b"an image")
    made = [
        attest.attach_signed(key, Statement(subject, COSIGN_SIGN), _CREATED),
        attest.attach_signed(key, Statement(subject, PROVENANCE, {"text": "ünï", "list": [1, 2]}), _CREATED),
        attest.attach_signed(key, Statement(subject, CYCLONEDX, {"bomFormat": "CycloneDX"}), _CREATED),
    ]
    bundles = [json.loads(item.content) for item in made]
    answers = ask(folder, pem, bundles)
    assert answers == ["ok"] * len(bundles), answers
    changed = [one for bundle in bundles for one in flipped(bundle)]
    accepted = ask(folder, pem, changed).count("ok")
    assert accepted == 0, f"{accepted} changed bundles were accepted"
    print(f"@sigstore/verify: {len(bundles)} bundles accepted, {len(changed)} changed ones refused")
    compare_registries(folder, key)


def ask(folder: Path, pem: str, bundles: Iterable[object]) -> list[str]:
    """What the verifier says of each bundle."""
    lines = "".join(json.dumps({"key": pem, "bundle": bundle}) + "\n" for bundle in bundles)
    return _node(folder, "verify.mjs", stdin=lines).splitlines()


def flipped(bundle: dict[str, object]) -> Iterator[dict[str, object]]:
    """The bundle with each single byte of payload, payload type and signature changed."""
    envelope = json.loads(json.dumps(bundle["dsseEnvelope"]))
    payload = base64.b64decode(envelope["payload"])
    signature = base64.b64decode(envelope["signatures"][0]["sig"])
    for data, name in ((payload, "payload"), (signature, "sig"), (envelope["payloadType"].encode(), "payloadType")):
        for place in range(len(data)):
            changed = bytearray(data)
            changed[place] ^= 1
            again = json.loads(json.dumps(envelope))
            text = base64.b64encode(changed).decode()
            if name == "sig":
                again["signatures"][0]["sig"] = text
            else:
                again[name] = text if name == "payload" else changed.decode(errors="replace")
            yield {**bundle, "dsseEnvelope": again}


def compare_registries(folder: Path, key: SigningKey) -> None:
    """Attaches the same bundle with both clients, each to an image of its own, and lists with the other."""
    with tempfile.TemporaryDirectory() as place, docker_registry(Path(place) / "r", htpasswd=HTPASSWD) as host:
        store = Store(Path(place) / "store")
        options = RegistryOptions()
        logins = Fixed({host: Credential("me", "hunter2")})
        with RegistryClient(options, logins) as client, ThreadPoolExecutor(2) as pool:
            image = _push(client, store, Reference.parse(f"{host}/acme/both:1"))
            attachment = attest.attach_signed(key, Statement(image.digest, COSIGN_SIGN), _CREATED)
            theirs = _attach(folder, f"{host}/acme/both", image.digest, attachment, Path(place))
            reference = Reference.parse(f"{host}/acme/both@{image.digest}")
            found = evidence.collect(client, reference, store, pool)
            assert claims.prove(found, COSIGN_SIGN, image.digest, (key.public,)).bundle, found.ignored
            ours = attachment.manifest(image.descriptor)
            read = client.manifest(replace(reference, digest=Digest.parse(theirs["digest"])))
            one, other = json.loads(ours.raw), json.loads(read.raw)
            for document in (one, other):
                document["annotations"].pop("org.opencontainers.image.created")
            assert one == other, (one, other)
            blobs = (SmallBlob(ours.config, EMPTY), SmallBlob(ours.layers[0], attachment.content))
            client.target(reference).attach(store, image.digest, [Artifact(ours, blobs)], ())
            listed = {item.digest for item in client.referrers(reference)}
            assert {ours.digest, Digest.parse(theirs["digest"])} <= listed
    print("@sigstore/oci: the same manifest, and each client lists what the other attached")


def _push(client: RegistryClient, store: Store, reference: Reference) -> Manifest:
    layer = layer_of(store, [Entry(path="file", content=b"text")])
    rootfs = {"type": "layers", "diff_ids": [str(layer.diff_id)]}
    config = ImageConfig.make({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs})
    manifest = Manifest.make(config.descriptor, (layer.descriptor,), {})
    store.put_image(manifest, config)
    client.push(store, manifest.digest, reference)
    return manifest


def _attach(folder: Path, name: str, digest: Digest, attachment: Attachment, place: Path) -> dict[str, str]:
    (place / "bundle.json").write_bytes(attachment.content)
    annotations = json.dumps(dict(attachment.annotations))
    arguments = (name, str(digest), str(place / "bundle.json"), attachment.media_type, annotations)
    found: dict[str, str] = json.loads(_node(folder, "attach.mjs", *arguments))
    return found


def _node(folder: Path, script: str, *arguments: str, stdin: str = "") -> str:
    command: Sequence[str] = ("node", str(folder / script), *arguments)
    (folder / script).write_bytes((_SCRIPTS / script).read_bytes())
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]))
