"""The command line of the connector."""

import sys

from source_exchange_rates_archive.protocol import run
from source_exchange_rates_archive.source import SourceExchangeRatesArchive


def main() -> None:
    """Answer spec, check, discover or read, as the arguments say."""
    run(SourceExchangeRatesArchive(), sys.argv[1:])
