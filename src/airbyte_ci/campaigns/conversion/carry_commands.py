"""The commands of a RUN: packages for the declaration, steps for the module, those that the build covers, the rest."""

import posixpath
import re
import shlex
from collections.abc import Iterator

from airbyte_ci.campaigns.changes.findings import Finding
from airbyte_ci.campaigns.conversion import declared_requirements, system_packages
from airbyte_ci.campaigns.conversion.carried import CODE, ROOT, Step
from airbyte_ci.campaigns.conversion.carrier import Carrier, Unsaid
from airbyte_ci.campaigns.dockerfile import shell_commands
from airbyte_ci.campaigns.dockerfile.shell_commands import ShellCommand
from airbyte_ci.campaigns.dockerfile.syntax import Instruction
from airbyte_ci.campaigns.dockerfile.words import Misread
from airbyte_ci.connectors import customization

_USED = re.compile(r"\$\{?([A-Za-z_]\w*)")
_NLTK = re.compile(r"nltk\.download|nltk\.downloader")
_SHELL = ("/bin/sh", "-c")


def run(carrier: Carrier, instruction: Instruction, *, aside: str | None = None) -> Iterator[Finding]:
    """Returns a finding for each command of a RUN. `aside` names a stage that is not in the image."""
    for command in shell_commands.read(instruction):
        part = f"RUN {command.source}"
        match command.kind:
            case "packages":
                yield from _packages(carrier, instruction, command, only_building=aside is not None)
            case "python":
                yield _python_package(carrier, instruction, command, part)
            case "requirements":
                yield from _requirements(carrier, instruction, command, part)
            case "install":
                yield _install(carrier, instruction, command, part)
            case "nothing":
                yield carrier.built(instruction, part)
            case "by_hand":
                carrier.is_installed = True
                yield carrier.reported(instruction, command.reason, part)
            case "other" if aside is not None:
                yield carrier.reported(instruction, f"it ran in the stage {aside or 'without a name'}", part)
            case "other":
                yield _step(carrier, instruction, command, part)


def _step(carrier: Carrier, instruction: Instruction, command: ShellCommand, part: str) -> Finding:
    if _NLTK.search(command.text) and system_packages.has_nltk_data(carrier.base):
        return carrier.given(instruction, part, "NLTK data: the base has it")
    folders = {carrier.absolute(word) for word in command.words[1:] if not word.startswith("-")}
    if command.words[0] == "mkdir" and folders <= {carrier.root, posixpath.dirname(carrier.root)}:
        return carrier.built(instruction, part)
    if carrier.root != CODE and re.search(rf"{re.escape(carrier.root)}(/|\W|$)", command.text):
        return carrier.reported(instruction, f"the code is in {CODE}, and not in {carrier.root}", part)
    flags = set(instruction.flags()[0]) - {"network"}
    if flags & {"mount", "security"} and "type=cache" not in instruction.value:
        return carrier.reported(instruction, f"airbyte-ci does not know --{min(flags)} here", part)
    try:
        words = _with_arguments(carrier, command)
    except Unsaid as error:
        return carrier.reported(instruction, str(error), part)
    if len(words) == 1 and carrier.values.shell != _SHELL:
        words = (*carrier.values.shell, *words)
    step = Step(words, carrier.user or ROOT, carrier.unusual(carrier.moved(carrier.values.workdir)))
    # A command after the Python packages may need them.
    (carrier.after if carrier.is_installed else carrier.before).append(step)
    return carrier.carried(instruction, part)


def _with_arguments(carrier: Carrier, command: ShellCommand) -> tuple[str, ...]:
    """Returns the words; a text for the shell sets the ARGs that it uses, which are not variables of the image.

    Raises Unsaid for one without a value.
    """
    if len(command.words) > 1:
        return command.words
    (text,) = command.words
    values = carrier.values
    used = [name for name in dict.fromkeys(_USED.findall(text)) if name in values.open or values.known.get(name)]
    for name in used:
        if name in values.open:
            raise Unsaid(f"only --build-arg gives {name} a value")
    carrier.in_steps.update(used)
    arguments = (name for name in used if name not in values.env)
    return ("".join(f"export {name}={shlex.quote(values.known[name])}\n" for name in arguments) + text,)


# --- Python packages ------------------------------------------------------------------------------


