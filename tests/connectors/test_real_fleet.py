"""The real fleet of October 2023, found and read."""

from pathlib import Path

from airbyte_ci import config
from airbyte_ci.connectors import find
from tests.connectors import fleets
from tests.connectors.fleets import MONOREPO


def test_the_real_fleet_of_2023(tmp_path: Path) -> None:
    """All 373 connectors of October 2023 are found and read, each with the language that the original detected."""
    fleets.unpacked(tmp_path)
    expected = fleets.languages()
    for folder, (_, files) in expected.items():
        for name in files:
            place = tmp_path / folder / name
            place.mkdir(parents=True) if name == "src/main/java" else place.parent.mkdir(exist_ok=True)
            place.touch()
    connectors, errors = find.find(config.find(tmp_path / MONOREPO / "source-faker"))
    assert errors == ()
    assert len(connectors) == 373
    found = {item.relative: item.language or "-" for item in connectors}
    assert found == {folder: language for folder, (language, _) in expected.items()}
    assert sum(item.has_dockerfile for item in connectors) == 295
