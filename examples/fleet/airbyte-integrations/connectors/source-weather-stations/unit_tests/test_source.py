"""The rules of the connector, held against a station server on this machine."""

import logging
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from airbyte_cdk.models import Status, SyncMode
from airbyte_cdk.test.catalog_builder import CatalogBuilder, ConfiguredAirbyteStreamBuilder
from airbyte_cdk.test.entrypoint_wrapper import EntrypointOutput, read
from airbyte_cdk.test.state_builder import StateBuilder

from integration_tests.station_server import StationHandler
from source_weather_stations import SourceWeatherStations


@pytest.fixture
def config() -> Iterator[dict[str, Any]]:
    with ThreadingHTTPServer(("127.0.0.1", 0), StationHandler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield {"url": f"http://127.0.0.1:{server.server_port}", "start_date": "2024-01-01T00:00:00Z"}
        server.shutdown()


def read_stream(
    config: dict[str, Any], name: str, mode: SyncMode, seen: str | None = None
) -> EntrypointOutput:
    stream = ConfiguredAirbyteStreamBuilder().with_name(name).with_sync_mode(mode)
    catalog = CatalogBuilder().with_stream(stream).build()
    state = StateBuilder()
    if seen:
        state = state.with_stream_state(name, {"observed_at": seen})
    messages = state.build()
    return read(SourceWeatherStations(catalog, config, messages), config, catalog, messages)


def ids(output: EntrypointOutput) -> list[object]:
    return [message.record.data["id"] for message in output.records]


def test_check_succeeds_when_the_server_answers(config: dict[str, Any]) -> None:
    """A server with stations passes the check."""
    status = SourceWeatherStations(config=config).check(logging.getLogger(), config)
    assert status.status == Status.SUCCEEDED


def test_check_fails_when_the_server_has_no_stations(config: dict[str, Any]) -> None:
    """A server that answers 404 fails the check."""
    elsewhere = {**config, "url": f"{config['url']}/elsewhere"}
    status = SourceWeatherStations(config=elsewhere).check(logging.getLogger(), elsewhere)
    assert status.status == Status.FAILED


def test_stations_are_read_page_by_page(config: dict[str, Any]) -> None:
    """Every page is followed to the last."""
    assert ids(read_stream(config, "stations", SyncMode.full_refresh)) == ["fjell", "kyst", "dal"]


def test_next_sync_reads_from_the_cursor_on(config: dict[str, Any]) -> None:
    """The state's moment is sent to the server, which leaves older observations out."""
    output = read_stream(config, "observations", SyncMode.incremental, seen="2024-03-02T06:00:00Z")
    assert ids(output) == [4, 5]
    assert output.most_recent_state.stream_state.observed_at == "2024-03-02T06:00:00Z"
