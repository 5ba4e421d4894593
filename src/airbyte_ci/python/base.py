"""The base of an installation: an image, the facts about its Python, and access to its layers."""

from collections.abc import Callable
from dataclasses import dataclass, field

from airbyte_ci.oci.image import Image
from airbyte_ci.python.inventory import Inventory


def _is_here() -> None:
    """Does nothing: all layers are already in the store."""


@dataclass(frozen=True, slots=True)
class Base:
    """An image with a Python.

    `bring` puts all its layers into the store; until it runs, they may be elsewhere. `twin` is the same image for this
    machine's platform, where this machine cannot run the image itself.
    """

    image: Image
    python: Inventory
    bring: Callable[[], None] = field(default=_is_here, compare=False)
    twin: "Base | None" = None

    @property
    def runs(self) -> "Base":
        """Returns the image in which commands run on this machine."""
        return self.twin or self
