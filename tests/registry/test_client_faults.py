"""The client keeps every rule of the fault table, against a registry that wants tokens and fails on purpose."""

import re
import traceback
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import CONFIG, INDEX, MANIFEST, Image, canonical_json
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.registry.client import RegistryClient
from airbyte_ci.registry.credentials import Credential, Fixed
from airbyte_ci.testing.clients import Waits, quick_client
from airbyte_ci.testing.faults import Redirect
from airbyte_ci.testing.images import AMD64, random_image
from airbyte_ci.testing.logins import Login
from airbyte_ci.testing.registry import RegistryServer
from tests.registry.fault_table import ROWS, Fails, Row

LOGIN = Login(scheme="bearer", users={"me": "hunter2"})
SECRETS = ("hunter2", "s3cret", "Bearer ey", "bWU6aHVudGVyMg")  # the last is me:hunter2 in base64


@dataclass
class World:
    """The registry that fails, another one with the same contents, and images to move between them."""

    registry: RegistryServer
    elsewhere: RegistryServer
    folder: Path
    base: Image  # is in both registries as acme/base:1
    new: Image  # is in the store only
    store: Store

    def at(self, name: str) -> Reference:
        return Reference.parse(f"{self.registry.host}/{name}")

    def at_elsewhere(self, name: str) -> Reference:
        return Reference.parse(f"{self.elsewhere.host}/{name}")

    def holds(self, repository: str, image: Image, tag: str) -> bool:
        held = self.registry.contents.repositories[repository]
        blobs = {blob.digest for blob in (image.manifest.config, *image.manifest.layers)}
        return held.tags.get(tag) == image.digest and blobs <= held.blobs


def bare_store(world: World) -> Store:
    """A store with the base's manifest but none of its blobs."""
    store = Store(world.folder / "bare")
    store.put(world.base.manifest.raw)
    return store


def pull(world: World, client: RegistryClient, reference: Reference) -> None:
    store = Store(world.folder / "pulled")
    image = client.pull(reference, AMD64, store)
    assert image == world.base
    for layer in image.manifest.layers:
        assert store.read(layer.digest) == world.store.read(layer.digest)


def signature(subject: Image, number: int) -> bytes:
    """An artifact about an image."""
    empty = {"mediaType": CONFIG, "digest": str(Digest.of(b"{}")), "size": 2}
    about = subject.manifest.descriptor.to_json()
    return canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": f"test/sig{number}",
            "config": empty,
            "layers": [],
            "subject": about,
        }
    )


def attach(world: World, client: RegistryClient) -> None:
    world.store.put(b"{}")
    digest = world.store.put(signature(world.base, 1))
    client.push(world.store, digest, world.at("acme/base"))
    asked = world.registry.requests("list referrers")
    found = client.referrers(world.at("acme/base").with_digest(world.base.digest), "test/sig1")
    assert [item.digest for item in found] == [digest]
    assert not asked


def two_referrers(world: World) -> None:
    contents, entries = world.registry.contents, []
    contents.put_blob("acme/base", b"{}")
    for number in (1, 2):
        raw = signature(world.base, number)
        digest = contents.put_manifest("acme/base", MANIFEST, raw)
        entries.append(
            {"mediaType": MANIFEST, "digest": str(digest), "size": len(raw), "artifactType": f"test/sig{number}"}
        )
    index = canonical_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})
    contents.put_manifest("acme/base", INDEX, index, f"sha256-{world.base.digest.hex}")


def perform(row: Row, world: World, client: RegistryClient) -> None:
    base = world.at("acme/base:1")
    if row.do == "pull":
        pull(world, client, base)
    elif row.do == "pull by digest":
        pull(world, client, base.with_digest(world.base.digest))
    elif row.do == "resolve":
        assert client.resolve(base) == world.base.manifest.descriptor
    elif row.do == "tags":
        assert client.tags(base) == ("1",)
    elif row.do == "push":
        client.push(world.store, world.new.digest, world.at("acme/new:1"))
        assert world.holds("acme/new", world.new, "1")
    elif row.do == "mount":
        client.push(bare_store(world), world.base.digest, world.at("acme/new:1"), sources=[base])
        assert world.holds("acme/new", world.base, "1")
    elif row.do == "stream":
        source = world.at_elsewhere("acme/base:1")
        client.push(bare_store(world), world.base.digest, world.at("acme/new:1"), sources=[source])
        assert world.holds("acme/new", world.base, "1")
    elif row.do == "stream out":
        target = world.at_elsewhere("acme/new:1")
        client.push(bare_store(world), world.base.digest, target, sources=[base])
        assert world.holds("acme/new", world.base, "1")
    elif row.do == "attach":
        attach(world, client)
    else:
        two_referrers(world)
        found = client.referrers(base.with_digest(world.base.digest))
        assert len(found) == 2


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule)
def test_row(row: Row, tmp_path: Path) -> None:
    """The row's rule holds, no login reaches another host, and no secret is in the error."""
    store = Store(tmp_path / "store")
    base = random_image(store, seed=1, layers=2, size=400_000)
    new = random_image(store, seed=2, layers=2, size=400_000)
    with RegistryServer(login=LOGIN) as registry, RegistryServer(contents=registry.contents) as elsewhere:
        registry.contents.put_image("acme/base", store, base.digest, "1")
        locations = row.manner.locations.replace("SELF", registry.host).replace("ELSEWHERE", elsewhere.host)
        registry.manner = replace(row.manner, locations=locations)
        for fault in row.faults:
            effect = fault.effect
            if isinstance(effect, Redirect):
                effect = replace(effect, location=effect.location.replace("ELSEWHERE", elsewhere.host))
            registry.fail(replace(fault, effect=effect))
        waits = Waits()
        logins = Fixed({registry.host: Credential("me", "hunter2", origin="the test")})
        world = World(registry, elsewhere, tmp_path, base, new, store)
        with quick_client(row.options, logins, waits=waits) as client:
            if isinstance(row.then, Fails):
                check_failure(row, row.then, world, client)
            else:
                perform(row, world, client)
        for operation, count in row.then.requests.items():
            assert len(registry.requests(operation)) == count, [item.request for item in registry.log]
        if row.then.waits is not None:
            assert len(waits.seconds) == len(row.then.waits)
            assert all(took >= least for took, least in zip(waits.seconds, row.then.waits, strict=True))
        assert not any("authorization" in request.headers for request in elsewhere.requests())


def check_failure(row: Row, then: Fails, world: World, client: RegistryClient) -> None:
    with pytest.raises(AirbyteCiError) as caught:
        perform(row, world, client)
    assert isinstance(caught.value, then.kind), repr(caught.value)
    assert re.search(then.words, str(caught.value)), str(caught.value)
    assert "\n" not in str(caught.value)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert not any(secret in shown for secret in SECRETS)
    assert not list((world.folder / "store" / "ingest").iterdir())
