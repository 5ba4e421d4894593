"""A container between two operations, as a value: its added layers, its configuration, and mounts for commands."""

import os
import string
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from airbyte_ci.dagger import MountCache, MountSecret, MountTemporary
from airbyte_ci.errors import SandboxError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import CREATED, Image
from airbyte_ci.oci.layer import Layer

Lending = MountCache | MountTemporary | MountSecret


@dataclass(frozen=True, slots=True)
class Output:
    """The output of a command; `cut` if it exceeds the limit.

    Long output is only in the store, under the key `remembered`: a recipe has many states.
    """

    stdout: str
    stderr: str
    exit_code: int = 0
    cut: bool = False
    remembered: Digest | None = None


@dataclass(frozen=True, slots=True)
class AddedLayer:
    """A layer on top of the base; None if a command left no changes.

    For a command, `raw` names the snapshot that includes the scrubbed files, and `impure` means that its result may
    depend on the network or on a cache. A `lent` layer is visible to commands and is not in the image.
    """

    layer: Layer | None
    created_by: str
    raw: str = ""
    impure: bool = False
    lent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A container after its operations. `secrets` are variables by the digest of their value."""

    base: Image
    execution: Mapping[str, Any]
    steps: tuple[AddedLayer, ...] = ()
    history: tuple[Mapping[str, Any], ...] = ()
    output: Output = field(default_factory=lambda: Output("", ""))
    annotations: Mapping[str, str] = field(default_factory=dict)
    mounted: tuple[str, ...] = ()
    lending: tuple[tuple[str, Lending], ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        pairs = (str(item).partition("=") for item in self.execution.get("Env") or [])
        return {name: value for name, _, value in pairs}

    def with_execution(self, key: str, value: object) -> "State":
        return replace(self, execution={**self.execution, key: value})

    def with_environment(self, environment: Mapping[str, str]) -> "State":
        return self.with_execution("Env", [f"{name}={value}" for name, value in environment.items()])

    def with_step(self, step: AddedLayer) -> "State":
        """Returns the state with a layer on top, and the history entry that names its origin."""
        if step.lent:
            return replace(self, steps=(*self.steps, step))
        comment = "airbyte-ci; used the network" if step.impure else "airbyte-ci"
        record: dict[str, Any] = {"created": CREATED, "created_by": step.created_by, "comment": comment}
        if step.layer is None:
            record["empty_layer"] = True
        return replace(self, steps=(*self.steps, step), history=(*self.history, record))

    def expanded(self, text: str, *, expand: bool) -> str:
        """Returns the text with `$NAME` and `${NAME}` replaced by the image's variables, if requested."""
        return string.Template(text).safe_substitute(self.environment) if expand else text

    def absolute(self, path: str, *, expand: bool = False) -> str:
        """Returns an absolute path of the image; relative ones start at its working directory. Raises SandboxError."""
        folder = str(self.execution.get("WorkingDir") or "/")
        path = self.expanded(path, expand=expand)
        normal = os.path.normpath(os.path.join(folder, path))  # noqa: PTH118  # a path of the image, not of this host
        if normal.startswith("/") and "\0" not in normal:
            return "/" + normal.lstrip("/")
        raise SandboxError(f"{path!r} is not a valid path in an image")
