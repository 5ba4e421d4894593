"""Converts a Dockerfile: each part of each instruction is covered by the base or the build, carried over or reported.

Decides from the instructions and from the content of the connector's folder; writes nothing.
"""

import posixpath
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace

from airbyte_ci.base_images.catalog.catalog import BaseImageVersion, Catalog
from airbyte_ci.campaigns.changes.findings import Finding, shorten
from airbyte_ci.campaigns.conversion import carrier as carriers
from airbyte_ci.campaigns.conversion import carry_commands, carry_files, entry_points
from airbyte_ci.campaigns.conversion.carried import CODE, ROOT, CarriedOver
from airbyte_ci.campaigns.conversion.carrier import Carrier, Unsaid
from airbyte_ci.campaigns.conversion.connector_folder import ConnectorFolder
from airbyte_ci.campaigns.conversion.entry_points import EntryPoint, Place
from airbyte_ci.campaigns.dockerfile import stages
from airbyte_ci.campaigns.dockerfile.stages import Dockerfile, Stage, Values
from airbyte_ci.campaigns.dockerfile.syntax import Instruction
from airbyte_ci.campaigns.dockerfile.words import Misread
from airbyte_ci.connectors import customization
from airbyte_ci.connectors.customization import Customization

_ENTRYPOINT = "AIRBYTE_ENTRYPOINT"
_USUAL = f"python {CODE}/main.py"
_OWN_LABELS = ("io.airbyte.version", "io.airbyte.name", "maintainer")
# Variables of the official Python images, and of every image.
_OF_PYTHON = re.compile(r"PATH|LANG|GPG_KEY|PYTHON_(VERSION|SHA256|PIP_VERSION|SETUPTOOLS_VERSION|GET_PIP_\w+)")
# Variables that matter only to tools that install packages.
_OF_TOOLS = re.compile(r"(PIP|POETRY|UV|PIPENV|PIPX|VIRTUAL_ENV|VENV|DEBIAN|PYTHON)(_\w+)?|PYTHON\w*|PATH")
_DEFAULTS = (("TZ", "Etc/UTC"), ("TZ", "UTC"), ("LANG", "C.UTF-8"))


def decide(
    dockerfile: Dockerfile, base: BaseImageVersion, folder: ConnectorFolder, bases: Catalog = stages.NO_BASES
) -> CarriedOver:
    """Converts everything in the Dockerfile; `bases` are the known base images.

    Raises EditRefused if the build could not start the Dockerfile's entry point.
    """
    reading = _Reading(dockerfile, base, folder, bases)
    return reading.result()


