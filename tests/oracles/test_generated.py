"""airbyte-ci's selection from generated projects' locks equals that of the tool that locked them."""

import pytest

from tests.oracles import generated

pytestmark = pytest.mark.slow


def test_poetrys_selection_is_followed() -> None:
    """Extras in extras, groups in groups and markers across both: the packages are poetry's."""
    assert list(generated.poetry_differences(range(40))) == []


def test_uvs_selection_is_followed() -> None:
    """Extras in extras, groups in groups, conflicts and markers across them: the packages are uv's."""
    assert list(generated.uv_differences(range(30))) == []
