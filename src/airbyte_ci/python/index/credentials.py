"""Logins for package indexes, from their URL, from variables with their name, or from the keyring.

`requests` reads netrc. Logins are sent only to the index's own host and only by requests: no plan, lock, message or
image contains them.
"""

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from airbyte_ci.python.index.index_settings import Access, Source, variable_name
from airbyte_ci.python.packages import origins

Login = tuple[str, str]
# A keyring may ask a person to unlock it; that must not block a build forever.
_PATIENCE = 120


@dataclass(slots=True)
class Credentials:
    """Known logins, looked up once per index. Threads may share it."""

    access: Access
    _found: dict[tuple[str, str], Login | None] = field(default_factory=dict)

    def of(self, source: Source) -> Login | None:
        """Returns the login for an index, or None if none is configured (netrc may still have one)."""
        key = (source.url, source.name)
        if key not in self._found:
            self._found[key] = self._find(source)
        return self._found[key]

    def _find(self, source: Source) -> Login | None:
        parts = urlsplit(source.url)
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        for name, named_user, named_password in self.access.logins:
            if source.name and name == variable_name(source.name):
                user, password = named_user or user, named_password or password
        if not password and self.access.keyring:
            user, password = _keyring(origins.public(source.url), user) or (user, password)
        return (user, password) if user or password else None


def _keyring(url: str, user: str) -> Login | None:
    """Returns the login that the `keyring` command stores for the URL or its host, as pip and uv look it up."""
    for place in (url, urlsplit(url).netloc):
        if user and (said := _ask(("get", place, user))):
            return user, said[0]
        # Since keyring 25.2 it can report the user name too.
        if not user and len(said := _ask(("--mode", "creds", "get", place))) == 2:
            return said[0], said[1]
    return None


def _ask(arguments: Iterable[str]) -> list[str]:
    try:
        finished = subprocess.run(
            ["keyring", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return finished.stdout.splitlines() if finished.returncode == 0 else []
