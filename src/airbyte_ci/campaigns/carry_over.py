"""What a Dockerfile did that the base image and the build do not: what is carried over, and what cannot be.

It decides from the instructions and from what the connector's folder holds; it writes nothing.
"""

import re
import shlex

from airbyte_ci.base_images.catalogue import BaseImageVersion
from airbyte_ci.campaigns import copied_files, shell_commands, system_packages
from airbyte_ci.campaigns.carried import CODE, ROOT, CarriedOver, Step, Surroundings, shortened
from airbyte_ci.campaigns.dockerfile import Dockerfile, Instruction, Stage, substituted
from airbyte_ci.campaigns.ledger import Ledger, joined
from airbyte_ci.campaigns.shell_commands import Command
from airbyte_ci.connectors import customization
from airbyte_ci.connectors.customization import Customization

_ENTRYPOINT = "AIRBYTE_ENTRYPOINT"
_OWN_LABELS = ("io.airbyte.version", "io.airbyte.name", "maintainer")
_NOT_KNOWN = ("EXPOSE", "VOLUME", "HEALTHCHECK", "STOPSIGNAL", "SHELL", "ONBUILD", "CMD")
_USED = re.compile(r"\$\{?([A-Za-z_]\w*)")
_BASE_PATH = re.compile(r"\$\{?PATH\b")
_NLTK = re.compile(r"nltk\.download|nltk\.downloader")


def decide(dockerfile: Dockerfile, base: BaseImageVersion, surroundings: Surroundings) -> CarriedOver:
    """What to do about everything that the Dockerfile says."""
    ledger = Ledger(dockerfile, base, surroundings)
    _root(ledger)
    for stage in dockerfile.aside:
        _aside(ledger, stage)
    for stage in dockerfile.final:
        for instruction in stage.instructions:
            _instruction(ledger, instruction)
    env = _needed_variables(ledger)
    main_file = _main_file(ledger)
    user = ledger.user if ledger.user not in (None, base.user) else None
    if user and not customization.USER.fullmatch(user):
        ledger.lose(f"USER {user}")
        user = None
    if ledger.user is None and ledger.base.user != ROOT:
        ledger.settle(f"user {ROOT} → {ledger.base.user}")
    workdir = _unusual(ledger.workdir)
    # A declaration takes effect before the module's steps, which were there before it.
    in_module = bool(ledger.after)
    return CarriedOver(
        Customization(
            tuple(sorted(ledger.system)),
            tuple(sorted(ledger.building)),
            env,
            ledger.files,
            None if in_module else user,
            None if in_module else workdir,
        ),
        tuple(ledger.before),
        tuple(ledger.after),
        ledger.labels,
        () if main_file is not None or _is_usual(ledger.entrypoint) else tuple(ledger.entrypoint),
        main_file if main_file != "main.py" else None,
        user if in_module else None,
        workdir if in_module else None,
        base.user,
        tuple(ledger.settled),
        tuple(ledger.lost),
    )


# --- where it comes from --------------------------------------------------------------------------


def _root(ledger: Ledger) -> None:
    image, python = ledger.dockerfile.root, ledger.dockerfile.python
    if python is None:
        ledger.lose(f"FROM {image}: what that image has is not known here")
        return
    base = ".".join(ledger.base.python.split(".")[:2])
    if python != base:
        ledger.settle(f"Python {python} → {base}")
    if "alpine" in image:
        ledger.settle("Alpine → Debian")


def _aside(ledger: Ledger, stage: Stage) -> None:
    """A stage that is not in the image: packages for compiling, and Python packages that are copied from it."""
    for instruction in stage.instructions:
        if instruction.name == "RUN":
            for command in shell_commands.read(instruction):
                match command.kind:
                    case "packages":
                        _packages(ledger, command, only_building=True)
                    case "python":
                        _python_packages(ledger, command)
                    case "other" | "by_hand":
                        ledger.lose(f"RUN {shortened(command.text)} (in the stage {stage.name or 'without a name'})")


def _instruction(ledger: Ledger, instruction: Instruction) -> None:
    match instruction.name:
        case "ENV":
            for name, value in instruction.pairs(ledger.known):
                ledger.known[name] = value
                ledger.env[name] = value
                ledger.written[name] = _as_written(instruction, name)
        case "ARG":
            ledger.known |= {name: value for name, value in instruction.pairs(ledger.known) if name not in ledger.known}
        case "LABEL":
            pairs = instruction.pairs(ledger.known)
            ledger.labels |= {name: value for name, value in pairs if name.lower() not in _OWN_LABELS}
        case "WORKDIR":
            path = substituted(instruction.value, ledger.known)
            ledger.workdir = joined(ledger.workdir, path)
        case "USER":
            user = substituted(instruction.value, ledger.known)
            ledger.user = user if user.partition(":")[0] not in ("root", "0", "") else None
        case "RUN":
            for command in shell_commands.read(instruction):
                _run(ledger, command)
        case "COPY" | "ADD":
            copied_files.carry(ledger, instruction)
        case "ENTRYPOINT":
            ledger.entrypoint = instruction.listed() or substituted(instruction.value, ledger.known).split()
        case "CMD" if instruction.listed() in ([], None) and not instruction.value.strip("[] "):
            pass
        case name if name in _NOT_KNOWN:
            ledger.lose(str(instruction))


# --- RUN ------------------------------------------------------------------------------------------


