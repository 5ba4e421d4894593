"""Which Pythons a connector admits, by its own files."""

from pathlib import Path

import pytest

from airbyte_ci.base_images.catalog.catalog import shipped
from airbyte_ci.base_images.catalog.latest import admits
from airbyte_ci.campaigns.bases import pythons
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import LockError


def admitted(folder: Path, **files: str) -> pythons.AdmittedPythons:
    names = {name.replace("_py", ".py").replace("_toml", ".toml"): text for name, text in files.items()}
    for name, text in names.items():
        (folder / name).write_text(text)
    return pythons.admitted(
        Connector("source-x", folder, relative="connectors/source-x", data={}, names=frozenset(names)), shipped()
    )


POETRY = '[tool.poetry.dependencies]\npython = "^3.9,<3.12"\n'
PROJECT = '[project]\nrequires-python = ">=3.10"\n'
SETUP = 'from setuptools import setup\nsetup(name="x", python_requires=">=3.8")\n'
DOCKERFILE = "FROM python:3.9-slim\n"


@pytest.mark.parametrize(
    ("files", "text", "source"),
    [
        ({"pyproject_toml": POETRY, "setup_py": SETUP, "Dockerfile": DOCKERFILE}, "^3.9,<3.12", "pyproject.toml"),
        ({"pyproject_toml": PROJECT + POETRY}, ">=3.10", "pyproject.toml"),
        ({"pyproject_toml": "[tool.black]\n", "setup_py": SETUP}, ">=3.8", "setup.py"),
        ({"setup_py": SETUP, "Dockerfile": DOCKERFILE}, ">=3.8", "setup.py"),
        ({"setup_py": "setup()\n", "Dockerfile": DOCKERFILE}, "==3.9.*", "Dockerfile"),
        ({"setup_py": "setup(python_requires=WANTED)\n", "Dockerfile": DOCKERFILE}, "==3.9.*", "Dockerfile"),
        ({"setup_py": "print 'python 2'\n", "Dockerfile": DOCKERFILE}, "==3.9.*", "Dockerfile"),
        ({"setup_py": "setup()\n", "Dockerfile": "FROM debian:12\n"}, "any", ""),
        ({"Dockerfile": "FROM docker.io/airbyte/python-connector-base:1.1.0\n"}, "==3.9.*", "Dockerfile"),
        ({"pyproject_toml": "tool = 3\nproject = 4\n"}, "any", ""),
        ({"pyproject_toml": "[tool.poetry]\ndependencies = []\n"}, "any", ""),
        ({}, "any", ""),
    ],
    ids=str,
)
def test_the_first_file_that_says_it_counts(tmp_path: Path, files: dict[str, str], text: str, source: str) -> None:
    """pyproject.toml, then setup.py, then what the Dockerfile ran on; nothing of it is run."""
    found = admitted(tmp_path, **files)
    assert (found.text, found.source) == (text, source)


def test_setup_py_is_never_run(tmp_path: Path) -> None:
    """Reading what a setup.py declares does not do what it does."""
    admitted(tmp_path, setup_py=f"open({str(tmp_path / 'ran')!r}, 'w')\nsetup(python_requires='>=3.9')\n")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        ("^3.9,<3.12", ["3.9.18", "3.11.9", "3.9"], ["3.8.18", "3.12.0", "3.13"]),
        ("~3.9", ["3.9.18", "3.9"], ["3.10.1", "3.10"]),
        (">=3.9 <3.11 || ^3.13", ["3.10", "3.13"], ["3.11", "3.12.1"]),
        ("*", ["3.9", "3.13"], []),
    ],
)
def test_admitted_versions(tmp_path: Path, text: str, yes: list[str], no: list[str]) -> None:
    """Poetry's constraints admit the Pythons that poetry admits; X.Y includes its patch releases."""
    found = admitted(tmp_path, pyproject_toml=f'[tool.poetry.dependencies]\npython = "{text}"\n')
    assert [version for version in yes + no if admits(found.specifiers, version)] == yes


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"pyproject_toml": "[tool\n"}, "connectors/source-x/pyproject.toml is not valid TOML"),
        (
            {"pyproject_toml": '[tool.poetry.dependencies]\npython = "three"\n'},
            "connectors/source-x/pyproject.toml: the Python 'three' cannot be understood",
        ),
        ({"setup_py": "setup(python_requires='^')\n"}, "connectors/source-x/setup.py: the Python '^' cannot be"),
    ],
)
def test_a_declaration_that_is_none_is_told(tmp_path: Path, files: dict[str, str], said: str) -> None:
    """The file and the text are named."""
    with pytest.raises(LockError) as caught:
        admitted(tmp_path, **files)
    assert caught.value.message.startswith(said)
