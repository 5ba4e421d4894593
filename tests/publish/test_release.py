"""The order of a release, its races, and registries that break their promises."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from airbyte_ci.errors import AirbyteCiError, RegistryError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import INDEX, canonical_json
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.publish.release import ConnectorRelease, Publication, publish
from airbyte_ci.testing.clients import quick_client
from airbyte_ci.testing.contents import RegistryContents
from airbyte_ci.testing.distribution import Manner
from airbyte_ci.testing.faults import Body, Fault, FaultEffect, Handler, HangUp, Header
from airbyte_ci.testing.messages import Operation, Reply, Request
from airbyte_ci.testing.registry import RegistryServer
from tests.publish.releases import damages, make_release

REPOSITORY = "acme/source-x"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@contextmanager
def serving(*, referrers: bool = True, contents: RegistryContents | None = None) -> Iterator[RegistryServer]:
    with RegistryServer(manner=Manner(referrers=referrers), contents=contents or RegistryContents()) as server:
        yield server


def send(registry: RegistryServer, store: Store, release: ConnectorRelease) -> Publication:
    """Publishes with a new client, as another process would."""
    with quick_client() as client:
        target = client.target(Reference.parse(f"{registry.host}/{REPOSITORY}"))
        return publish(release, target, store, lambda _: None)


@pytest.mark.parametrize("referrers", [True, False])
def test_documents_precede_the_tags(store: Store, *, referrers: bool) -> None:
    """The version's tag comes after everything it needs, and `latest` is last."""
    release = make_release(store)
    with serving(referrers=referrers) as registry:
        done = send(registry, store, release)
        assert (done.already, done.attached, done.latest) == (False, 6, "1.0.0")
        names = [item.name for item in registry.requests("put manifest")]
        assert names[-2:] == ["1.0.0", "latest"]
        index = names.index(str(release.digest))
        assert all(names.index(str(image.digest)) < index for image in release.images)
        assert damages(registry.contents, REPOSITORY, {"1.0.0": release}) == []


@pytest.mark.parametrize("referrers", [True, False])
def test_a_second_run_pushes_nothing(store: Store, *, referrers: bool) -> None:
    """What is published already is reported as such, and the registry receives no write."""
    release = make_release(store)
    with serving(referrers=referrers) as registry:
        send(registry, store, release)
        registry.clear_log()
        done = send(registry, store, release)
        assert (done.already, done.attached) == (True, 0)
        assert not registry.requests("put manifest", "start upload", "put upload")


@pytest.mark.parametrize("referrers", [True, False])
def test_a_publisher_may_be_cut_off_at_any_request(store: Store, *, referrers: bool) -> None:
    """Whichever write is the last, each tag is complete, and the next run ends with the same registry."""
    release = make_release(store, documents=1)
    with serving(referrers=referrers) as registry:
        send(registry, store, release)
        whole = registry.contents.repositories[REPOSITORY]
        writes = len(registry.requests("start upload", "put upload", "put manifest", "mount blob"))
    for number in range(0, writes, 2):
        with serving(referrers=referrers) as registry:
            for operation in ("start upload", "put upload", "put manifest", "mount blob"):
                registry.fail(Fault(operation, _After(number, registry), times=None))
            with pytest.raises(AirbyteCiError):
                send(registry, store, release)
            assert damages(registry.contents, REPOSITORY, {"1.0.0": release}) == []
            contents = registry.contents
        with serving(referrers=referrers, contents=contents) as registry:
            send(registry, store, release)
            found = registry.contents.repositories[REPOSITORY]
            assert (found.manifests.keys(), found.tags) == (whole.manifests.keys(), whole.tags)


@dataclass
class _After(FaultEffect):
    """The connection ends for every write after the first `number`."""

    number: int
    registry: RegistryServer

    def apply(self, request: Request, handle: Handler) -> Reply:
        done = len(self.registry.requests("start upload", "put upload", "put manifest", "mount blob"))
        if done < self.number:
            return handle(request)
        return Reply(status=500, hung_up=True)


def test_a_version_is_never_overwritten(store: Store) -> None:
    """Other content under the same version is refused before anything is sent."""
    with serving() as registry:
        send(registry, store, make_release(store))
        registry.clear_log()
        with pytest.raises(RegistryError, match=r"source-x:1\.0\.0 is already published with other content"):
            send(registry, store, make_release(store, seed=1))
        assert not registry.requests("put manifest", "start upload")


