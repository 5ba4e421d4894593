"""sdists: built into a wheel once, in a sandbox without network, with build requirements that ship with airbyte-ci.

The wheel depends only on the sdist, those requirements and the interpreter.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from airbyte_ci.errors import PackageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import Store, action_key
from airbyte_ci.python.index.package_index import PackageIndex
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.packages.lock import LockedFile
from airbyte_ci.python.sources import build_tools, trees
from airbyte_ci.python.wheels import built_wheel
from airbyte_ci.rootfs.tree import Tree
from airbyte_ci.sandbox import sandbox

FORMAT_VERSION = 4
# The earliest time in a zip, so that back ends that write the time always write the same one.
_EPOCH = "315532800"
# The number of lines of a failed build to show.
_TOLD = 12
# The script that runs in the image.
_FRONTEND = Path(__file__).with_name("build_frontend.py")
_PLACE = "/.airbyte-ci/build"
_SOURCE = sandbox.Purpose(
    "sdist or source tree to build",
    "input",
    source="a file in the store's `blobs`",
    target=f"`{_PLACE}/source`",
    written_by="airbyte-ci",
)
_WORK = sandbox.Purpose(
    "work of a build back end",
    "output",
    source="an empty folder in the build's own scratch folder",
    target=f"`{_PLACE}/work`",
    written_by="none",
)
_OUT = sandbox.Purpose(
    "wheel of a build back end",
    "output",
    source="an empty folder in the build's own scratch folder",
    target=f"`{_PLACE}/out`",
    written_by="none",
)
_TOOL = sandbox.Purpose(
    "build front end",
    "input",
    source="airbyte-ci's own files",
    target=f"`{_PLACE}/{_FRONTEND.name}`",
    written_by="the installer of airbyte-ci",
)


def identity() -> str:
    """Returns the common inputs of every build besides the sdist: the pinned build requirements and their use."""
    return f"{FORMAT_VERSION}:{build_tools.identity()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Builder:
    """The environment of builds: a root with its Python; `context` names everything that the root consists of.

    `clean` is the root before a hook changed it, in which tools for all builds are compiled; without it, `root` is
    used. `domain` names a hook's changes of the root: a wheel from there is used only in such a root.
    """

    store: Store
    index: PackageIndex
    root: Callable[[], Tree]
    interpreter: Interpreter
    context: str = ""
    clean: Callable[[], Tree] | None = None
    domain: str = ""


def to_wheel(builder: Builder, sdist: LockedFile, progress: Callable[[str], None], version: str = "") -> LockedFile:
    """Returns the wheel of an sdist or source tree in the store, and stores it; raises PackageError.

    A pure wheel is built once for every Python, platform and base; a native one once for the root of its build.
    `version` is for back ends that would ask git, because a tree has no history.
    """
    if found := known(builder, sdist, version):
        return found
    pure, native = _keys(builder, sdist, version)
    store, index, clean = builder.store, builder.index, builder.clean or builder.root
    # Takes turns itself.
    root = build_tools.over(builder.root(), store, index, builder.interpreter, clean, progress)
    with store.turns.take(pure, say=progress):
        if found := known(builder, sdist, version):
            return found
        progress(f"building {_shown(sdist)}")
        built = _build(builder, root, sdist, version)
        key = pure if built.name.endswith("-none-any.whl") else native
        store.remember(key, {"name": built.name, "sha256": built.sha256})
        return built


def known(builder: Builder, sdist: LockedFile, version: str = "") -> LockedFile | None:
    """Returns the wheel, if it was built before and is in the store."""
    for key in _keys(builder, sdist, version):
        found = builder.store.recall(key)
        if found is not None and builder.store.has(Digest(found["sha256"])):
            return LockedFile(found["name"], found["sha256"])
    return None


def _keys(builder: Builder, sdist: LockedFile, version: str) -> tuple[Digest, Digest]:
    """Returns the keys of a pure wheel and of a native one in the store."""
    interpreter = builder.interpreter
    pure = {"sdist": sdist.sha256, "requirements": build_tools.identity(), "version": version}
    if builder.domain:
        pure["domain"] = builder.domain
    native = {
        **pure,
        "python": interpreter.version,
        "machine": interpreter.markers["platform_machine"],
        "context": builder.context,
    }
    return action_key("sdist", FORMAT_VERSION, pure), action_key("sdist", FORMAT_VERSION, native)


def _reason(said: Sequence[str]) -> str:
    """Returns the line with the cause: the last that the build wrote."""
    return next((line.strip() for line in reversed(said) if line.strip()), "the build printed nothing")


def _shown(sdist: LockedFile) -> str:
    return sdist.name.removesuffix(trees.SUFFIX).partition("+")[0]


def _build(builder: Builder, root: Tree, sdist: LockedFile, version: str) -> LockedFile:
    store = builder.store
    source = store.verified(Digest(sdist.sha256))
    with store.scratch() as folder:
        for part in ("out", "work"):
            (folder / part).mkdir()
        finished = sandbox.run(store, root, _command(folder, builder.interpreter, source, sdist.name, version))
        if finished.returncode:
            raise _failed(sdist, finished)
        return built_wheel.keep(store, folder / "out", folder, _shown(sdist))


def _failed(sdist: LockedFile, finished: sandbox.Finished) -> PackageError:
    said = (finished.stderr or finished.stdout).decode(errors="replace").strip().splitlines()
    return PackageError(
        f"cannot build a wheel of {_shown(sdist)}: {_reason(said)}",
        details=said[-_TOLD:],
        advice="lock a version that has a wheel, publish one on your own index, or name what the build needs "
        "as buildPackages in build_customization.yaml",
        error_id="sdist-build-failed",
    )


def _command(folder: Path, interpreter: Interpreter, source: Path, sdist: str, version: str) -> sandbox.Command:
    place = _PLACE
    # A tree's name contains the project's place in it; an sdist's does not.
    _, _, subdirectory = sdist.removesuffix(trees.SUFFIX).partition("+")
    inside = ("/".join(subdirectory.split("+")) or ".",) if sdist.endswith(trees.SUFFIX) else ()
    frontend = f"{place}/{_FRONTEND.name}"
    # Back ends that take the version from git accept it in these variables.
    told = dict.fromkeys(("SETUPTOOLS_SCM_PRETEND_VERSION", "POETRY_DYNAMIC_VERSIONING_BYPASS", "PBR_VERSION"), version)
    return sandbox.Command(
        arguments=(
            *(interpreter.executable, "-s", "-S", "-B", frontend),
            *(f"/{build_tools.FOLDER}", f"{place}/source/{sdist}", f"{place}/work", f"{place}/out", *inside),
        ),
        environment={
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            # The image's home and /tmp may have a distutils configuration, which affects the wheel.
            "HOME": f"{place}/work/home",
            "PIP_CONFIG_FILE": os.devnull,
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "PYTHONHASHSEED": "0",
            "SOURCE_DATE_EPOCH": _EPOCH,
            **(told if version else {}),
        },
        mounts=(
            sandbox.Mount(source=source, target=f"{place}/source/{sdist}", purpose=_SOURCE),
            sandbox.Mount(source=folder / "work", target=f"{place}/work", writable=True, purpose=_WORK),
            sandbox.Mount(source=folder / "out", target=f"{place}/out", writable=True, purpose=_OUT),
            sandbox.Mount(source=_FRONTEND, target=frontend, purpose=_TOOL),
        ),
        timeout=1800,
    )
