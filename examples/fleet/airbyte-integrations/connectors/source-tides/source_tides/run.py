"""The command line of the connector."""

import sys

from source_tides.protocol import run
from source_tides.source import SourceTides


def main() -> None:
    """Answer spec, check, discover or read, as the arguments say."""
    run(SourceTides(), sys.argv[1:])