@pytest.mark.parametrize(
    ("published", "version", "refused"),
    [
        (["1.0.1"], "1.0.0", True),
        (["1.0.10"], "1.0.9", True),
        (["1.0.1-dev.0123456789"], "1.0.0", False),
        (["2.0.0-rc.1"], "1.0.1", False),
        (["2.0.0-rc.2"], "2.0.0-rc.1", True),
        (["2.0.0"], "2.0.0-rc.1", True),
        (["2.0.0-rc.2"], "2.0.0", False),
        (["latest", "v9", "not.a.version"], "0.1.0", False),
    ],
)
def test_a_version_below_the_newest_is_refused(
    store: Store, published: list[str], version: str, *, refused: bool
) -> None:
    """A release must not be older than the newest; candidates and pre-releases of commits do not hold back finals."""
    with serving() as registry:
        other = make_release(store, seed=1)
        for tag in published:
            registry.contents.put_image(REPOSITORY, store, other.digest, tag)
        if refused:
            with pytest.raises(RegistryError, match=f"version {version} is below"):
                send(registry, store, make_release(store, version))
            assert not registry.requests("put manifest", "start upload")
        else:
            send(registry, store, make_release(store, version))


def test_latest_names_no_candidate(store: Store) -> None:
    """A release candidate and a pre-release of a commit leave `latest` alone."""
    with serving() as registry:
        final = make_release(store)
        send(registry, store, final)
        send(registry, store, make_release(store, "2.0.0-rc.1", seed=1))
        send(registry, store, make_release(store, "1.0.0-dev.0123456789", seed=2))
        assert registry.contents.repositories[REPOSITORY].tags["latest"] == final.digest


def test_the_next_run_sets_latest(store: Store) -> None:
    """A publisher that was killed between its two tags is completed by a run that finds the version published."""
    release = make_release(store)
    with serving() as registry:
        send(registry, store, release)
        del registry.contents.repositories[REPOSITORY].tags["latest"]
        done = send(registry, store, release)
        assert done.already
        assert registry.contents.repositories[REPOSITORY].tags["latest"] == release.digest


def test_an_older_version_published_again_leaves_latest(store: Store) -> None:
    """An older version that is published already is no reason to move `latest`."""
    first, second = make_release(store), make_release(store, "1.0.1", seed=1)
    with serving() as registry:
        send(registry, store, first)
        send(registry, store, second)
        assert send(registry, store, first).latest == "1.0.1"
        assert registry.contents.repositories[REPOSITORY].tags["latest"] == second.digest


# --- races -----------------------------------------------------------------------------------------


@dataclass
class _Meanwhile(FaultEffect):
    """Another publisher acts just before a request is answered."""

    act: Callable[[Request], None]

    def apply(self, request: Request, handle: Handler) -> Reply:
        self.act(request)
        return handle(request)


@pytest.mark.parametrize("moment", ["before the write", "after the write"])
def test_the_loser_of_a_race_reports_it(store: Store, moment: str) -> None:
    """Another publisher's content under the tag, just before or after the write, ends in one clear line."""
    own, other = make_release(store), make_release(store, seed=1)
    with serving() as registry:

        def act(request: Request) -> None:
            if request.name == "1.0.0" and moment == "after the write":
                registry.contents.put_image(REPOSITORY, store, other.digest, "1.0.0")
            if request.name == str(own.digest) and moment == "before the write":
                registry.contents.put_image(REPOSITORY, store, other.digest, "1.0.0")

        operation: Operation = "get manifest" if moment == "after the write" else "put manifest"
        registry.fail(Fault(operation, _Meanwhile(act), times=None))
        with pytest.raises(RegistryError, match="is already published with other content") as raised:
            send(registry, store, own)
        assert "\n" not in raised.value.message
        if moment == "before the write":
            assert registry.contents.repositories[REPOSITORY].tags["1.0.0"] == other.digest


def test_latest_ends_at_the_newest_of_two_publishers(store: Store) -> None:
    """A publisher that sees a newer version after it moved `latest` moves it on."""
    older, newer = make_release(store), make_release(store, "1.0.1", seed=1)
    with serving() as registry:

        def act(request: Request) -> None:
            if request.name == "latest":
                registry.contents.put_image(REPOSITORY, store, newer.digest, "1.0.1", "latest")

        registry.fail(Fault("put manifest", _Meanwhile(act), times=None))
        assert send(registry, store, older).latest == "1.0.1"
        assert registry.contents.repositories[REPOSITORY].tags["latest"] == newer.digest