def _run(ledger: Ledger, command: Command) -> None:
    match command.kind:
        case "packages":
            _packages(ledger, command, only_building=False)
        case "python":
            _python_packages(ledger, command)
        case "install":
            ledger.is_installed = True
        case "other" if _NLTK.search(command.text) and system_packages.has_nltk_data(ledger.base):
            ledger.settle("NLTK data: the base has it")
        case "other":
            step = Step(_with_arguments(ledger, command), ledger.user or ROOT, _unusual(ledger.workdir))
            # A command that comes after the Python packages may need them.
            (ledger.after if ledger.is_installed else ledger.before).append(step)
        case "by_hand":
            ledger.is_installed = True
            ledger.lose(f"RUN {shortened(command.text)}: {command.reason}")


def _with_arguments(ledger: Ledger, command: Command) -> tuple[str, ...]:
    """The words; a text for the shell sets the ARGs that it uses, which are no variables of the image."""
    if len(command.words) > 1:
        return command.words
    (text,) = command.words
    used = [name for name in dict.fromkeys(_USED.findall(text)) if ledger.known.get(name)]
    ledger.in_steps.update(used)
    arguments = (name for name in used if name not in ledger.env)
    return ("".join(f"export {name}={shlex.quote(ledger.known[name])}\n" for name in arguments) + text,)


def _packages(ledger: Ledger, command: Command, *, only_building: bool) -> None:
    alpine = command.manager == "apk"
    compilers = [name for name in command.words if system_packages.is_for_building(name)]
    if alpine and compilers:
        # On musl nearly everything had to be compiled; for glibc there are wheels.
        ledger.settle(f"compilers for Alpine ({', '.join(compilers)}): Debian's wheels need none")
    pins = {re.split(r"[=<>~]", pinned)[0]: pinned for pinned in command.pinned}
    unread = [word for text in command.unread for word in substituted(text, ledger.known).split()]
    if command.unread and not unread:
        ledger.lose(f"system package {' '.join(command.unread)}")
    for name in (*command.words, *unread):
        debian, is_guess = system_packages.on_debian(name, command.manager)
        if not debian or system_packages.is_given(debian, ledger.base) or (alpine and name in compilers):
            continue
        if is_guess:
            ledger.settle(f"{name} of {command.manager} is taken for Debian's {debian}, which is a guess")
        if name in pins:
            ledger.settle(f"{pins[name]} without its version, which is that distribution's")
        if not customization.PACKAGE.fullmatch(debian):
            ledger.lose(f"system package {name}")
        elif system_packages.is_for_building(debian):
            ledger.building[debian] = None
        elif not only_building:
            ledger.system[debian] = None
        elif debian != "git" or ledger.surroundings.mentions("git+"):
            ledger.building[debian] = None
        else:
            ledger.settle("git while building: nothing is installed from git")


def _python_packages(ledger: Ledger, command: Command) -> None:
    ledger.lose(f"pip install {' '.join(command.words)}: what the connector needs belongs into its own dependencies")


# --- what the image starts ------------------------------------------------------------------------


def _needed_variables(ledger: Ledger) -> dict[str, str]:
    """The variables, without those that only the Dockerfile itself used and those that are as in the base."""
    needed = {}
    for name, value in ledger.env.items():
        if name == _ENTRYPOINT:
            if value and not _is_usual(value.split()) and value.split() != ledger.entrypoint:
                ledger.lose(f"ENV {name} {value}: the build sets it")
        elif _is_only_of_dockerfile(ledger, name):
            ledger.settle(f"ENV {name}: only the Dockerfile used it")
        elif name == "PATH":
            ledger.lose(f"ENV {name}={ledger.written[name]}: it would replace the base's")
        elif _BASE_PATH.search(ledger.written[name]):
            ledger.lose(f"ENV {name}={ledger.written[name]}: only the base knows its PATH")
        elif not customization.VARIABLE.fullmatch(name):
            ledger.lose(f"ENV {name}")
        elif (name, value) not in (("TZ", "Etc/UTC"), ("TZ", "UTC"), ("LANG", "C.UTF-8")):
            needed[name] = value
    return needed


def _as_written(instruction: Instruction, name: str) -> str:
    """The value of a variable in an ENV, before anything in it is replaced."""
    found = re.search(rf"(?:^|\s){re.escape(name)}(?:=|\s+)(\"[^\"]*\"|'[^']*'|\S*)", instruction.value)
    return found[1].strip("\"'") if found else instruction.value


def _is_only_of_dockerfile(ledger: Ledger, name: str) -> bool:
    """Whether only the Dockerfile uses a variable: no drafted command, and nothing in the connector's folder."""
    return (
        name not in ledger.in_steps
        and _is_used_in_dockerfile(ledger.dockerfile, name)
        and not ledger.surroundings.mentions(name)
    )


def _is_used_in_dockerfile(dockerfile: Dockerfile, name: str) -> bool:
    use = re.compile(rf"\$(?:{re.escape(name)}\b|\{{{re.escape(name)}\b)")
    instructions = (item for stage in dockerfile.stages for item in stage.instructions)
    # What extends a variable by itself does not use it.
    return any(
        use.search(item.value) for item in instructions if not (item.name == "ENV" and name in dict(item.pairs({})))
    )


def _main_file(ledger: Ledger) -> str | None:
    """The connector's main file where the entry point is Python with one; None for any other entry point."""
    words = ledger.entrypoint
    if len(words) != 2 or not re.fullmatch(r"(/usr/(local/)?bin/)?python3?(\.\d+)?", words[0]):
        return None
    path = joined(ledger.workdir, words[1])
    return path.removeprefix(f"{CODE}/") if path.startswith(f"{CODE}/") else None


def _is_usual(words: list[str]) -> bool:
    return not words or (len(words) == 2 and words[0] in ("python", "python3") and words[1] == f"{CODE}/main.py")


def _unusual(workdir: str) -> str | None:
    return workdir if workdir not in ("/", CODE) else None
