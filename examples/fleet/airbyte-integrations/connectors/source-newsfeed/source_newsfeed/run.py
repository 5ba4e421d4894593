"""The command line of the connector."""

import sys

from source_newsfeed.protocol import run
from source_newsfeed.source import SourceNewsfeed


def main() -> None:
    """Answer spec, check, discover or read, as the arguments say."""
    run(SourceNewsfeed(), sys.argv[1:])
