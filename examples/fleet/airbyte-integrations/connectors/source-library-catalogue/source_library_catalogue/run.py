"""The command line of the connector."""

import sys

from source_library_catalogue.protocol import run
from source_library_catalogue.source import SourceLibraryCatalogue


def main() -> None:
    """Answer spec, check, discover or read, as the arguments say."""
    run(SourceLibraryCatalogue(), sys.argv[1:])
