"""What a Dockerfile did that the base image and the build do not: what is carried over, and what cannot be.

It decides from the instructions and from what the connector's folder holds; it writes nothing.
"""

import re
import shlex
from collections.abc import Mapping
from pathlib import PurePosixPath

from airbyte_ci.base_images.catalogue import BaseImageVersion
from airbyte_ci.campaigns import heredoc, shell_commands, system_packages
from airbyte_ci.campaigns.carried import CODE, ROOT, CarriedOver, Step, Surroundings, shortened
from airbyte_ci.campaigns.dockerfile import Dockerfile, Instruction, Stage, substituted
from airbyte_ci.campaigns.heredoc import Heredoc
from airbyte_ci.campaigns.shell_commands import Command
from airbyte_ci.connectors import customization
from airbyte_ci.connectors.customization import Customization, ImageFile

_ENTRYPOINT = "AIRBYTE_ENTRYPOINT"
_OWN_LABELS = ("io.airbyte.version", "io.airbyte.name", "maintainer")
# What the build installs or copies itself; the rest of the folder has never been in an image.
_BUILD_FILES = frozenset(
    {
        *("setup.py", "setup.cfg", "pyproject.toml", "poetry.lock", "poetry.toml", "uv.lock", "pylock.toml"),
        *("requirements.txt", "README.md", "main.py", "MANIFEST.in"),
    }
)
_NOT_KNOWN = ("EXPOSE", "VOLUME", "HEALTHCHECK", "STOPSIGNAL", "SHELL", "ONBUILD", "CMD")
_SITE_PACKAGES = re.compile(r"/(install|usr/local)(/.*)?|.*/(site|dist)-packages(/.*)?|/root/\.(local|cache)(/.*)?")
_USED = re.compile(r"\$\{?([A-Za-z_]\w*)")
_NLTK = re.compile(r"nltk\.download|nltk\.downloader")


class _Ledger:
    """What has been found so far, while the instructions are gone through."""

    def __init__(self, dockerfile: Dockerfile, base: BaseImageVersion, surroundings: Surroundings) -> None:
        self.dockerfile = dockerfile
        self.base = base
        self.surroundings = surroundings
        self.known: dict[str, str] = dict(dockerfile.arguments)
        self.workdir = "/"
        self.env: dict[str, str] = {}
        self.system: dict[str, None] = {}
        self.building: dict[str, None] = {}
        self.files: dict[str, ImageFile] = {}
        self.before: list[Step] = []
        self.after: list[Step] = []
        self.in_steps: set[str] = set()
        self.is_installed = False
        self.labels: dict[str, str] = {}
        self.entrypoint: list[str] = []
        self.user: str | None = None
        self.settled: dict[str, None] = {}
        self.lost: dict[str, None] = {}

    def settle(self, words: str) -> None:
        self.settled[words] = None

    def lose(self, words: str) -> None:
        self.lost[words] = None


def decide(dockerfile: Dockerfile, base: BaseImageVersion, surroundings: Surroundings) -> CarriedOver:
    """What to do about everything that the Dockerfile says."""
    ledger = _Ledger(dockerfile, base, surroundings)
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


def _root(ledger: _Ledger) -> None:
    image, python = ledger.dockerfile.root, ledger.dockerfile.python
    if python is None:
        ledger.lose(f"FROM {image}: what that image has is not known here")
        return
    base = ".".join(ledger.base.python.split(".")[:2])
    if python != base:
        ledger.settle(f"Python {python} → {base}")
    if "alpine" in image:
        ledger.settle("Alpine → Debian")


def _aside(ledger: _Ledger, stage: Stage) -> None:
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


def _instruction(ledger: _Ledger, instruction: Instruction) -> None:
    match instruction.name:
        case "ENV":
            for name, value in instruction.pairs(ledger.known):
                ledger.known[name] = value
                ledger.env[name] = value
        case "ARG":
            ledger.known |= {name: value for name, value in instruction.pairs(ledger.known) if name not in ledger.known}
        case "LABEL":
            pairs = instruction.pairs(ledger.known)
            ledger.labels |= {name: value for name, value in pairs if name.lower() not in _OWN_LABELS}
        case "WORKDIR":
            path = substituted(instruction.value, ledger.known)
            ledger.workdir = _joined(ledger.workdir, path)
        case "USER":
            user = substituted(instruction.value, ledger.known)
            ledger.user = user if user.partition(":")[0] not in ("root", "0", "") else None
        case "RUN":
            for command in shell_commands.read(instruction):
                _run(ledger, command)
        case "COPY" | "ADD":
            _copy(ledger, instruction)
        case "ENTRYPOINT":
            ledger.entrypoint = instruction.listed() or substituted(instruction.value, ledger.known).split()
        case "CMD" if instruction.listed() in ([], None) and not instruction.value.strip("[] "):
            pass
        case name if name in _NOT_KNOWN:
            ledger.lose(str(instruction))


