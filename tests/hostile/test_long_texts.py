"""Texts that make a backtracking expression try for hours: each is read in time that grows with its length alone."""

from collections.abc import Callable

import pytest

from airbyte_ci.campaigns.connector_files import readme, release
from airbyte_ci.campaigns.delivery import wording
from airbyte_ci.campaigns.dockerfile import shell_commands, stages
from airbyte_ci.edits import changelog, changelog_table, markdown_table
from airbyte_ci.edits.pull_request_form import pull_request_form
from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.images import lockfile
from airbyte_ci.python.packages import requirements
from airbyte_ci.reports import listing
from airbyte_ci.rootfs import dpkg

_N = 50_000


def _changelog(text: str) -> object:
    return changelog.has_row(text, "1.0.0")


def _requirements(text: str) -> object:
    return requirements.parse(text, "requirements.txt")


def _commands(text: str) -> object:
    """The parsed parts of a Dockerfile, and of each RUN in it."""
    found = stages.read(f"FROM a\n{text}")
    return [list(shell_commands.read(item)) for item in found.stages[0].instructions if item.name == "RUN"]


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
    "parts of a pull request that never end": (wording.our_title, "<!-- airbyte-ci: a -->" * _N),
    "titles of a pull request that never end": (wording.our_title, "<!-- airbyte-ci: " * _N),
    "a title of blanks": (lambda text: wording.renewed(text, "x"), "<!-- airbyte-ci: " + " -" * _N),
    "a command of blanks": (_commands, "RUN pip" + " " * _N + "x"),
    "commands of blanks": (_commands, "RUN " + "uv " * _N),
    "a here-document of empty lines": (_commands, "RUN <<A <<B\n" + "\n" * 1_000_000),
    "here-documents that never begin": (_commands, "RUN " + "<<A " * (_N // 5)),
    "quotes that never end": (_commands, "RUN " + '\\"' * _N),
    "instructions": (_commands, "A\n" * 500_000),
    "arguments": (_commands, "".join(f"ARG a{number}=$a{number - 1}\n" for number in range(5_000))),
    "lines that go on": (_commands, "RUN a " + "\\\n" * 500_000),
    "a Dockerfile that is too large": (_commands, "RUN a\n" * _N * 10),
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
