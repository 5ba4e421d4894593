"""The error tree: every error that reaches a person, each with its exit code.

AirbyteCiError              1  something that was asked for could not be done
├─ UsageError               2  the command line does not make sense
│  ├─ ConfigurationError    2  the configuration table does not make sense
│  └─ QueryError            2  a metadata query does not make sense
├─ ConnectorError           1  a connector's own files are wrong (metadata, lock, layout)
│  ├─ MetadataError         1
│  └─ LockError             1
├─ EditRefused              1  a text cannot be edited exactly, so it was not edited
├─ ImageError               1  an image or a blob is not what it claims to be
│  ├─ DigestMismatch        1
│  └─ BlobNotFound          1
├─ StoreError               1  the store cannot hold or give back a blob
├─ RegistryError            1  a registry refused, failed or lied
├─ PackageError             1  a wheel, an sdist or a package index is not usable
├─ SandboxError             1  a command could not be run in an image
│  └─ CommandFailed         1  it ran, and failed
├─ PlanError                1  a build plan cannot be read, or not be built here
└─ HookError                1  build_customization.py failed or asked for what we do not have

Anything else that escapes is a bug of ours and exits with 3; an interruption exits with 130.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from airbyte_ci.text import MESSAGE_LIMIT, escape, escape_message


class AirbyteCiError(Exception):
    """What was being done, to which thing, what went wrong; `advice` is what to do next.

    `details` are further lines, of a tool's output for example, for whoever looks closer.
    """

    exit_code = 1

    def __init__(self, message: str, *, advice: str | None = None, details: Iterable[str] = ()) -> None:
        self.message = escape_message(message)
        super().__init__(self.message)
        self.advice = advice
        self.details = tuple(escape(detail, MESSAGE_LIMIT) for detail in details)

    def __str__(self) -> str:
        return f"{self.message} → {self.advice}" if self.advice else self.message


class UsageError(AirbyteCiError):
    """The command line does not make sense."""

    exit_code = 2


class ConfigurationError(UsageError):
    """The configuration table does not make sense."""


class QueryError(UsageError):
    """A metadata query does not make sense; the message shows the place."""


class ConnectorError(AirbyteCiError):
    """A connector's own files do not allow what was asked."""


class MetadataError(ConnectorError):
    """metadata.yaml cannot be read as connector metadata."""


class LockError(ConnectorError):
    """A lock file cannot be used: absent, stale, damaged, or for another Python."""


class EditRefused(AirbyteCiError):
    """A text cannot be edited exactly, so nothing was edited."""


class ImageError(AirbyteCiError):
    """An image, manifest or layer is not what it claims to be."""


class DigestMismatch(ImageError):
    """Bytes do not hash to the digest under which they were asked for."""


class BlobNotFound(ImageError):
    """A blob or manifest is not where it was looked for."""


class StoreError(AirbyteCiError):
    """The store cannot hold or give back a blob (space, permissions, damage)."""


class RegistryError(AirbyteCiError):
    """A registry refused, failed, or sent something other than what was asked."""


class PackageError(AirbyteCiError):
    """A wheel, an sdist or a package index is not usable."""


class UnknownMetadata(PackageError):
    """The build back end of a source failed, so nobody knows what the source requires."""


class SandboxError(AirbyteCiError):
    """A command could not be run in an image."""


class CommandFailed(SandboxError):
    """A command ran in an image and ended with an exit code that was not expected; what it printed, as far as known."""

    def __init__(
        self,
        message: str,
        *,
        returncode: int,
        stdout: str = "",
        stderr: str = "",
        command: Sequence[str] = (),
        advice: str | None = None,
    ) -> None:
        super().__init__(message, advice=advice)
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr
        self.command = tuple(command)

    def to_json(self) -> dict[str, Any]:
        """Its arguments."""
        names = ("message", "returncode", "stdout", "stderr", "advice")
        return {**{name: getattr(self, name) for name in names}, "command": list(self.command)}


class PlanError(AirbyteCiError):
    """A build plan that cannot be read, or cannot be built here."""


class HookError(AirbyteCiError):
    """build_customization.py failed, or asked for something that does not exist."""
