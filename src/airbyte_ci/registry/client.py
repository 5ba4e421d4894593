"""The registry client: what can be asked of any OCI registry, in terms of references, images and the store.

Knows the order of things; how they are said to a registry is in the modules beside this one.
"""

import os
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from airbyte_ci.errors import RegistryError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Descriptor, Image, Index, Manifest, Platform
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.registry.endpoint import endpoint
from airbyte_ci.registry.failures import explain
from airbyte_ci.registry.options import RegistryOptions

if TYPE_CHECKING:  # most builds only look whether a tag is right: the rest is imported where it is used
    from airbyte_ci.registry.api import Api
    from airbyte_ci.registry.credentials import CredentialSource
    from airbyte_ci.registry.upload import Uploader


class RegistryClient:
    """May be shared by threads; close it, or use it in a `with`, so that its connections end.

    Without `credentials`, the logins of the user who runs the program are used.
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
        self._credentials = credentials
        self._sleep, self._random, self._clock = sleep, random, clock
        self._environment = environment or {}
        self._lock = threading.Lock()
        self._opened: tuple[Api, Uploader] | None = None

    def _open(self) -> "tuple[Api, Uploader]":
        """The protocol's implementation, opened for the first request."""
        with self._lock:
            if self._opened is None:
                import random

                from airbyte_ci.registry.api import Api
                from airbyte_ci.registry.credentials import UserCredentials
                from airbyte_ci.registry.upload import Uploader

                logins = self._credentials or UserCredentials(self._environment, Path.home())
                chance = self._random or random.random
                api = Api(self._options, logins, sleep=self._sleep, random=chance, clock=self._clock)
                self._opened = api, Uploader(api)
            return self._opened

    @property
    def _api(self) -> "Api":
        return self._open()[0]

    @property
    def _uploader(self) -> "Uploader":
        return self._open()[1]

    def close(self) -> None:
        if self._opened:
            self._api.close()

    def __enter__(self) -> "RegistryClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def resolve(self, reference: Reference) -> Descriptor:
        """What the tag or digest stands for; raises BlobNotFound when nothing has that name."""
        from airbyte_ci.registry import manifests

        with explain(f"cannot resolve {reference}"):
            return manifests.resolve(self._api, reference)

    def manifest(self, reference: Reference) -> Manifest | Index:
        """The manifest or index as the bytes that came, of the digest that was asked for."""
        from airbyte_ci.registry import manifests

        with explain(f"cannot pull {reference}"):
            return manifests.read(self._api, reference)

    def image(self, reference: Reference, platform: Platform, store: Store) -> Image:
        """The platform's manifest and configuration, into the store; its layers stay where they are.

        With a digest whose manifests the store holds, no registry is asked.
        """
        from airbyte_ci.registry import images

        with explain(f"cannot pull {reference}"):
            return images.image(self._api, reference, platform, store)

    def pull(self, reference: Reference, platform: Platform, store: Store) -> Image:
        """The platform's image with all its layers, into the store."""
        from airbyte_ci.registry import images

        with explain(f"cannot pull {reference}"):
            return images.pull(self._api, reference, platform, store)

    def pull_blob(self, reference: Reference, descriptor: Descriptor, store: Store) -> None:
        """One blob of the reference's repository, into the store."""
        from airbyte_ci.registry import images

        with explain(f"cannot pull {descriptor.digest.short} of {reference}"):
            images.blob(self._api, reference, descriptor, store)

    def stands_for(self, reference: Reference, digest: Digest) -> bool:
        """Whether one quick look shows that the tag stands for the digest; False where the look shows nothing."""
        from airbyte_ci.registry import glance

        return glance.stands_for(reference, digest, self._options, self._environment)

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
        """Makes the tags, else the target's own, stand for an image or index of the store.

        Raises RegistryError before anything is sent where one of the `fixed` tags stands for another image.

        `sources` are repositories that may hold what the store lacks, such as a base image's layers: those of
        the target's registry are mounted from, others are streamed through.
        """
        from airbyte_ci.registry.push import Push, check_tags

        with explain(f"cannot push {target}"):
            names = check_tags(tags, target)
            push = Push(self._api, self._uploader, store, endpoint(target), tuple(sources))
            return push.run(digest, names, fixed)

    def tags(self, reference: Reference) -> tuple[str, ...]:
        """All tags of the reference's repository, in the registry's order."""
        from airbyte_ci.registry import manifests

        with explain(f"cannot list the tags of {endpoint(reference)}"):
            return self._api.first(reference, lambda place: manifests.tags(self._api, place))

    def referrers(self, reference: Reference, artifact_type: str | None = None) -> tuple[Descriptor, ...]:
        """What names the reference's digest as its subject: signatures, SBOMs, provenance."""
        from airbyte_ci.registry import referrers

        with explain(f"cannot list the referrers of {reference}"):
            if reference.digest is None:
                raise RegistryError("it has no digest", advice="resolve it first")
            return referrers.listed(self._api, endpoint(reference), reference.digest, artifact_type)


def client_of_user(options: RegistryOptions) -> RegistryClient:
    """A client with the logins of the user who runs the program."""
    return RegistryClient(options, environment=dict(os.environ))
