"""What becomes of what a Dockerfile did, as a value; how that is decided is not known here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from airbyte_ci.connectors.customization import Customization

ROOT = "root"
# Where the code is, and where images start.
CODE = "/airbyte/integration_code"


@dataclass(frozen=True, slots=True)
class Step:
    """A command, who ran it and in which folder (None: the usual one); one word is a text for the shell."""

    words: tuple[str, ...]
    user: str = ROOT
    workdir: str | None = None


@dataclass(frozen=True, slots=True)
class CarriedOver:
    """What becomes of a Dockerfile.

    Steps `before` and `after` the connector is installed, and what follows up to `workdir`, need a module.
    `base_user` is who the base image runs as. `user` and `workdir` are those at the end, where steps come before them.
    `settled` is what needs nothing, with the reason; `lost` is what cannot be carried, in words for
    the person who has to look at it.
    """

    customization: Customization
    before: tuple[Step, ...] = ()
    after: tuple[Step, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()
    main_file: str | None = None
    user: str | None = None
    workdir: str | None = None
    base_user: str = ROOT
    settled: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()

    def declared(self) -> tuple[str, ...]:
        """What the declaration carries, in words."""
        custom = self.customization
        words = [f"ENV {name}" for name in custom.env]
        words += [f"package {name}" for name in custom.system_packages]
        words += [f"build package {name}" for name in custom.build_packages]
        words += [f"file {path}" for path in custom.files]
        words += [f"USER {custom.user}"] if custom.user else []
        words += [f"WORKDIR {custom.workdir}"] if custom.workdir else []
        return tuple(words)

    def coded(self) -> tuple[str, ...]:
        """What the module carries, in words."""
        words = [f"RUN {shortened(' '.join(step.words))}" for step in (*self.before, *self.after)]
        words += [f"LABEL {name}" for name in self.labels]
        words += [f"ENTRYPOINT {' '.join(self.entrypoint)}"] if self.entrypoint else []
        words += [f"main file {self.main_file}"] if self.main_file else []
        words += [f"USER {self.user}"] if self.user else []
        words += [f"WORKDIR {self.workdir}"] if self.workdir else []
        return tuple(words)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is asked of the connector's folder: what a path in it is, and whether its files mention a name."""

    package: str
    kind_of: Callable[[str], Literal["file", "folder"] | None]
    mentions: Callable[[str], bool]


def shortened(text: str, width: int = 80) -> str:
    """The text on one line, cut where it is longer."""
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 1]}…"