# --- RUN ------------------------------------------------------------------------------------------


def _run(ledger: _Ledger, command: Command) -> None:
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


def _with_arguments(ledger: _Ledger, command: Command) -> tuple[str, ...]:
    """The words; a text for the shell sets the ARGs that it uses, which are no variables of the image."""
    if len(command.words) > 1:
        return command.words
    (text,) = command.words
    used = [name for name in dict.fromkeys(_USED.findall(text)) if ledger.known.get(name)]
    ledger.in_steps.update(used)
    arguments = (name for name in used if name not in ledger.env)
    return ("".join(f"export {name}={shlex.quote(ledger.known[name])}\n" for name in arguments) + text,)


def _packages(ledger: _Ledger, command: Command, *, only_building: bool) -> None:
    alpine = command.manager == "apk"
    compilers = [name for name in command.words if system_packages.is_for_building(name)]
    if alpine and compilers:
        # On musl nearly everything had to be compiled; for glibc there are wheels.
        ledger.settle(f"compilers for Alpine ({', '.join(compilers)}): Debian's wheels need none")
    for pinned in command.pinned:
        ledger.settle(f"{pinned} without its version, which is that distribution's")
    unread = [word for text in command.unread for word in substituted(text, ledger.known).split()]
    if command.unread and not unread:
        ledger.lose(f"system package {' '.join(command.unread)}")
    for name in (*command.words, *unread):
        debian = system_packages.on_debian(name) if alpine else name
        if not debian or system_packages.is_given(debian, ledger.base) or (alpine and name in compilers):
            continue
        if not customization.PACKAGE.fullmatch(debian):
            ledger.lose(f"system package {name}")
        elif name in compilers:
            ledger.building[debian] = None
        elif not only_building:
            ledger.system[debian] = None
        elif debian != "git" or ledger.surroundings.mentions("git+"):
            ledger.building[debian] = None
        else:
            ledger.settle("git while building: nothing is installed from git")


def _python_packages(ledger: _Ledger, command: Command) -> None:
    ledger.lose(f"pip install {' '.join(command.words)}: what the connector needs belongs into its own dependencies")


# --- COPY -----------------------------------------------------------------------------------------


def _copy(ledger: _Ledger, instruction: Instruction) -> None:
    flags, _ = instruction.flags()
    head, documents = heredoc.read(instruction.value)
    if documents:
        _written(ledger, instruction, head, documents, flags)
        return
    words = _copied(instruction, ledger.known)
    if len(words) < 2:
        ledger.lose(str(instruction))
        return
    *sources, target = words
    if "from" in flags:
        ledger.is_installed = ledger.is_installed or any(_SITE_PACKAGES.fullmatch(path) for path in sources)
        taken = [path for path in sources if not _SITE_PACKAGES.fullmatch(path) and "zoneinfo" not in path]
        if taken:
            ledger.lose(f"COPY --from={flags['from']} {' '.join(taken)} {target}")
        return
    for source in sources:
        _copied_file(ledger, instruction, source, target, single=len(sources) == 1, mode=_mode(flags))
    if "chown" in flags and any(not _is_usual_file(ledger, source) for source in sources):
        ledger.lose(f"COPY --chown={flags['chown']}: files belong to root")


def _written(
    ledger: _Ledger, instruction: Instruction, head: str, documents: tuple[Heredoc, ...], flags: Mapping[str, str]
) -> None:
    """Files whose lines stand in the Dockerfile."""
    target = heredoc.without(Instruction(instruction.name, head, instruction.line).flags()[1])
    place = _joined(ledger.workdir, substituted(target, ledger.known))
    into = target.endswith("/") or len(documents) > 1
    expanded = any("$" in document.text and not document.is_literal for document in documents)
    if not target or " " in target or "chown" in flags or expanded:
        ledger.lose(f"{instruction}: its lines belong into a file of the connector")
        return
    for document in documents:
        path = _joined(place, document.name) if into else place
        ledger.files[path] = ImageFile(content=document.text, mode=_mode(flags))


