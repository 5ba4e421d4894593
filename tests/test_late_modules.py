"""Modules that are imported at their first use."""

import importlib
import inspect
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_ci import __main__
from airbyte_ci.cli.late_modules import LateModule, late_modules


@pytest.fixture
def rare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module that was not imported yet."""
    (tmp_path / "rare_module.py").write_text("calls = []\ndef call():\n    calls.append(1)\n    return calls\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "rare_module", sys)  # removes it after the test
    del sys.modules["rare_module"]
    return "rare_module"


def test_a_module_is_imported_at_its_first_use(rare: str) -> None:
    """Until then it has only the known attributes; afterwards those of the module itself."""
    with late_modules({rare: {"known": 1}}):
        late = importlib.import_module(rare)
        assert late.known == 1
    assert isinstance(late, LateModule)
    assert rare not in sys.modules
    assert late.call() == [1]
    assert sys.modules[rare].calls is late.calls
    with pytest.raises(AttributeError):
        _ = late.unknown


def test_a_use_at_once_imports_the_module(rare: str) -> None:
    """As a library does whose class inherits from one of the module."""
    with late_modules({rare: {}}):
        late = importlib.import_module(rare)
        assert late.call() == [1]
        assert not isinstance(importlib.import_module(rare), LateModule)
    assert sys.modules[rare].calls == [1]


def test_other_imports_get_the_module_itself(rare: str) -> None:
    """A module that was imported before is not replaced, nor is one that is imported after the block."""
    with late_modules({rare: {}, "sys": {}}):
        assert importlib.import_module("sys") is sys
    assert not isinstance(importlib.import_module(rare), LateModule)


@given(st.text("ab. \t\n"))
def test_help_texts_are_cleaned_as_python_does(text: str) -> None:
    assert __main__._clean_help(text) == inspect.cleandoc(text)
