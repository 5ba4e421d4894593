"""Edits of campaign files: one key is set or removed, and everything else keeps its bytes."""

from typing import Any

from airbyte_ci.documents import compose_yaml, load_yaml
from airbyte_ci.edits import yaml_text
from airbyte_ci.errors import EditRefused


def set_key(text: str, key: str, value: str, path: str) -> str:
    """Returns the file with a text at the top. Raises EditRefused."""
    try:
        return yaml_text.upsert_scalar(text, (key,), value)
    except EditRefused as error:
        raise EditRefused(f"{path}: {error.message}", advice=error.advice) from error


def remove_key(text: str, key: str, path: str) -> str:
    """Returns the file without a key of the top. Raises EditRefused if that would change anything else."""

    def lines_of(root: Any) -> tuple[int, int]:  # noqa: ANN401  # a node of PyYAML
        pairs = [*root.value]
        for number, (name, _) in enumerate(pairs):
            if name.value == key:
                following = pairs[number + 1][0].start_mark.line if number + 1 < len(pairs) else None
                return name.start_mark.line, following if following is not None else len(text.splitlines())
        raise EditRefused(f"{path}: there is no key {key}")

    first, end = compose_yaml(text, lines_of)
    lines = text.splitlines(keepends=True)
    # Comments and blank lines in front of the next key belong to that one.
    while end > first + 1 and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
        end -= 1
    result = "".join(lines[:first] + lines[end:])
    expected = {name: value for name, value in load_yaml(text).items() if name != key}
    if (load_yaml(result) or {}) != expected:
        raise EditRefused(f"{path}: the key {key} cannot be removed alone", advice="remove it by hand")
    return result
