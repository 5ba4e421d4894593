"""Package index settings: the variables and files of pip, uv and poetry. Contacts no index.

A variable overrides a file, and the user's file overrides the machine's. Folders are not indexes, but may be
find-links.
"""

import configparser
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airbyte_ci.documents import DocumentError, load_toml
from airbyte_ci.errors import ConfigurationError

_MAIN_VARIABLES = ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL")
_EXTRA_VARIABLES = ("PIP_EXTRA_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL")
_CA_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_CLIENT_VARIABLES = ("PIP_CLIENT_CERT", "SSL_CLIENT_CERT")
_KEYRING_VARIABLES = ("UV_KEYRING_PROVIDER", "PIP_KEYRING_PROVIDER")
_LOGIN_PREFIXES = (("UV_INDEX_", "_USERNAME", "_PASSWORD"), ("POETRY_HTTP_BASIC_", "_USERNAME", "_PASSWORD"))


@dataclass(frozen=True, slots=True)
class Source:
    """A configured index: the root of its simple API, and its name if it has one.

    An explicit index serves only packages that name it.
    """

    url: str = field(repr=False)
    name: str = ""
    explicit: bool = False


@dataclass(frozen=True, slots=True)
class Access:
    """Access to indexes: certificates, and logins by index name. Never shown, never written.

    `logins` are (name as in a variable, user, password).
    """

    ca_bundle: str = ""
    client_certificate: str = ""
    logins: tuple[tuple[str, str, str], ...] = field(default=(), repr=False)
    keyring: bool = False


NO_ACCESS = Access()


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """All index settings. Without a main index, the public one is used. `find_links` are folders and pages."""

    main: Source | None = None
    extra: tuple[Source, ...] = ()
    access: Access = NO_ACCESS
    find_links: tuple[str, ...] = field(default=(), repr=False)


def read(environment: Mapping[str, str]) -> IndexSettings:
    """Returns this user's settings on this machine; raises ConfigurationError for an unreadable file."""
    pip, uv = _Pip.read(environment), _uv_tables(environment)
    mains = [_sources(environment.get(name, "")) for name in _MAIN_VARIABLES]
    extras = [_sources(environment.get(name, "")) for name in _EXTRA_VARIABLES]
    in_files = [source for table in uv for source in of_uv(table)]
    main = next((found[0] for found in mains if found), None) or _first(_sources(pip.get("index-url")))
    default = next((source for source, is_default in in_files if is_default), None)
    declared = [source for source, is_default in in_files if not is_default]
    variables = [source for found in extras for source in found]
    own = _sources(pip.get("extra-index-url")) if not environment.get("PIP_EXTRA_INDEX_URL") else []
    access = _access(environment, pip, uv)
    return IndexSettings(
        main or default, _unique([*variables, *own, *declared]), access, _find_links(environment, pip, uv)
    )


def _find_links(environment: Mapping[str, str], pip: "_Pip", uv: list[Mapping[str, Any]]) -> tuple[str, ...]:
    """Splits values as pip (blanks) and uv (commas) separate them."""
    found = (environment.get("PIP_FIND_LINKS") or pip.get("find-links")).split()
    found += filter(None, environment.get("UV_FIND_LINKS", "").split(","))
    for table in uv:
        inner = table.get("pip") if isinstance(table.get("pip"), dict) else {}
        found += [str(place) for options in (table, inner or {}) for place in options.get("find-links") or []]
    return tuple(dict.fromkeys(found))


def of_uv(table: Mapping[str, Any]) -> Iterator[tuple[Source, bool]]:
    """Returns the indexes of `[tool.uv]` or uv.toml, each with whether it replaces the public one."""
    for item in table.get("index") or []:
        if isinstance(item, dict) and _is_web(url := str(item.get("url") or "")):
            yield (
                Source(url, str(item.get("name") or ""), explicit=bool(item.get("explicit"))),
                bool(item.get("default")),
            )
    pip = table.get("pip") if isinstance(table.get("pip"), dict) else {}
    for options in (table, pip or {}):
        for url in options.get("extra-index-url") or []:
            if _is_web(str(url)):
                yield Source(str(url)), False
        if _is_web(url := str(options.get("index-url") or "")):
            yield Source(url), True


def of_poetry(table: Mapping[str, Any]) -> Iterator[tuple[Source, bool]]:
    """Returns the indexes of `[[tool.poetry.source]]`; `primary` and the older `default` replace the public index."""
    for item in table.get("source") or []:
        if isinstance(item, dict) and _is_web(url := str(item.get("url") or "")):
            priority = str(item.get("priority") or ("default" if item.get("default") else "supplemental"))
            name = str(item.get("name") or "")
            yield Source(url, name, explicit=priority.lower() == "explicit"), priority.lower() in ("default", "primary")


