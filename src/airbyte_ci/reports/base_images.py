"""The catalogue of base images as a table."""

from airbyte_ci.base_images.catalogue import BaseImageVersion, Catalogue


def table(catalogue: Catalogue) -> str:
    """Versions, newest first, each with its Python, user, state and address."""
    rows = [("VERSION", "PYTHON", "USER", "STATE", "ADDRESS")]
    rows += [(item.version, item.python, item.user, _state(item), str(item.address)) for item in catalogue.versions]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        lines.append(" ".join((*cells, row[4])).rstrip())
    return "".join(f"{line}\n" for line in lines)


def _state(item: BaseImageVersion) -> str:
    if item.yanked:
        return "yanked"
    if item.is_prerelease:
        return "pre-release"
    return "released" if item.verified else "sighted only"