@pytest.mark.parametrize("referrers", [True, False])
def test_publishers_of_the_same_release_agree(store: Store, *, referrers: bool) -> None:
    """Several publishers of one release at once leave one complete release."""
    release = make_release(store)
    with serving(referrers=referrers) as registry, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: send(registry, store, release), range(4)))
        assert damages(registry.contents, REPOSITORY, {"1.0.0": release}) == []
        assert set(registry.contents.repositories[REPOSITORY].tags) - {"1.0.0", "latest"} == (
            set() if referrers else {f"sha256-{part.digest.hex}" for part in release.parts}
        )


# --- attachments -----------------------------------------------------------------------------------


def test_kinds_of_documents_are_not_doubled(store: Store) -> None:
    """A tagged release gets only documents of kinds that it lacks, such as a later signature."""
    release = make_release(store, documents=1)
    more = make_release(store, documents=2)
    changed = replace(
        more,
        index=replace(
            more.index,
            attachments=tuple(replace(item, content=item.content + b" later") for item in more.index.attachments),
        ),
    )
    with serving() as registry:
        send(registry, store, release)
        assert send(registry, store, changed).attached == 3
        subjects = [item.subject for item in registry.contents.repositories[REPOSITORY].manifests.values()]
        assert all(subjects.count(part.digest) == 2 for part in release.parts)


EMPTY_LIST = canonical_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": []})


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault("list referrers", Body(EMPTY_LIST, media_type=INDEX), times=None), "does not list 2 of 2 attachments"),
        (Fault("put manifest", HangUp(), times=None), "the connection to"),
        (
            Fault("put manifest", Header("Docker-Content-Digest", str(Digest.of(b"other"))), times=None),
            "stored it as sha256:",
        ),
        (Fault("list tags", Body(b"<html>", media_type="text/html"), times=None), "is not JSON"),
    ],
    ids=["drops referrers", "hangs up", "stores other bytes", "sends a page"],
)
def test_a_hostile_registry_gets_no_tag(store: Store, fault: Fault, message: str) -> None:
    """A registry that does not keep what it received is one clear line, and no tag is set."""
    release = make_release(store)
    with serving() as registry:
        registry.fail(fault)
        with pytest.raises(AirbyteCiError, match=message) as raised:
            send(registry, store, release)
        assert "\n" not in raised.value.message
        found = registry.contents.repositories.get(REPOSITORY)
        assert found is None or "latest" not in found.tags


def test_a_registry_that_names_another_digest_is_one_line(store: Store) -> None:
    """A registry whose answer about a tag is not the release's digest is refused like other content."""
    release = make_release(store)
    with serving() as registry:
        send(registry, store, release)
        registry.fail(Fault("head manifest", Header("Docker-Content-Digest", str(Digest.of(b"other"))), times=None))
        with pytest.raises(RegistryError, match="already published with other content") as raised:
            send(registry, store, release)
        assert "\n" not in raised.value.message


def test_shared_layers_are_sent_once(store: Store) -> None:
    """Of several repositories that need the same layer, the first receives it and the others mount it."""
    release = make_release(store, "1.0.0-dev.0123456789", documents=0)
    with serving() as registry, quick_client() as client, ThreadPoolExecutor(4) as pool:

        def work(number: int) -> None:
            target = client.target(Reference.parse(f"{registry.host}/acme/source-{number}"))
            publish(release, target, store, lambda _: None)

        list(pool.map(work, range(4)))
        layers = {layer.digest for image in release.images for layer in store.image(image.digest).manifest.layers}
        sent = [item.argument("digest") for item in registry.requests("put upload")]
        assert all(sent.count(str(layer)) == 1 for layer in layers)
        for number in range(4):
            assert layers <= registry.contents.repositories[f"acme/source-{number}"].blobs


def test_nothing_is_asked_about_what_was_just_written(store: Store) -> None:
    """A new release costs three requests a document: two for its content, one for its manifest."""
    bare, documented = make_release(store, documents=0), make_release(store, "1.0.1", seed=1, documents=4)
    counts = []
    for release in (bare, documented):
        with serving() as registry:
            send(registry, store, release)
            counts.append((len(registry.requests()), len(registry.requests("list referrers", "head blob"))))
    documents = sum(len(part.attachments) for part in documented.parts)
    # Their manifests share one empty configuration, and each image or index is listed once, to confirm its documents.
    parts = len(documented.parts)
    assert counts[1][0] - counts[0][0] == 3 * documents + 2 + parts
    assert counts[1][1] - counts[0][1] == parts
