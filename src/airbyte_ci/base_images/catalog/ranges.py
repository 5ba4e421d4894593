"""Facts about published versions by range: what they are built on, and who should avoid them.

Registries do not have these facts, so `base-images refresh` adds them to the versions that it reads.
"""

import functools
from dataclasses import dataclass
from pathlib import Path

import semver
import yaml

from airbyte_ci.base_images.catalog.entry import Caution

_FILE = Path(__file__).with_name("ranges.yaml")


@dataclass(frozen=True, slots=True)
class RangeFacts:
    """The facts about one version: the `name:version` that it is built on, and its cautions."""

    built_on: str = ""
    cautions: tuple[Caution, ...] = ()


def of(repository: str, version: str) -> RangeFacts:
    """Returns the facts about a version of a repository; empty if there are none."""
    number = semver.Version.parse(version)
    known = _read().get(repository, {})
    built_on = [
        str(item["built-on"]) for item in known.get("built-on", []) if semver.Version.parse(item["from"]) <= number
    ]
    cautions = [
        Caution(str(item["text"]), str(item.get("when", "")))
        for item in known.get("cautions", [])
        if semver.Version.parse(item["from"]) <= number <= semver.Version.parse(item["to"])
    ]
    return RangeFacts(built_on[-1] if built_on else "", tuple(cautions))


@functools.cache
def _read() -> dict[str, dict[str, list[dict[str, str]]]]:
    found: dict[str, dict[str, list[dict[str, str]]]] = yaml.safe_load(_FILE.read_text("utf-8"))
    return found
