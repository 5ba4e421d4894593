"""Builds a base image on its root: evaluates the declared operations and Python packages, and records each input.

Slow to import, so `build` imports it only when there is something to build.
"""

from collections.abc import Sequence

from packaging.utils import canonicalize_name

from airbyte_ci.base_images.declaration.declare import PYTHON_LABEL, Declaration
from airbyte_ci.base_images.making import root
from airbyte_ci.base_images.making.lock import LockedCommand, LockedWheel, PlatformLock
from airbyte_ci.base_images.making.root import BaseRoot
from airbyte_ci.dagger import Exec, Operation, SetLabel
from airbyte_ci.errors import ImageError
from airbyte_ci.oci.image import Image
from airbyte_ci.python.environment import environment
from airbyte_ci.python.environment.environment import Choice
from airbyte_ci.python.environment.install import Installer, InstallPackages
from airbyte_ci.python.environment.tools import Tools
from airbyte_ci.python.index import pinned
from airbyte_ci.python.interpreter import inventory
from airbyte_ci.python.interpreter.base import Base
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.interpreter.inventory import Inventory
from airbyte_ci.python.packages.lock import Lock, LockedFile, LockedPackage
from airbyte_ci.recipe.evaluate import Evaluator
from airbyte_ci.recipe.operations import AddLayer
from airbyte_ci.rootfs import dpkg


def made(
    declaration: Declaration, tools: Tools, found: BaseRoot, locked: PlatformLock | None
) -> tuple[Image, PlatformLock]:
    """Returns the image on its root, and its inputs. With `locked`, uses only those inputs.

    Raises ImageError, SandboxError, PackageError.
    """
    declared = (*root.shaping(declaration, found), *declaration.steps)
    every = (*declared, *declaration.final_steps)
    every = _replayed(every, locked) if locked else every
    below, final = every[: len(declared)], every[len(declared) :]
    owner = f"base image {declaration.address.repository}"
    shaped = Evaluator(tools.store, found.image, owner=owner).image(below, {})
    python = _python(declaration, tools, shaped)
    version = python.interpreter.version if python else ""
    _refuse_other_python(declaration, version, found)
    packages: tuple[Choice, ...] = ()
    if declaration.requirements and python:
        tools.say("installing Python packages")
        packages = environment.choose(_lock(declaration, tools, python.interpreter, locked), python.interpreter)
    operations = (*below, InstallPackages(packages, in_one_layer=True), *final, *_labels(declaration))
    installer = Installer(Base(found.image, lambda: python or inventory.of(tools.store, shaped)), tools)
    evaluator = Evaluator(tools.store, found.image, owner=owner, handlers={InstallPackages: installer})
    image = evaluator.image(operations, {})
    wheels = tuple(LockedWheel(item.name, item.version, item.file.name, item.file.sha256) for item in packages)
    commands = locked.commands if locked else _commands(evaluator, operations)
    return image, PlatformLock(
        manifest=image.digest,
        size=len(image.manifest.raw),
        root=found.image.digest,
        debian=found.debian,
        wheels=wheels,
        commands=commands,
        python=version,
    )


def _python(declaration: Declaration, tools: Tools, shaped: Image) -> Inventory | None:
    """Returns the image's Python; None for an image without one, if its declaration does not need it."""
    try:
        return inventory.of(tools.store, shaped)
    except ImageError:
        if declaration.python or declaration.requirements:
            raise
        return None


def _labels(declaration: Declaration) -> tuple[Operation, ...]:
    labels = {"io.airbyte.version": declaration.version, "io.airbyte.name": declaration.address.repository}
    if declaration.python:
        labels[PYTHON_LABEL] = (
            declaration.python
        )  # `base-images refresh` reads it from the registry and cannot run the image
    return tuple(SetLabel(key, value) for key, value in labels.items())


def _lock(declaration: Declaration, tools: Tools, python: Interpreter, locked: PlatformLock | None) -> Lock:
    if locked:
        return Lock("requirements", tuple(map(_package, locked.wheels)))
    what = f"{declaration.repository} requirements"
    return pinned.lock(tools.store, tools.index, python, declaration.requirements, what)


def _commands(evaluator: Evaluator, operations: Sequence[Operation]) -> tuple[LockedCommand, ...]:
    found = []
    for at, command in enumerate(operations):
        if isinstance(command, Exec):
            before, after = operations[:at], operations[: at + 1]
            step = evaluator.state(after).steps[len(evaluator.state(before).steps)]
            # Only fetched content is an input; its Debian packages are recorded in addition to the layer.
            fetched = step.impure and step.layer
            packages = _installed(evaluator, after) - _installed(evaluator, before) if fetched else ()
            found.append(LockedCommand(command.arguments, step.layer, step.impure, tuple(sorted(packages))))
    return tuple(found)


def _installed(evaluator: Evaluator, operations: Sequence[Operation]) -> set[str]:
    """Returns the Debian packages after these operations, by name and version."""
    text = evaluator.tree(evaluator.state(operations)).read(dpkg.STATUS) or b""
    return {f"{item.name} {item.version}" for item in dpkg.packages(text.decode("utf-8", "replace"))}


def _replayed(operations: Sequence[Operation], locked: PlatformLock) -> tuple[Operation, ...]:
    """Returns the operations with each command replaced by the layer that it made."""
    commands = [item for item in operations if isinstance(item, Exec)]
    if [item.arguments for item in commands] != [item.arguments for item in locked.commands]:
        raise ImageError("the lock's commands differ from those of its declaration", advice="restore the lock from git")
    layers_of = iter(locked.commands)
    return tuple(_replay(next(layers_of)) if isinstance(item, Exec) else item for item in operations)


def _replay(command: LockedCommand) -> AddLayer:
    """Returns an operation that adds the command's layer and history entry."""
    comment = f"with_exec {' '.join(command.arguments)}"
    return AddLayer(command.layer, comment, command.network)


def _package(item: LockedWheel) -> LockedPackage:
    """Returns the locked package that allows only this file."""
    return LockedPackage(canonicalize_name(item.name), item.version, (LockedFile(item.file, item.sha256),))


def _refuse_other_python(declaration: Declaration, python: str, found: BaseRoot) -> None:
    if declaration.python and not f"{python}.".startswith(f"{declaration.python}."):
        raise ImageError(
            f"cannot build {declaration.address}: it declares Python {declaration.python}, but its root has {python} "
            f"({found.title})",
            advice="correct `python` or the root",
        )
