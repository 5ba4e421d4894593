"""Finds what of a store some images need: their documents and blobs, and the stored actions that a build looks up.

Everything is named by the digest of its content, so no knowledge of the kinds of actions is necessary.
"""

import contextlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.exchange import mentions
from airbyte_ci.oci.image import MANIFEST_LIMIT
from airbyte_ci.oci.store.store import Store


@dataclass(frozen=True, slots=True)
class ActionLinks:
    """The digests (hex) in an action's inputs and in its result. `makes` tells that the result was made from them."""

    name: str
    inputs: frozenset[str]
    result: frozenset[str]
    makes: bool


def find(store: Store, images: Iterable[Digest], actions: Collection[ActionLinks]) -> tuple[set[str], set[str]]:
    """Returns the names of the actions that builds of these images look up, and the digests that they need.

    These are the actions whose inputs are all needed, and those whose result is: the digests in documents, such as
    manifests and build plans, are needed if the document is.
    """
    needed: set[str] = set()
    waiting = [image.hex for image in images]
    taken: set[str] = set()
    left = list(actions)
    while waiting:
        while waiting:
            name = waiting.pop()
            if name not in needed:
                needed.add(name)
                waiting += _document(store, name)
        later = []
        for action in left:
            is_next = bool(action.inputs) and action.inputs <= needed
            is_origin = bool(action.result) and action.result <= needed
            if is_next or is_origin:
                taken.add(action.name)
                waiting += action.result
                waiting += action.inputs if action.makes else ()
            else:
                later.append(action)
        left = later
        waiting = [name for name in waiting if name not in needed]
    return taken, needed


def _document(store: Store, name: str) -> Iterator[str]:
    """Yields the digests in a blob that is a document, without a mark of its use; none for another blob."""
    path = store.path(Digest(name))
    with contextlib.suppress(OSError), path.open("rb") as file:
        # Layers and wheels begin with another byte.
        if path.stat().st_size <= MANIFEST_LIMIT and (start := file.read(1)) == b"{":
            yield from mentions.find(start + file.read())
