"""The catalogue of base images as a table."""

from airbyte_ci.base_images.catalogue import BaseImageVersion, Catalogue
from airbyte_ci.reports import columns


def table(catalogue: Catalogue) -> str:
    """Versions, newest first, each with its Python, user, state and address."""
    rows = [("VERSION", "PYTHON", "USER", "STATE", "ADDRESS")]
    rows += [(item.version, item.python, item.user, _state(item), str(item.address)) for item in catalogue.versions]
    return columns.lines(rows)


def _state(item: BaseImageVersion) -> str:
    if item.yanked:
        return "yanked"
    if item.is_prerelease:
        return "pre-release"
    return "released" if item.verified else "sighted only"
