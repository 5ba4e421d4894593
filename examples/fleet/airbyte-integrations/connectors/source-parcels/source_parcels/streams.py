"""The two streams: parcels, read in full, and scans, read from where the last sync stopped."""

from collections.abc import Iterable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from airbyte_cdk.models import SyncMode
from airbyte_cdk.sources.streams import CheckpointMixin, Stream
from airbyte_cdk.sources.utils.transform import TransformConfig, TypeTransformer
from airbyte_cdk.utils.datetime_helpers import ab_datetime_parse

from source_parcels import folder


class Parcels(Stream):
    """The parcels that were handed in."""

    primary_key = "parcel_id"
    transformer = TypeTransformer(TransformConfig.DefaultSchemaNormalization)

    def __init__(self, path: Path) -> None:
        self._path = path

    def read_records(
        self,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_slice: Mapping[str, Any] | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterable[Mapping[str, Any]]:
        """Yield every parcel, its cells converted to the types of the schema."""
        yield from folder.parcels(self._path)


class Scans(CheckpointMixin, Stream):
    """The scans of parcels on their way."""

    primary_key = "scan_id"
    cursor_field = "scanned_at"

    def __init__(self, path: Path, start_date: str | None) -> None:
        self._path = path
        self._state: dict[str, Any] = {self.cursor_field: start_date} if start_date else {}

    @property
    def state(self) -> MutableMapping[str, Any]:
        """The moment of the newest scan seen."""
        return self._state

    @state.setter
    def state(self, value: MutableMapping[str, Any]) -> None:
        if value.get(self.cursor_field):
            self._state = dict(value)

    def read_records(
        self,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_slice: Mapping[str, Any] | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterable[Mapping[str, Any]]:
        """Yield the scans made after the cursor, whatever the order of the files, and move the cursor."""
        seen = self._state.get(self.cursor_field)
        after = ab_datetime_parse(seen) if seen else None
        newest = after
        for scan in folder.scans(self._path):
            moment = ab_datetime_parse(scan[self.cursor_field])
            if after is not None and moment <= after:
                continue
            if newest is None or moment > newest:
                newest = moment
                self._state = {self.cursor_field: scan[self.cursor_field]}
            yield scan
