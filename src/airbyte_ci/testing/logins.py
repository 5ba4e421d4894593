"""Who may do what at the in-process registry: everyone, names with passwords, or bearers of tokens.

Knows the challenge and the token end point (distribution, spec/auth/token and /oauth), not what is guarded.
"""

import base64
import binascii
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from airbyte_ci.testing.messages import Reply, Request, as_json, error

_PULLS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """How callers are known: `scheme` is nothing, `basic` or `bearer`.

    `anonymous` are the actions that a token without a login may hold; `identities` maps identity tokens to
    users; `lifetime` is in seconds and may be left out of the answer by giving None.
    """

    scheme: str = ""
    users: Mapping[str, str] = field(default_factory=dict)
    identities: Mapping[str, str] = field(default_factory=dict)
    anonymous: frozenset[str] = frozenset({"pull"})
    lifetime: int | None = 300


class LoginGate:
    """Lets requests through, or tells them what is missing."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._tokens: dict[str, tuple[frozenset[tuple[str, str]], float]] = {}
        self._lock = threading.Lock()

    def check(self, request: Request, realm: str) -> Reply | None:
        """None when the request may pass, else the refusal."""
        if self._login.scheme == "basic":
            if self._user(request.headers.get("authorization", "")):
                return None
            return _unauthorized('Basic realm="test"')
        if self._login.scheme == "bearer":
            return self._check_token(request, realm)
        return None

    def may_pull(self, request: Request, repository: str) -> bool:
        """Whether the request's token reaches another repository, as a mount needs."""
        return self._login.scheme != "bearer" or (repository, "pull") in self._granted(request)

    def token(self, request: Request) -> Reply:
        """The token service."""
        form = parse_qs(request.body.decode()) if request.method == "POST" else {}
        user = self._user(request.headers.get("authorization", ""))
        if request.method == "POST":
            user = self._granted_user({name: values[0] for name, values in form.items()})
        if user is None and (request.method == "POST" or "authorization" in request.headers):
            return error(401, "UNAUTHORIZED", "incorrect username or password")
        scopes = form.get("scope", [""])[0].split() if form else list(request.query.get("scope", ()))
        allowed = {"pull", "push", "delete"} if user else self._login.anonymous
        granted = frozenset(
            (repository, action) for scope in scopes for repository, action in _actions(scope) if action in allowed
        )
        text = secrets.token_urlsafe(16)
        with self._lock:
            self._tokens[text] = (granted, time.monotonic() + (self._login.lifetime or 60))
        document: dict[str, object] = {"token": text, "access_token": text}
        if self._login.lifetime is not None:
            document["expires_in"] = self._login.lifetime
        return as_json(document)

    def _granted_user(self, form: Mapping[str, str]) -> str | None:
        """Who a form of OAuth2 is from: an identity token, or a name with its password."""
        if form.get("grant_type") == "password":
            user = form.get("username", "")
            return user if self._login.users.get(user) == form.get("password") else None
        return self._login.identities.get(form.get("refresh_token", ""))

    def _check_token(self, request: Request, realm: str) -> Reply | None:
        if request.operation == "ping":
            wanted, action = "", ""
            passed = self._is_valid(request)
        else:
            wanted = request.repository
            action = "pull" if request.method in _PULLS else "push"
            passed = (wanted, action) in self._granted(request)
        if passed:
            return None
        actions = "pull" if action == "pull" else "pull,push"
        scope = f',scope="repository:{wanted}:{actions}"' if wanted else ""
        return _unauthorized(f'Bearer realm="{realm}",service="test"{scope}')

    def _is_valid(self, request: Request) -> bool:
        text = request.headers.get("authorization", "").removeprefix("Bearer ")
        with self._lock:
            return self._tokens.get(text, (frozenset(), 0.0))[1] > time.monotonic()

    def _granted(self, request: Request) -> frozenset[tuple[str, str]]:
        text = request.headers.get("authorization", "").removeprefix("Bearer ")
        with self._lock:
            granted, expires = self._tokens.get(text, (frozenset(), 0.0))
        return granted if expires > time.monotonic() else frozenset()

    def _user(self, authorization: str) -> str | None:
        scheme, _, value = authorization.partition(" ")
        if scheme != "Basic":
            return None
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeError):
            return None
        return user if password and self._login.users.get(user) == password else None


def _actions(scope: str) -> list[tuple[str, str]]:
    kind, _, rest = scope.partition(":")
    repository, _, actions = rest.rpartition(":")
    return [(repository, action) for action in actions.split(",")] if kind == "repository" else []


def _unauthorized(challenge: str) -> Reply:
    return error(401, "UNAUTHORIZED", "authentication required").with_headers(WWW_Authenticate=challenge)
