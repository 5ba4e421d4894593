"""The base of an installation: an image, the facts about its Python, and access to its layers."""

from collections.abc import Callable
from dataclasses import dataclass, field

from airbyte_ci.oci.image import Image
from airbyte_ci.python.interpreter.inventory import Inventory


def _is_here() -> None:
    """Does nothing: all layers are already in the store."""


@dataclass(frozen=True, slots=True)
class Base:
    """An image, and its Python if it has one.

    `find_python` returns the Python, or raises ImageError. It is called when something needs the Python: images for
    other languages have none. `bring` puts all layers into the store; until it runs, they may be elsewhere. `twin` is
    the same image for this machine's platform, where this machine cannot run the image itself.
    """

    image: Image
    find_python: Callable[[], Inventory] = field(compare=False)
    bring: Callable[[], None] = field(default=_is_here, compare=False)
    twin: "Base | None" = None

    @property
    def python(self) -> Inventory:
        """Returns the image's Python; raises ImageError, SandboxError."""
        return self.find_python()

    @property
    def runs(self) -> "Base":
        """Returns the image in which commands run on this machine."""
        return self.twin or self
