"""airbyte-ci builds and maintains data connectors on certified base images.

The names in `__all__` are the public Python API (docs/python-api.md). They are imported at their first use, so that the
command starts as fast as without them.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airbyte_ci.api import (
        AirbyteCiError,
        BuildResult,
        Connector,
        UsageError,
        build,
        find_connectors,
        plan,
        verify,
    )

__version__ = "0.2.0"
__all__ = [
    "AirbyteCiError",
    "BuildResult",
    "Connector",
    "UsageError",
    "__version__",
    "build",
    "find_connectors",
    "plan",
    "verify",
]


def __getattr__(name: str) -> object:
    """Imports a public name at its first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from airbyte_ci import api

    return getattr(api, name)
