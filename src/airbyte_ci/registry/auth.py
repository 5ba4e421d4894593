"""Answers challenges with basic credentials and bearer tokens, which are kept until they expire.

Knows the token protocol (distribution, spec/auth/token and /oauth), not requests for images. A credential is sent only
to its registry, and to the token service that the registry names over TLS.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import field
from urllib.parse import urlencode, urlsplit

from airbyte_ci.documents import load_json
from airbyte_ci.errors import RegistryError
from airbyte_ci.records import dataclass
from airbyte_ci.registry import challenge
from airbyte_ci.registry.challenge import Challenge
from airbyte_ci.registry.credentials import Credential, CredentialSource, FoundCredential
from airbyte_ci.registry.endpoint import Endpoint
from airbyte_ci.registry.failures import Refused, Transient, one_line, refusal
from airbyte_ci.registry.transport import Answer, Transport

_TOKEN_LIMIT = 1 << 20
_DEFAULT_SECONDS = 60.0  # "if omitted, this defaults to 60 seconds" (spec/auth/token)
_CLIENT = "airbyte-ci"
# Answers of a token service that may only mean that it expects the other method.
_NO_POST, _NO_GET = frozenset({401, 404, 405}), frozenset({404, 405})

Scopes = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Token:
    """An Authorization header, and the moment of the client's clock at which it expires."""

    header: str = field(repr=False)
    expires: float


class Authorizer:
    """The Authorization headers for the registries of one client."""

    def __init__(
        self,
        transport: Transport,
        source: CredentialSource,
        *,
        clock: Callable[[], float],
        may_be_plain: Callable[[str], bool],
    ) -> None:
        self._transport = transport
        self._source = source
        self._clock = clock
        self._may_be_plain = may_be_plain
        self._locks: dict[tuple[str, Scopes], threading.Lock] = {}
        self._found: dict[tuple[str, str], FoundCredential] = {}
        self._challenges: dict[str, Challenge] = {}
        self._tokens: dict[tuple[str, Scopes], _Token] = {}

    def header(self, endpoint: Endpoint, scopes: Scopes) -> str | None:
        """Returns the header to send first: None before the first challenge, then a valid token."""
        known = self._challenges.get(endpoint.host)
        return self._answer(endpoint, scopes, known, refused=None) if known else None

    def renewed(self, endpoint: Endpoint, scopes: Scopes, www_authenticate: str, *, refused: str | None) -> str | None:
        """Returns the header to try after a 401 for `refused`; None if there is no better one."""
        known = _preferred(challenge.parse(www_authenticate))
        if known is None:
            return None
        self._challenges[endpoint.host] = known
        header = self._answer(endpoint, scopes, known, refused=refused)
        return header if header != refused else None

    def notes(self, endpoint: Endpoint) -> tuple[str, ...]:
        """Returns why possible sources of credentials could not be used."""
        return self._credentials(endpoint).notes

    def _answer(self, endpoint: Endpoint, scopes: Scopes, known: Challenge, *, refused: str | None) -> str | None:
        if known.scheme == "basic":
            credential = self._credentials(endpoint).credential
            return credential.basic if credential else None
        key = (endpoint.host, scopes)
        # Parallel requests wait for one token instead of requesting one each.
        with self._locks.setdefault(key, threading.Lock()):
            token = self._tokens.get(key)
            if token is None or token.header == refused or token.expires <= self._clock():
                token = self._fetch(endpoint, scopes, known)
                self._tokens[key] = token
            return token.header

    def _credentials(self, endpoint: Endpoint) -> FoundCredential:
        key = (endpoint.registry, endpoint.repository)
        if key not in self._found:
            self._found[key] = self._source.find(*key)
        return self._found[key]

    def _fetch(self, endpoint: Endpoint, scopes: Scopes, known: Challenge) -> _Token:
        realm = known.parameters.get("realm", "")
        self._check_realm(endpoint, realm)
        asked = self._clock()
        credential = self._credentials(endpoint).credential
        refused: Refused | None = None
        for is_post in _methods(credential):
            with self._ask(endpoint, realm, known, scopes, credential, is_post=is_post) as answer:
                if answer.status == 200:
                    return _token(answer.read(_TOKEN_LIMIT), asked, endpoint.registry)
                refused = refused or self._refused(endpoint, credential, answer)
                if answer.status not in (_NO_POST if is_post else _NO_GET):
                    break
        assert refused is not None
        raise refused

    def _check_realm(self, endpoint: Endpoint, realm: str) -> None:
        try:
            parts = urlsplit(realm)
            host = parts.netloc.rpartition("@")[2]
        except ValueError:
            parts, host = urlsplit(""), ""
        plain = parts.scheme == "http" and self._may_be_plain(host)
        if not host or not (parts.scheme == "https" or plain):
            raise RegistryError(
                f"{endpoint.registry} requires a token from {one_line(host) or 'nowhere'} without TLS",
                advice="credentials need TLS; add the host to insecure-registries in the configuration, if it has none",
                error_id="registry-without-tls",
            )

    def _ask(
        self,
        endpoint: Endpoint,
        realm: str,
        known: Challenge,
        scopes: Scopes,
        credential: Credential | None,
        *,
        is_post: bool,
    ) -> Answer:
        service = known.parameters.get("service", "")
        named = [("service", service)] if service else []
        if credential and is_post:
            form = [*_grant(credential), *named, ("client_id", _CLIENT), ("scope", " ".join(scopes))]
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            body: bytes | None = urlencode(form).encode()
            method, url = "POST", realm
        else:
            headers = {"Authorization": credential.with_password.basic} if credential else {}
            query = urlencode([*named, *(("scope", scope) for scope in scopes)])
            method, url, body = "GET", f"{realm}{'&' if '?' in realm else '?'}{query}", None
        return self._transport.exchange(method, url, headers, body, registry=endpoint.registry)

    def _refused(self, endpoint: Endpoint, credential: Credential | None, answer: Answer) -> Refused:
        error = refusal(endpoint.registry, answer.status, answer.headers, answer.peek())
        if isinstance(error, Transient):
            return error
        who = f"the login from {credential.origin}" if credential and credential.origin else "no login"
        return Refused(
            f"{error.message} to the token request, with {who}",
            status=401,
            code=error.code,
            advice=f"docker login {endpoint.registry}",
            error_id="registry-login",
        )