class _Reading:
    """One pass over a Dockerfile; parts that depend on later instructions are decided at the end."""

    def __init__(self, dockerfile: Dockerfile, base: BaseImageVersion, folder: ConnectorFolder, bases: Catalog) -> None:
        self._dockerfile = dockerfile
        self._base = base
        self._python = dockerfile.python(bases)
        self._carrier = Carrier(dockerfile, base, folder, carriers.find_root(dockerfile, folder))
        self._findings: list[Finding] = []
        # Settings that a later instruction may replace, with the line of the last one.
        self._last: dict[str, int] = {}
        self._settings: list[tuple[Instruction, str]] = []
        self._env: dict[str, tuple[Instruction, str]] = {}
        self._labels: dict[str, str] = {}
        self._lost: dict[str, str] = {}

    def result(self) -> CarriedOver:
        carrier, dockerfile = self._carrier, self._dockerfile
        for instruction in dockerfile.above:
            is_argument = instruction.name == "ARG"
            self._add(carrier.built(instruction) if is_argument else carrier.reported(instruction, "it is above FROM"))
        for stage in dockerfile.aside:
            self._aside(stage)
        values = carrier.values = Values(dockerfile.arguments, self._is_of_root)
        for stage in dockerfile.final:
            self._from_image(stage)
            values.enter()
            for instruction in stage.instructions:
                self._go_on(instruction, self._instruction)
        return self._finished(values)

    def _add(self, *findings: Finding) -> None:
        self._findings += findings

    def _go_on(self, instruction: Instruction, read: Callable[[Instruction], Iterator[Finding]]) -> None:
        """Processes an instruction; reports an invalid one as written."""
        carrier = self._carrier
        before = len(self._findings) + len(self._settings)
        try:
            self._findings += list(read(instruction))
            carrier.values.apply(instruction)
        except (Misread, Unsaid) as error:
            self._add(carrier.reported(instruction, str(error)))
        if len(self._findings) + len(self._settings) == before:
            self._add(carrier.reported(instruction, "airbyte-ci does not know it"))

    # --- where it comes from ----------------------------------------------------------------------

    def _is_of_root(self, name: str) -> bool:
        """Returns whether the root image may have a variable: for an unknown image, any."""
        is_known = self._python or self._dockerfile.root.lower() == "scratch"
        return _OF_PYTHON.fullmatch(name) is not None or not is_known

    def _from_image(self, stage: Stage) -> None:
        carrier, image, start = self._carrier, self._dockerfile.root, stage.start
        if self._dockerfile.below(stage):
            self._add(carrier.built(start))
            return
        if not self._python:
            self._add(carrier.reported(start, "what that image has is not known", f"FROM {image}"))
            return
        old, new = self._python, ".".join(self._base.python.split(".")[:2])
        notes = [f"Python {old} → {new}"] if old != new else []
        notes += ["Alpine → Debian"] if "alpine" in image.lower() else []
        self._add(*(carrier.given(start, note=note) for note in notes or [""]))

    def _aside(self, stage: Stage) -> None:
        """Processes a stage that is not in the image: packages for compiling, and Python packages that are copied from
        it.
        """
        carrier = self._carrier
        carrier.values = Values(self._dockerfile.arguments, self._is_of_root)
        for below in self._dockerfile.chain(stage)[:-1]:
            for instruction in below.instructions:
                try:
                    carrier.values.apply(instruction)
                except Misread:
                    continue
        self._add(carrier.built(stage.start))
        for instruction in stage.instructions:
            self._go_on(instruction, lambda item: self._instruction_aside(stage, item))
        carrier.copies.clear()
        carrier.is_installed = False

    def _instruction_aside(self, stage: Stage, instruction: Instruction) -> Iterator[Finding]:
        carrier = self._carrier
        match instruction.name:
            case "RUN":
                yield from carry_commands.run(carrier, instruction, aside=stage.name)
            case "ENV":
                for name, _ in carrier.values.pairs(instruction):
                    is_of_tool = _OF_TOOLS.fullmatch(name) or self._is_used_in_dockerfile(name)
                    why = f"it was set in the stage {stage.name or 'without a name'}, where packages are compiled"
                    part = f"ENV {name}"
                    yield carrier.built(instruction, part) if is_of_tool else carrier.reported(instruction, why, part)
            case "COPY" | "ADD":
                # The source of requirements is known; other copied files reach the image only from there.
                if "from" not in instruction.flags()[0]:
                    list(carry_files.copied(carrier, instruction))
                    carrier.files.clear()
                yield carrier.built(instruction)
            case "ARG" | "WORKDIR" | "USER" | "LABEL" | "SHELL" | "ENTRYPOINT" | "CMD" | "MAINTAINER" | "EXPOSE":
                yield carrier.built(instruction)

    # --- instructions of the image ----------------------------------------------------------------

    def _instruction(self, instruction: Instruction) -> Iterator[Finding]:
        carrier = self._carrier
        match instruction.name:
            case "ENV":
                for name, value in carrier.values.pairs(instruction):
                    self._setting(instruction, f"ENV {name}")
                    self._env[name] = (instruction, self._as_written(instruction, name))
                    self._lost.pop(name, None)
                    try:
                        carrier.said(value)
                    except Unsaid as error:
                        self._lost[name] = str(error)
            case "ARG":
                names = dict.fromkeys(name for name, _ in instruction.pairs())
                yield from (carrier.built(instruction, f"ARG {name}") for name in names)
            case "LABEL":
                for name, value in carrier.values.pairs(instruction):
                    if name.lower() in _OWN_LABELS:
                        yield carrier.built(instruction, f"LABEL {name}")
                        continue
                    self._setting(instruction, f"LABEL {name}")
                    self._labels[name] = carrier.said(value)
            case "MAINTAINER":
                yield carrier.built(instruction)
            case "WORKDIR" | "USER":
                carrier.known(instruction.value, instruction)
                self._setting(instruction, instruction.name)
                if instruction.name == "USER":
                    carrier.enter_user(carrier.known(instruction.value, instruction))
            case "ENTRYPOINT":
                self._setting(instruction, "ENTRYPOINT")
            case "CMD":
                is_empty = not carrier.values.command(instruction)
                yield carrier.given(instruction) if is_empty else carrier.reported(instruction, "")
            case "SHELL":
                yield carrier.built(instruction) if instruction.listed() else carrier.reported(instruction, "")
            case "RUN":
                yield from carry_commands.run(carrier, instruction)
            case "COPY" | "ADD":
                yield from carry_files.copied(carrier, instruction)
            case "EXPOSE" | "VOLUME" | "HEALTHCHECK" | "STOPSIGNAL" | "ONBUILD":
                yield carrier.reported(instruction, "")

    def _setting(self, instruction: Instruction, key: str) -> None:
        if (instruction, key) not in self._settings:
            self._settings.append((instruction, key))
        self._last[key] = instruction.line

    # --- the end ----------------------------------------------------------------------------------

    def _finished(self, values: Values) -> CarriedOver:
        carrier, base = self._carrier, self._base
        entry = self._entry_point(values)
        env = {name: finding for name in values.env if (finding := self._variable(name, values)).fate == "carried over"}
        user, workdir = self._user(), carrier.unusual(carrier.moved(values.workdir))
        for instruction, key in self._settings:
            self._add(self._finding(instruction, key, values, entry))
        if carrier.user is None and base.user != ROOT and "USER" not in self._last:
            start = self._dockerfile.final[0].start
            self._add(carrier.given(start, note=f"user {ROOT} → {base.user}"))
        if carrier.root != CODE and (place := carrier.folder.code_mentions(carrier.root.strip("/"))):
            start = self._dockerfile.stages[-1].start
            self._add(carrier.reported(start, f"the code is in {CODE}, and {place} names {carrier.root}", carrier.root))
        # A declaration takes effect before the module's steps, which preceded it.
        in_module = bool(carrier.after)
        return CarriedOver(
            customization=Customization(
                system_packages=tuple(sorted(carrier.system)),
                build_packages=tuple(sorted(carrier.building)),
                env=self._needed_by(entry) | {name: self._moved_value(values.env[name]) for name in env},
                files=carrier.files,
                user=None if in_module else user,
                workdir=None if in_module else workdir,
            ),
            before=tuple(carrier.before),
            after=tuple(carrier.after),
            labels=self._labels,
            entry_point=entry,
            user=user if in_module else None,
            workdir=workdir if in_module else None,
            base_user=base.user,
            python=self._python,
            findings=tuple(sorted(self._findings, key=lambda item: item.line)),
        )

    def _finding(self, instruction: Instruction, key: str, values: Values, entry: EntryPoint) -> Finding:
        """Returns the finding of a setting: that of the last instruction that sets it."""
        carrier = self._carrier
        match key.partition(" ")[0]:
            case "ENV":
                found = self._variable(key.partition(" ")[2], values)
            case "LABEL":
                found = carrier.carried(instruction, key)
            case "WORKDIR":
                place = carrier.moved(values.workdir)
                found = carrier.carried(instruction) if carrier.unusual(place) else carrier.given(instruction)
            case "USER":
                found = self._user_finding(instruction)
            case _:
                is_plain = not entry.arguments and not entry.main_file and not entry.main_text
                found = carrier.built(instruction) if is_plain else carrier.carried(instruction)
                found = replace(found, note=f"main.py starts {entry.note}" if entry.main_text else entry.note)
        is_last = self._last[key] == instruction.line
        part = found.part if key.startswith(("ENV ", "LABEL ")) or is_last else str(instruction)
        note = found.note if is_last else f"line {self._last[key]} replaces it" if found.fate == "reported" else ""
        return replace(found, line=instruction.line, part=shorten(part), note=note)

    def _entry_point(self, values: Values) -> EntryPoint:
        carrier = self._carrier
        place = Place(carrier.folder, CODE, carrier.source_of)
        found = entry_points.resolve(values.entrypoint, place)
        usual = found.arguments[1:] == (f"{CODE}/main.py",) and found.arguments[0] in ("python", "python3")
        return replace(found, arguments=()) if usual else found

    def _needed_by(self, entry: EntryPoint) -> dict[str, str]:
        """A main file in a folder finds the package only by the path, because nothing installs it."""
        return {"PYTHONPATH": CODE} if "/" in (entry.main_file or "") else {}

    def _user(self) -> str | None:
        user = self._carrier.user if self._carrier.user not in (None, self._base.user) else None
        return user if user and customization.USER.fullmatch(user) else None

    def _user_finding(self, instruction: Instruction) -> Finding:
        carrier = self._carrier
        if carrier.user == self._base.user or (carrier.user is None and self._base.user == ROOT):
            return carrier.given(instruction)
        if carrier.user is None:
            return carrier.reported(instruction, f"the base runs as {self._base.user}")
        return (
            carrier.carried(instruction) if self._user() else carrier.reported(instruction, "it is not a user's name")
        )

    # --- variables --------------------------------------------------------------------------------

    def _variable(self, name: str, values: Values) -> Finding:
        """Handles a variable: only the Dockerfile itself may use it, or the base has the same."""
        carrier, value = self._carrier, values.env[name]
        instruction, written = self._env[name]
        part = f"ENV {name}"
        shown = f"ENV {name}={written}"
        if name == _ENTRYPOINT:
            started = shlex.join(values.entrypoint)
            texts = (_USUAL, started, " ".join(values.entrypoint), values.entrypoint[-1] if values.entrypoint else "")
            is_same = not value or value in texts or value.replace("python3", "python", 1) == _USUAL
            return (
                carrier.built(instruction, part)
                if is_same
                else carrier.reported(instruction, "the build sets it", f"ENV {name} {value}")
            )
        is_only_of_dockerfile = (
            name not in carrier.in_steps and self._is_used_in_dockerfile(name) and not carrier.folder.mentions(name)
        )
        if is_only_of_dockerfile:
            return carrier.built(instruction, part, f"ENV {name}: only the Dockerfile used it")
        if name == "PATH":
            return carrier.reported(instruction, "it would replace the base's", shown)
        if name in self._lost:
            return carrier.reported(instruction, self._lost[name], shown)
        if not customization.VARIABLE.fullmatch(name):
            return carrier.reported(instruction, "it is not a variable's name", part)
        if (name, value) in _DEFAULTS:
            return carrier.given(instruction, part)
        return carrier.carried(instruction, part)

    def _moved_value(self, value: str) -> str:
        """Returns a variable's value, with paths below the code's old folder moved to the new one."""
        parts = value.split(":")
        if self._carrier.root == CODE or not all(part.startswith("/") for part in parts if part):
            return value
        return ":".join(self._carrier.moved(posixpath.normpath(part)) if part else part for part in parts)

    def _as_written(self, instruction: Instruction, name: str) -> str:
        return next((value or "" for key, value in instruction.pairs() if key == name), "").strip("\"'")

    def _is_used_in_dockerfile(self, name: str) -> bool:
        use = re.compile(rf"\$(?:{re.escape(name)}\b|\{{{re.escape(name)}\b)")
        # A variable that extends itself does not use itself.
        return any(
            use.search(item.value)
            for stage in self._dockerfile.stages
            for item in stage.instructions
            if not (item.name == "ENV" and re.search(rf"(?:^|\s){re.escape(name)}[=\s]", item.value))
        )