def _install(carrier: Carrier, instruction: Instruction, command: ShellCommand, part: str) -> Finding:
    carrier.is_installed = True
    path, _, extras = command.text.partition("[")
    wanted = {name.strip() for name in extras.rstrip("]").split(",")} - {"", "main"}
    if wanted:
        names = ", ".join(sorted(wanted))
        return carrier.reported(instruction, f"name them under `extras` in .airbyte-ci.toml: {names}", part)
    try:
        there = carrier.absolute(carrier.known(path, instruction))
    except (Misread, Unsaid) as error:
        return carrier.reported(instruction, str(error), part)
    is_own = path in (".", "./", "./.") or there == carrier.root or carrier.is_copied_whole(there)
    why = "the build installs the connector and what its files declare, and nothing else"
    return carrier.built(instruction, part) if is_own else carrier.reported(instruction, why, part)


def _python_package(carrier: Carrier, instruction: Instruction, command: ShellCommand, part: str) -> Finding:
    carrier.is_installed = True
    gap = carrier.folder.requirements.gap(command.text)
    shown = part if part.endswith(f" install {command.text}") else f"RUN pip install {command.text}"
    return carrier.reported(instruction, gap, shown) if gap else carrier.built(instruction, shown)


def _requirements(carrier: Carrier, instruction: Instruction, command: ShellCommand, part: str) -> Iterator[Finding]:
    """Handles `pip install -r`: reports the lines of the file that the build does not install."""
    carrier.is_installed = True
    try:
        there = carrier.known(command.text, instruction)
    except (Misread, Unsaid) as error:
        yield carrier.reported(instruction, str(error), part)
        return
    path = carrier.source_of(there)
    text = carrier.folder.text(path) if path else ""
    if path is None or carrier.folder.kind_of(path) != "file":
        yield carrier.reported(instruction, f"the connector's folder has no {there}", part)
        return
    declared = carrier.folder.requirements
    if "--hash=sha256:" in text or path == declared.source:
        yield carrier.built(instruction, part)
        return
    found = False
    for number, line in declared_requirements.requirement_lines(text):
        gap = "" if line.startswith("-") and _is_own_line(line) else declared.gap(line)
        if gap:
            found = True
            yield carrier.reported(instruction, f"{path} line {number}: {gap}", part)
    if not found:
        yield carrier.built(instruction, part)


def _is_own_line(line: str) -> bool:
    """Returns whether a line of a requirements file is the connector itself, or only names sources of packages."""
    words = line.split()
    return (words[0] in ("-e", "--editable") and words[-1].startswith((".", ".."))) or words[0] == "--trusted-host"


# --- system packages ------------------------------------------------------------------------------


def _packages(
    carrier: Carrier, instruction: Instruction, command: ShellCommand, *, only_building: bool
) -> Iterator[Finding]:
    names = [(name, "") for name in command.words]
    for text in command.unread:
        try:
            names += [(name, "") for name in carrier.known(text, instruction).split()] or [(text, "it is empty")]
        except (Misread, Unsaid) as error:
            names.append((text, str(error)))
    pins = {re.split(r"[=<>~]", pinned)[0]: pinned for pinned in command.pinned}
    for name, why in names or [("", "")]:
        part = f"RUN {command.manager} {name}".rstrip()
        if why:
            yield carrier.reported(instruction, why, f"system package {name}")
        elif not name:
            yield carrier.built(instruction, part)
        else:
            yield _package(carrier, instruction, command, name, pins.get(name, ""), only_building=only_building)


def _package(
    carrier: Carrier, instruction: Instruction, command: ShellCommand, name: str, pinned: str, *, only_building: bool
) -> Finding:
    part = f"system package {name}"
    debian, is_guess = system_packages.on_debian(name, command.manager)
    if command.manager == "apk" and system_packages.is_for_building(name):
        # On musl nearly everything had to be compiled; for glibc there are wheels.
        names = ", ".join(item for item in command.words if system_packages.is_for_building(item))
        return carrier.built(instruction, part, f"compilers for Alpine ({names}): Debian's wheels need none")
    if not debian or system_packages.is_given(debian, carrier.base):
        return carrier.given(instruction, part)
    if not customization.PACKAGE.fullmatch(debian):
        return carrier.reported(instruction, "Debian's packages have no such names", part)
    notes = [f"{name} of {command.manager} is taken for Debian's {debian}, which is a guess"] if is_guess else []
    notes += [f"{pinned} without its version, which is that distribution's"] if pinned else []
    if system_packages.is_for_building(debian):
        carrier.building[debian] = None
    elif not only_building:
        carrier.system[debian] = None
    elif debian != "git" or carrier.folder.mentions("git+"):
        carrier.building[debian] = None
    else:
        return carrier.built(instruction, part, "git while building: nothing is installed from git")
    return carrier.carried(instruction, part, "; ".join(notes))
