"""Chooses a connector's next base image: the newest that its Python admits, or the requested one."""

import datetime
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from packaging.specifiers import SpecifierSet

from airbyte_ci.base_images.catalog.catalog import BaseImageVersion, Catalog
from airbyte_ci.base_images.catalog.latest import LatestVersion, admits, latest
from airbyte_ci.campaigns.bases.pythons import AdmittedPythons
from airbyte_ci.connectors.connector import COMPONENTS, Connector
from airbyte_ci.errors import ConnectorError, UsageError

_ADVICE = "widen the Python in pyproject.toml and lock again, or add a base image to the catalog"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """The base images to choose from: the repositories in order, and the versions supported `today`.

    `platform` is the oldest platform of users (empty: unknown). `traits` are those of the connector that a caution of a
    base image may name. `failed` maps addresses of base images on which the connector failed to the reasons.
    """

    repositories: tuple[str, ...]
    catalog: Catalog
    today: datetime.date
    platform: str = ""
    traits: frozenset[str] = frozenset()
    failed: Mapping[str, str] = field(default_factory=dict)

    def of(self, repository: str) -> tuple[BaseImageVersion, ...]:
        """Returns the repository's versions, newest first."""
        return self.catalog.of(repository)

    def latest(self, versions: Sequence[BaseImageVersion], specifiers: Sequence[SpecifierSet]) -> LatestVersion:
        untried = [item for item in versions if str(item.address) not in self.failed]
        tried = [(item, self.failed[str(item.address)]) for item in versions if str(item.address) in self.failed]
        found = latest(untried, specifiers, today=self.today, platform=self.platform, traits=self.traits)
        return LatestVersion(found.version, (*tried, *found.passed_over))


def traits_of(connector: Connector) -> frozenset[str]:
    """Returns the traits of a connector that cautions of base images may name."""
    return frozenset({"components"} if COMPONENTS in connector.names else ())


def newest(offered: Offered, admitted: AdmittedPythons) -> LatestVersion:
    """Chooses from the first repository with an admitted version; if only a Dockerfile has a Python, the nearest.

    Raises ConnectorError that names every reason.
    """
    passed: tuple[tuple[BaseImageVersion, str], ...] = ()
    for repository in offered.repositories:
        choice = offered.latest(offered.of(repository), admitted.specifiers)
        if choice.version:
            return choice
        passed += choice.passed_over
    nearest = _nearest(offered, admitted) if admitted.is_observed else None
    if nearest:
        return LatestVersion(nearest, tuple(item for item in passed if str(item[0].address) in offered.failed))
    if not passed:
        raise ConnectorError(
            f"the catalog has no base image in {' or '.join(offered.repositories)}",
            advice="add one to the catalog, or read it from the registry with airbyte-ci base-images refresh",
        )
    raise ConnectorError(
        f"no base image for Python {admitted.text} ({_reasons(passed)})",
        advice=_ADVICE,
        error_id="base-image-for-python",
    )


def _nearest(offered: Offered, admitted: AdmittedPythons) -> BaseImageVersion | None:
    """Returns the newest base image of the next higher Python, else of the next lower one."""
    observed = _minor(admitted.shown)
    for repository in offered.repositories:
        known = [offered.latest([item], ()).version for item in offered.of(repository)]
        usable = [item for item in known if item]
        above = sorted({_minor(item.python) for item in usable if _minor(item.python) > observed})
        below = sorted({_minor(item.python) for item in usable if _minor(item.python) < observed}, reverse=True)
        for python in (*above, *below):
            return next(item for item in usable if _minor(item.python) == python)
    return None


def _minor(python: str) -> tuple[int, ...]:
    return tuple(int(part) for part in python.split(".")[:2])


def refuse_empty(to: str | None) -> None:
    """Raises UsageError if --to is empty, as from an unset variable of a script."""
    if to is not None and not to.strip():
        raise UsageError("--to is empty", advice="leave it out, or give a version of `airbyte-ci base-images list`")


