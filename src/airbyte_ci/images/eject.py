"""A BuildPlan as a Dockerfile and the files that it needs: the same bytes for the same plan.

Knows the content of the image and its order; `eject_steps` translates single operations.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from airbyte_ci.dagger import Operation
from airbyte_ci.errors import UsageError
from airbyte_ci.images.add_code import AddCode
from airbyte_ci.images.distribution import AddDistribution
from airbyte_ci.images.eject_steps import Steps
from airbyte_ci.images.plan import BuildPlan
from airbyte_ci.oci import tar
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Image
from airbyte_ci.oci.tar import Entry
from airbyte_ci.python.environment.environment import Choice
from airbyte_ci.python.environment.install import InstallPackages
from airbyte_ci.python.packages.lock import FromArchive, FromIndex
from airbyte_ci.recipe.contents import Kept
from airbyte_ci.recipe.state import State

# pip settings for these steps only, not variables of the image. The secret is optional and never stored.
_PIP = """\
# For an index or certificates of your own: docker build --secret id=pip.conf,src=pip.conf
ARG PIP_CONFIG_FILE=/run/secrets/pip.conf
ARG PIP_BREAK_SYSTEM_PACKAGES=1
ARG PIP_ROOT_USER_ACTION=ignore
ARG PIP_DISABLE_PIP_VERSION_CHECK=1"""
_SECRET = "--mount=type=secret,id=pip.conf"
_BUILT = "/tmp/built-wheels"


@dataclass(frozen=True, slots=True)
class Ejected:
    """The Dockerfile and its files by path; `lost` lists operations that a Dockerfile cannot express."""

    dockerfile: str
    files: Mapping[str, Entry]
    lost: tuple[str, ...]


def eject(plan: BuildPlan, base: Image, python: str, code: Sequence[Entry], kept: Kept) -> Ejected:
    """Returns the plan's Dockerfile.

    `python` is the interpreter's path in the base, for Python packages. `code` has the entries of the connector itself,
    and `kept` returns the location of a file in the store.
    """
    steps = Steps(State(base=base, execution=base.config.execution), kept)
    steps.lines += [f"# The base image that the connector's metadata names.\nFROM {_platform(plan)}{plan.base} AS base"]
    _operations(steps, "before the install", plan.before)
    if plan.install:
        _packages(steps, plan.install, python)
    _code(steps, plan.code, code)
    steps.lines.append("\n# The settings with which all connectors run.")
    steps.add(plan.settings)
    _operations(steps, "after the install", plan.after)
    return Ejected(_header(plan, steps.lost) + "\n".join(steps.lines) + "\n", steps.files, tuple(steps.lost))


def _platform(plan: BuildPlan) -> str:
    return f"--platform={plan.platform} "


def _header(plan: BuildPlan, lost: Sequence[str]) -> str:
    lines = [
        f"{plan.name} {plan.version} for {plan.platform}, equivalent to the plan {plan.digest}.",
        f"Written by `airbyte-ci connectors --name={plan.name} eject`. With BuildKit, in the folder of `eject -o DIR`:",
        f"    docker build -t {plan.repository}:dev .",
        *(f"NOT CARRIED OVER: {item}" for item in lost),
    ]
    return "".join(f"# {line}\n" for line in lines) + "\n"


def _operations(steps: Steps, when: str, operations: Sequence[Operation]) -> None:
    if operations:
        steps.lines.append(f"\n# build_customization.yaml and .py, {when}.")
        steps.add(operations)


# --- packages ------------------------------------------------------------------------------------


def _packages(steps: Steps, install: InstallPackages, python: str) -> None:
    if install.bytecode:
        skipped = "(site-packages|dist-packages|lib2to3|idlelib|tkinter|/tests?)/"
        folder = f"$({python} -c 'import os; print(os.path.dirname(os.__file__))')"
        steps.lines.append("\n# Bytecode of the standard library, which the base image may lack.")
        steps.as_root(f"RUN {python} -m compileall -q --invalidation-mode checked-hash -x '{skipped}' \"{folder}\"")
    if not install.packages:
        return
    compiled = () if install.bytecode else ("--no-compile",)
    trees = [choice for choice in install.packages if choice.is_tree]
    sources = [choice for choice in install.packages if choice.is_source and not choice.is_tree]
    wheels = [choice for choice in install.packages if not choice.is_source]
    for choice in (*sources, *wheels, *trees):
        if not isinstance(choice.origin, FromIndex) and not (
            isinstance(choice.origin, FromArchive) and choice.origin.is_url
        ):
            steps.files[_beside(choice)] = Entry(path=_beside(choice), content=steps.kept(Digest(choice.file.sha256)))
    if sources or trees:
        _sources(steps, install, python, sources, trees)
    steps.lines += ["\n# The lock: exactly these files, and no others.", _PIP]
    if wheels:
        _install(steps, python, "requirements.txt", wheels, ("install", *compiled))
    if sources or trees:
        flags = ("--no-deps", "--no-index", "--no-cache-dir", *compiled)
        command = f"{python} -m pip install {' '.join(flags)} {_BUILT}/*.whl"
        steps.as_root(f"RUN --mount=type=bind,from=built,source={_BUILT},target={_BUILT} {command}")


def _sources(
    steps: Steps, install: InstallPackages, python: str, sources: Sequence[Choice], trees: Sequence[Choice]
) -> None:
    """Adds a stage that builds source packages with requirements that only builds need."""
    names = ", ".join(choice.name for choice in (*sources, *trees))
    outer = steps.state
    steps.lines.append(
        f"\n# Packages that the lock has only as source ({names}), built in a stage that the image does not include.\n"
        "# pip uses the newest build requirements; airbyte-ci pins them.\n"
        "FROM base AS built"
    )
    if install.building:
        steps.lines.append("# buildPackages of build_customization.yaml.")
        steps.add(install.building)
    steps.lines.append(_PIP)
    if sources:
        _install(steps, python, "sources.txt", sources, ("wheel", f"--wheel-dir={_BUILT}"))
    for choice in trees:
        place = f"/tmp/sources/{choice.name}"
        inside = "" if isinstance(choice.origin, FromIndex) else choice.origin.subdirectory
        project = f"{place}/{inside}".rstrip("/")
        steps.lines.append(f"# {choice.name} from {choice.origin}.")
        steps.as_root(
            f'ADD ["{_beside(choice)}", "{place}/"]',
            f'RUN {_SECRET} ["{python}", "-m", "pip", "wheel", "--no-deps", "--wheel-dir={_BUILT}", "{project}"]',
        )
    steps.lines.append("\nFROM base")
    steps.state = outer


def _install(steps: Steps, python: str, name: str, choices: Sequence[Choice], verb: tuple[str, ...]) -> None:
    """Returns pip with a requirements file, each requirement with its hash."""
    steps.files[name] = Entry(path=name, content=requirements(choices).encode())
    place = f"/tmp/{name}"
    flags = ("--no-deps", "--no-cache-dir", "--require-hashes", "-r", place)
    words = ", ".join(f'"{word}"' for word in (python, "-m", "pip", *verb, *flags))
    beside = sorted(_beside(choice) for choice in choices if _beside(choice) in steps.files)
    binds = "".join(f"--mount=type=bind,source={path},target=/tmp/{path} " for path in (name, *beside))
    steps.as_root(f"RUN {_SECRET} {binds}[{words}]")


def requirements(choices: Sequence[Choice]) -> str:
    """Returns the requirements file (PyPA, Requirements File Format): each package by version and hash."""
    urls = {choice.origin.url for choice in choices if isinstance(choice.origin, FromIndex)}
    lines = [f"--extra-index-url {url}" for url in sorted(urls) if url]
    for choice in choices:
        lines += [f"# {choice.file.name}", f"{_wanted(choice)} --hash=sha256:{choice.file.sha256}"]
    return "".join(f"{line}\n" for line in lines)


def _wanted(choice: Choice) -> str:
    if not isinstance(choice.origin, FromArchive):
        return f"{choice.name}=={choice.version}"
    place = choice.origin.place if choice.origin.is_url else f"file:///tmp/{_beside(choice)}"
    subdirectory = f"#subdirectory={choice.origin.subdirectory}" if choice.origin.subdirectory else ""
    return f"{choice.name} @ {place}{subdirectory}"


def _beside(choice: Choice) -> str:
    """Returns the place next to the Dockerfile of a file that no index has."""
    return f"sources/{choice.name}.tar" if choice.is_tree else f"wheels/{choice.file.name}"


# --- code ----------------------------------------------------------------------------------------


def _code(steps: Steps, added: AddCode | AddDistribution, code: Sequence[Entry]) -> None:
    uid, gid = added.owner
    what = "code: its main file and its package" if isinstance(added, AddCode) else "Gradle distribution"
    steps.lines.append(f"\n# The connector's {what}.")
    prefix = f"{added.folder}/"
    found = {entry.path.removeprefix(prefix): entry for entry in code if entry.path.startswith(prefix)}
    steps.copy("code", f"/{added.folder}", found, f"{uid}:{gid}" if (uid, gid) != (0, 0) else "")


# --- files ---------------------------------------------------------------------------------------


def write(ejected: Ejected, folder: Path) -> None:
    """Writes the Dockerfile and its files into a new or empty folder, all or nothing.

    Raises UsageError for a folder that is not empty or not writable.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"cannot write {folder}: the folder is not empty", advice="choose another folder with -o")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".eject-") as made:
            target = Path(made) / "new"
            target.mkdir()
            (target / "Dockerfile").write_text(ejected.dockerfile, "utf-8")
            for path, entry in sorted(ejected.files.items()):
                _write(target / path, entry)
            target.replace(folder)
    except OSError as error:
        raise UsageError(f"cannot write {folder}: {error.strerror}") from error


def _write(place: Path, entry: Entry) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if entry.kind == "dir":
        place.mkdir(exist_ok=True)
        place.chmod(entry.mode)
    elif entry.kind == "symlink":
        place.symlink_to(entry.link)
    else:
        with place.open("wb") as file:
            file.writelines(tar.content(entry))
        place.chmod(entry.mode)
