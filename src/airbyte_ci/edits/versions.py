"""Semantic versions: bumps and comparisons."""

from typing import Literal

import semver

from airbyte_ci.errors import EditRefused

Part = Literal["major", "minor", "patch"]


def is_semver(version: str) -> bool:
    """Returns whether the text is a complete semantic version without a leading v (semver.org, 2.0.0)."""
    return semver.Version.is_valid(version)


def bump(version: str, part: Part) -> str:
    """Returns the next version of that part; a pre-release of it becomes the release: 1.2.3-rc.1, patch → 1.2.3.

    Raises EditRefused if `version` is not a semantic version.
    """
    return str(_parse(version).next_version(part))


def next_candidate(version: str) -> str:
    """Returns the next release candidate: 1.2.3 → 1.2.4-rc.1, 1.2.4-rc.1 → 1.2.4-rc.2.

    Raises EditRefused if `version` is not a semantic version.
    """
    parsed = _parse(version)
    # A candidate of the released version would be lower than the release.
    return str((parsed if parsed.prerelease else parsed.bump_patch()).bump_prerelease("rc"))


def promoted(version: str) -> str:
    """Returns the release of a candidate: 1.2.4-rc.2 → 1.2.4. Raises EditRefused if it is not a pre-release."""
    parsed = _parse(version)
    if not parsed.prerelease:
        raise EditRefused(f"{version} is not a release candidate, so there is nothing to promote")
    return str(parsed.finalize_version())


def compare(one: str, other: str) -> int:
    """Returns a negative number, zero or a positive number by semantic precedence (which ignores build metadata).

    Raises EditRefused if either is not a semantic version.
    """
    return _parse(one).compare(_parse(other))


def _parse(version: str) -> semver.Version:
    try:
        return semver.Version.parse(version)
    except (ValueError, TypeError):
        raise EditRefused(
            f"{version!r} is not a semantic version",
            advice="write it as MAJOR.MINOR.PATCH, for example 1.2.3",
        ) from None
