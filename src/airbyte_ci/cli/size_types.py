"""The types of options for sizes and durations."""

import re

import click

from airbyte_ci.oci.store.size import parse_size

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


class SizeType(click.ParamType[int]):
    """A size in bytes, such as 500MB or 20GB."""

    name = "SIZE"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        size = parse_size(str(value))
        if size is None:
            self.fail(f"{value!r} is not a size; write it as 500MB or 20GB", param, ctx)
        return size


class DurationType(click.ParamType[float]):
    """A duration in seconds, such as 12h, 30d or 2w."""

    name = "TIME"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        match = re.fullmatch(r"([0-9.]+)\s*([smhdw])", str(value).lower())
        if match is None:
            self.fail(f"{value!r} is not a time; write it as 12h, 30d or 2w", param, ctx)
        return float(match[1]) * _SECONDS[match[2]]
