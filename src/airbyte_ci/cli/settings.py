"""The global options as one frozen value, handed to every command."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """`repo` is where to look for the repository; `diffed_branch` is what branches are compared with, if given.

    The rest is how to behave.
    """

    repo: Path
    as_json: bool = False
    quiet: bool = False
    offline: bool = False
    diffed_branch: str | None = None

    def also(self, *, as_json: bool) -> "Settings":
        """With an option that was given after the verb."""
        return dataclasses.replace(self, as_json=self.as_json or as_json)
