"""The command line of the connector."""

import sys

from source_lighthouse.protocol import run
from source_lighthouse.source import SourceLighthouse


def main() -> None:
    """Answer spec, check, discover or read, as the arguments say."""
    run(SourceLighthouse(), sys.argv[1:])
