"""`InstallPackages`: a lock's packages as one operation of a recipe, and the handler that evaluates it.

An environment's layers are created once: they are looked up in the store, then in a registry, and built last.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from airbyte_ci.dagger.operations import Operation
from airbyte_ci.dagger.record import value
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.layer import Layer
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store, action_key
from airbyte_ci.python.environment import environment, layers, standard_library
from airbyte_ci.python.environment.environment import Choice, Workshop
from airbyte_ci.python.environment.layer_texts import COMPILED, INSTALLED, REMOVED
from airbyte_ci.python.environment.layers import Installed
from airbyte_ci.python.environment.tools import Tools
from airbyte_ci.python.interpreter.base import Base
from airbyte_ci.recipe import operations as recipe
from airbyte_ci.recipe.evaluate import Evaluator
from airbyte_ci.recipe.state import AddedLayer
from airbyte_ci.rootfs.tree import Tree


@value
class InstallPackages(Operation):
    """Installs these files, and removes the base's distributions that they replace.

    `building` are operations for building wheels from source; the image does not contain them. `bytecode` compiles the
    modules, and, in the first installation on a base, its standard library. `in_one_layer` is for base images, which
    many other images share unchanged.
    """

    packages: tuple[Choice, ...]
    building: tuple[Operation, ...] = ()
    bytecode: bool = True
    in_one_layer: bool = False


@dataclass(frozen=True, slots=True)
class FoundLayers:
    """Layers that a registry holds under a key, in the repository of `source`; the store may lack them."""

    key: Digest
    layers: tuple[Layer, ...]
    source: Reference


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Finds an environment's layers that may have been pushed before, compressed as `media_type`.

    `find` takes the environment's keys and returns the layers of the first key that an image has. Computing a key may
    be slow: the next one is only computed if there are images and none has the previous one.
    """

    media_type: str
    find: Callable[[Iterable[Digest]], FoundLayers | None]


@dataclass(slots=True)
class Installer:
    """Handles `InstallPackages` on one base. `sources` are repositories with layers that the store may lack."""

    base: Base
    tools: Tools
    elsewhere: Elsewhere | None = None
    sources: list[Reference] = field(default_factory=list)
    _known: dict[InstallPackages, Installed] = field(default_factory=dict)

    def __call__(
        self, evaluator: Evaluator, before: Sequence[Operation], operation: Operation
    ) -> tuple[AddedLayer, ...]:
        """Returns the steps of an `InstallPackages`: the removals are below the packages and do not depend on them."""
        assert isinstance(operation, InstallPackages)
        library = None
        if _needs_library(before, operation):
            self.tools.say("standard library")
            library = standard_library.compile_library(self.tools.store, self.base, self.tools.say)
        return (
            *([AddedLayer(library, COMPILED)] if library else []),
            *(self._packages(evaluator, before, operation) if operation.packages else ()),
        )

    def _packages(
        self, evaluator: Evaluator, before: Sequence[Operation], operation: InstallPackages
    ) -> tuple[AddedLayer, ...]:
        installed = self.installed(evaluator, before, operation)
        # Base images do not cache removals: nothing else removes the same distributions from the same root.
        below = "" if operation.in_one_layer else self._root_identity
        names = [choice.name for choice in operation.packages]
        gone = layers.removals(self.tools.store, names, self.base.python, below)
        return (
            *([AddedLayer(gone, REMOVED)] if gone else []),
            *(AddedLayer(layer, INSTALLED) for layer in installed.layers),
        )

    def installed(self, evaluator: Evaluator, before: Sequence[Operation], operation: InstallPackages) -> Installed:
        """Returns the environment's layers, cached or built now. Raises PackageError, SandboxError."""
        return self.known(evaluator, before, operation) or self._make(evaluator, before, operation)

    def known(self, evaluator: Evaluator, before: Sequence[Operation], operation: InstallPackages) -> Installed | None:
        """Returns the environment's layers if they need not be built."""
        found = self._known.get(operation)
        if found is None and not operation.in_one_layer:
            site = _Site(self, evaluator, tuple(before), operation)
            found = site.recall() or (site.find(self.elsewhere) if self.elsewhere else None)
        return self._keep(operation, found) if found else None

    def _make(self, evaluator: Evaluator, before: Sequence[Operation], operation: InstallPackages) -> Installed:
        self.tools.say("environment")
        site = _Site(self, evaluator, tuple(before), operation)
        if operation.in_one_layer:
            return self._keep(operation, site.make_one())
        library = None
        if _needs_library(before, operation):
            # While wheels are downloaded, for the step that comes next. A task of the pool waits for no other task.
            library = self.tools.executor.submit(
                standard_library.compile_library, self.tools.store, self.base, self.tools.say
            )
        installed = site.make()
        if library:
            library.result()
        return self._keep(operation, installed)

    def _keep(self, operation: InstallPackages, installed: Installed) -> Installed:
        self._known[operation] = installed
        return installed

    @property
    def _root_identity(self) -> str:
        return str(Digest.of("\n".join(map(str, self.base.image.config.diff_ids)).encode()))


def _needs_library(before: Sequence[Operation], operation: InstallPackages) -> bool:
    """Returns whether the step compiles the base's standard library too: the first one does, except in base images."""
    is_first = not any(isinstance(item, InstallPackages) for item in before)
    return operation.bytecode and is_first and not operation.in_one_layer


