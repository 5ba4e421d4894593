"""The registry client: the operations of any OCI registry, on references, images and the store.

Knows their order; the modules next to this one implement the protocol.
"""

import copy
import os
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from airbyte_ci.errors import RegistryError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Descriptor, Image, Index, Manifest, Platform
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.registry.endpoint import endpoint
from airbyte_ci.registry.failures import explain
from airbyte_ci.registry.options import BlobProgress, RegistryOptions

if TYPE_CHECKING:  # most builds only compare a tag's digest: the rest is imported where it is used
    from airbyte_ci.registry.api import Api
    from airbyte_ci.registry.credentials import CredentialSource
    from airbyte_ci.registry.shared_blobs import SharedBlobs
    from airbyte_ci.registry.target import TargetRepository
    from airbyte_ci.registry.upload import Uploader


class _Connections:
    """The protocol's implementation, opened for the first request: connections, tokens, and where blobs are."""

    def __init__(self, make: "Callable[[], Api]") -> None:
        self._make = make
        self._opened: tuple[Api, Uploader, SharedBlobs] | None = None
        self._former: list[Api] = []
        # The hosts that need the whole client for each push: most of them because they require a login.
        self.not_quick: set[str] = set()
        self._lock = threading.Lock()

    def open(self) -> "tuple[Api, Uploader, SharedBlobs]":
        with self._lock:
            if self._opened is None:
                from airbyte_ci.registry.shared_blobs import SharedBlobs
                from airbyte_ci.registry.upload import Uploader

                api = self._make()
                self._opened = api, Uploader(api), SharedBlobs()
            return self._opened

    @property
    def shared(self) -> "SharedBlobs | None":
        """Where blobs are; None before the first request."""
        opened = self._opened
        return opened[2] if opened else None

    def renew(self) -> None:
        with self._lock:
            if self._opened:  # other threads may still use it
                self._former.append(self._opened[0])
            self._opened = None

    def close(self) -> None:
        self.renew()
        for api in self._former:
            api.close()
        self._former.clear()


class RegistryClient:
    """Threads may share it; close it, or use it in a `with`, to close its connections.

    Without `credentials`, the logins of the current user are used.
    """

    def __init__(
        self,
        options: RegistryOptions,
        credentials: "CredentialSource | None" = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        random: Callable[[], float] | None = None,
        clock: Callable[[], float] = time.monotonic,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._options = options
        self._environment = environment or {}

        def make() -> "Api":
            import random as chances

            from airbyte_ci.registry.api import Api
            from airbyte_ci.registry.credentials import UserCredentials

            logins = credentials or UserCredentials(self._environment, Path.home())
            return Api(options, logins, sleep=sleep, random=random or chances.random, clock=clock)

        self._connections = _Connections(make)

    def reporting(self, progress: Callable[[BlobProgress], None]) -> "RegistryClient":
        """Returns a client that reports progress there; both share connections, tokens, and what they have pushed."""
        other = copy.copy(self)
        other._options = replace(self._options, progress=progress)
        return other

    def renew(self) -> None:
        """Makes the next request open new connections, with the logins of that moment."""
        self._connections.renew()

    @property
    def _api(self) -> "Api":
        return self._connections.open()[0].reporting(self._options)

    @property
    def _uploader(self) -> "Uploader":
        return self._connections.open()[1].reporting(self._options)

    def close(self) -> None:
        self._connections.close()

    def __enter__(self) -> "RegistryClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def resolve(self, reference: Reference) -> Descriptor:
        """Returns the descriptor of the tag or digest; raises BlobNotFound if it does not exist."""
        from airbyte_ci.registry import manifests

        with explain(f"cannot resolve {reference}"):
            return manifests.resolve(self._api, reference)

    def manifest(self, reference: Reference) -> Manifest | Index:
        """Returns the manifest or index with its original bytes and the requested digest."""
        from airbyte_ci.registry import manifests

        with explain(f"cannot pull {reference}"):
            return manifests.read(self._api, reference)

    def image(self, reference: Reference, platform: Platform, store: Store) -> Image:
        """Downloads the platform's manifest and configuration into the store, without layers.

        If the store has the manifests of a digest, no registry is queried.
        """
        from airbyte_ci.registry import images

        with explain(f"cannot pull {reference}"):
            return images.image(self._api, reference, platform, store)

    def pull(self, reference: Reference, platform: Platform, store: Store) -> Image:
        """Downloads the platform's image with all its layers into the store."""
        from airbyte_ci.registry import images

        with explain(f"cannot pull {reference}"):
            return images.pull(self._api, reference, platform, store)

    def pull_blob(self, reference: Reference, descriptor: Descriptor, store: Store) -> None:
        """Downloads one blob of the reference's repository into the store."""
        from airbyte_ci.registry import images

        with explain(f"cannot pull {descriptor.digest.short} of {reference}"):
            images.blob(self._api, reference, descriptor, store)

    def point_tag(
        self,
        store: Store,
        digest: Digest,
        target: Reference,
        *,
        sources: Sequence[Reference] = (),
        fixed: Collection[str] = (),
    ) -> bool:
        """Returns whether a few quick requests made the tag point to an image of the store; else, `push` must do it.

        `sources` and `fixed` are those of `push`.
        """
        from airbyte_ci.registry import quick_push

        return quick_push.point_tag(
            target,
            digest,
            store,
            self._options,
            self._environment,
            fixed,
            sources,
            self._connections.shared,
            self._connections.not_quick,
        )

    def push(
        self,
        store: Store,
        digest: Digest,
        target: Reference,
        *,
        tags: Sequence[str] = (),
        sources: Sequence[Reference] = (),
        fixed: Collection[str] = (),
    ) -> Descriptor:
        """Points the tags, else the target's own, to an image or index of the store.

        Raises RegistryError before anything is sent if one of the `fixed` tags points to another image.

        `sources` are repositories that may have blobs that the store lacks, such as a base image's layers. Blobs of the
        target's registry are mounted, also those that this client pushed to another repository; others are streamed.
        """
        from airbyte_ci.registry.push import Push, check_tags

        with explain(f"cannot push {target}"):
            names = check_tags(tags, target)
            push = Push(
                api=self._api,
                uploader=self._uploader,
                store=store,
                target=endpoint(target),
                sources=tuple(sources),
                shared=self._connections.open()[2],
            )
            return push.run(digest, names, fixed)

    def target(self, reference: Reference) -> "TargetRepository":
        """Returns the reference's repository, to publish to."""
        from airbyte_ci.registry.target import TargetRepository

        api, uploader, shared = self._connections.open()
        place = endpoint(reference)
        return TargetRepository(api.reporting(self._options), uploader.reporting(self._options), place, shared)

    def tags(self, reference: Reference) -> tuple[str, ...]:
        """Returns all tags of the reference's repository, in the registry's order."""
        from airbyte_ci.registry import manifests

        with explain(f"cannot list the tags of {endpoint(reference)}"):
            return self._api.first(reference, lambda place: manifests.tags(self._api, place))

    def referrers(self, reference: Reference, artifact_type: str | None = None) -> tuple[Descriptor, ...]:
        """Returns the artifacts whose subject is the reference's digest: signatures, SBOMs, provenance."""
        from airbyte_ci.registry import referrers

        with explain(f"cannot list the referrers of {reference}"):
            if reference.digest is None:
                raise RegistryError("it has no digest", advice="resolve it first")
            return referrers.listed(self._api, endpoint(reference), reference.digest, artifact_type)


def client_of_user(options: RegistryOptions) -> RegistryClient:
    """Returns a client with the logins of the current user."""
    return RegistryClient(options, environment=dict(os.environ))
