"""What packages are installed on: an image, what is known of its Python, and how its layers get here."""

from collections.abc import Callable
from dataclasses import dataclass, field

from airbyte_ci.oci.image import Image
from airbyte_ci.python.inventory import Inventory


def _is_here() -> None:
    """All layers are in the store."""


@dataclass(frozen=True, slots=True)
class Base:
    """An image with a Python. `bring` puts all its layers into the store: until then they may be elsewhere.

    `twin` is the same image for this machine, where this machine does not run the image itself.
    """

    image: Image
    python: Inventory
    bring: Callable[[], None] = field(default=_is_here, compare=False)
    twin: "Base | None" = None

    @property
    def runs(self) -> "Base":
        """The image in which commands run on this machine."""
        return self.twin or self
