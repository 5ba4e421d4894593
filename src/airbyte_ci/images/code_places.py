"""Where the code is that `AddCode` reads. Light to import."""

from pathlib import Path

from airbyte_ci.connectors.connector import COMPONENTS, MANIFEST, MANIFEST_ONLY, PYTHON_LANGUAGES, Connector

DEFAULT_MAIN = "main.py"


def code_places(connector: Connector) -> tuple[Path, ...]:
    """Returns the files and the folder that hold the code of a package or of a manifest-only connector; else none.

    A hook may choose another main file; then the plan is made again, because hooks read the code too.
    """
    if connector.language == MANIFEST_ONLY:
        return (connector.folder / MANIFEST, connector.folder / COMPONENTS)
    if connector.language not in PYTHON_LANGUAGES:
        return ()
    return (connector.folder / DEFAULT_MAIN, connector.folder / connector.package)
