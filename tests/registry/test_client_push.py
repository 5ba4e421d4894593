"""The requests of pushes, their order, and what is not sent."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from airbyte_ci.errors import BlobNotFound, RegistryError
from airbyte_ci.oci.image import CONFIG, MANIFEST, Image, ImageConfig, Manifest, Platform, canonical_json
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.registry.credentials import Credential, Fixed
from airbyte_ci.registry.options import BlobProgress, RegistryOptions
from airbyte_ci.testing.clients import quick_client
from airbyte_ci.testing.distribution import Manner
from airbyte_ci.testing.faults import Corrupt, Fault, Refuse
from airbyte_ci.testing.images import AMD64, random_image, random_index
from airbyte_ci.testing.logins import Login
from airbyte_ci.testing.registry import RegistryServer

ARM64 = Platform("linux", "arm64")


@pytest.fixture
def registry() -> Iterator[RegistryServer]:
    with RegistryServer() as server:
        yield server


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def at(registry: RegistryServer, name: str) -> Reference:
    return Reference.parse(f"{registry.host}/{name}")


@pytest.mark.parametrize("scheme", ["", "basic", "bearer"])
def test_nothing_new_is_at_most_five_requests(store: Store, scheme: str) -> None:
    """Pushing an existing image with a new client requests the manifest, sets the tag, and sends no blob."""
    image = random_image(store, layers=10)
    with RegistryServer(login=Login(scheme=scheme, users={"me": "1"})) as registry:
        registry.contents.put_image("acme/x", store, image.digest, "1")
        with quick_client(credentials=Fixed({registry.host: Credential("me", "1")})) as client:
            client.push(store, image.digest, at(registry, "acme/x:2"))
        assert len(registry.requests()) <= 5
        assert registry.contents.repositories["acme/x"].tags["2"] == image.digest
        assert not registry.requests("head blob", "start upload", "put upload")


def _next_release(store: Store, image: Image) -> Image:
    """The image with another last layer, as an upgraded or edited connector has."""
    other = random_image(store, seed=1, layers=1)
    diff_ids = [*map(str, image.config.diff_ids[:-1]), str(other.config.diff_ids[0])]
    config = ImageConfig.make({**image.config.document, "rootfs": {"type": "layers", "diff_ids": diff_ids}})
    layers = (*image.manifest.layers[:-1], other.manifest.layers[0])
    return store.put_image(Manifest.make(config.descriptor, layers, {}), config)


@pytest.mark.parametrize("layers", [2, 30])
def test_requests_of_a_next_release_do_not_depend_on_its_layers(
    registry: RegistryServer, store: Store, layers: int
) -> None:
    """Where the tag points to an image with most of the layers, only the new blobs are sent."""
    image = random_image(store, layers=layers)
    registry.contents.put_image("acme/x", store, image.digest, "1")
    following = _next_release(store, image)
    with quick_client() as client:
        client.push(store, following.digest, at(registry, "acme/x:1"))
    assert [item.name for item in registry.requests("head manifest", "get manifest")] == ["1"]
    # Small blobs that the last image lacks are sent without asking.
    assert not registry.requests("head blob")
    assert len(registry.requests("put upload")) == 2
    assert len(registry.requests()) == 6
    assert registry.contents.repositories["acme/x"].tags["1"] == following.digest


def _on(store: Store, base: Image, image: Image) -> Image:
    """The layers of an image on those of its base."""
    diff_ids = [*map(str, base.config.diff_ids), *map(str, image.config.diff_ids)]
    config = ImageConfig.make({**base.config.document, "rootfs": {"type": "layers", "diff_ids": diff_ids}})
    return store.put_image(
        Manifest.make(config.descriptor, (*base.manifest.layers, *image.manifest.layers), {}), config
    )


@pytest.mark.parametrize(("single_post", "uploads"), [(False, 2), (True, 1)])
def test_requests_of_a_new_small_image(store: Store, single_post: bool, uploads: int) -> None:
    """A new repository: the tag is read, the base's layers are mounted, the two own blobs are sent, the tag is set.

    Nothing is asked before it is sent. A registry that takes no blob with one POST is not given another one.
    """
    base = random_image(store, seed=5, layers=3)
    images = [_on(store, base, random_image(store, seed=seed, layers=1)) for seed in (6, 7)]
    with RegistryServer(manner=Manner(single_post=single_post)) as registry:
        registry.contents.put_image("base", store, base.digest, "1")
        source = at(registry, "base:1").with_digest(base.digest)
        with quick_client() as client:
            for number, image in enumerate(images):
                registry.clear_log()
                client.push(store, image.digest, at(registry, f"acme/x-{number}:1"), sources=[source])
                assert registry.requests()[0].operation == "get manifest"
                counts = Counter(item.operation for item in registry.requests())
                assert counts["mount blob"] == 3
                assert counts["start upload"] + counts["put upload"] == 2 * uploads
                assert counts.total() == 1 + 3 + 2 * uploads + 1
                assert registry.contents.repositories[f"acme/x-{number}"].tags["1"] == image.digest
        if not single_post:
            assert not any(item.body for item in registry.requests("start upload"))


def test_an_image_that_the_tag_has_is_one_request(registry: RegistryServer, store: Store) -> None:
    """Neither its blobs nor the tag are written again."""
    image = random_image(store, layers=10)
    registry.contents.put_image("acme/x", store, image.digest, "1")
    with quick_client() as client:
        client.push(store, image.digest, at(registry, "acme/x:1"))
    assert [item.operation for item in registry.requests()] == ["get manifest"]


@pytest.mark.parametrize("is_mountable", [True, False])
def test_requests_after_a_base_upgrade(store: Store, is_mountable: bool) -> None:
    """One mount for each of the new base's layers, and an upload of the configuration: nothing else is asked.

    A registry that refuses to mount gets the layers sent.
    """
    old, new = (random_image(store, seed=seed, layers=4) for seed in (5, 6))
    own = random_image(store, seed=7, layers=20)
    before, after = _on(store, old, own), _on(store, new, own)
    refused = () if is_mountable else (Fault("mount blob", Refuse(405), None),)
    with RegistryServer(faults=refused) as registry:
        registry.contents.put_image("base", store, new.digest, "2")
        registry.contents.put_image("acme/x", store, before.digest, "1")
        with quick_client() as client:
            source = at(registry, "base:2").with_digest(new.digest)
            client.push(store, after.digest, at(registry, "acme/x:1"), sources=[source])
        assert registry.contents.repositories["acme/x"].tags["1"] == after.digest
        counts = {name: len(registry.requests(name)) for name in ("mount blob", "head blob", "put upload")}
        if is_mountable:
            assert counts == {"mount blob": 4, "head blob": 0, "put upload": 1}
            assert len(registry.requests()) == 1 + 4 + 2 + 1
        else:
            assert (counts["put upload"], counts["head blob"]) == (4 + 1, 4)


def test_a_blob_that_the_registry_lost_is_sent_again(registry: RegistryServer, store: Store) -> None:
    """The image of the tag is incomplete, as after a collection of garbage that went wrong: the next one is whole."""
    image = random_image(store, layers=4)
    registry.contents.put_image("acme/x", store, image.digest, "1")
    lost = image.manifest.layers[0].digest
    registry.contents.repositories["acme/x"].blobs.discard(lost)
    registry.contents.bytes.pop(lost)
    following = _next_release(store, image)
    with quick_client() as client:
        client.push(store, following.digest, at(registry, "acme/x:1"))
    assert registry.contents.repositories["acme/x"].tags["1"] == following.digest
    assert lost in registry.contents.repositories["acme/x"].blobs


@pytest.mark.parametrize("fault", [Refuse(403), Refuse(500), Refuse(404)])
def test_a_tag_that_cannot_be_read_costs_no_push(registry: RegistryServer, store: Store, fault: Refuse) -> None:
    """Reading the tag's image only saves requests: where it is refused, every blob is asked for, and nothing fails."""
    image = random_image(store, layers=3)
    registry.fail(Fault("get manifest", fault, times=9))
    with quick_client() as client:
        client.push(store, image.digest, at(registry, "acme/x:1"))
    assert len(registry.requests("head blob")) == 4
    assert registry.contents.repositories["acme/x"].tags["1"] == image.digest


