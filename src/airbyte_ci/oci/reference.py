"""References, the addresses of images: `registry/repository[:tag][@digest]` (distribution-spec, pull section).

Knows only the syntax; the registry client finds out whether an image exists.
"""

import re

from airbyte_ci.errors import ImageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.records import dataclass

DEFAULT_REGISTRY = "docker.io"

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*\Z")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}\Z")
_REGISTRY = re.compile(r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?\Z")


def is_tag(text: str) -> bool:
    """Returns whether a text is a valid tag (distribution-spec, pull section)."""
    return _TAG.match(text) is not None


@dataclass(frozen=True, slots=True)
class Reference:
    """An image's address, normalized like Docker's: `docker.io` and `library/` are filled in."""

    registry: str
    repository: str
    tag: str | None = None
    digest: Digest | None = None

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.registry}/{self.repository}{tag}{digest}"

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """Parses a reference; raises ImageError that names the invalid part."""
        rest, at, digest = text.partition("@")
        first, slash, remainder = rest.partition("/")
        # The first component is a registry if it cannot be a repository (has a dot or a port) or is localhost.
        if slash and ("." in first or ":" in first or first == "localhost"):
            registry, rest = first, remainder
        else:
            registry = DEFAULT_REGISTRY
        path, colon, tag = rest.rpartition(":")
        if not colon:
            path, tag = rest, ""
        if registry == DEFAULT_REGISTRY and "/" not in path:
            path = f"library/{path}"
        if not _REGISTRY.match(registry):
            raise ImageError(f"{text!r} is not an image address: {registry!r} is not a registry host")
        if not _REPOSITORY.match(path):
            raise ImageError(f"{text!r} is not an image address: {path!r} is not a repository name")
        if (colon and not _TAG.match(tag)) or (at and not digest):
            raise ImageError(f"{text!r} is not an image address: its tag or digest is malformed")
        return cls(registry, path, tag or None, Digest.parse(digest) if at else None)

    @property
    def name(self) -> str:
        """Returns the last component of the repository, for people: `python-connector-base`."""
        return self.repository.rpartition("/")[2]

    def with_tag(self, tag: str) -> "Reference":
        return Reference(self.registry, self.repository, tag, None)

    def at(self, digest: Digest) -> "Reference":
        """Returns the address of a manifest in this repository, by its digest alone."""
        return Reference(self.registry, self.repository, None, digest)

    def with_digest(self, digest: Digest) -> "Reference":
        return Reference(self.registry, self.repository, self.tag, digest)


def parse_pinned(text: str) -> Reference:
    """Parses a reference that must have a digest, because builds of one commit must use the same base."""
    reference = Reference.parse(text)
    if reference.digest is None:
        raise ImageError(
            f"{text!r} has no digest, so it can change at any time",
            advice="write the full address, registry/repository:tag@sha256:…",
            error_id="base-image-without-digest",
        )
    return reference
