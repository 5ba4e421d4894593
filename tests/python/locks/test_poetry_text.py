"""The quick parser of poetry.lock gives the same result as TOML."""

import tomllib
from typing import Any

import pytest

from airbyte_ci.errors import LockError
from airbyte_ci.python.locks import poetry_text
from tests.python import sample_locks

LIST = 'files = [\n    {file = "a-1.whl", hash = "sha256:0"},\n    {file = "a-1.tar.gz", hash = "sha256:1"},\n]\n'


def plain(value: Any) -> Any:
    """Lists of files as lists."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, poetry_text.FileList)) else value


def test_real_locks_are_the_same() -> None:
    """All 62, every file of every package."""
    for name, text, _ in sample_locks.real():
        assert plain(poetry_text.parse(text, name)) == tomllib.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        f'[[package]]\nname = "a"\n{LIST}[[package]]\nname = "b"\nfiles = []\n',
        f"[[package]]\n{LIST}".replace("    {", "  {"),
        f"[[package]]\n{LIST}".replace("a-1.whl", "a\\u0041-1.whl"),
        f'[[package]]\n{LIST}[[package]]\nfiles = "\ue0000"\n',
        f'[[package]]\n{LIST}[[package]]\nfiles = "\\uE0000"\n',
        f"[metadata.files]\n{LIST}",
        f"[other]\n{LIST.replace('files', 'more')}",
    ],
    ids=["poetry's", "other blanks", "escapes", "token", "escaped token", "a package named files", "another key"],
)
def test_other_texts_are_the_same(text: str) -> None:
    """With any content, also if it looks like the replacement of a list."""
    assert plain(poetry_text.parse(text, "x")) == tomllib.loads(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"[[package]]\n{LIST}{LIST}", "x is not valid TOML: Cannot overwrite a value (at line 9"),
        (f"[[package]]\n{LIST}name = \n", "x is not valid TOML: Invalid value (at line 6"),
        (f"[[package]]\n<<<<<<< a\n{LIST}>>>>>>> b\n", "x holds merge conflict markers"),
        ("a = " + "[" * 5000, "x is not valid TOML: it is nested too deeply"),
    ],
)
def test_what_is_no_toml_is_told_with_its_place(text: str, said: str) -> None:
    """The line is that of the file."""
    with pytest.raises(LockError) as caught:
        poetry_text.parse(text, "x")
    assert str(caught.value).startswith(said)
