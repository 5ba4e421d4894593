"""Tags of releases: versions, pre-releases named after a commit, and `latest`. Knows texts, not registries."""

import re
from collections.abc import Iterable
from typing import Literal

import semver

from airbyte_ci.errors import ConnectorError, RegistryError

LATEST = "latest"
# The pre-releases of airbyte-ci and of Airbyte's later tools; the number counts the digits of the commit.
PreReleaseForm = Literal["dev", "preview"]
_DIGITS: dict[PreReleaseForm, int] = {"dev": 10, "preview": 7}
_DEVELOPMENT = re.compile(r"-(?:dev\.[0-9a-f]{10}|preview\.[0-9a-f]{7})\Z")


def pre_release(version: str, commit: str, form: PreReleaseForm) -> str:
    """Returns the tag of a commit's pre-release: 1.2.3-dev.0123456789 or 1.2.3-preview.0123456."""
    return f"{version}-{form}.{commit[: _DIGITS[form]]}"


def is_development(tag: str) -> bool:
    """Whether the tag names a pre-release of a commit, in either form."""
    return _DEVELOPMENT.search(tag) is not None


def parse_version(text: str, where: str) -> semver.Version:
    """Returns the semantic version; raises ConnectorError for a text that cannot be a version's tag."""
    parsed = _parse(text)
    if parsed is None or parsed.build:
        reason = "is not a semantic version" if parsed is None else "has build metadata, which no tag can hold"
        raise ConnectorError(
            f"{where}: dockerImageTag {text!r} {reason}", advice="write it as MAJOR.MINOR.PATCH, for example 1.2.3"
        )
    return parsed


def is_candidate(version: semver.Version) -> bool:
    """Whether a version is a pre-release by itself, such as 2.0.0-rc.1; `latest` never names one."""
    return version.prerelease is not None


def newest(names: Iterable[str]) -> str:
    """Returns the tag of the newest final version; empty if there is none."""
    return max((name for name in names if _is_final(name)), key=semver.Version.parse, default="")


def refuse_older(version: str, names: Iterable[str], place: str) -> None:
    """Raises RegistryError if a newer version is published than this one.

    A final version is compared with final versions, because candidates of the next major may be out; a candidate with
    all of them. Pre-releases of commits do not count.
    """
    own = semver.Version.parse(version)
    others = [
        parsed
        for name in names
        if not is_development(name)
        and (parsed := _parse(name)) is not None
        and (own.prerelease is not None or parsed.prerelease is None)
    ]
    latest = max(others, default=None)
    if latest is not None and own < latest:
        raise RegistryError(
            f"version {version} is below {latest}, the newest version of {place}",
            advice="increase the version with bump_version",
            error_id="version-not-newer",
        )


def _is_final(name: str) -> bool:
    parsed = _parse(name)
    return parsed is not None and parsed.prerelease is None and parsed.build is None


def _parse(name: str) -> semver.Version | None:
    return semver.Version.parse(name) if semver.Version.is_valid(name) else None
