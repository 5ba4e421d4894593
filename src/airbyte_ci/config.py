"""Reads the configuration: `.airbyte-ci.toml`, or `[tool.airbyte-ci]` of pyproject.toml, at the repository's root.

Look here for the keys, their help and their defaults (the layout of the Airbyte monorepo).
"""

import contextlib
import re
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Any

from airbyte_ci.documents import DocumentError, load_toml
from airbyte_ci.errors import ConfigurationError, UsageError
from airbyte_ci.records import dataclass

FILE = ".airbyte-ci.toml"
PROJECT = "pyproject.toml"
TABLE = "airbyte-ci"
MONOREPO_CONNECTORS = "airbyte-integrations/connectors"
CATALOG = "base-images.yaml"
HOME = "AIRBYTE_CI_HOME"


@dataclass(frozen=True, slots=True)
class ChangelogSetting:
    """Whether commands write changelog entries: the default, and the exceptions by command."""

    default: bool = True
    commands: Mapping[str, bool] = field(default_factory=dict)

    def of(self, command: str) -> bool:
        return self.commands.get(command, self.default)

    @property
    def is_never(self) -> bool:
        """Whether no command writes an entry, so that checks expect no changelog."""
        return not self.default and not any(self.commands.values())

    def among(self, known: Collection[str]) -> "ChangelogSetting":
        """Returns the setting for these commands; raises ValueError if it names another one."""
        if unknown := self.commands.keys() - {*known}:
            raise ValueError(f"{min(unknown)!r} is not one of {', '.join(('default', *sorted(known)))}")
        # A default that no command uses is ignored.
        default = self.default and any(map(self.of, known))
        return ChangelogSetting(default, self.commands)


# The attestations that a rule of `trust` may require.
REQUIREMENTS = ("signature", "provenance", "sbom", "test-result", "verification")


