"""Every error that reaches a user, with its exit code.

AirbyteCiError              1  a requested action failed
├─ UsageError               2  the command line is invalid
│  ├─ ConfigurationError    2  the configuration is invalid
│  └─ QueryError            2  a metadata query is invalid
├─ ConnectorError           1  a connector's own files are wrong (metadata, lock, layout)
│  ├─ MetadataError         1
│  └─ LockError             1
├─ EditRefused              1  a file cannot be edited exactly, so it was not edited
├─ ImageError               1  an image or a blob is invalid
│  ├─ DigestMismatch        1
│  └─ BlobNotFound          1
├─ StoreError               1  the store cannot write or read a blob
├─ RegistryError            1  a registry refused, failed or sent wrong data
├─ PackageError             1  a wheel, an sdist or a package index is not usable
│  └─ UnknownMetadata       1  the build back end of a source failed
├─ SandboxError             1  a command could not be run in an image
│  └─ CommandFailed         1  a command ran and failed
├─ PlanError                1  a build plan cannot be read, or cannot be built here
├─ SignatureError           1  a key, a signature or an attestation is invalid
└─ HookError                1  build_customization.py failed or used an unsupported method

Every other exception is a bug of airbyte-ci and exits with 3. An interruption exits with 130.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from airbyte_ci.text import MESSAGE_LIMIT, escape, escape_message


class AirbyteCiError(Exception):
    """A failure that is reported to the user. `message` says what failed and why, `advice` how to fix it.

    `details` are more lines, for example the output of a tool. `error_id` is a key of `error_pages`, or empty.
    """

    exit_code = 1

    def __init__(
        self, message: str, *, advice: str | None = None, details: Iterable[str] = (), error_id: str = ""
    ) -> None:
        self.message = escape_message(message)
        super().__init__(self.message)
        self.advice = advice
        self.details = tuple(escape(detail, MESSAGE_LIMIT) for detail in details)
        self._error_id = error_id

    @property
    def error_id(self) -> str:
        """Returns the id of this error or, if it has none, of the error that caused it."""
        cause = self.__cause__
        return self._error_id or (cause.error_id if isinstance(cause, AirbyteCiError) else "")

    def __str__(self) -> str:
        return f"{self.message} → {self.advice}" if self.advice else self.message


class UsageError(AirbyteCiError):
    """The command line is invalid."""

    exit_code = 2


class ConfigurationError(UsageError):
    """The configuration is invalid."""


class QueryError(UsageError):
    """A metadata query is invalid; the message shows the place."""


class ConnectorError(AirbyteCiError):
    """A connector's own files do not allow the requested action."""


class MetadataError(ConnectorError):
    """metadata.yaml cannot be read as connector metadata."""


class LockError(ConnectorError):
    """A lock file cannot be used: absent, stale, damaged, or for another Python."""


class EditRefused(AirbyteCiError):
    """A file cannot be edited exactly, so nothing was edited."""


class ImageError(AirbyteCiError):
    """An image, manifest or layer is invalid."""


class DigestMismatch(ImageError):
    """Bytes do not match their digest."""


class BlobNotFound(ImageError):
    """A blob or manifest was not found."""


class StoreError(AirbyteCiError):
    """The store cannot write or read a blob (space, permissions, damage)."""


class RegistryError(AirbyteCiError):
    """A registry refused a request, failed, or sent wrong data."""


class PackageError(AirbyteCiError):
    """A wheel, an sdist or a package index is not usable."""


class UnknownMetadata(PackageError):
    """The build backend of a source failed, so its requirements are unknown."""


class SandboxError(AirbyteCiError):
    """A command could not be run in an image."""


class CommandFailed(SandboxError):
    """A command in an image ended with an unexpected exit code; `stdout` and `stderr` have its output, if known."""

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
        super().__init__(message, advice=advice, error_id="command-failed")
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr
        self.command = tuple(command)

    def to_json(self) -> dict[str, Any]:
        """Returns the arguments of the error."""
        names = ("message", "returncode", "stdout", "stderr", "advice")
        return {**{name: getattr(self, name) for name in names}, "command": list(self.command)}


class PlanError(AirbyteCiError):
    """A build plan that cannot be read, or cannot be built here."""


class SignatureError(AirbyteCiError):
    """A key, a signature or an attestation is invalid, or not about the image."""


class HookError(AirbyteCiError):
    """build_customization.py failed, or used an unsupported method."""
