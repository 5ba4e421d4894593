"""Whether a version of a base image may still be used: yanked and expired versions are reported in one line.

Migrations, upgrades and pushes refuse a yanked version (`refuse`). Builds only warn (`warning`), so that old commits
can still be built. A version that is built on a yanked one counts as yanked.
"""

import datetime

from airbyte_ci.base_images.catalog.catalog import BaseImageVersion, Catalog
from airbyte_ci.errors import ImageError


def warning(catalog: Catalog, address: str, today: datetime.date) -> str:
    """Returns a warning for builds on this address; empty if there is none."""
    version = catalog.find(address)
    if version is None:
        return ""
    if version.yanked:
        return f"{_name(version)} was yanked: {version.yanked}{_replacement(catalog, version)}"
    if version.withdrawn_below:
        return f"{_name(version)} is {version.withdrawn_below}{_replacement(catalog, version)}"
    if version.is_expired(today):
        return f"{_name(version)} is not supported after {version.supported_until}; move to a newer version"
    return ""


def refuse(catalog: Catalog, address: str, doing: str) -> None:
    """Raises ImageError when the address is of a yanked version; `doing` begins the message."""
    version = catalog.find(address)
    if version and version.withdrawal:
        reason = f"was yanked: {version.yanked}" if version.yanked else f"is {version.withdrawn_below}"
        raise ImageError(
            f"{doing}: {_name(version)} {reason}",
            advice=f"move to {replacement(catalog, version) or 'another version'}",
            error_id="base-image-withdrawn",
        )


def replacement(catalog: Catalog, version: BaseImageVersion) -> str:
    """Returns the version to move to: the yank's replacement, else the newest good release of the same major."""
    if version.replaced_by:
        return version.replaced_by
    good = (
        item
        for item in catalog.of(version.repository)
        if not item.withdrawal and item.verified and not item.is_prerelease and item.version != version.version
    )
    return next((item.version for item in good if item.semver.major == version.semver.major), "")


def _replacement(catalog: Catalog, version: BaseImageVersion) -> str:
    other = replacement(catalog, version)
    return f"; move to {other}" if other else ""


def _name(version: BaseImageVersion) -> str:
    return f"{version.address.name} {version.version}"
