"""Our plans against what poetry itself selected when the table was written (`python -m tests.oracles.plans`)."""

from pathlib import Path

import pytest

from tests.oracles import plans
from tests.python.sample_locks import real

EXAMPLES = Path(__file__).parents[2] / "examples"
RECORDED = plans.TABLE.read_text().splitlines()


def differing(name: str, lock: str, project: str) -> set[str]:
    """Lines that only the table has, or only our plans would give."""
    found = [(target, plans.ours(lock, project, plans.interpreter(target), name)) for target in plans.TARGETS]
    mine = {plans.row(name, " ".join(target), plan) for target, plan in found}
    return mine ^ {line for line in RECORDED if line.startswith(f"{name}\t")}


@pytest.mark.parametrize("folder", [path.parent for path in EXAMPLES.rglob("poetry.lock")], ids=lambda path: path.name)
def test_an_example_is_planned_as_poetry_does(folder: Path) -> None:
    """Names, versions and files for three Pythons on two machines; refused where poetry refuses."""
    assert not differing(
        folder.name, *((folder / name).read_text("utf-8") for name in ("poetry.lock", "pyproject.toml"))
    )


@pytest.mark.slow
def test_every_real_lock_is_planned_as_poetry_does() -> None:
    """The 62 real locks, if available, in six environments each: exactly poetry's selection."""
    assert not [line for name, lock, project in real() for line in differing(name, lock, project)]
