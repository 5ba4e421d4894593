"""The catalog from a registry: new, overwritten and missing versions; and publishing into one."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pytest

from airbyte_ci.base_images.catalog.catalog import BaseImageVersion, Catalog
from airbyte_ci.base_images.declaration import declare
from airbyte_ci.base_images.making.lock import PlatformLock, VersionLock
from airbyte_ci.base_images.release import inputs, publish, refresh
from airbyte_ci.base_images.release.refresh import Refreshed
from airbyte_ci.errors import BlobNotFound, ImageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Image, ImageConfig, Index, Manifest, Platform
from airbyte_ci.oci.layer import layer_of
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry
from airbyte_ci.registry.client import RegistryClient
from airbyte_ci.testing.clients import quick_client
from airbyte_ci.testing.registry import RegistryServer

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")
TODAY = date(2026, 11, 24)


@dataclass(frozen=True)
class Place:
    """A registry, a client of it as commands have one, and a store."""

    client: RegistryClient
    store: Store
    repository: str

    def image(self, content: str, platform: Platform = AMD64, **execution: object) -> Image:
        layer = layer_of(self.store, [Entry(path="etc/content", content=content.encode())])
        config = ImageConfig.make(
            {
                **platform.to_json(),
                "config": execution,
                "rootfs": {"type": "layers", "diff_ids": [str(layer.diff_id)]},
            }
        )
        return self.store.put_image(Manifest.make(config.descriptor, (layer.descriptor,), {}), config)

    def published(self, tag: str, images: Sequence[Image]) -> Digest:
        """An index of the images under a tag."""
        described = [replace(item.manifest.descriptor, platform=item.config.platform) for item in images]
        index = Index.make(tuple(described), {})
        self.store.put(index.raw)
        return self.client.push(self.store, index.digest, Reference.parse(f"{self.repository}:{tag}")).digest

    def refreshed(self, known: Catalog, *, accept: bool = False) -> Refreshed:
        with ThreadPoolExecutor(2) as pool:
            return refresh.refresh(self.repository, known, self.client, self.store, pool, lambda _: None, accept=accept)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with RegistryServer() as server, quick_client() as client:
        yield Place(client, Store(tmp_path), f"{server.host}/acme/base")


def _entry(place: Place, version: str, digest: Digest, **others: object) -> BaseImageVersion:
    address = Reference.parse(f"{place.repository}:{version}").with_digest(digest)
    entry = BaseImageVersion(repository=place.repository, version=version, address=address, python="3.11")
    return replace(entry, **others)  # type: ignore[arg-type]  # any field


def test_versions_are_read_from_any_registry(place: Place) -> None:
    """Digest, platforms, Python and user of each version; tags that are no versions are left alone."""
    images = [place.image("1", item, User="airbyte", Env=["PYTHON_VERSION=3.11.9"]) for item in (AMD64, ARM64)]
    digest = place.published("1.0.0", images)
    place.published("2.0.0-rc.1", [place.image("2", Labels={declare.PYTHON_LABEL: "3.12"})])
    place.published("latest", images)
    found = place.refreshed(Catalog(()))
    assert (found.new, found.complaints) == (2, ())
    one, two = sorted(found.entries, key=lambda item: item.version)
    assert (one.version, one.address.digest, one.python, one.user) == ("1.0.0", digest, "3.11.9", "airbyte")
    assert one.platforms == tuple((str(item.config.platform), item.digest) for item in images)
    assert (two.version, two.python, two.user, two.is_prerelease) == ("2.0.0-rc.1", "3.12", "root", True)
    # A second time there is nothing to learn.
    assert place.refreshed(Catalog(found.entries)) == Refreshed((), 0, ())


def test_a_tag_that_was_overwritten_is_told_and_not_believed(place: Place) -> None:
    """The catalog keeps the digests that connectors pin, unless a user accepts the new one; users' entries stay."""
    old = place.published("1.0.0", [place.image("old")])
    known = Catalog((_entry(place, "1.0.0", old, changelog="First", released=TODAY),))
    new = place.published("1.0.0", [place.image("new")])
    found = place.refreshed(known)
    assert found.entries == ()
    assert len(found.complaints) == 1
    assert "1.0.0 was overwritten" in found.complaints[0]
    assert old.short in found.complaints[0]
    assert new.short in found.complaints[0]
    accepted = place.refreshed(known, accept=True)
    assert [(item.address.digest, item.changelog) for item in accepted.entries] == [(new, "First")]


def test_a_digest_that_is_gone_is_told(place: Place) -> None:
    """One line for a version that can no longer be pulled; an unverified version is verified by its presence."""
    digest = place.published("1.0.0", [place.image("1")])
    gone = _entry(place, "0.9.0", Digest("0" * 64))
    found = place.refreshed(Catalog((_entry(place, "1.0.0", digest, verified=False), gone)))
    assert [(item.version, item.verified) for item in found.entries] == [("1.0.0", True)]
    assert [line for line in found.complaints if "no longer has base 0.9.0" in line] == list(found.complaints)
    assert found.complaints


