"""Where the code is that `AddCode` reads. Light to import."""

from pathlib import Path

from airbyte_ci.connectors.connector import PYTHON_LANGUAGES, Connector

DEFAULT_MAIN = "main.py"


def code_places(connector: Connector) -> tuple[Path, ...]:
    """Returns the file and the folder that hold a package's code; none for other kinds of connectors.

    A hook may choose another main file; then the plan is made again, because hooks read the code too.
    """
    if connector.language not in PYTHON_LANGUAGES:
        return ()
    return (connector.folder / DEFAULT_MAIN, connector.folder / connector.package)
