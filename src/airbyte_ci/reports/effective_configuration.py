"""Shows the effective configuration: each value and where it comes from."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from airbyte_ci import config
from airbyte_ci.config import KEYS, ChangelogSetting, Configuration, TrustRule
from airbyte_ci.reports import columns

Origin = Literal["file", "environment", "option", "layout", "default"]


@dataclass(frozen=True, slots=True)
class Setting:
    """A value under the name that sets it. `place` is the file in the root and the line, if a file sets the value."""

    name: str
    value: object
    origin: Origin
    place: str = ""

    def to_json(self) -> dict[str, object]:
        found = {"name": self.name, "value": self.value, "origin": self.origin}
        return {**found, "place": self.place} if self.place else found


def of_keys(configuration: Configuration) -> Iterator[Setting]:
    """Yields every key of the configuration file, in the order of their table."""
    lines = configuration.find_lines()
    for key in KEYS:
        value = _plain(getattr(configuration, key.field))
        if key.field in configuration.given:
            file = "" if configuration.file is None else configuration.file.name
            yield Setting(key.name, value, "file", f"{file}:{lines[key.name]}" if key.name in lines else file)
        else:
            differs = getattr(configuration, key.field) != key.default
            yield Setting(key.name, value, "layout" if differs else "default")


def of_variables(environment: Mapping[str, str]) -> Iterator[Setting]:
    """Yields every environment variable of airbyte-ci."""
    for variable in config.VARIABLES:
        is_set = bool(environment.get(variable.name))
        is_home = variable.name == config.HOME
        value = str(config.home(environment)) if is_home else environment.get(variable.name) or variable.default
        if variable.is_secret and is_set:
            value = "(hidden)"
        by_base = is_home and bool(environment.get("XDG_CACHE_HOME"))
        yield Setting(variable.name, value, "environment" if is_set or by_base else "default")


def lines(settings: Sequence[Setting], width: int | None, paint: Callable[[str], str] | None = None) -> str:
    """Returns a table with the name, the value and the origin of each setting."""
    rows = [
        ("NAME", "VALUE", "FROM"),
        *((item.name, _shown(item.value), item.place or item.origin) for item in settings),
    ]
    defaults = {row for row, item in enumerate(settings, 1) if item.origin == "default"}
    style = (lambda row, _: paint if row in defaults else None) if paint else None
    return columns.lines(rows, style, width=width, shorten=(1,))


def _shown(value: object) -> str:
    return "–" if value is None else json.dumps(value, ensure_ascii=False)


def _plain(value: Any) -> Any:  # noqa: ANN401  # a value of any key, as JSON has it
    if isinstance(value, ChangelogSetting):
        return {"default": value.default, **value.commands} if value.commands else value.default
    if isinstance(value, Mapping):
        return {name: item.to_json() if isinstance(item, TrustRule) else list(item) for name, item in value.items()}
    return list(value) if isinstance(value, tuple) else value
