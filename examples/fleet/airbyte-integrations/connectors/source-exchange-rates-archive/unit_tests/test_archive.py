"""The rules of the archive, held against the sample files."""

from pathlib import Path

from source_exchange_rates_archive.archive import rates
from source_exchange_rates_archive.source import SourceExchangeRatesArchive

SAMPLES = Path(__file__).parent.parent / "integration_tests" / "sample_data"


def test_dates_are_iso_whatever_the_archive_writes() -> None:
    """30.01.2024 is the thirtieth of January."""
    assert next(rates(str(SAMPLES), None))["date"] == "2024-01-30"


def test_only_the_wanted_base_currency_is_read() -> None:
    """A base currency leaves the others out."""
    assert [rate["quote"] for rate in rates(str(SAMPLES), "USD")] == ["NOK"]


def test_check_says_where_it_looked(tmp_path: Path) -> None:
    """A folder without an index fails the check."""
    assert str(tmp_path) in (SourceExchangeRatesArchive().problem({"location": str(tmp_path)}) or "")
