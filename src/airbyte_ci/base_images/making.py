"""Making a base image on its root: the declared operations and Python packages, evaluated; each input by its digest.

Slow to import, so it is where a build has found that there is something to make.
"""

from collections.abc import Sequence

from packaging.utils import canonicalize_name

from airbyte_ci.base_images import dpkg, root
from airbyte_ci.base_images.declare import PYTHON_LABEL, Declaration
from airbyte_ci.base_images.lock import LockedCommand, LockedWheel, PlatformLock
from airbyte_ci.base_images.root import Root
from airbyte_ci.base_images.workbench import Workbench
from airbyte_ci.container.api import AddLayer, Exec, Operation, SetLabel, WriteFile
from airbyte_ci.container.evaluate import Evaluator, add_layer
from airbyte_ci.errors import ImageError
from airbyte_ci.oci.image import Image
from airbyte_ci.python import environment, inventory, layers, pinned
from airbyte_ci.python.lock import Lock, LockedFile, LockedPackage


def made(
    declaration: Declaration, bench: Workbench, found: Root, locked: PlatformLock | None
) -> tuple[Image, PlatformLock]:
    """The image on its root, and its inputs. With `locked`, from those inputs and no others.

    Raises ImageError, SandboxError, PackageError.
    """
    evaluator = Evaluator(bench.store, found.image, owner=f"base image {declaration.address.repository}")
    declared = (*root.shaping(declaration, found), *declaration.steps)
    every = (*declared, *declaration.final_steps)
    every = _replayed(every, locked) if locked else every
    operations, final = every[: len(declared)], every[len(declared) :]
    wheels: tuple[LockedWheel, ...] = ()
    shaped = evaluator.image(operations, {})
    python = inventory.of(bench.store, shaped).interpreter.version
    _refuse_other_python(declaration, python, found)
    if declaration.requirements:
        bench.progress("installing Python packages")
        installing, wheels = _packages(declaration, bench, shaped, locked)
        operations += installing
    operations += final
    operations += _labels(declaration)
    image = evaluator.image(operations, {})
    commands = locked.commands if locked else _commands(evaluator, operations)
    return image, PlatformLock(
        image.digest, len(image.manifest.raw), found.image.digest, found.debian, wheels, commands, python
    )


def _labels(declaration: Declaration) -> tuple[Operation, ...]:
    labels = {"io.airbyte.version": declaration.version, "io.airbyte.name": declaration.address.repository}
    if declaration.python:
        labels[PYTHON_LABEL] = declaration.python  # what reads the catalogue from a registry cannot run the image
    return tuple(SetLabel(key, value) for key, value in labels.items())


def _packages(
    declaration: Declaration, bench: Workbench, image: Image, locked: PlatformLock | None
) -> tuple[tuple[Operation, ...], tuple[LockedWheel, ...]]:
    base = inventory.of(bench.store, image)
    wanted = (
        Lock("requirements", tuple(map(_package, locked.wheels)))
        if locked
        else pinned.lock(
            bench.store,
            bench.index,
            base.interpreter,
            declaration.requirements,
            f"{declaration.repository} requirements",
        )
    )
    evaluator = Evaluator(bench.store, image)
    workshop = environment.Workshop(
        bench.store,
        bench.index,
        lambda: evaluator.tree(evaluator.state(())),
        base.interpreter,
        bench.executor,
        bench.progress,
    )
    choices = environment.choose(wanted, base.interpreter)
    wheels = tuple(LockedWheel(item.name, item.version, item.file.name, item.file.sha256) for item in choices)
    return layers.together(bench.store, environment.prepare(choices, workshop), base), wheels


def _commands(evaluator: Evaluator, operations: Sequence[Operation]) -> tuple[LockedCommand, ...]:
    making = [at for at, item in enumerate(operations) if isinstance(item, Exec | WriteFile | AddLayer)]
    found = []
    for at, step in zip(making, evaluator.state(operations).steps, strict=True):
        if isinstance(command := operations[at], Exec):
            # Only what was fetched is an input, and it is known by more than its layer where it can be.
            before, after = (operations[:at], operations[: at + 1]) if step.impure and step.layer else ((), ())
            packages = _installed(evaluator, after) - _installed(evaluator, before) if after else ()
            found.append(LockedCommand(command.arguments, step.layer, step.impure, tuple(sorted(packages))))
    return tuple(found)


def _installed(evaluator: Evaluator, operations: Sequence[Operation]) -> set[str]:
    """The Debian packages after these operations, by name and version."""
    text = evaluator.tree(evaluator.state(operations)).read(dpkg.STATUS) or b""
    return {f"{item.name} {item.version}" for item in dpkg.packages(text.decode("utf-8", "replace"))}


def _replayed(operations: Sequence[Operation], locked: PlatformLock) -> tuple[Operation, ...]:
    """The operations with each command replaced by the layer that it gave."""
    commands = [item for item in operations if isinstance(item, Exec)]
    if [item.arguments for item in commands] != [item.arguments for item in locked.commands]:
        raise ImageError("the lock's commands are not those of its declaration", advice="restore the lock from git")
    layers_of = iter(locked.commands)
    return tuple(_replay(next(layers_of)) if isinstance(item, Exec) else item for item in operations)


def _replay(command: LockedCommand) -> AddLayer:
    """What puts the layer on an image just as the command did, its line of the history included."""
    comment = f"with_exec {' '.join(command.arguments)}"
    return add_layer(command.layer, comment, impure=command.network)


def _package(item: LockedWheel) -> LockedPackage:
    """As a lock has it that allows this file only."""
    return LockedPackage(canonicalize_name(item.name), item.version, (LockedFile(item.file, item.sha256),))


def _refuse_other_python(declaration: Declaration, python: str, found: Root) -> None:
    if declaration.python and not f"{python}.".startswith(f"{declaration.python}."):
        raise ImageError(
            f"building {declaration.address}: it declares Python {declaration.python}, and its root has {python} "
            f"({found.title})",
            advice="correct `python`, or the root",
        )
