"""Poetry's version constraints, as poetry-core itself reads them."""

from pathlib import Path

import pytest
from packaging.specifiers import InvalidSpecifier
from packaging.version import InvalidVersion

from airbyte_ci.python.packages.constraints import admits

# Constraint, and those versions of the row `*` that parse_constraint(…).allows(…)
# admits in poetry-core 2.1.4.
ROWS = [line.split("\t") for line in Path(__file__).with_name("constraints_by_poetry.tsv").read_text().splitlines()]
VERSIONS = next(versions for constraint, versions in ROWS if constraint == "*").split()


@pytest.mark.parametrize(("constraint", "expected"), ROWS, ids=[row[0] for row in ROWS])
def test_a_constraint_admits_what_poetry_admits(constraint: str, expected: str) -> None:
    """Caret, tilde, wildcards, ranges by comma or blank, and alternatives."""
    assert [version for version in VERSIONS if admits(constraint, version)] == expected.split()


@pytest.mark.parametrize(("constraint", "refused"), [("", []), ("<>1.2.3", ["1.2.3"]), ("!=1.2.3", ["1.2.3"])])
def test_pep_440_where_poetry_is_strange(constraint: str, refused: list[str]) -> None:
    """No constraint admits all; `<>` is not equality; a pre-release is not the version that is left out."""
    assert [version for version in VERSIONS if not admits(constraint, version)] == refused


def test_a_local_version_admits_those_after_it() -> None:
    """`^2.0+cpu` starts at 2.0, because PEP 440 does not order local versions by ranges."""
    assert [version for version in ("1.9", "2.0+cpu", "2.1", "3.0") if admits("^2.0+cpu", version)] == [
        "2.0+cpu",
        "2.1",
    ]


@pytest.mark.parametrize(
    "constraint", ["^", "~", "^abc", ">=", "3.9 -", "nonsense", "==", "1..2", "^1.*", ">=3 and <4"]
)
def test_what_is_no_constraint_is_refused(constraint: str) -> None:
    """It raises packaging's errors; the caller adds whose constraint it is."""
    with pytest.raises((InvalidSpecifier, InvalidVersion)):
        admits(constraint, "3.9")
