"""Point 5: what is remembered of builds and tests, for exactly the files that there were."""

from pathlib import Path

from airbyte_ci.checks import results
from airbyte_ci.checks.results import RecordedResult
from airbyte_ci.connectors import find
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.oci.store.store import Store
from tests.checks.repository import FOLDER, Repository


def opened(repository: Repository) -> tuple[Connector, Store]:
    return find.read(repository.root / FOLDER, repository.root), Store(repository.root.parent / "home")


def points(repository: Repository, *arguments: str) -> tuple[str, str, str]:
    found = repository.checked("--offline", *arguments)[1]
    return found["built"]["status"], found["tested"]["status"], found["tested"].get("reason", "")


def test_a_result_counts_for_exactly_its_files(repository: Repository) -> None:
    """Any change of a file, a mode or a name makes it unknown again; undoing the change makes it known again."""
    connector, store = opened(repository)
    assert points(repository)[2] == "not tested"
    inputs = results.inputs_of(connector)
    results.remember(store, connector, inputs, "built", RecordedResult("ok", "spec ok", "2026-01-01T00:00:00Z"))
    results.remember(store, connector, inputs, "tested", RecordedResult("failed", "unit_tests: 2 failed"))
    assert points(repository) == ("ok", "failed", "the last test failed: unit_tests: 2 failed")
    assert results.recall(store, connector, inputs, "built") == RecordedResult("ok", "spec ok", "2026-01-01T00:00:00Z")

    main = repository.root / FOLDER / "main.py"
    main.chmod(0o755)
    assert points(repository) == ("unverified", "unverified", "not tested since its files changed")
    main.chmod(0o644)
    renamed = main.rename(main.with_name("other.py"))
    assert points(repository)[0] == "unverified"
    renamed.rename(main)
    repository.write(f"{FOLDER}/new.py", "")
    assert points(repository)[0] == "unverified"
    repository.write(f"{FOLDER}/new.py", None)
    assert points(repository)[0] == "ok"

    results.remember(store, connector, inputs, "tested", RecordedResult("ok"))
    assert points(repository)[1] == "ok"


def test_what_git_ignores_and_secrets_are_no_inputs(repository: Repository) -> None:
    """Caches of tools come and go while tests run, and credentials are never committed."""
    connector, _ = opened(repository)
    before = results.inputs_of(connector)
    repository.write(".gitignore", "*.log\n__pycache__/\n")
    for ignored in ("a.log", "__pycache__/x.pyc", "secrets/config.json"):
        repository.write(f"{FOLDER}/{ignored}", "x")
    assert results.inputs_of(connector) == before


def test_inputs_are_the_same_without_git(repository: Repository, tmp_path: Path) -> None:
    """The same files give the same digest elsewhere, whether git is there to list them or not."""
    connector, _ = opened(repository)
    before = results.inputs_of(connector)
    (repository.root / ".git").rename(tmp_path / "hidden")
    assert results.inputs_of(connector) == before
