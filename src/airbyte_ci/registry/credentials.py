"""Finds credentials: variables, Docker's and Podman's files, credential helpers.

Knows where they are stored, not how they are used. A source that cannot be used is not an error, because most images
are public. It leaves a note, which is shown if the registry then refuses.
Formats: https://docs.docker.com/reference/cli/docker/login/ and containers-auth.json(5).
"""

import base64
import binascii
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Any, Protocol

from airbyte_ci.documents import load_json
from airbyte_ci.oci.reference import DEFAULT_REGISTRY
from airbyte_ci.records import dataclass

# Docker stores the login of docker.io under this key.
_DOCKER_HUB_KEYS = ("index.docker.io", "registry-1.docker.io")
_HELPER = re.compile(r"[A-Za-z0-9._-]+\Z")
_HELPER_SECONDS = 30
_IDENTITY_TOKEN_USER = "<token>"


Helper = Callable[[str, str, str], "FoundCredential"]


@dataclass(frozen=True, slots=True)
class Credential:
    """A user name and password, or an identity token; `origin` names its source."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    origin: str = ""

    @property
    def with_password(self) -> "Credential":
        """Returns the credential with an identity token as the password, as services without OAuth2 expect it."""
        return replace(self, password=self.password or self.identity_token)

    @property
    def basic(self) -> str:
        """Returns the value of an Authorization header (RFC 7617)."""
        pair = f"{self.username}:{self.password}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"


@dataclass(frozen=True, slots=True)
class FoundCredential:
    """The result of a search: at most one credential, and why some sources could not be used."""

    credential: Credential | None = None
    notes: tuple[str, ...] = ()


class CredentialSource(Protocol):
    """A source of logins for repositories."""

    def find(self, registry: str, repository: str) -> FoundCredential: ...


@dataclass(frozen=True, slots=True)
class Anonymous:
    """A source without credentials."""

    def find(self, registry: str, repository: str) -> FoundCredential:  # noqa: ARG002
        return FoundCredential()


@dataclass(frozen=True, slots=True)
class Fixed:
    """A source with one credential per registry, provided by the program."""

    credentials: Mapping[str, Credential] = field(repr=False)

    def find(self, registry: str, repository: str) -> FoundCredential:  # noqa: ARG002
        return FoundCredential(self.credentials.get(registry))


@dataclass(frozen=True, slots=True)
class UserCredentials:
    """The user's logins. The first match wins: variables, then Docker's and Podman's files in their order."""

    environment: Mapping[str, str] = field(repr=False)
    home: Path
    _asked: dict[tuple[str, str], FoundCredential] = field(default_factory=dict, repr=False, compare=False)

    def find(self, registry: str, repository: str) -> FoundCredential:
        if credential := self._from_variables(registry):
            return FoundCredential(credential)
        notes: list[str] = []
        for path in self._files():
            for found in _from_file(path, registry, repository, self._helper):
                notes.extend(found.notes)
                if found.credential:
                    return FoundCredential(found.credential, tuple(notes))
        return FoundCredential(None, tuple(notes))

    def _helper(self, name: str, server: str, origin: str) -> FoundCredential:
        """Returns a helper's answer. Helpers are programs that may prompt the user, so each runs once per server."""
        if (name, server) not in self._asked:
            self._asked[name, server] = _from_helper(name, server, origin, self.environment)
        return self._asked[name, server]

    def _from_variables(self, registry: str) -> Credential | None:
        username = self.environment.get("DOCKER_HUB_USERNAME", "")
        password = self.environment.get("DOCKER_HUB_PASSWORD", "")
        if registry != DEFAULT_REGISTRY or not (username and password):
            return None
        return Credential(username, password, origin="DOCKER_HUB_USERNAME")

    def _files(self) -> Iterator[Path]:
        explicit = self.environment.get("REGISTRY_AUTH_FILE")
        if explicit:
            yield Path(explicit)
        folder = self.environment.get("DOCKER_CONFIG")
        yield Path(folder) / "config.json" if folder else self.home / ".docker" / "config.json"
        runtime = self.environment.get("XDG_RUNTIME_DIR")
        if runtime:
            yield Path(runtime) / "containers" / "auth.json"
        config = self.environment.get("XDG_CONFIG_HOME")
        yield (Path(config) if config else self.home / ".config") / "containers" / "auth.json"