def variable_name(name: str) -> str:
    """Returns an index's name as uv and poetry write it in variables: `own-index` → OWN_INDEX."""
    return "".join(letter if letter.isalnum() else "_" for letter in name).upper()


def _access(environment: Mapping[str, str], pip: "_Pip", uv: list[Mapping[str, Any]]) -> Access:
    keyring = _value(environment, _KEYRING_VARIABLES) or pip.get("keyring-provider")
    keyring = keyring or next((str(table["keyring-provider"]) for table in uv if "keyring-provider" in table), "")
    return Access(
        environment.get("PIP_CERT") or pip.get("cert") or _value(environment, _CA_VARIABLES),
        _value(environment, _CLIENT_VARIABLES) or pip.get("client-cert"),
        (*_logins(environment), *_poetry_logins(environment)),
        keyring in ("subprocess", "import"),
    )


def _value(environment: Mapping[str, str], names: Iterable[str]) -> str:
    return next((environment[name] for name in names if environment.get(name)), "")


def _logins(environment: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for prefix, user, password in _LOGIN_PREFIXES:
        names = {
            key.removeprefix(prefix).removesuffix(ending)
            for key in environment
            for ending in (user, password)
            if key.startswith(prefix) and key.endswith(ending)
        }
        for name in sorted(names):
            yield (
                name,
                environment.get(f"{prefix}{name}{user}", ""),
                environment.get(f"{prefix}{name}{password}", ""),
            )


def _poetry_logins(environment: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Returns the logins that `poetry config http-basic.name user password` stored without a keyring."""
    folder = environment.get("POETRY_CONFIG_DIR") or f"{_config_home(environment)}/pypoetry"
    basic = _toml(Path(folder) / "auth.toml").get("http-basic")
    for name, login in (basic if isinstance(basic, dict) else {}).items():
        if isinstance(login, dict):
            yield variable_name(name), str(login.get("username") or ""), str(login.get("password") or "")


def _sources(text: str) -> list[Source]:
    return [source for word in text.split() if (source := _source(word)) and _is_web(source.url)]


def _source(text: str) -> Source:
    """Splits a named uv index: `internal=https://…`."""
    name, equals, url = text.partition("=")
    return Source(url, name) if equals and "/" not in name else Source(text)


def _is_web(url: str) -> bool:
    return url.startswith(("http://", "https://"))


def _first(sources: list[Source]) -> Source | None:
    return sources[0] if sources else None


def _unique(sources: Iterable[Source]) -> tuple[Source, ...]:
    found: dict[str, Source] = {}
    for source in sources:
        found.setdefault(source.url, source)
    return tuple(found.values())


# --- files ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Pip:
    """Returns pip's options of [global] and [install]; the most specific file comes first."""

    options: tuple[Mapping[str, str], ...]

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "_Pip":
        chosen = environment.get("PIP_CONFIG_FILE", "")
        home, config = environment.get("HOME", ""), _config_home(environment)
        user = [f"{config}/pip/pip.conf", f"{home}/.pip/pip.conf"]
        paths = [chosen, *user, "/etc/pip.conf", "/etc/xdg/pip/pip.conf"]
        # With this value pip reads no file at all.
        return cls(tuple(_ini(Path(path)) for path in paths if path) if chosen != "/dev/null" else ())

    def get(self, name: str) -> str:
        return next((table[name] for table in self.options if table.get(name)), "")


def _ini(path: Path) -> Mapping[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(path.read_text("utf-8"))
    except OSError:
        return {}
    except (configparser.Error, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {path}: {type(error).__name__}", advice="pip config debug") from error
    sections = [dict(parser[name]) for name in ("global", "install") if parser.has_section(name)]
    return {key.replace("_", "-"): value for section in sections for key, value in section.items()}


def _uv_tables(environment: Mapping[str, str]) -> list[Mapping[str, Any]]:
    chosen = environment.get("UV_CONFIG_FILE", "")
    paths = [chosen] if chosen else [f"{_config_home(environment)}/uv/uv.toml", "/etc/uv/uv.toml"]
    return [table for path in paths if (table := _toml(Path(path)))]


def _toml(path: Path) -> Mapping[str, Any]:
    try:
        return load_toml(path.read_text("utf-8"))
    except OSError:
        return {}
    except (DocumentError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {path}: it is not valid TOML") from error


def _config_home(environment: Mapping[str, str]) -> str:
    return environment.get("XDG_CONFIG_HOME") or f"{environment.get('HOME', '')}/.config"
