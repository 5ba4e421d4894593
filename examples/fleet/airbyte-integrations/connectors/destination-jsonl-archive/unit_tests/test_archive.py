"""The rules of the archive, held in a temporary folder."""

from pathlib import Path

from destination_jsonl_archive.archive import Json, problem_of, write

RECORD = b'{"type": "RECORD", "record": {"stream": "lights", "data": {"name": "Utsira"}, "emitted_at": 1}}'
STATE = b'{"type": "STATE", "state": {"type": "STREAM"}}'


def catalog(mode: str) -> Json:
    return {"streams": [{"stream": {"name": "lights"}, "destination_sync_mode": mode}]}


def test_a_state_is_returned_when_its_records_are_in_the_file(tmp_path: Path) -> None:
    """Whoever sees the state finds the records before it."""
    messages = write(tmp_path, catalog("append"), [RECORD, STATE, RECORD])
    assert next(messages)["type"] == "STATE"
    assert (tmp_path / "lights.jsonl").read_text() == '{"name":"Utsira"}\n'


def test_overwrite_replaces_and_append_adds(tmp_path: Path) -> None:
    """The catalog's mode decides what happens to yesterday's records."""
    for mode in ("append", "overwrite", "append"):
        assert list(write(tmp_path, catalog(mode), [RECORD])) == []
    assert (tmp_path / "lights.jsonl").read_text().count("Utsira") == 2


def test_check_fails_where_nothing_can_be_written(tmp_path: Path) -> None:
    """A file in the folder's place fails the check."""
    (tmp_path / "taken").touch()
    assert "cannot be written" in (problem_of(tmp_path / "taken") or "")
