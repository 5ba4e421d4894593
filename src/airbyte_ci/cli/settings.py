"""The global options as one frozen value, which every command receives."""

import dataclasses
from pathlib import Path

from airbyte_ci.records import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """The global options. `repo` is a folder in the repository; `diffed_branch` is the branch to compare with."""

    repo: Path
    as_json: bool = False
    quiet: bool = False
    offline: bool = False
    diffed_branch: str | None = None

    def also(self, *, as_json: bool) -> "Settings":
        """Returns the settings with the `--json` of a command."""
        return dataclasses.replace(self, as_json=self.as_json or as_json)
