"""The differences that a migration to another kind of connector makes on purpose: other code, and other packages."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from airbyte_ci.attest.compare.comparison import FAILING, FactRow


@dataclass(frozen=True, slots=True, kw_only=True)
class IntendedChange:
    """The code that a migration removes, adds or replaces, and the distributions that it must not change.

    `code` are the paths of files below the working directory of an image; the folders above them are included.
    `required` are normalized names: the new code imports these distributions.
    """

    code: frozenset[str]
    required: frozenset[str] = frozenset()

    def explain(self, row: FactRow, folders: Collection[str], from_base: Mapping[str, str]) -> FactRow:
        """Returns the row as expected if the migration makes this difference.

        `folders` are the working directories of both images, `from_base` the distributions of the new base image.
        """
        if row.verdict not in FAILING:
            return row
        if row.kind == "file" and any(self._has(row.name, folder.strip("/")) for folder in folders):
            return replace(
                row, verdict="expected", reason="the migration replaces the connector's package by a manifest"
            )
        if row.kind == "distribution" and row.name not in self.required and row.new == from_base.get(row.name):
            reason = "the packages of the new base image replace those of the connector's lock file"
            return replace(row, verdict="expected", reason=reason)
        return row

    def _has(self, name: str, folder: str) -> bool:
        if not folder or not name.startswith(f"{folder}/"):
            return False
        path = name.removeprefix(f"{folder}/")
        return any(item == path or item.startswith(f"{path}/") for item in self.code)
