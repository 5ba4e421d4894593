"""A Dockerfile's effects on the new build, as a value: the customization, the steps, and a finding for each part."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from airbyte_ci.campaigns.changes import findings
from airbyte_ci.campaigns.changes.findings import Finding, shorten
from airbyte_ci.campaigns.conversion.entry_points import EntryPoint
from airbyte_ci.connectors.customization import Customization

ROOT = "root"
# The folder of the code, in which images start.
CODE = "/airbyte/integration_code"


@dataclass(frozen=True, slots=True)
class Step:
    """A command, its user and its folder (None: the default); a single word is a text for the shell."""

    words: tuple[str, ...]
    user: str = ROOT
    workdir: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedOver:
    """The result of converting a Dockerfile: `findings` has each part of each instruction.

    Steps `before` and `after` the connector's installation, and the fields up to `workdir`, need a module. `base_user`
    is the base image's user, `python` the Dockerfile's Python (X.Y; empty: unknown). `user` and `workdir` are the final
    ones, if steps precede them.
    """

    customization: Customization
    before: tuple[Step, ...] = ()
    after: tuple[Step, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    entry_point: EntryPoint = field(default_factory=EntryPoint)
    user: str | None = None
    workdir: str | None = None
    base_user: str = ROOT
    python: str = ""
    findings: tuple[Finding, ...] = ()

    @property
    def settled(self) -> tuple[str, ...]:
        """Returns the notes about parts that need no action."""
        return tuple(findings.notes(self.findings))

    @property
    def lost(self) -> tuple[str, ...]:
        """Returns the parts that a person must review."""
        return tuple(findings.reported(self.findings))

    def declared(self) -> tuple[str, ...]:
        """Returns the parts that the declaration carries, in words."""
        custom = self.customization
        words = [f"ENV {name}" for name in custom.env]
        words += [f"package {name}" for name in custom.system_packages]
        words += [f"build package {name}" for name in custom.build_packages]
        words += [f"file {path}" for path in custom.files]
        words += [f"USER {custom.user}"] if custom.user else []
        words += [f"WORKDIR {custom.workdir}"] if custom.workdir else []
        return tuple(words)

    def coded(self) -> tuple[str, ...]:
        """Returns the parts that the module carries, in words."""
        entry = self.entry_point
        words = [f"RUN {shorten(' '.join(step.words))}" for step in (*self.before, *self.after)]
        words += [f"LABEL {name}" for name in self.labels]
        words += [f"ENTRYPOINT {' '.join(entry.arguments)}"] if entry.arguments else []
        words += [f"main file {entry.main_file}"] if entry.main_file else []
        words += [f"USER {self.user}"] if self.user else []
        words += [f"WORKDIR {self.workdir}"] if self.workdir else []
        return tuple(words)
