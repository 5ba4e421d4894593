"""The options of every build of a command. Light to import."""

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airbyte_ci.images.outputs import ImageDestination
from airbyte_ci.images.rules import NO_RULES, Rules
from airbyte_ci.oci.image import CREATED, Compression, Platform
from airbyte_ci.records import dataclass

if TYPE_CHECKING:  # slow to import, and few builds are given a plan or a framework
    from airbyte_ci.images.plan import BuildPlan
    from airbyte_ci.python.packages.lock import Origin


DEFAULT_TAG = "dev"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The options of a build.

    `native` is this machine's platform, `override` a base image that replaces the metadata's, and `created` is RFC
    3339. `rules` apply to locks, `framework` replaces the locked one, and `passed` are variables that hooks may see.

    `plan` is an existing BuildPlan; without one it is created. `again` builds a second time from scratch. `show_hook`
    computes the customization's effect in any case. `fixed` are tags that must not move to another image in a registry.
    `distribution` is the tar of a Java connector, instead of the one in its folder.
    """

    platforms: tuple[Platform, ...]
    native: Platform
    override: str | None = None
    tags: tuple[str, ...] = (DEFAULT_TAG,)
    destinations: tuple[ImageDestination, ...] = ()
    verify: bool = True
    compression: Compression = "gzip"
    bytecode: bool = True
    created: str = CREATED
    rules: Rules = NO_RULES
    framework: "Origin | None" = None
    passed: Mapping[str, str] = field(default_factory=dict)
    plan: "BuildPlan | None" = None
    again: bool = False
    show_hook: bool = False
    fixed: frozenset[str] = frozenset()
    distribution: Path | None = None

    @property
    def may_stay_away(self) -> bool:
        """Whether layers may stay in a registry: nothing runs and no file is written here."""
        return not self.verify and bool(self.destinations) and all(item.is_registry for item in self.destinations)

    def settings(self, platform: Platform) -> dict[str, Any]:
        """Returns the options that shape the platform's image or require its layers here."""
        return {
            "override": self.override,
            "compression": self.compression,
            "bytecode": self.bytecode,
            "created": self.created,
            "locks": self.rules.to_json(),
            "framework": str(self.framework),
            "away": str(self.destinations[0]) if self.may_stay_away else "",
            "platform": str(platform),
            "native": str(self.native),
            "passed": dict(self.passed),
            **({"distribution": str(self.distribution)} if self.distribution else {}),
        }
