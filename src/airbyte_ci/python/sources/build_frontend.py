"""Builds the wheel of one sdist or source tree inside an image (PEP 517). Works on Python 3.9.

Each build tool lies in its own folder, with bytecode. A build sees only the tools that its project requests and their
dependencies, because a tool that is merely installed can change the result. A project that requests an unknown tool
sees all of them.
"""

import importlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from typing import Any, Callable, Dict, FrozenSet, List, Set, Tuple

LEGACY = "setuptools.build_meta:__legacy__"
# The exit code of a backend that requests more requirements than it received, and the limit of such rounds.
_ASKS_MORE = 3
_ROUNDS = 3
# Python starts without site, so its path is the script's folder and the standard library.
_STANDARD_LIBRARY = sys.path[1:]


def main(arguments: List[str]) -> int:
    """Runs `build_frontend.py TOOLS ARCHIVE WORK OUT [FOLDER]` and writes a wheel to OUT.

    FOLDER is the project in a tree.
    """
    if arguments[0] == "--hooks":
        return hooks(json.loads(arguments[1]))
    tools, archive, work, out, *folder = arguments
    os.makedirs(os.environ["HOME"], exist_ok=True)
    source = unpack(archive, os.path.join(work, "source"), folder)
    system = build_system(tools, source)
    shelf = Shelf(tools)
    names = shelf.closure(system["requires"])
    asked: List[str] = []
    for _ in range(_ROUNDS):
        task = {
            "tools": [os.path.join(tools, name) for name in sorted(names)],
            "source": source,
            "backend": system["backend"],
            "path": system["path"],
            "out": out,
            "asked": asked,
            "more": os.path.join(work, "more.json"),
        }
        code = run(task, work)
        if code != _ASKS_MORE:
            return code
        with open(task["more"]) as file:
            asked = json.load(file)
        names |= shelf.closure(asked)
    sys.exit("its build backend requests different requirements on every call")


def unpack(archive: str, place: str, folder: List[str]) -> str:
    """Returns the project's folder in an unpacked archive: the only folder of an sdist, or the named one."""
    os.mkdir(place)
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:
            for member in file.infolist():
                path = file.extract(member, place)
                if member.external_attr >> 16 & 0o111 and os.path.isfile(path):
                    os.chmod(path, 0o755)
    else:
        with tarfile.open(archive) as file:
            entries = file.getmembers()
            for (
                entry
            ) in entries:  # The files belong to the user who builds: their owner may have no number in this namespace.
                entry.uid, entry.gid, entry.uname, entry.gname = os.getuid(), os.getgid(), "", ""
            file.extraction_filter = lambda entry, _path: entry  # A malicious archive can harm only this sandbox.
            file.extractall(place, entries)
    if folder:
        return os.path.normpath(os.path.join(place, folder[0]))
    names = os.listdir(place)
    if len(names) != 1:
        sys.exit("it is not a valid sdist: an archive must have exactly one top-level folder")
    return os.path.join(place, names[0])


def build_system(tools: str, source: str) -> Dict[str, Any]:
    """Returns the build-system table of pyproject.toml, or the defaults of PEP 517."""
    try:
        with open(os.path.join(source, "pyproject.toml"), "rb") as file:
            text = file.read().decode()
    except FileNotFoundError:
        table = {}
    else:
        table = toml(tools).loads(text).get("build-system", {})
    legacy = "build-backend" not in table
    requires = table.get("requires", ["setuptools>=40.8.0"])
    if not isinstance(requires, list) or not all(isinstance(item, str) for item in requires):
        sys.exit("build-system.requires in its pyproject.toml is not a valid list of requirements")
    path = [os.path.join(source, item) for item in table.get("backend-path", [])]
    return {"requires": requires, "backend": LEGACY if legacy else table["build-backend"], "path": path}


def toml(tools: str) -> Any:  # noqa: ANN401  # tomllib, or tomli before Python 3.11
    if sys.version_info < (3, 11):
        sys.path.append(os.path.join(tools, "tomli"))
        return importlib.import_module("tomli")
    return importlib.import_module("tomllib")