def test_order_of_an_index(registry: RegistryServer, store: Store) -> None:
    """Blobs come before manifests, manifests before the index, and the tags last."""
    index = random_index(store, (AMD64, ARM64))
    with quick_client() as client:
        pushed = client.push(store, index.digest, at(registry, "acme/x"), tags=["1", "latest"])
    assert pushed == index.descriptor
    puts = [request for request in registry.requests() if request.method == "PUT"]
    names = [request.name for request in puts if request.operation == "put manifest"]
    first = next(place for place, request in enumerate(puts) if request.operation == "put manifest")
    assert all(request.operation == "put manifest" for request in puts[first:])
    assert names == [*(str(item.digest) for item in index.manifests), "1", "latest"]


def test_shared_blobs_are_sent_once(registry: RegistryServer, store: Store) -> None:
    """Two pushes at once of images that share blobs send each of these once."""
    image = random_image(store, layers=5)
    more = image.manifest.make(image.manifest.config, image.manifest.layers[1:], {})
    store.put(more.raw)
    with quick_client() as client, ThreadPoolExecutor(2) as pool:
        jobs = [
            pool.submit(client.push, store, digest, at(registry, f"acme/x:{tag}"))
            for tag, digest in (("1", image.digest), ("2", more.digest))
        ]
        assert {job.result().digest for job in jobs} == {image.digest, more.digest}
    assert len(registry.requests("put upload")) == 6


