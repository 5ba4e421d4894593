"""Selects the latest base image that a connector allows, and reports which versions were skipped and why."""

import datetime
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from packaging.specifiers import SpecifierSet

from airbyte_ci.base_images.catalog.catalog import BaseImageVersion


@dataclass(frozen=True, slots=True)
class LatestVersion:
    """The selected version, if any, and the newer ones that were skipped, each with a reason."""

    version: BaseImageVersion | None
    passed_over: tuple[tuple[BaseImageVersion, str], ...]


def latest(
    versions: Sequence[BaseImageVersion],
    admitted: Sequence[SpecifierSet],
    *,
    today: datetime.date | None = None,
    platform: str = "",
    traits: Collection[str] = (),
) -> LatestVersion:
    """The newest verified release that is not withdrawn and whose Python one of `admitted` contains.

    `versions` are newest first. An empty `admitted` allows every Python. Skips versions whose support has ended at
    `today`, versions that need a later platform than `platform`, and versions with cautions for `traits`.
    """
    passed: list[tuple[BaseImageVersion, str]] = []
    for item in versions:
        if item.is_prerelease:
            continue
        reason = _objection(item, admitted, today, platform, traits)
        if reason is None:
            return LatestVersion(item, tuple(passed))
        passed.append((item, reason))
    return LatestVersion(None, tuple(passed))


def _objection(
    item: BaseImageVersion,
    admitted: Sequence[SpecifierSet],
    today: datetime.date | None,
    platform: str,
    traits: Collection[str],
) -> str | None:
    if item.withdrawal:
        return f"yanked: {item.withdrawal}"
    if not admits(admitted, item.python):
        return f"has Python {item.python}"
    if not item.verified:
        return "its digest is unverified"
    if today and item.is_expired(today):
        return f"is not supported after {item.supported_until}"
    if item.needs_later(platform):
        return f"needs the platform {item.requires_platform} or later"
    return next(iter(item.warnings(traits)), None)


def admits(admitted: Sequence[SpecifierSet], python: str) -> bool:
    """Returns whether a Python X.Y[.Z] is allowed; X.Y means the latest patch. No Python is always allowed."""
    if not python:
        return True
    candidates = [python] if python.count(".") > 1 else [f"{python}.{patch}" for patch in (99, 0)]
    return not admitted or any(
        spec.contains(candidate, prereleases=True) for spec in admitted for candidate in candidates
    )