class Shelf:
    """Returns the installed tools, each with its dependencies."""

    def __init__(self, tools: str) -> None:
        sys.path.append(os.path.join(tools, "packaging"))
        self.names = set(os.listdir(tools))
        self.tools = tools
        self.known: Dict[str, Tuple[str, List[str]]] = {}

    def closure(self, texts: List[str]) -> Set[str]:
        """Returns the names of the tools that the requirements need, or all names if one is missing."""
        from packaging.requirements import InvalidRequirement, Requirement
        from packaging.utils import canonicalize_name

        found: Set[Tuple[str, FrozenSet[str]]] = set()
        pending: List[Tuple[str, FrozenSet[str]]] = [(text, frozenset()) for text in texts]
        while pending:
            text, extras = pending.pop()
            try:
                wanted = Requirement(text)
            except InvalidRequirement as error:
                sys.exit(
                    f"its build requires {text!r}, which is not a valid requirement ({str(error).splitlines()[0]})"
                )
            if wanted.marker and not any(wanted.marker.evaluate({"extra": item}) for item in extras or ("",)):
                continue
            name = canonicalize_name(wanted.name)
            if (
                wanted.url
                or name not in self.names
                or not wanted.specifier.contains(self.version(name), prereleases=True)
            ):
                print(f"its build requires {text}, which is not among airbyte-ci's pinned build tools", file=sys.stderr)
                return set(self.names)
            if (name, extras) not in found:
                found.add((name, extras))
                pending += [(item, frozenset(wanted.extras)) for item in self.metadata(name)[1]]
        return {name for name, _ in found}

    def version(self, name: str) -> str:
        return self.metadata(name)[0]

    def metadata(self, name: str) -> Tuple[str, List[str]]:
        """Returns the version and the requirements of a tool."""
        if name not in self.known:
            folder = os.path.join(self.tools, name)
            (info,) = [item for item in os.listdir(folder) if item.endswith(".dist-info")]
            with open(os.path.join(folder, info, "METADATA"), encoding="utf-8") as file:
                head = file.read().partition("\n\n")[0].splitlines()
            requires = [line.partition(":")[2].strip() for line in head if line.startswith("Requires-Dist:")]
            (version,) = [line.partition(":")[2].strip() for line in head if line.startswith("Version:")]
            self.known[name] = version, requires
        return self.known[name]


# Replaces the image's installed packages, in this process and in all that it starts.
_SITE = """
import os, site, sys
sys.path[:] = [os.path.dirname(os.path.abspath(__file__)), *os.environ["AIRBYTE_CI_STANDARD_LIBRARY"].split(os.pathsep)]
for folder in os.environ["AIRBYTE_CI_BUILD_TOOLS"].split(os.pathsep):
    if folder:
        site.addsitedir(folder)
"""


def run(task: Dict[str, Any], work: str) -> int:
    """Runs the hooks in a process that sees only the standard library and the tools of the task."""
    place = os.path.join(work, "site")
    shutil.rmtree(place, ignore_errors=True)
    os.mkdir(place)
    with open(os.path.join(place, "sitecustomize.py"), "w") as file:
        file.write(_SITE)
    environment = {
        **os.environ,
        "PYTHONPATH": place,
        "PYTHONUNBUFFERED": "1",
        "AIRBYTE_CI_STANDARD_LIBRARY": os.pathsep.join(_STANDARD_LIBRARY),
        "AIRBYTE_CI_BUILD_TOOLS": os.pathsep.join(task["tools"]),
    }
    command = [sys.executable, "-s", "-B", os.path.abspath(__file__), "--hooks", json.dumps(task)]
    # The output of a build stays in order, with the cause of a failure last.
    return subprocess.run(command, cwd=task["source"], env=environment, stdout=2, check=False).returncode


def hooks(task: Dict[str, Any]) -> int:
    """Asks the back end for additional requirements, and lets it build the wheel; each in a process of its own."""
    # The script's own folder is first in the path, and is not part of the project.
    sys.path[0:1] = task["path"]
    module, _, attributes = task["backend"].partition(":")
    backend = importlib.import_module(module)
    for name in attributes.split(".") if attributes else ():
        backend = getattr(backend, name)
    if hasattr(backend, "get_requires_for_build_wheel"):
        code = forked(lambda: told(task["more"], backend.get_requires_for_build_wheel({})))
        if code:
            return code
        with open(task["more"]) as file:
            asked = json.load(file)
        if asked not in ([], task["asked"]):
            return _ASKS_MORE
    return forked(lambda: backend.build_wheel(task["out"], {}))


def told(path: str, requirements: Any) -> None:  # noqa: ANN401  # parsed data
    with open(path, "w") as file:
        json.dump(list(requirements), file)


def forked(action: Callable[[], object]) -> int:
    """Runs the action alone in a process that has imported the back end, and returns its exit code."""
    sys.stdout.flush()
    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    code = 1
    try:
        action()
        code = 0
    except SystemExit as error:
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:  # noqa: BLE001  # whatever it is, it is shown, and this process ends
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1 if code == _ASKS_MORE else code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
