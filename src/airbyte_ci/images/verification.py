"""The known `spec` of an image, by digest: the same bytes give the same answer. Light to import."""

from collections.abc import Mapping
from typing import Any

from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Image
from airbyte_ci.oci.store.store import Store, action_key

FORMAT_VERSION = 1


def known(store: Store, image: Image) -> Mapping[str, Any] | None:
    """Returns the specification that the image reported earlier, if any."""
    return store.recall(_key(image))


def remember(store: Store, image: Image, specification: Mapping[str, Any]) -> None:
    store.remember(_key(image), dict(specification))


def _key(image: Image) -> Digest:
    return action_key("spec", FORMAT_VERSION, {"image": str(image.digest)})
