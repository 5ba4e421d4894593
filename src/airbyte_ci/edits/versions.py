"""Semantic versions: bumping and comparing them; what carries a version is not known here."""

from typing import Literal

import semver

from airbyte_ci.errors import EditRefused

Part = Literal["major", "minor", "patch"]


def is_semver(version: str) -> bool:
    """Whether the text is a semantic version, complete and without a leading v (semver.org, 2.0.0)."""
    return semver.Version.is_valid(version)


def bump(version: str, part: Part) -> str:
    """The next version of that part; a pre-release of it becomes the release: 1.2.3-rc.1, patch → 1.2.3.

    Raises EditRefused when `version` is not a semantic version.
    """
    return str(_parse(version).next_version(part))


def next_candidate(version: str) -> str:
    """The next release candidate: 1.2.3 → 1.2.4-rc.1, 1.2.4-rc.1 → 1.2.4-rc.2.

    Raises EditRefused when `version` is not a semantic version.
    """
    parsed = _parse(version)
    # A candidate of the version that is out would be lower than it.
    return str((parsed if parsed.prerelease else parsed.bump_patch()).bump_prerelease("rc"))


def promoted(version: str) -> str:
    """The release that a candidate is for: 1.2.4-rc.2 → 1.2.4. Raises EditRefused when it is no pre-release."""
    parsed = _parse(version)
    if not parsed.prerelease:
        raise EditRefused(f"{version} is not a release candidate, so there is nothing to promote")
    return str(parsed.finalize_version())


def compare(one: str, other: str) -> int:
    """Negative, zero or positive, by semantic precedence (build metadata does not count).

    Raises EditRefused when either is not a semantic version.
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