def _from_file(path: Path, registry: str, repository: str, helper: Helper) -> Iterator[FoundCredential]:
    """Returns a file's credentials, best first: the registry's own helper, the common helper, the file itself."""
    try:
        document = load_json(path.read_bytes())
    except FileNotFoundError:
        return
    except (OSError, ValueError):
        document = None
    if not isinstance(document, dict):
        yield FoundCredential(notes=(f"{path} cannot be read as JSON",))
        return
    helpers = _object(document, "credHelpers")
    for key in _keys(registry, repository):
        if key in helpers:
            yield helper(str(helpers[key]), key, str(path))
    if store := document.get("credsStore"):
        yield helper(str(store), _server(registry), str(path))
    entries = {_normalised(str(key)): value for key, value in _object(document, "auths").items()}
    for key in _keys(registry, repository):
        if key in entries:
            yield _from_entry(entries[key], str(path))


def _object(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _keys(registry: str, repository: str) -> tuple[str, ...]:
    """Returns the keys of a login, the most specific first (Podman allows `host/namespace`)."""
    parts = repository.split("/")
    narrow = tuple(f"{registry}/{'/'.join(parts[:length])}" for length in range(len(parts), 0, -1))
    return (*narrow, registry, *(_DOCKER_HUB_KEYS if registry == DEFAULT_REGISTRY else ()))


def _normalised(key: str) -> str:
    """Returns the host of `https://host/v1/` and `host/v2/`, as older versions wrote it."""
    bare = re.sub(r"^https?://", "", key).rstrip("/")
    return re.sub(r"/v[12]$", "", bare)


def _server(registry: str) -> str:
    return "https://index.docker.io/v1/" if registry == DEFAULT_REGISTRY else registry


def _from_entry(entry: object, origin: str) -> FoundCredential:
    if not isinstance(entry, dict):
        return FoundCredential(notes=(f"{origin} has a login that is not an object",))
    token = str(entry.get("identitytoken") or "")
    username, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if entry.get("auth"):
        try:
            pair = base64.b64decode(str(entry["auth"]), validate=True).decode().rstrip("\0")
        except (binascii.Error, UnicodeError, ValueError):
            return FoundCredential(notes=(f"{origin} has a login that is not base64",))
        username, _, password = pair.partition(":")
    if not token and not (username and password):
        return FoundCredential()  # `docker login` with a helper leaves an empty entry
    return FoundCredential(_credential(username, password, token, origin))


def _credential(username: str, password: str, token: str, origin: str) -> Credential:
    if username == _IDENTITY_TOKEN_USER:
        return Credential(identity_token=token or password, origin=origin)
    return Credential(username, password, token, origin)


def _from_helper(name: str, server: str, origin: str, environment: Mapping[str, str]) -> FoundCredential:
    """Runs `docker-credential-NAME get` (https://github.com/docker/docker-credential-helpers)."""
    program = f"docker-credential-{name}"
    found = shutil.which(program, path=environment.get("PATH", "")) if _HELPER.match(name) else None
    if found is None:
        return FoundCredential(notes=(f"{program}, named in {origin}, is not on the PATH",))
    try:
        answer = subprocess.run(
            [found, "get"],
            input=server.encode(),
            capture_output=True,
            timeout=_HELPER_SECONDS,
            env=dict(environment),
            check=False,
        )
        if answer.returncode != 0:
            # The helper's output is not shown, because it may contain secrets.
            missing = b"not found" in answer.stdout + answer.stderr
            return FoundCredential() if missing else FoundCredential(notes=(f"{program} failed ({answer.returncode})",))
        document = load_json(answer.stdout)
        username, secret = str(document["Username"]), str(document["Secret"])
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError) as error:
        return FoundCredential(notes=(f"{program} returned no login ({type(error.__cause__ or error).__name__})",))
    return FoundCredential(_credential(username, secret, "", program)) if secret else FoundCredential()