def test_what_was_never_published_is_not_gone(place: Place) -> None:
    """Built or released here only: no registry has had it. What a registry had once is missed, also in the own file."""
    place.published("1.0.0", [place.image("1")])
    built = _entry(place, "1.1.0", Digest("0" * 64), changelog="Next")
    released = _entry(place, "1.2.0", Digest("1" * 64), changelog="Next", released=TODAY)
    published = _entry(place, "1.3.0", Digest("2" * 64), changelog="Next", released=TODAY, published=TODAY)
    read = _entry(place, "0.9.0", Digest("3" * 64))
    known = Catalog((built, released, published, read))
    here_only = refresh.unpublished(known, Catalog(()))
    assert here_only == {built, released}
    assert refresh.unpublished(known, Catalog((built,))) == {released}
    with ThreadPoolExecutor(2) as pool:
        found = refresh.refresh(
            place.repository, known, place.client, place.store, pool, lambda _: None, here_only=here_only
        )
    assert len(found.complaints) == 2
    assert [word for word in ("1.3.0", "0.9.0") if not any(word in line for line in found.complaints)] == []


def _locked(place: Place, platforms: Sequence[Platform], content: str = "x") -> VersionLock:
    declared = declare.from_document(
        {
            "repository": place.repository,
            "version": "1.0.0",
            "changelog": "First",
            "root": {"image": f"acme.example/root@sha256:{'a' * 64}"},
            "platforms": ["linux/amd64", "linux/arm64"],
        },
        "x",
    )
    lock = VersionLock(declared)
    for platform in platforms:
        image = place.image(content, platform)
        part = PlatformLock(
            manifest=image.digest,
            size=len(image.manifest.raw),
            root=image.digest,
            debian=None,
            wheels=(),
            commands=(),
            python="3.11.2",
        )
        lock = lock.with_platform(platform, part)
    return lock


def _publish(place: Place, lock: VersionLock, **others: object) -> publish.Published:
    entry = _entry(place, "1.0.0", lock.index.digest, **{"released": TODAY, **others})
    return publish.publish(
        Catalog((entry,)),
        entry,
        lock=lock,
        store=place.store,
        registries=place.client,
        today=TODAY,
        progress=lambda _: None,
    )


def test_one_index_for_all_platforms_is_published_once(place: Place, tmp_path: Path) -> None:
    """Parts of other machines come from the registry where they were pushed by digest; a second time is no change."""
    lock = _locked(place, (AMD64, ARM64))
    publish.stage(lock, ARM64, store=place.store, registries=place.client, progress=lambda _: None)
    other = Place(place.client, Store(tmp_path / "other"), place.repository)
    _locked(other, (AMD64,))
    published = _publish(other, lock)
    assert (published.already, published.entry.published) == (False, TODAY)
    index = place.client.manifest(Reference.parse(f"{place.repository}:1.0.0"))
    assert isinstance(index, Index)
    assert index.digest == lock.index.digest
    assert [item.platform for item in index.manifests] == [AMD64, ARM64]
    for platform, part in lock.platforms.items():
        root = inputs.root_place(lock.declaration.address, platform)
        assert place.client.resolve(root).digest == part.root
    assert _publish(other, lock).already


def test_a_root_that_is_nowhere_stops_no_version(place: Place, tmp_path: Path) -> None:
    """It was released before roots were kept, and the root's registry is gone: reported, and published."""
    lock = _locked(place, (AMD64,))
    part = lock.platforms[AMD64]
    lock = lock.with_platform(AMD64, replace(part, root=Digest("b" * 64)))
    lock = VersionLock(
        replace(lock.declaration, image_root=Reference.parse(f"{place.repository}-root")), lock.platforms
    )
    told: list[str] = []
    entry = _entry(place, "1.0.0", lock.index.digest, released=TODAY)
    publish.publish(
        Catalog((entry,)),
        entry,
        lock=lock,
        store=place.store,
        registries=place.client,
        today=TODAY,
        progress=told.append,
    )
    assert [line for line in told if line.startswith("cannot publish the root: ")]
    assert place.client.resolve(Reference.parse(f"{place.repository}:1.0.0")).digest == lock.index.digest


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ({"released": None}, "was built but not released"),
        ({"yanked": "it leaks"}, "was yanked: it leaks"),
        ({"supported_until": date(2026, 11, 23)}, "its support ended on 2026-11-23"),
        ({"address": Reference.parse(f"acme.example/base:1.0.0@sha256:{'b' * 64}")}, "its lock is for"),
    ],
)
def test_what_may_not_be_published_is_not(place: Place, others: dict[str, object], words: str) -> None:
    """A version that was only built, one that was yanked, one whose lock is another; the registry stays empty."""
    with pytest.raises(ImageError, match=words):
        _publish(place, _locked(place, (AMD64, ARM64)), **others)
    with pytest.raises(BlobNotFound):
        place.client.resolve(Reference.parse(f"{place.repository}:1.0.0"))


def test_a_published_version_is_never_overwritten(place: Place) -> None:
    """Another image under the same tag is refused, and the tag stays what it was."""
    first = _locked(place, (AMD64, ARM64))
    _publish(place, first)
    with pytest.raises(ImageError, match="never overwritten"):
        _publish(place, _locked(place, (AMD64, ARM64), "other"))
    assert place.client.resolve(Reference.parse(f"{place.repository}:1.0.0")).digest == first.index.digest