def _preferred(challenges: Sequence[Challenge]) -> Challenge | None:
    """Returns the challenge to answer: for a token if offered, in any order, like other clients."""
    bearer = [item for item in challenges if item.scheme == "bearer" and item.parameters.get("realm")]
    basic = [item for item in challenges if item.scheme == "basic"]
    return next(iter((*bearer, *basic, *(item for item in challenges if item.scheme == "bearer"))), None)


def _methods(credential: Credential | None) -> tuple[bool, ...]:
    """Returns whether each attempt requests a token by POST, in order.

    Services that do not support POST answer 404 or 405, some 401: https://github.com/containerd/containerd
    (remotes/docker).
    """
    if credential is None:
        return (False,)
    if credential.identity_token:
        return (True, False) if credential.username else (True,)
    return (False, True)


def _grant(credential: Credential) -> list[tuple[str, str]]:
    if credential.identity_token:
        return [("grant_type", "refresh_token"), ("refresh_token", credential.identity_token)]
    return [("grant_type", "password"), ("username", credential.username), ("password", credential.password)]


def _token(body: bytes, asked: float, where: str) -> _Token:
    try:
        document = load_json(body)
        text = document.get("token") or document.get("access_token")
        seconds = document.get("expires_in")
    except (ValueError, AttributeError):
        text, seconds = None, None
    if not text or not isinstance(text, str) or not text.isascii() or not text.isprintable():
        raise RegistryError(f"{where} sent no valid token")
    lifetime = float(seconds) if isinstance(seconds, int | float) and 0 < seconds < 1e9 else _DEFAULT_SECONDS
    # Renewed a little early, so that it does not expire in transit.
    return _Token(f"Bearer {text}", asked + lifetime * 0.9)
