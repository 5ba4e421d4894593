"""The public Python API: find connectors, plan and build images, and verify published ones.

`import airbyte_ci` exports these names. Finding connectors happens in this process. The other functions run the
command in a process of its own, because a build needs its own user namespace, signals and memory, and return its
results as values. Names and fields stay compatible within a minor version.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from airbyte_ci.api import process
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import AirbyteCiError, UsageError
from airbyte_ci.outcomes import Status

if TYPE_CHECKING:  # slow to import, and finding connectors needs no plans
    from airbyte_ci.images.plan import BuildPlan

__all__ = ["AirbyteCiError", "BuildResult", "Connector", "UsageError", "build", "find_connectors", "plan", "verify"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    """The result of one connector on one platform. `digest` is the image's; `facts` holds everything of --json."""

    connector: str
    status: Status
    platform: str = ""
    digest: str = ""
    reason: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_built(self) -> bool:
        """Returns whether there is an image."""
        return self.status != "failed" and bool(self.digest)


def find_connectors(
    repository: Path,
    *,
    names: Sequence[str] = (),
    languages: Sequence[str] = (),
    query: str = "",
    modified: bool = False,
) -> tuple[Connector, ...]:
    """Returns the connectors of a repository, sorted by name; the arguments filter them as the options of `connectors`.

    Raises UsageError for a folder without connectors and for an unknown name, and QueryError for a mistake in `query`.
    """
    from airbyte_ci.cli import fleet
    from airbyte_ci.cli.options import SelectionOptions
    from airbyte_ci.cli.settings import Settings
    from airbyte_ci.connectors.select import Selection

    selection = Selection(names=tuple(names), languages=tuple(languages), query=query, modified=modified)
    return fleet.load(Settings(repository), SelectionOptions(selection=selection, everything=True)).connectors


def plan(repository: Path, name: str, *, platform: str = "") -> "BuildPlan":
    """Returns the plan of a connector's image: everything that shapes its bytes. Raises AirbyteCiError."""
    from airbyte_ci.images.plan import BuildPlan

    architecture = [f"--architecture={platform}"] if platform else []
    printed = process.run(repository, ["connectors", f"--name={name}", "build", "--print-plan", *architecture])
    return BuildPlan.parse(printed.encode(), f"the plan of {name}")


def build(
    repository: Path,
    names: Sequence[str],
    *,
    outputs: Sequence[str] = (),
    tags: Sequence[str] = (),
    platforms: Sequence[str] = (),
    options: Sequence[str] = (),
) -> tuple[BuildResult, ...]:
    """Builds images and returns a result per connector and platform, also for those that failed.

    `outputs`, `tags` and `platforms` are those of `connectors build`; `options` are more of its options. Raises
    UsageError for wrong arguments, and AirbyteCiError if the command ended without results.
    """
    if not names:
        raise UsageError("build needs the name of a connector", advice="find_connectors lists them")
    selected = [f"--name={name}" for name in names]
    chosen = [
        *(f"--output={item}" for item in outputs),
        *(f"--tag={item}" for item in tags),
        *(f"--architecture={item}" for item in platforms),
    ]
    printed = process.run(repository, ["--json", "connectors", *selected, "build", *chosen, *options], may_fail=True)
    return tuple(_results(printed))


def verify(repository: Path, image: str, *, options: Sequence[str] = ()) -> Mapping[str, Any]:
    """Verifies a published image and returns the report of `verify --json`. Raises AirbyteCiError if a check fails."""
    return cast("Mapping[str, Any]", json.loads(process.run(repository, ["verify", image, "--json", *options])))


def _results(printed: str) -> Iterator[BuildResult]:
    for line in printed.splitlines():
        document = json.loads(line)
        yield BuildResult(
            connector=document["name"],
            status=document["status"],
            platform=document.get("platform", ""),
            digest=document.get("digest", ""),
            reason=document.get("reason", ""),
            facts=document,
        )
