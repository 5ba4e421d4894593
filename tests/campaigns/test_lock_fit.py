"""The effect of another Python on a lock, in each format."""

from pathlib import Path

import pytest

from airbyte_ci.campaigns.bases import lock_fit
from airbyte_ci.connectors.connector import Connector

OLD, NEW, STABLE = (f"x-1-{tag}-manylinux_2_17_x86_64.whl" for tag in ("cp39-cp39", "cp311-cp311", "cp36-abi3"))
PURE, MAC = "x-1-py3-none-any.whl", "x-1-cp311-cp311-macosx_11_0_arm64.whl"


def document(name: str, *files: str) -> str:
    """A lock with one package, x, that has these files."""
    match name:
        case "poetry.lock":
            return f'[[package]]\nname = "x"\nfiles = [{", ".join(f"{{file = {file!r}}}" for file in files)}]\n'
        case "uv.lock":
            wheels = ", ".join(f'{{url = "https://x.example/{file}"}}' for file in files if file.endswith(".whl"))
            sdist = "".join(f'sdist = {{url = "{file}"}}\n' for file in files if file.endswith(".gz"))
            return f'[[package]]\nname = "x"\n{sdist}wheels = [{wheels}]\n'
    wheels = ", ".join(f'{{name = "{file}"}}' for file in files if file.endswith(".whl"))
    sdist = "".join(f'sdist = {{name = "{file}"}}\n' for file in files if file.endswith(".gz"))
    return f'[[packages]]\nname = "x"\n{sdist}wheels = [{wheels}]\n'


def consequences(folder: Path, name: str, text: str) -> tuple[str, ...]:
    (folder / name).write_text(text)
    connector = Connector("source-x", folder, relative="source-x", data={}, names=frozenset({name}))
    return lock_fit.consequences(connector, "3.9", "3.11")


@pytest.mark.parametrize("name", ["poetry.lock", "uv.lock", "pylock.toml"])
@pytest.mark.parametrize(
    ("files", "said"),
    [
        ((OLD, NEW), None),
        ((PURE,), None),
        ((STABLE,), None),
        ((OLD,), "has no wheel for Python 3.11 of x: "),
        ((OLD, MAC), "has no wheel for Python 3.11 of x: "),
        ((OLD, "x-1.tar.gz"), "has no wheel for Python 3.11 of x, which is compiled: "),
        (("x-1.tar.gz",), None),
    ],
)
def test_wheels_of_another_python(tmp_path: Path, name: str, files: tuple[str, ...], said: str | None) -> None:
    """A package with a wheel for the old Python and none for the new one is named; any other is not."""
    found = consequences(tmp_path, name, document(name, *files))
    assert [note.startswith(f"{name} {said}") for note in found] == ([True] if said else [])


def test_a_lock_of_one_python(tmp_path: Path) -> None:
    """A pylock.toml that was resolved for another Python names the command that resolves it again."""
    text = "environments = [\"python_version == '3.9' and sys_platform == 'linux'\"]\n" + document("pylock.toml", OLD)
    assert consequences(tmp_path, "pylock.toml", text) == (
        "pylock.toml was resolved for Python 3.9, and not for 3.11: airbyte-ci connectors --name=source-x lock",
    )
    assert consequences(tmp_path, "poetry.lock", "not [ toml") == ()