@dataclass(frozen=True, slots=True)
class _Site:
    """One `InstallPackages` at its place in a recipe, after the operations `before` it."""

    installer: Installer
    evaluator: Evaluator
    before: tuple[Operation, ...]
    operation: InstallPackages

    @property
    def store(self) -> Store:
        return self.installer.tools.store

    # --- what is known ---------------------------------------------------------------------------

    def recall(self) -> Installed | None:
        for key in self._keys(build=False):
            if known := self.store.recall(_place(key)):
                installed = Installed.from_json(known)
                if all(self.store.has(layer.descriptor.digest) for layer in installed.layers):
                    return installed
        return None

    def find(self, elsewhere: Elsewhere) -> Installed | None:
        for key in self._keys(build=False):
            if known := self.store.recall(_found(key, elsewhere)):
                self.installer.sources.append(Reference.parse(known["source"]))
                return Installed.from_json(known)
        found = elsewhere.find(self._keys(build=True))
        if found is None:
            return None
        self.installer.sources.append(found.source)
        installed = Installed(layers=found.layers, collisions=(), libraries=layers.libraries_of(found.layers))
        self.store.remember(_found(found.key, elsewhere), {**installed.to_json(), "source": str(found.source)})
        return installed

    def _key(self, natives: str) -> Digest:
        """Returns the key of the layers: the environment, and its grouping into layers."""
        # A wheel from source depends only on the source, unless a hook changed the root of its build.
        if self._domain and any(choice.is_source for choice in self.operation.packages):
            natives = f"{natives} {self._domain}"
        interpreter = self.installer.base.python.interpreter
        packages = environment.key(
            self.operation.packages, interpreter, compiled=self.operation.bytecode, natives=natives
        )
        return action_key("environment layers", layers.RULE_VERSION, str(packages))

    def _keys(self, *, build: bool) -> Iterator[Digest]:
        """Yields the keys without and with the native wheels of sources; building them shows which one applies.

        Builds them if `build` is set and nothing else is known of them. A native wheel, and so its layers, is the same
        on most roots.
        """
        yield self._key("")
        if any(choice.is_source for choice in self.operation.packages):
            natives = environment.natives(self.operation.packages, self._workshop(), build=build)
            if natives:
                yield self._key(natives)

    # --- what is made ----------------------------------------------------------------------------

    def make(self) -> Installed:
        """Returns the environment as layers that other connectors share."""
        with self.store.turns.take(_place(self._key(""))):
            if known := self.recall():
                return known
            prepared = self._prepare()
            key = self._key(prepared.natives)
            interpreter, executor = self.installer.base.python.interpreter, self.installer.tools.executor
            installed = layers.install(self.store, prepared, interpreter, key=key, executor=executor)
            self.store.remember(_place(key), installed.to_json())
            return installed

    def make_one(self) -> Installed:
        """Returns the environment as one layer."""
        prepared = self._prepare()
        layer = layers.layer(self.store, prepared.packages, self.installer.base.python.interpreter)
        return Installed(
            layers=(layer,), collisions=prepared.collisions, libraries=prepared.libraries, unmet=prepared.unmet
        )

    def _prepare(self) -> environment.Environment:
        return environment.prepare(self.operation.packages, self._workshop(), compiled=self.operation.bytecode)

    def _workshop(self) -> Workshop:
        base, tools = self.installer.base, self.installer.tools
        return Workshop(
            store=tools.store,
            index=tools.index,
            root=self._root,
            interpreter=base.python.interpreter,
            executor=tools.executor,
            progress=tools.say,
            context=context(base.runs, (*self._below, *self.operation.building)),
            host=base.twin.python.interpreter if base.twin else None,
            clean=None if self.operation.in_one_layer else self._clean,
            domain=self._domain,
        )

    @property
    def _domain(self) -> str:
        """Returns a name of the root's changes by hooks; empty if no file changed, and for base images, which have no
        hooks.
        """
        changed = not self.operation.in_one_layer and any(
            isinstance(operation, recipe.MAKES_FILES) for operation in self._below
        )
        return context(self.installer.base.runs, self._below) if changed else ""

    def _clean(self) -> Tree:
        """Returns the unchanged root of the base: other hooks also use what its Python compiles."""
        runs = self.installer.base.runs
        evaluator = Evaluator(self.store, runs.image, bring=runs.bring)
        return evaluator.tree(evaluator.state(()))

    @property
    def _below(self) -> tuple[Operation, ...]:
        """Returns the operations before all packages: builds from source do not depend on other packages."""
        return tuple(takewhile(lambda item: not isinstance(item, InstallPackages), self.before))

    def _root(self) -> Tree:
        """Returns the root for builds from source."""
        if twin := self.installer.base.twin:
            evaluator = Evaluator(self.store, twin.image, bring=twin.bring)
            return evaluator.tree(evaluator.state(self.operation.building))
        return self.evaluator.tree(self.evaluator.state((*self._below, *self.operation.building)))


def context(base: Base, operations: Sequence[Operation]) -> str:
    """Returns a name of the files that operations create on a base; final operations that only set variables create
    none.
    """
    makes = [number for number, operation in enumerate(operations, 1) if isinstance(operation, recipe.MAKES_FILES)]
    texts = [repr(operation) for operation in operations[: max(makes, default=0)]]
    diff_ids = [str(item) for item in base.image.config.diff_ids]
    return str(Digest.of("\n".join([*diff_ids, *texts]).encode()))


def _place(key: Digest) -> Digest:
    """Returns the store's location of the layers of this key."""
    return action_key("installed", layers.FORMAT_VERSION, str(key))


def _found(key: Digest, elsewhere: Elsewhere) -> Digest:
    """Returns the store's location of the layers of this key that a registry has."""
    return action_key("found", layers.RULE_VERSION, {"key": str(key), "kind": elsewhere.media_type})
