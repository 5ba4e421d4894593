"""One name for one thing: what the classes of the product are called."""

import ast
from collections import defaultdict
from pathlib import Path

import airbyte_ci

PACKAGE = Path(airbyte_ci.__file__).parent
# Their names are Dagger's, and hooks import them.
DAGGERS = {"Platform", "QueryError"}


def test_no_two_public_classes_share_a_name() -> None:
    """Whoever reads a class's name knows which class it is, without its import."""
    places: dict[str, list[str]] = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(path.relative_to(PACKAGE)))
    shared = {name: found for name, found in places.items() if len(found) > 1}
    assert set(shared) <= DAGGERS, shared
    assert all(any(place.startswith("dagger/") for place in shared[name]) for name in shared), shared


def test_records_of_many_fields_are_made_by_keywords() -> None:
    """From six fields on, a call names each: nobody counts positions."""
    found = set[str]()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                decorators = [ast.unparse(item) for item in node.decorator_list]
                made = next((item for item in decorators if item.startswith("dataclass")), "kw_only")
                fields = [item for item in node.body if isinstance(item, ast.AnnAssign)]
                if "kw_only" not in made and len(fields) >= 6:
                    found.add(node.name)
    assert not found
