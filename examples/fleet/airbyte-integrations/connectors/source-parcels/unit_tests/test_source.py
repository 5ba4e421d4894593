"""The rules of the connector, held against the sample files."""

import logging
from pathlib import Path

import pytest
from airbyte_cdk.models import SyncMode
from airbyte_cdk.test.catalog_builder import CatalogBuilder, ConfiguredAirbyteStreamBuilder
from airbyte_cdk.test.entrypoint_wrapper import EntrypointOutput, read
from airbyte_cdk.test.state_builder import StateBuilder

from source_parcels import SourceParcels

SAMPLES = Path(__file__).parent.parent / "integration_tests" / "sample_data"


def read_stream(name: str, mode: SyncMode, scanned_after: str | None = None) -> EntrypointOutput:
    stream = ConfiguredAirbyteStreamBuilder().with_name(name).with_sync_mode(mode)
    state = StateBuilder()
    if scanned_after:
        state = state.with_stream_state(name, {"scanned_at": scanned_after})
    catalog = CatalogBuilder().with_stream(stream).build()
    return read(SourceParcels(), {"folder": str(SAMPLES)}, catalog, state.build())


def ids(output: EntrypointOutput, key: str) -> list[object]:
    return [message.record.data[key] for message in output.records]


def test_check_succeeds_where_the_files_are() -> None:
    """A folder with files of the carrier passes the check."""
    assert SourceParcels().check_connection(logging.getLogger(), {"folder": str(SAMPLES)}) == (True, None)


@pytest.mark.parametrize(
    ("name", "reason"), [("absent", "does not exist"), ("file", "is a file"), (".", "neither")]
)
def test_check_fails_with_a_reason(tmp_path: Path, name: str, reason: str) -> None:
    """Any other folder fails the check, and the message says why."""
    if name == "file":
        (tmp_path / name).touch()
    ok, message = SourceParcels().check_connection(logging.getLogger(), {"folder": str(tmp_path / name)})
    assert not ok
    assert message is not None
    assert reason in message


def test_parcels_have_the_types_of_their_schema() -> None:
    """CSV cells become numbers, booleans and nulls."""
    first, *_, last = read_stream("parcels", SyncMode.full_refresh).records
    assert (first.record.data["weight_kg"], first.record.data["pieces"]) == (2.4, 1)
    assert first.record.data["insured"] is True
    assert last.record.data.get("insured") is None


def test_first_sync_reads_every_scan_and_remembers_the_newest() -> None:
    """The cursor is the newest moment, not the last line."""
    output = read_stream("scans", SyncMode.incremental)
    assert ids(output, "scan_id") == [1, 2, 3, 4, 6, 5]
    assert output.most_recent_state.stream_state.scanned_at == "2024-02-05T11:00:00+01:00"


def test_next_sync_reads_only_newer_scans() -> None:
    """Moments are compared, not their spellings: 07:45+01:00 is 06:45 UTC."""
    output = read_stream("scans", SyncMode.incremental, scanned_after="2024-02-02T07:45:00+01:00")
    assert ids(output, "scan_id") == [6, 5]
