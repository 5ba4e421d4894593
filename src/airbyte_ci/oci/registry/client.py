"""The registry client: what can be asked of any OCI registry, in terms of references, images and the store.

Knows the order of things; how they are said to a registry is in the modules beside this one.
"""

import os
import random as random_module
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from airbyte_ci.errors import RegistryError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Descriptor, Image, Index, Manifest, Platform
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.registry import glance, images, manifests, referrers
from airbyte_ci.oci.registry.api import Api
from airbyte_ci.oci.registry.credentials import CredentialSource, UserCredentials
from airbyte_ci.oci.registry.endpoint import endpoint
from airbyte_ci.oci.registry.failures import explain
from airbyte_ci.oci.registry.options import RegistryOptions
from airbyte_ci.oci.registry.push import Push, check_tags
from airbyte_ci.oci.registry.upload import Uploader
from airbyte_ci.oci.store import Store


class RegistryClient:
    """May be shared by threads; close it, or use it in a `with`, so that its connections end."""

    def __init__(
        self,
        options: RegistryOptions,
        credentials: CredentialSource,
        *,
        sleep: Callable[[float], None] = time.sleep,
        random: Callable[[], float] = random_module.random,
        clock: Callable[[], float] = time.monotonic,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._options = options
        self._environment = environment or {}
        self._api = Api(options, credentials, sleep=sleep, random=random, clock=clock)
        self._uploader = Uploader(self._api)

    def close(self) -> None:
        self._api.close()

    def __enter__(self) -> "RegistryClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def resolve(self, reference: Reference) -> Descriptor:
        """What the tag or digest stands for; raises BlobNotFound when nothing has that name."""
        with explain(f"cannot resolve {reference}"):
            return manifests.resolve(self._api, reference)

    def manifest(self, reference: Reference) -> Manifest | Index:
        """The manifest or index as the bytes that came, of the digest that was asked for."""
        with explain(f"cannot pull {reference}"):
            return manifests.read(self._api, reference)

    def image(self, reference: Reference, platform: Platform, store: Store) -> Image:
        """The platform's manifest and configuration, into the store; its layers stay where they are.

        With a digest whose manifests the store holds, no registry is asked.
        """
        with explain(f"cannot pull {reference}"):
            return images.image(self._api, reference, platform, store)

    def pull(self, reference: Reference, platform: Platform, store: Store) -> Image:
        """The platform's image with all its layers, into the store."""
        with explain(f"cannot pull {reference}"):
            return images.pull(self._api, reference, platform, store)

    def pull_blob(self, reference: Reference, descriptor: Descriptor, store: Store) -> None:
        """One blob of the reference's repository, into the store."""
        with explain(f"cannot pull {descriptor.digest.short} of {reference}"):
            images.blob(self._api, reference, descriptor, store)

    def stands_for(self, reference: Reference, digest: Digest) -> bool:
        """Whether one quick look shows that the tag stands for the digest; False where the look shows nothing."""
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
        with explain(f"cannot push {target}"):
            names = check_tags(tags, target)
            push = Push(self._api, self._uploader, store, endpoint(target), tuple(sources))
            return push.run(digest, names, fixed)

    def tags(self, reference: Reference) -> tuple[str, ...]:
        """All tags of the reference's repository, in the registry's order."""
        with explain(f"cannot list the tags of {endpoint(reference)}"):
            return self._api.first(reference, lambda place: manifests.tags(self._api, place))

    def referrers(self, reference: Reference, artifact_type: str | None = None) -> tuple[Descriptor, ...]:
        """What names the reference's digest as its subject: signatures, SBOMs, provenance."""
        with explain(f"cannot list the referrers of {reference}"):
            if reference.digest is None:
                raise RegistryError("it has no digest", advice="resolve it first")
            return referrers.listed(self._api, endpoint(reference), reference.digest, artifact_type)


def client_of_user(options: RegistryOptions) -> RegistryClient:
    """A client with the logins of the user who runs the program."""
    environment = dict(os.environ)
    return RegistryClient(options, UserCredentials(environment, Path.home()), environment=environment)
