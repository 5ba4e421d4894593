"""Releases for tests: built by the command, published with all documents to a registry, and verified by the command."""

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from airbyte_ci.attest import gather
from airbyte_ci.attest.signing import attest, keys
from airbyte_ci.attest.signing.bundle import parse_bundle
from airbyte_ci.attest.signing.keys import SigningKey
from airbyte_ci.attest.statement import COSIGN_SIGN
from airbyte_ci.attest.subject import Subject
from airbyte_ci.attest.verification import published, verify
from airbyte_ci.attest.verification.finding import ImageFinding
from airbyte_ci.attest.verification.verify import Demand
from airbyte_ci.connectors import find
from airbyte_ci.errors import SignatureError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Platform
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.publish import attachments
from airbyte_ci.publish.attachments import NOT_SIGNED, Signing
from airbyte_ci.publish.release import ConnectorRelease, publish
from airbyte_ci.python.environment.tools import Tools
from airbyte_ci.python.index.package_index import PackageIndex
from airbyte_ci.registry.client import client_of_user
from airbyte_ci.registry.options import RegistryOptions
from tests.e2e.command import GIT
from tests.e2e.tiny import NAME, Tiny

NO_DIGEST = Digest("0" * 64)


def openssl(*arguments: str, stdin: str = "") -> str:
    """What the program prints."""
    done = subprocess.run(["openssl", *arguments], input=stdin, capture_output=True, text=True, check=True)
    return done.stdout


def make_key() -> tuple[SigningKey, str]:
    """A new key, and its public half as PEM."""
    made = openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    key = keys.read_signing_key("env:K", {"K": made})
    return key, public_pem(key)


def public_pem(key: SigningKey) -> str:
    """The public half of a key, as PEM."""
    return key.public.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@contextmanager
def tools(store: Store) -> Iterator[Tools]:
    """The tools of a command on this store, without progress."""
    with client_of_user(RegistryOptions()) as client, ThreadPoolExecutor(4) as pool:
        yield Tools(
            store=store,
            open_index=lambda: PackageIndex.from_environment(os.environ),
            registries=client,
            open_executor=lambda: pool,
            say=lambda _: None,
        )


@dataclass(frozen=True)
class Released:
    """A published release: its address with the index's digest, and what it is about."""

    address: Reference
    subject: Subject


def build(tiny: Tiny, store: Store, *arguments: str, name: str = NAME) -> list[tuple[Digest, int]]:
    """Builds a connector; the images' digests with the number of their base's layers."""
    built = tiny.build(*arguments, name=name)
    assert built.code == 0, built.out + built.err
    digests = [Digest.parse(json.loads(line)["digest"]) for line in built.out.splitlines()]
    return [(digest, _base_layers(store, digest)) for digest in digests]


def _base_layers(store: Store, digest: Digest) -> int:
    plan = gather.subject_image(store, store.image(digest), 0).plan
    return len(store.image(plan.base_manifest).layers)


def describe(tiny: Tiny, store: Store, host: str, images: Sequence[tuple[Digest, int]], name: str = NAME) -> Subject:
    """The subject of a release of these images."""
    if not (tiny.folder / ".git/HEAD").exists() or not _has_commit(tiny):
        subprocess.run([*GIT, "add", "-A"], cwd=tiny.folder, check=True)
        subprocess.run([*GIT, "commit", "-qm", "release"], cwd=tiny.folder, check=True)
    connector = find.read(tiny.connector(name), tiny.folder)
    described = [gather.subject_image(store, store.image(digest), layers) for digest, layers in images]
    source = gather.source_state(tiny.folder, [connector.relative])
    repository = Reference.parse(f"{host}/{connector.image_repository}")
    return gather.of_build(connector, described, repository=repository, tag="1.0.0", source=source)


def check(
    address: Reference,
    store: Store,
    *,
    key: SigningKey | None = None,
    rebuild: bool = False,
    required: Sequence[str] = (),
) -> list[ImageFinding]:
    """The findings about a published image, in this process."""
    demand = Demand((key.public,) if key else (), frozenset((*required, *([COSIGN_SIGN] if key else []))), rebuild)
    with tools(store) as opened:
        found = published.fetch(address, opened)
        return list(verify.verify(found, demand, opened, Platform("linux", "amd64")))


def failures(findings: Sequence[ImageFinding]) -> list[str]:
    """What failed, one line for each: subject, check and text."""
    return [f"{item.subject} {item.check}: {item.text}" for item in findings if item.status == "failed"]


def readable(raw: bytes) -> bytes:
    """A document as a reader sees it: of a bundle, the signed statement instead of its base64."""
    try:
        return parse_bundle(raw, "the bundle").envelope.payload
    except SignatureError:
        return raw


def _has_commit(tiny: Tiny) -> bool:
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=tiny.folder, capture_output=True, check=False)
    return done.returncode == 0


def release(subject: Subject, store: Store, key: SigningKey | None) -> Released:
    """Publishes the images of a subject with all documents."""
    store.put(subject.index.raw)
    signing = Signing(partial(attest.sign_documents, key)) if key else NOT_SIGNED
    with tools(store) as opened:
        images = tuple(attachments.write(subject, item, opened, signing) for item in subject.images)
        index = attachments.write(subject, None, opened, signing)
        sources = tuple(item.plan.base for item in subject.images)
        wanted = ConnectorRelease(
            images=images, index=index, tag=subject.tag, is_version=True, moves_latest=False, sources=sources
        )
        publish(wanted, opened.registries.target(subject.repository), store, lambda _: None)
    return Released(subject.repository.with_tag(subject.tag).with_digest(subject.index.digest), subject)
