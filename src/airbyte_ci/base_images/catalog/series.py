"""Series of base images: families whose versions replace each other, and the repositories that hold them.

A connector stays in the series that its address names; a new one starts in the series of its language.
"""

from collections.abc import Sequence

from airbyte_ci.base_images.catalog.catalog import Catalog
from airbyte_ci.base_images.catalog.entry import JAVA_SERIES, MANIFEST_SERIES, PYTHON_SERIES, SERIES

PUBLISHED = {name: f"docker.io/airbyte/{name}" for name in SERIES}
_BY_LANGUAGE = {"manifest-only": MANIFEST_SERIES, "java": JAVA_SERIES}


def of_language(language: str | None) -> str:
    """Returns the series in which a connector of this language starts."""
    return _BY_LANGUAGE.get(language or "", PYTHON_SERIES)


def repositories(configured: Sequence[str], catalog: Catalog) -> tuple[str, ...]:
    """Returns the repositories that connectors may use: the configured ones, and the published ones of other series."""
    listed = {catalog.series_of(repository) for repository in configured}
    return (
        *configured,
        *(place for name, place in PUBLISHED.items() if name not in listed and place not in configured),
    )


def repositories_of(series: str, configured: Sequence[str], catalog: Catalog) -> tuple[str, ...]:
    """Returns the repositories of one series, in the configured order."""
    known = repositories(configured, catalog)
    return tuple(repository for repository in known if catalog.series_of(repository) == series)
