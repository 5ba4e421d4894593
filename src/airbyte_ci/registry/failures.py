"""Errors of a registry for the user: one line with the registry's own message, and advice. Sends nothing."""

import contextlib
import re
import time
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from airbyte_ci.documents import load_json
from airbyte_ci.errors import BlobNotFound, ImageError, RegistryError
from airbyte_ci.registry.endpoint import is_loopback

# A retry may help: the request may be valid and the failure temporary. 499 and 522 come from proxies.
_TRANSIENT = frozenset({408, 425, 429, 499, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
_IDS = {401: "registry-login", 403: "registry-access", 404: "registry-not-found"}
_MESSAGE_LIMIT = 300
# Codes for content that is not what its digest says. What is sent is verified, so the first one is taken for a race in
# the registry: docker-registry 2.8 reports it if several clients write the same content at the same moment.
WRONG_BYTES = frozenset({"DIGEST_INVALID", "SIZE_INVALID"})


class Refused(RegistryError):
    """A registry refused a request."""

    def __init__(
        self, message: str, *, status: int, code: str = "", advice: str | None = None, error_id: str = ""
    ) -> None:
        super().__init__(message, advice=advice, error_id=error_id)
        self.status = status
        self.code = code


class Absent(Refused, BlobNotFound):
    """A registry does not have the requested item."""


class Transient(Refused):
    """The same request may succeed later; `after` is the wait in seconds that the registry requested."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        code: str = "",
        after: float | None = None,
        advice: str | None = None,
        error_id: str = "",
    ) -> None:
        super().__init__(message, status=status, code=code, advice=advice, error_id=error_id)
        self.after = after


def as_transient(error: Refused) -> Transient:
    """Returns a refusal as a failure after which the request is sent again."""
    return Transient(error.message, status=error.status, code=error.code, advice=error.advice, error_id=error.error_id)


class Untrusted(RegistryError):
    """A host's certificate is not trusted."""


@contextlib.contextmanager
def explain(failed: str) -> Iterator[None]:
    """Prefixes the messages of errors with the user's request that failed."""
    try:
        yield
    except (RegistryError, ImageError) as error:
        error.message = f"{failed}: {error.message}"
        raise


def refusal(registry: str, status: int, headers: Mapping[str, str], body: bytes) -> Refused:
    """Returns the error for an unexpected answer (distribution-spec, "Error Codes")."""
    code, words = _registry_words(body)
    said = " ".join(part for part in (str(status), code, f"({words})" if words else "") if part)
    message = f"{registry} answered {said}"
    advice = _advice(status, registry)
    if status in _TRANSIENT or code == "TOOMANYREQUESTS":
        after = _retry_after(headers.get("Retry-After", ""))
        error_id = "registry-rate-limit" if status == 429 else "registry-unavailable"
        return Transient(message, status=status, code=code, after=after, advice=advice, error_id=error_id)
    kind = Absent if status == 404 else Refused
    return kind(message, status=status, code=code, advice=advice, error_id=_IDS.get(status, ""))


def _advice(status: int, registry: str) -> str | None:
    if status == 401:
        return f"docker login {registry}"
    if status == 403:
        return f"ask for access to this repository, or docker login {registry} as a user with access"
    if status == 404:
        return f"check the spelling; if it is private, docker login {registry}"
    if status == 429:
        return f"wait, docker login {registry} for a higher limit, or configure a mirror"
    return "try again later" if status in _TRANSIENT else None


def _registry_words(body: bytes) -> tuple[str, str]:
    """Returns the first error's code and message; empty if the body does not have the specified form."""
    try:
        first = load_json(body)["errors"][0]
        return one_line(str(first.get("code") or "")), one_line(str(first.get("message") or ""))
    except (ValueError, LookupError, TypeError, AttributeError):
        return "", ""


def one_line(text: str) -> str:
    """Returns untrusted text fit for a terminal: printable, short, on one line."""
    text = re.sub(r"\s+", " ", text).strip()
    return "".join(letter for letter in text if letter.isprintable())[:_MESSAGE_LIMIT]


def _retry_after(value: str) -> float | None:
    """Returns the seconds of a Retry-After header, which is a number or a date (RFC 9110, 10.2.3)."""
    if value.isdecimal():
        return float(value[:9])
    import email.utils  # slow to import

    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def no_answer(registry: str, error: Exception) -> RegistryError:
    """Returns the error for a failed exchange. The library's own text is not shown, because it contains whole URLs."""
    match _kind(error):
        case "tls" if certain := _certain(error, registry):
            return certain
        case "proxy":
            advice = "check HTTPS_PROXY and NO_PROXY"
            return Transient(
                f"{registry} cannot be reached through the proxy", advice=advice, error_id="registry-unreachable"
            )
        case "encoding":
            return RegistryError(f"{registry} sent a body that does not match its Content-Encoding")
        case "unreachable":
            return Transient(
                f"{registry} cannot be reached (timeout)",
                advice="check the network and the name",
                error_id="registry-unreachable",
            )
        case "silent":
            return Transient(
                f"{registry} stopped responding (timeout)", advice="try again later", error_id="registry-unavailable"
            )
        case "tls" | "broken":
            message = f"the connection to {registry} failed ({_innermost(error)})"
            if is_loopback(registry) and any(isinstance(item, ConnectionRefusedError) for item in _causes(error)):
                # No network between this machine and itself could recover, so a retry would only take time.
                return RegistryError(
                    message, advice="start the registry, or check its port", error_id="registry-unreachable"
                )
            return Transient(message, advice="check the network", error_id="registry-unreachable")
    # The remaining errors precede the request: an invalid address or header.
    return RegistryError(f"{registry} sent an invalid address or header ({type(error).__name__})")


def _kind(error: Exception) -> str:
    """Returns what kind of failure an exception of `urllib3` or `requests` is; empty for an invalid request."""
    from urllib3 import exceptions as urllib3  # slow to import, and already imported here

    kinds: tuple[tuple[str, tuple[type[Exception], ...]], ...] = (
        ("", (urllib3.LocationValueError, UnicodeError)),
        ("tls", (urllib3.SSLError,)),
        ("encoding", (urllib3.DecodeError,)),
        ("broken", (urllib3.NewConnectionError,)),  # a kind of ConnectTimeoutError, but refused or not resolved
        ("unreachable", (urllib3.ConnectTimeoutError,)),
        ("silent", (urllib3.TimeoutError,)),
        ("broken", (urllib3.HTTPError,)),
    )
    if isinstance(error, OSError):  # as all exceptions of requests are, and none of urllib3
        from requests import exceptions as requests

        kinds = (
            ("tls", (requests.SSLError,)),
            ("proxy", (requests.ProxyError,)),
            ("encoding", (requests.ContentDecodingError,)),
            ("unreachable", (requests.ConnectTimeout,)),
            ("silent", (requests.Timeout,)),
            ("broken", (requests.ConnectionError, requests.ChunkedEncodingError)),
        )
    return next((kind for kind, classes in kinds if isinstance(error, classes)), "")


def _certain(error: Exception, registry: str) -> RegistryError | None:
    """Returns the error for a permanent TLS failure; None for one that may pass."""
    import ssl  # slow to import, and most builds use no registry

    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Untrusted(
                f"{registry} has an untrusted TLS certificate ({one_line(cause.verify_message)})",
                advice="set SSL_CERT_FILE or REQUESTS_CA_BUNDLE to your CA bundle",
                error_id="registry-certificate",
            )
        if isinstance(cause, ssl.SSLError) and cause.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST"):
            return RegistryError(
                f"{registry} does not speak TLS",
                advice="add the host to insecure-registries in the configuration, if it has no TLS",
                error_id="registry-without-tls",
            )
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yields the failure and its causes, outermost first."""
    seen: set[int] = set()
    current: object = error
    while isinstance(current, BaseException) and id(current) not in seen:
        seen.add(id(current))
        yield current
        following = current.__cause__ or current.__context__ or getattr(current, "reason", None)
        current = following if following is not None else next(iter(current.args), None)


def _innermost(error: BaseException) -> str:
    """Returns the operating system's message for the failure, if it has one."""
    words = [cause.strerror for cause in _causes(error) if isinstance(cause, OSError) and cause.strerror]
    return one_line(words[-1]) if words else "connection lost"


def safe_url(url: str) -> str:
    """Returns a URL for messages: without credentials, query and fragment."""
    try:
        parts = urlsplit(url)
        return one_line(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")
    except ValueError:
        return "an address that is not a URL"
