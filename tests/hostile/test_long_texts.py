"""Texts that make a backtracking expression try for hours: each is read in time that grows with its length alone."""

from collections.abc import Callable

import pytest

from airbyte_ci.base_images import dpkg
from airbyte_ci.build import lockfile
from airbyte_ci.campaigns import readme, release
from airbyte_ci.campaigns.delivery import wording
from airbyte_ci.edits import changelog, changelog_table, markdown_table
from airbyte_ci.edits.pull_request_form import pull_request_form
from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.python import requirements
from airbyte_ci.reports import listing

_N = 50_000


def _changelog(text: str) -> object:
    return changelog.has_row(text, "1.0.0")


def _requirements(text: str) -> object:
    return requirements.parse(text, "requirements.txt")


CASES: dict[str, tuple[Callable[[str], object], str]] = {
    "a heading with blanks": (_changelog, "# " + " " * _N + "x\n"),
    "a heading with signs and blanks": (_changelog, "# Changelog " + "# " * _N + "x\n"),
    "a heading of a README": (lambda text: readme.with_build_section(text, "a", "b"), "# Build" + " \t" * _N + "x\n"),
    "commands of a README": (
        lambda text: readme.with_build_section(text, "a", "b"),
        "# Build\nDockerfile " + "airbyte-ci gradlew " * _N,
    ),
    "a heading of a shared page": (lambda text: release.section(text, "a"), "# changelog" + " #" * _N + " x\n"),
    "a rule without a pipe": (markdown_table.is_delimiter, "-" * _N * 10),
    "a rule without a dash": (markdown_table.is_delimiter, "|" * _N * 10),
    "a version with marks": (
        lambda text: changelog_table._VERSION.fullmatch(text),
        "1" + "_" * _N + "(" + "`" * _N,
    ),
    "links that never close": (pull_request_form, "[" * _N),
    "addresses that never end": (pull_request_form, "[a](" + "https://a/" * _N),
    "folders without a number": (pull_request_form, "a/" * _N),
    "blanks before an at": (_requirements, "a" + " " * _N + "[x]" + " " * _N + "b\n"),
    "brackets of extras": (_requirements, "./" + "[" * _N + "\n"),
    "empty lines of a lock": (lambda text: lockfile._INCLUDE.findall(text), "\n" * _N * 10),
    "empty lines of metadata": (lambda text: wording._BASE.search(text.encode()), "\n" * _N * 10 + " x"),
    "empty lines of dpkg": (dpkg.packages, ("\n" + " " * 100) * _N),
    "a version of digits": (listing._sortable, "1." + "9" * _N),
    "a version of other digits": (listing._sortable, "1.²٣"),
}


@pytest.mark.parametrize(("read", "text"), CASES.values(), ids=CASES)
def test_no_text_takes_long(read: Callable[[str], object], text: str) -> None:
    """It is read or refused, at once."""
    try:
        read(text)
    except AirbyteCiError as error:
        assert len(str(error)) < 10_000