def test_two_clients_may_push_the_same_at_once(registry: RegistryServer, store: Store) -> None:
    """Two processes that push the same image at the same moment both succeed."""
    image = random_image(store, layers=8)

    def push(_: int) -> object:
        with quick_client() as client:
            return client.push(store, image.digest, at(registry, "acme/x:1"))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(push, range(4))) == [image.manifest.descriptor] * 4


def test_digest_alone_needs_no_tag(registry: RegistryServer, store: Store) -> None:
    """Without a tag the image is there under its digest."""
    image = random_image(store)
    with quick_client() as client:
        client.push(store, image.digest, at(registry, "acme/x"))
        assert client.resolve(at(registry, "acme/x").with_digest(image.digest)).digest == image.digest
        assert client.tags(at(registry, "acme/x")) == ()


def test_malformed_tag_is_refused_first(registry: RegistryServer, store: Store) -> None:
    """An invalid tag is refused before anything is sent."""
    image = random_image(store)
    with quick_client() as client, pytest.raises(RegistryError, match="is not a valid tag"):
        client.push(store, image.digest, at(registry, "acme/x"), tags=["1", "../x"])
    assert not registry.requests()


def bare(tmp_path: Path, image: Image) -> Store:
    """A store with an image's manifest and configuration, as for a base image."""
    store = Store(tmp_path / "bare")
    store.put_image(image.manifest, image.config)
    return store


def test_first_source_that_has_it_is_mounted_from(registry: RegistryServer, store: Store, tmp_path: Path) -> None:
    """Sources are tried in order; one that lacks a blob is skipped."""
    image = random_image(store)
    registry.contents.put_image("acme/base", store, image.digest, "1")
    sources = [at(registry, "acme/other"), at(registry, "acme/base"), at(registry, "acme/base:1")]
    with quick_client(RegistryOptions(concurrency=1)) as client:
        client.push(bare(tmp_path, image), image.digest, at(registry, "acme/x:1"), sources=sources)
    tried = [request.argument("from") for request in registry.requests("mount blob")]
    assert tried == ["acme/other", "acme/base"] * 3
    assert not registry.requests("put upload", "get blob")
    assert not any(repository.uploads for repository in registry.contents.repositories.values())