@dataclass(frozen=True, slots=True)
class TrustRule:
    """What the images of some repositories must have: a signature with one of the keys, and these attestations.

    Keys are files, relative to the file with the rule, or `env:NAME`.
    """

    keys: tuple[str, ...]
    require: tuple[str, ...] = ("signature",)

    def to_json(self) -> dict[str, list[str]]:
        return {"key": list(self.keys), "require": list(self.require)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """The kind of a key's values: a name for error messages, a parser that raises ValueError, and the JSON Schema."""

    expected: str
    parse: Callable[[Any], Any]
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Form:
    """The form that a string must have: a regular expression that is found in it, and the error where it is not."""

    pattern: str
    message: str


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the configuration as users write it, with the help line that `init` prints."""

    name: str
    kind: Kind
    help: str
    form: Form | None = None

    @property
    def field(self) -> str:
        return self.name.replace("-", "_")

    @property
    def default(self) -> Any:  # noqa: ANN401  # a value of any key
        return getattr(Configuration(root=Path()), self.field)


def _parse_text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


def _parse_texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError
    return tuple(map(_parse_text, value))


def _parse_lists(value: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, dict):
        raise ValueError
    return {name: _parse_texts(item) for name, item in value.items()}


def _parse_changelog(value: object) -> ChangelogSetting:
    if isinstance(value, bool):
        return ChangelogSetting(value)
    if not isinstance(value, dict) or not all(isinstance(item, bool) for item in value.values()):
        raise ValueError
    commands = {name.replace("-", "_"): item for name, item in value.items()}
    default = commands.pop("default", True)
    return ChangelogSetting(default, commands)


def _parse_trust(value: object) -> dict[str, TrustRule]:
    if not isinstance(value, dict):
        raise ValueError
    return {pattern: _parse_rule(pattern, rule) for pattern, rule in value.items()}


def _parse_rule(pattern: str, value: object) -> TrustRule:
    if not isinstance(value, dict) or "key" not in value:
        raise ValueError(f"{pattern!r} has no key")
    if unknown := value.keys() - {"key", "require"}:
        raise ValueError(f"{pattern!r} has the unknown key {min(unknown)!r}")
    keys = value["key"]
    found = _parse_texts([keys] if isinstance(keys, str) else keys)
    if not found:
        raise ValueError(f"{pattern!r} has no key")
    require = _parse_texts(value.get("require", ["signature"]))
    if unknown := set(require) - {*REQUIREMENTS}:
        raise ValueError(f"{pattern!r} requires {min(unknown)!r}, which is not one of {', '.join(REQUIREMENTS)}")
    return TrustRule(found, require)


_TEXT = Kind(expected="a string", parse=_parse_text, schema={"type": "string"})
_TEXTS = Kind(expected="a list of strings", parse=_parse_texts, schema={"type": "array", "items": {"type": "string"}})
_LISTS = Kind(
    expected="a table of lists of strings",
    parse=_parse_lists,
    schema={"type": "object", "additionalProperties": _TEXTS.schema},
)
_CHANGELOG = Kind(
    expected="true, false, or a table of commands with true or false",
    parse=_parse_changelog,
    schema={"anyOf": [{"type": "boolean"}, {"type": "object", "additionalProperties": {"type": "boolean"}}]},
)

_TRUST = Kind(
    expected="a table of repositories, each with key and require",
    parse=_parse_trust,
    schema={
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "properties": {
                "key": {"anyOf": [_TEXT.schema, {**_TEXTS.schema, "minItems": 1}]},
                "require": {"type": "array", "items": {"enum": list(REQUIREMENTS)}},
            },
            "required": ["key"],
            "additionalProperties": False,
        },
    },
)

# Former names of keys; they are still accepted.
ALIASES = {"customisation-owners": "customization-owners", "catalogue": "catalog"}

# Every key, in the order in which `init` writes them; the defaults are in Configuration.
KEYS = (
    Key("connectors", _TEXTS, "globs of connector folders, relative to this file"),
    Key("docs", _TEXTS, "templates of documentation pages with {name}, {type} and {connector}"),
    Key("changelog", _CHANGELOG, "whether commands write changelog entries; also a table by command"),
    Key(
        "pull-request-url",
        _TEXT,
        "the address of pull requests, with {number} in it",
        Form(r"^$|\{number\}", "must contain {number}"),
    ),
    Key("catalog", _TEXT, "the file that lists your own base images"),
    Key("base-image-repositories", _TEXTS, "repositories of base images; the first with an allowed version is used"),
    Key(
        "platform-version",
        _TEXT,
        "the oldest Airbyte platform that your users run",
        Form(r"^$|^[0-9]+(\.[0-9]+)*$", "must be numbers such as 0.63.0"),
    ),
    Key("hook-environment", _TEXTS, "environment variables that build_customization.py may read"),
    Key("customization-owners", _TEXT, "who must approve what a connector adds to its base image"),
    Key(
        "check-pages",
        _TEXT,
        "your own pages of the checks: files or addresses with {id}",
        Form(r"\{id\}", "must contain {id}, for the ID of a check"),
    ),
    Key("insecure-registries", _TEXTS, "registries that speak plain HTTP"),
    Key("mirrors", _LISTS, "for each registry, the mirrors to ask first"),
    Key("registry", _TEXT, "the registry, on request with a path, to which connectors are published"),
    Key(
        "pre-release-form",
        _TEXT,
        "the form of pre-release tags: dev (1.2.3-dev.0123456789) or preview (1.2.3-preview.0123456)",
        Form(r"^(dev|preview)$", "must be dev or preview"),
    ),
    Key("checks", _LISTS, "checks with another severity: error, warning or off"),
    Key("resolve-as-of", _TEXT, "the date as of which connectors without a lock file are resolved"),
    Key("groups", _LISTS, "dependency groups to install, by patterns of connector names"),
    Key("extras", _LISTS, "extras to install, by patterns of connector names"),
    Key("trust", _TRUST, "the keys that must have signed base images, and required attestations, by repository"),
    Key("test-secrets", _LISTS, "environment variables with test configurations, by patterns of connector names"),
)


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable of airbyte-ci, with its help; `default` describes the value without it.

    The value of a secret is never shown.
    """

    name: str
    help: str
    default: str = ""
    is_secret: bool = False

    def read(self, environment: Mapping[str, str]) -> str:
        """Returns the value; the default if the variable is not set or empty."""
        return environment.get(self.name) or self.default


RUNNER_BASE = Variable(
    "AIRBYTE_CI_RUNNER_BASE",
    "the Debian image on which the container of AIRBYTE_CI_RUNNER is built",
    "docker.io/library/debian:bookworm-slim",
)
VARIABLES = (
    Variable(HOME, "the folder of the local image store and of other caches", "~/.cache/airbyte-ci"),
    Variable("AIRBYTE_CI_STORE_LIMIT", "the size of the store at which builds suggest `store gc`", "20GB"),
    Variable(
        "AIRBYTE_CI_ALLOW_HOST_ROOT", "with 1, commands in images may run as this machine's root with few capabilities"
    ),
    Variable(
        "AIRBYTE_CI_RUNNER",
        "where commands in images run: native (runc), docker, podman, nerdctl, or auto (native if possible)",
        "auto",
    ),
    RUNNER_BASE,
    Variable("AIRBYTE_CI_SIGN_PASSPHRASE", "the passphrase of an encrypted key that signs images", is_secret=True),
    Variable("SOURCE_DATE_EPOCH", "the time that is written into files, in seconds since 1970", "now"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """The configuration of a repository. Paths are relative to `root`; KEYS describes each value.

    Without `docs`, a connector's page is derived from its documentationUrl, as in the monorepo. `file` is the file that
    was read, or None; `given` lists the fields that it sets. All other fields have their defaults.
    """

    root: Path
    connectors: tuple[str, ...] = (f"{MONOREPO_CONNECTORS}/**",)
    docs: tuple[str, ...] = ()
    changelog: ChangelogSetting = field(default_factory=ChangelogSetting)
    pull_request_url: str = ""
    catalog: str = CATALOG
    base_image_repositories: tuple[str, ...] = (
        "docker.io/airbyte/python-connector-base",
        "docker.io/airbyte/source-declarative-manifest",
        "docker.io/airbyte/java-connector-base",
    )
    platform_version: str = ""
    hook_environment: tuple[str, ...] = ()
    customization_owners: str = ""
    check_pages: str = "docs/checks/{id}.md"
    insecure_registries: tuple[str, ...] = ()
    mirrors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    registry: str = ""
    pre_release_form: str = "dev"
    checks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    resolve_as_of: str = ""
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    extras: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    trust: Mapping[str, TrustRule] = field(default_factory=dict)
    test_secrets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    file: Path | None = field(default=None, compare=False)
    given: frozenset[str] = field(default=frozenset(), compare=False)

    @property
    def catalog_path(self) -> Path:
        return self.root / self.catalog

    def place_of(self, key: Key) -> str:
        """Returns where the value of a key comes from, for messages."""
        if key.field in self.given:
            return f"{key.name} in {self.file}"
        return f"the default of {key.name}" + (f" ({self.file} does not set it)" if self.file else "")

    def find_lines(self) -> dict[str, int]:
        """Returns the line of each key that the file sets, by the key's name."""
        if self.file is None:
            return {}
        from airbyte_ci import toml_places  # only `config show` needs it

        text, prefix, lines = _text(self.file), _prefix(self.file), dict[str, int]()
        for place in toml_places.scan(text):
            if place.keys[: len(prefix)] == prefix and len(place.keys) > len(prefix):
                lines.setdefault(key_name(place.keys[len(prefix)]), text.count("\n", 0, place.start) + 1)
        return lines


def key_name(written: str) -> str:
    """Returns the name of a key that was written with `-` or `_`, or under a former name."""
    name = written.replace("_", "-")
    return ALIASES.get(name, name)


def home(environment: Mapping[str, str]) -> Path:
    """Returns the folder of the store: AIRBYTE_CI_HOME, or one in the user's cache folder (XDG base directories)."""
    if chosen := environment.get(HOME):
        return Path(chosen).expanduser().absolute()
    cache = environment.get("XDG_CACHE_HOME") or str(Path(environment.get("HOME") or "~").expanduser() / ".cache")
    return Path(cache) / "airbyte-ci"


def place(root: Path) -> str:
    """Returns a short name for a repository's path. Two paths may share a name, so cached data must name its owner."""
    return f"{root.name}-{zlib.crc32(bytes(root)):08x}"


def find(start: Path, commands: Collection[str] = ()) -> Configuration:
    """Returns the configuration of the repository that contains `start`; raises UsageError if there is none.

    `commands` are those that the key `changelog` may name; without them it may name any.
    """
    configuration = _find(start)
    if not commands:
        return configuration
    setting = configuration.changelog
    with _naming("changelog", _CHANGELOG, setting.commands, configuration.file):
        return replace(configuration, changelog=setting.among(commands))


def _find(start: Path) -> Configuration:
    folders = [start.absolute(), *start.absolute().parents]
    for folder in folders:
        table = _table(folder)
        if table is not None:
            return _parse(folder, *table)
        if (folder / MONOREPO_CONNECTORS).is_dir():
            return Configuration(root=folder)
    # Without a table: a repository with one connector, or with connectors in any folder.
    for folder in folders:
        if (folder / "metadata.yaml").is_file() or (folder / ".git").exists():
            return Configuration(root=folder, connectors=_layout(folder))
    raise UsageError(
        f"cannot find connectors from {start}: no {FILE}, {MONOREPO_CONNECTORS}, metadata.yaml or git repository "
        "in this folder or a folder above it",
        advice="change to your repository, or name it with --repo",
        error_id="repository-not-found",
    )


def read_policy(path: Path) -> Mapping[str, TrustRule]:
    """Reads a file with the table `trust` alone; raises ConfigurationError."""
    table = _read(path)
    if unknown := table.keys() - {"trust"}:
        raise ConfigurationError(
            f"cannot read {path}: unknown key {min(unknown)!r}",
            advice="a policy has only trust",
            error_id="configuration-unknown-key",
        )
    found: Mapping[str, TrustRule] = _value("trust", _TRUST, table.get("trust"), path)
    return found


def has_table(folder: Path) -> bool:
    """Returns whether the folder has a configuration, in either file."""
    return _table(folder) is not None


def _layout(root: Path) -> tuple[str, ...]:
    """Returns the default globs of connectors: those of the monorepo, one connector, or any folder."""
    if (root / MONOREPO_CONNECTORS).is_dir():
        return (f"{MONOREPO_CONNECTORS}/**",)
    return (".",) if (root / "metadata.yaml").is_file() else ("**",)


def _table(folder: Path) -> tuple[dict[str, Any], Path] | None:
    own, project = folder / FILE, folder / PROJECT
    if own.is_file():
        return _read(own), own
    # TOML can spell the table in several ways; most connectors' own files contain none of them.
    if project.is_file() and TABLE in project.read_text("utf-8", errors="replace"):
        table = (_read(project).get("tool") or {}).get(TABLE)
        if isinstance(table, dict):
            return table, project
    return None


def _read(path: Path) -> dict[str, Any]:
    try:
        return load_toml(_text(path))
    except (DocumentError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {path}: {error}") from error
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error


def _parse(root: Path, table: Mapping[str, Any], path: Path) -> Configuration:
    known = {key.name: key for key in KEYS}
    values: dict[str, Any] = {}
    for name, value in table.items():
        key = known.get(key_name(name))
        if key is None:
            raise _unknown(name, path)
        if key.field in values:
            raise ConfigurationError(
                f"cannot read {_place(path, name)}: {key.name} is set twice, in different spellings"
            )
        values[key.field] = parsed = _value(name, key.kind, value, path)
        if key.form and not re.search(key.form.pattern, parsed):
            raise ConfigurationError(f"cannot read {_place(path, name)}: {key.name} {key.form.message}, not {parsed!r}")
    given = frozenset(values)
    if "connectors" not in given:
        values["connectors"] = _layout(root)
    return Configuration(root=root, **values, file=path, given=given)


def _unknown(name: str, path: Path) -> ConfigurationError:
    import difflib

    names = [key.name for key in KEYS]
    near = difflib.get_close_matches(name.lower().replace("_", "-"), names, n=2)
    hint = f", did you mean {' or '.join(near)}?" if near else ""
    return ConfigurationError(
        f"cannot read {_place(path, name)}: unknown key {name!r}{hint}",
        advice=f"use one of {', '.join(names)}",
        error_id="configuration-unknown-key",
    )


def _place(path: Path, name: str) -> str:
    """Returns the file and, where it is known, the line of a key as it is written, for messages."""
    from airbyte_ci import toml_places  # only errors need it

    line = toml_places.find_line(_text(path), (*_prefix(path), name))
    return str(path) if line is None else f"{path}: line {line}"


def _prefix(path: Path) -> tuple[str, ...]:
    """Returns the keys of the table that holds the configuration."""
    return ("tool", TABLE) if path.name == PROJECT else ()


def _text(path: Path) -> str:
    return path.read_text("utf-8-sig")


def _value(name: str, kind: Kind, value: object, path: Path) -> Any:  # noqa: ANN401  # parsed data
    with _naming(name, kind, value, path):
        return kind.parse(value)


@contextlib.contextmanager
def _naming(name: str, kind: Kind, value: object, path: Path | None) -> Iterator[None]:
    """Raises ConfigurationError with the file, the key and its value for a ValueError of the block."""
    try:
        yield
    except ValueError as error:
        place = path and _place(path, name)
        message = f"cannot read {place}: {name} must be {kind.expected}, not {value!r}"
        raise ConfigurationError(f"{message}: {error}" if error.args else message) from error