def asked_for(wanted: str, offered: Offered, admitted: AdmittedPythons) -> LatestVersion:
    """Returns the version `wanted` (1.2.0), the newest of a line (1.2 or 1), or `latest`. Raises ConnectorError.

    With its repository, `acme/python-connector-base:1.0.0`, it may be any in the catalog.
    """
    if wanted == "latest":
        return newest(offered, admitted)
    if ":" in wanted:
        try:
            named = offered.catalog.named(wanted, offered.repositories)
        except UsageError as error:
            raise ConnectorError(error.message, advice=error.advice) from error
        _refuse(named, offered, admitted)
        return LatestVersion(named, ())
    passed: tuple[tuple[BaseImageVersion, str], ...] = ()
    specifiers = () if admitted.is_observed else admitted.specifiers
    for repository in offered.repositories:
        known = offered.of(repository)
        exact = next((item for item in known if item.version == wanted), None)
        if exact is not None:
            _refuse(exact, offered, admitted)
            return LatestVersion(exact, ())
        choice = offered.latest([item for item in known if item.version.startswith(f"{wanted}.")], specifiers)
        if choice.version:
            return choice
        passed += choice.passed_over
    if passed:
        raise ConnectorError(
            f"no base image {wanted} for Python {admitted.text} ({_reasons(passed)})",
            advice=_ADVICE,
            error_id="base-image-for-python",
        )
    raise ConnectorError(
        f"the catalog has no base image {wanted} in {' or '.join(offered.repositories)}",
        advice="airbyte-ci base-images list",
        error_id="base-image-unknown",
    )


def remarks(version: BaseImageVersion, traits: Collection[str] = ()) -> tuple[str, ...]:
    """Returns warnings about a version that only an explicit request selects."""
    unverified = () if version.verified else (f"{version.version}: its digest was only sighted, never verified",)
    return (*unverified, *(f"{version.version}: {text}" for text in version.warnings(traits)))


def within_major(current: BaseImageVersion, offered: Offered, admitted: AdmittedPythons) -> LatestVersion:
    """Returns the newest of the same major version. Raises ConnectorError if none can be used."""
    same = [item for item in offered.of(current.repository) if item.semver.major == current.semver.major]
    choice = offered.latest(same, admitted.specifiers)
    if choice.version:
        return choice
    raise ConnectorError(
        f"no base image {current.semver.major}.x for Python {admitted.text} ({_reasons(choice.passed_over)})",
        advice=_outside(offered, admitted),
        error_id="base-image-for-python",
    )


def _outside(offered: Offered, admitted: AdmittedPythons) -> str:
    """Returns the advice if the major version has no usable version."""
    try:
        other = newest(offered, admitted).version
    except ConnectorError:
        return _ADVICE
    return f"--to latest is {other.repository}:{other.version}" if other else _ADVICE


def other_majors(current: BaseImageVersion, offered: Offered, admitted: AdmittedPythons) -> BaseImageVersion | None:
    """Returns the newest of a higher major version that its Python admits, for a note."""
    higher = [item for item in offered.of(current.repository) if item.semver.major > current.semver.major]
    return offered.latest(higher, admitted.specifiers).version


def _refuse(version: BaseImageVersion, offered: Offered, admitted: AdmittedPythons) -> None:
    if reason := offered.failed.get(str(version.address)):
        raise ConnectorError(f"base image {version.version} {reason}", advice="choose another")
    if version.withdrawal:
        raise ConnectorError(
            f"base image {version.version} is yanked: {version.withdrawal}",
            advice="choose another",
            error_id="base-image-withdrawn",
        )
    if version.needs_later(offered.platform):
        raise ConnectorError(
            f"base image {version.version} needs the platform {version.requires_platform} or later, and users run "
            f"{offered.platform}",
            advice="choose another, or raise platform-version in the configuration",
        )
    if not admitted.is_observed and not admits(admitted.specifiers, version.python):
        raise ConnectorError(
            f"base image {version.version} has Python {version.python}, and the connector admits {admitted.text}",
            advice=_ADVICE,
            error_id="base-image-for-python",
        )


def _reasons(passed: Sequence[tuple[BaseImageVersion, str]]) -> str:
    return "; ".join(f"{item.version} {reason}" for item, reason in passed) or "the catalog has none"