def test_blob_that_is_nowhere_is_named(registry: RegistryServer, store: Store, tmp_path: Path) -> None:
    """A blob that neither the store nor a source has is an error that names it and what to do."""
    image = random_image(store, layers=1)
    missing = image.manifest.layers[0].digest
    with quick_client() as client, pytest.raises(BlobNotFound, match=rf"{missing} is neither .* → pull the base"):
        client.push(bare(tmp_path, image), image.digest, at(registry, "acme/x:1"))
    assert "1" not in registry.contents.repositories["acme/x"].tags


def test_index_takes_missing_images_from_the_source(registry: RegistryServer, store: Store, tmp_path: Path) -> None:
    """An index of which only one platform was pulled can be pushed whole, from where it came."""
    index = random_index(store, (AMD64, ARM64))
    with RegistryServer() as origin, quick_client() as client:
        origin.contents.put_image("base/x", store, index.digest, "1")
        here = Store(tmp_path / "here")
        client.image(at(origin, "base/x:1"), AMD64, here)
        client.push(here, index.digest, at(registry, "acme/x:1"), sources=[at(origin, "base/x:1")])
        assert client.pull(at(registry, "acme/x:1"), ARM64, Store(tmp_path / "there")).config.platform == ARM64


def test_streamed_blobs_do_not_touch_the_disk(registry: RegistryServer, store: Store, tmp_path: Path) -> None:
    """Blobs that are copied between registries are neither in the store nor in its ingest folder."""
    image = random_image(store, size=300_000)
    with RegistryServer() as origin, quick_client() as client:
        origin.contents.put_image("base/x", store, image.digest, "1")
        here = bare(tmp_path, image)
        client.push(here, image.digest, at(registry, "acme/x:1"), sources=[at(origin, "base/x:1")])
        assert not any(here.has(layer.digest) for layer in image.manifest.layers)
        assert len(origin.requests("get blob")) == len(image.manifest.layers)


def test_next_source_is_streamed_from_when_one_fails(registry: RegistryServer, store: Store, tmp_path: Path) -> None:
    """A source or a mirror of one that lies, fails or lacks a blob is passed over for the next."""
    image = random_image(store, size=300_000)
    lies = (Fault("get blob", Corrupt(), None),)
    fails = (Fault("get blob", Refuse(500), None),)
    with RegistryServer(faults=lies) as liar, RegistryServer(faults=fails) as broken, RegistryServer() as origin:
        for server in (liar, broken, origin):
            server.contents.put_image("base/x", store, image.digest, "1")
        options = RegistryOptions(mirrors={origin.host: (liar.host,)}, attempts=2)
        sources = [at(broken, "base/x:1"), at(origin, "base/none:1"), at(origin, "base/x:1")]
        with quick_client(options) as client:
            client.push(bare(tmp_path, image), image.digest, at(registry, "acme/x:1"), sources=sources)
            assert client.pull(at(registry, "acme/x:1"), AMD64, Store(tmp_path / "pulled")) == image


def test_progress_says_what_was_done(registry: RegistryServer, store: Store, tmp_path: Path) -> None:
    """Blobs are reported as uploaded, present or mounted."""
    image = random_image(store, layers=1)
    events: list[BlobProgress] = []
    with quick_client(RegistryOptions(progress=events.append)) as client:
        client.push(store, image.digest, at(registry, "acme/x:1"))
        assert {event.step for event in events} == {"uploading"}
        events.clear()
        client.push(bare(tmp_path, image), image.digest, at(registry, "acme/y:1"), sources=[at(registry, "acme/x")])
        assert {event.step for event in events} == {"mounted"}
        other = image.manifest.make(image.manifest.config, image.manifest.layers, {"other": "manifest"})
        store.put(other.raw)
        events.clear()
        client.push(store, other.digest, at(registry, "acme/x:2"))
        assert {event.step for event in events} == {"present"}