def _mode(flags: Mapping[str, str]) -> str | None:
    mode = flags.get("chmod")
    return mode if mode and re.fullmatch(r"0?[0-7]{3}", mode) else None


def _copied(instruction: Instruction, known: Mapping[str, str]) -> list[str]:
    _, rest = instruction.flags()
    listed = Instruction(instruction.name, rest, instruction.line).listed()
    return [substituted(word, known) for word in listed or rest.split()]


def _copied_file(
    ledger: _Ledger, instruction: Instruction, source: str, target: str, *, single: bool, mode: str | None
) -> None:
    if _is_usual_file(ledger, source):
        return
    plain = source.removeprefix("./").rstrip("/")
    kind = ledger.surroundings.kind_of(plain) if customization.SOURCE.fullmatch(plain) else None
    if kind is None:
        ledger.lose(f"{instruction.name} {source} {target}")
        return
    into = target.endswith("/") or target in (".", "..") or not single
    place = _joined(ledger.workdir, target)
    # Docker copies what is in a folder, and a file into a folder under its own name.
    path = place if kind == "folder" or not into else _joined(place, PurePosixPath(plain).name)
    ledger.files[path] = ImageFile(source=plain, mode=mode)


def _is_usual_file(ledger: _Ledger, source: str) -> bool:
    plain = source.removeprefix("./").rstrip("/*")
    package = ledger.surroundings.package
    # With the whole folder copied, nothing tells what of it was meant: main.py and the package run.
    return plain in ("", ".", package) or plain in _BUILD_FILES or plain.startswith(f"{package}/")


# --- what the image starts ------------------------------------------------------------------------


def _needed_variables(ledger: _Ledger) -> dict[str, str]:
    """The variables, without those that only the Dockerfile itself used and those that are as in the base."""
    needed = {}
    for name, value in ledger.env.items():
        if name == _ENTRYPOINT:
            if value and not _is_usual(value.split()) and value.split() != ledger.entrypoint:
                ledger.lose(f"ENV {name} {value}: the build sets it")
        elif (
            name not in ledger.in_steps
            and _is_used_in_dockerfile(ledger.dockerfile, name)
            and not ledger.surroundings.mentions(name)
        ):
            ledger.settle(f"ENV {name}: only the Dockerfile used it")
        elif name == "PATH":
            ledger.lose(f"ENV {name} {value}: it would replace the base's")
        elif not customization.VARIABLE.fullmatch(name):
            ledger.lose(f"ENV {name}")
        elif (name, value) not in (("TZ", "Etc/UTC"), ("TZ", "UTC"), ("LANG", "C.UTF-8")):
            needed[name] = value
    return needed


def _is_used_in_dockerfile(dockerfile: Dockerfile, name: str) -> bool:
    use = re.compile(rf"\$(?:{re.escape(name)}\b|\{{{re.escape(name)}\b)")
    instructions = (item for stage in dockerfile.stages for item in stage.instructions)
    # What extends a variable by itself does not use it.
    return any(
        use.search(item.value) for item in instructions if not (item.name == "ENV" and name in dict(item.pairs({})))
    )


def _main_file(ledger: _Ledger) -> str | None:
    """The connector's main file where the entry point is Python with one; None for any other entry point."""
    words = ledger.entrypoint
    if len(words) != 2 or not re.fullmatch(r"(/usr/(local/)?bin/)?python3?(\.\d+)?", words[0]):
        return None
    path = _joined(ledger.workdir, words[1])
    return path.removeprefix(f"{CODE}/") if path.startswith(f"{CODE}/") else None


def _is_usual(words: list[str]) -> bool:
    return not words or (len(words) == 2 and words[0] in ("python", "python3") and words[1] == f"{CODE}/main.py")


def _unusual(workdir: str) -> str | None:
    return workdir if workdir not in ("/", CODE) else None


def _joined(folder: str, path: str) -> str:
    parts: list[str] = []
    for part in PurePosixPath(folder, path).parts[1:]:
        if part == "..":
            parts = parts[:-1]
        elif part != ".":
            parts.append(part)
    return "/" + "/".join(parts)