def artifact(store: Store, subject: Image, number: int) -> bytes:
    config = {"mediaType": CONFIG, "digest": str(store.put(b"{}")), "size": 2}
    return canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": f"test/{number % 2}",
            "config": config,
            "layers": [],
            "subject": subject.manifest.descriptor.to_json(),
            "annotations": {"number": str(number)},
        }
    )


@pytest.mark.parametrize("api", [True, False], ids=["api", "tag"])
def test_referrers_pushed_at_once_are_all_found(registry: RegistryServer, store: Store, api: bool) -> None:
    """Artifacts that threads attach to one image are all listed, with their type and annotations."""
    registry.manner = Manner(referrers=api)
    image = random_image(store)
    digests = [store.put(artifact(store, image, number)) for number in range(6)]
    subject = at(registry, "acme/x").with_digest(image.digest)
    with quick_client() as client, ThreadPoolExecutor(6) as pool:
        client.push(store, image.digest, at(registry, "acme/x:1"))
        list(pool.map(lambda digest: client.push(store, digest, at(registry, "acme/x")), digests))
        assert {item.digest for item in client.referrers(subject)} == set(digests)
        odd = client.referrers(subject, "test/1")
    assert sorted(item.annotations["number"] for item in odd) == ["1", "3", "5"]


def test_referrers_need_a_digest(registry: RegistryServer) -> None:
    """A tag has no referrers: it must be resolved first."""
    with quick_client() as client, pytest.raises(RegistryError, match="it has no digest → resolve it first"):
        client.referrers(at(registry, "acme/x:1"))


@pytest.mark.parametrize("is_mountable", [True, False])
def test_what_was_pushed_once_is_mounted_elsewhere(store: Store, *, is_mountable: bool) -> None:
    """Several images with common layers, in their own repositories: each layer is sent once, unless mounts fail."""
    base = random_image(store, seed=1, layers=5)
    images = [_on(store, base, random_image(store, seed=seed, layers=1)) for seed in (2, 3, 4)]
    refused = () if is_mountable else (Fault("mount blob", Refuse(405), None),)
    with RegistryServer(faults=refused) as registry:
        with quick_client() as client:
            for number, image in enumerate(images):
                client.reporting(print).push(store, image.digest, at(registry, f"acme/{number}:1"))
        for number, image in enumerate(images):
            assert registry.contents.repositories[f"acme/{number}"].tags["1"] == image.digest
        sent = len(registry.requests("put upload"))
        assert sent == (5 + 3 * 2 if is_mountable else 3 * (5 + 2))


def test_renewed_connections_forget_what_was_pushed(store: Store) -> None:
    """After `renew`, a client asks for logins again and knows of no blob; the old connections close with it."""
    image = random_image(store, layers=3)
    with RegistryServer(login=Login(scheme="basic", users={"me": "1"})) as registry:
        with quick_client(credentials=Fixed({registry.host: Credential("me", "1")})) as client:
            client.push(store, image.digest, at(registry, "acme/one:1"))
            client.renew()
            client.push(store, image.digest, at(registry, "acme/two:1"))
        assert not registry.requests("mount blob")
        assert registry.contents.repositories["acme/two"].tags["1"] == image.digest


@pytest.mark.parametrize("is_index", [False, True])
def test_blobs_that_a_registry_lost_meanwhile_are_sent_again(
    registry: RegistryServer, store: Store, *, is_index: bool
) -> None:
    """A client that pushed them itself relies on them, as in `--watch`; the registry began anew: the image is whole."""
    with quick_client() as client:
        for seed in (1, 1, 2):
            root = random_index(store, (AMD64, ARM64), seed=seed) if is_index else random_image(store, seed=seed)
            client.push(store, root.digest, at(registry, "acme/x:1"))
            registry.contents.repositories.clear()
            registry.contents.bytes.clear()
        client.push(store, root.digest, at(registry, "acme/x:1"))
    assert registry.contents.repositories["acme/x"].tags["1"] == root.digest
