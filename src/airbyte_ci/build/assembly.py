"""A plan's image in the making: each layer is made when something asks for it, once, or found where it was pushed.

Knows the order of things in an image; not how a plan comes about, and not where the finished image goes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path

from airbyte_ci.build.base import BaseImage
from airbyte_ci.build.plan import DEFAULT_SHAPE, BuildPlan, Impure, Shape
from airbyte_ci.build.rules import NO_RULES, Rules
from airbyte_ci.container.api import AddLayer, Copy, Exec, MakeLink, MountContents, Operation, Remove, WriteFile
from airbyte_ci.container.evaluate import Evaluator, add_layer
from airbyte_ci.container.tree import Tree
from airbyte_ci.errors import ImageError, PlanError
from airbyte_ci.oci import recompress
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Image
from airbyte_ci.oci.layer import Layer
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.registry.client import RegistryClient
from airbyte_ci.oci.store import Store, action_key
from airbyte_ci.python import environment, layers, libraries
from airbyte_ci.python.environment import Choice
from airbyte_ci.python.index import PackageIndex
from airbyte_ci.python.inventory import Inventory
from airbyte_ci.python.layers import Installed
from airbyte_ci.python.lock import LockedFile, Origin

_MAKES_FILES = (AddLayer, Copy, Exec, MakeLink, MountContents, Remove, WriteFile)
# What Docker's layer store chains; containerd alone takes a few more.
MOST_LAYERS = 125
# Finds an environment's layers where an image was pushed before, by the first of its keys that one has. A key may have
# to be worked for: the next is only looked at when there are images and none has the one before.
Elsewhere = Callable[[Iterable[Digest]], "Found | None"]


@dataclass(frozen=True, slots=True)
class Found:
    """Layers that a registry holds under a key, in the repository of `source`; the store need not have them."""

    key: Digest
    layers: tuple[Layer, ...]
    source: Reference


def nowhere(_keys: Iterable[Digest]) -> Found | None:
    """No registry is asked."""
    return None


@dataclass(frozen=True, slots=True)
class Workbench:
    """What builds need beside the connector. `passed` are variables that hooks may see; `say` tells progress.

    `rules` say what counts for locks; `framework` takes the place of the locked one. `folders` gathers the source
    folders that a build reads beside the connector's own.
    """

    store: Store
    index: PackageIndex
    registries: RegistryClient
    executor: Executor
    passed: Mapping[str, str]
    say: Callable[[str], None]
    shape: Shape = DEFAULT_SHAPE
    elsewhere: Elsewhere = nowhere
    rules: Rules = NO_RULES
    framework: Origin | None = None
    folders: set[Path] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Ground:
    """What a connector is built on: the base image, what is known of its Python, and where commands can run.

    `host` is the base image's twin for this machine where the base itself cannot run here.
    """

    base: BaseImage
    python: Inventory
    host: "Ground | None" = None

    @property
    def runs(self) -> "Ground":
        return self.host or self


@dataclass(slots=True)
class Assembly:
    """The layers of one image. `pre` are the operations before the install; `code` is the connector's own layer.

    `building` is done where packages are made from source, and is not in the image. A plan that `is_given` says what
    its commands gave, and that must be what they give.
    """

    bench: Workbench
    ground: Ground
    evaluator: Evaluator
    pre: tuple[Operation, ...]
    packages: tuple[Choice, ...]
    code: Layer
    shape: Shape
    building: tuple[Operation, ...] = ()
    sources: list[Reference] = field(default_factory=list)
    is_given: bool = False
    _installed: Installed | None = None

    def operations(self) -> tuple[Operation, ...]:
        """What the pre hook did, the environment and the code."""
        return (*self.pre, *self.installing(), add_layer(self.code, "copy the connector's code"))

    @property
    def installed(self) -> Installed:
        """The environment's layers: ready in the store, found in a registry, or made now."""
        self._installed = self.known or self._make()
        return self._installed

    @property
    def known(self) -> Installed | None:
        """The environment's layers if they need not be made."""
        self._installed = self._installed or self._recall() or self._find()
        return self._installed

    def image(self, plan: BuildPlan) -> Image:
        """The plan's image; its layers are in the store, or in a registry of `sources`. Raises PlanError."""
        below = (*self.operations(), *plan.settings)
        operations = (*below, *plan.post.operations)
        if self.is_given:
            for item in plan.impure:
                if item.hook == "post":
                    self.evaluator.give((*below, *plan.post.operations[: item.operation + 1]), item.layer)
            _confirm_impure(plan, self.impure(plan))
        image = self.evaluator.image(operations, plan.annotations, created=self.shape.created)
        _confirm_depth(image, len(self.ground.base.image.layers))
        if self.shape.compression == "zstd":
            image = recompress.zstd(self.bench.store, image, len(self.ground.base.image.manifest.layers))
        return image

    def impure(self, plan: BuildPlan) -> tuple[Impure, ...]:
        """What the commands of the plan's hooks gave that used the network or a cache; runs those that did not run."""
        found = [Impure("pre", place, layer) for place, layer in self.evaluator.impure(plan.pre.operations)]
        if any(isinstance(operation, Exec) for operation in plan.post.operations):
            below = (*self.operations(), *plan.settings)
            places = self.evaluator.impure((*below, *plan.post.operations), len(below))
            found += [Impure("post", place - len(below), layer) for place, layer in places]
        return tuple(found)

    # --- the environment -------------------------------------------------------------------------

    def installing(self) -> tuple[AddLayer, ...]:
        """What puts the packages on the layers below: what they replace is whited out first."""
        if not self.packages:
            return ()
        names = [choice.name for choice in self.packages]
        identity = str(Digest.of("\n".join(map(str, self.ground.base.image.config.diff_ids)).encode()))
        gone = layers.removals(self.bench.store, names, self.ground.python, identity)
        return (*gone, *layers.additions(self.installed))

    def absent(self, plan: BuildPlan) -> dict[str, str]:
        """Shared libraries that the image lacks, with the packages whose native code is linked to them.

        That is no fault by itself: a package may try an extension and do without it.
        """
        wanted = set(self.installed.libraries) if self.packages else set()
        absent = wanted and wanted - self._libraries(self.pre)
        later = any(isinstance(operation, _MAKES_FILES) for operation in plan.post.operations)
        # What the post hook adds lies on the packages, which stay where they were found.
        if absent and later and not self.sources:
            absent -= self._libraries((*self.operations(), *plan.settings, *plan.post.operations))
        files = [choice.file for choice in self.packages if absent and not choice.is_source and self._has(choice.file)]
        linked = {file.name.partition("-")[0]: libraries.of_wheel(self.bench.store, file) for file in files}
        return {
            name: ", ".join(sorted(package for package, one in linked.items() if name in one.needed)) or "a package"
            for name in sorted(absent)
        }

    def _has(self, file: LockedFile) -> bool:
        return self.bench.store.has(Digest(file.sha256))

    def _libraries(self, operations: tuple[Operation, ...]) -> frozenset[str]:
        """The shared libraries that the loader finds in the image after some operations, looked up once."""
        state = self.evaluator.state(operations)
        more = [item for item in state.environment.get("LD_LIBRARY_PATH", "").split(":") if item.startswith("/")]
        below = self._below(self.ground, operations)
        key = action_key("libraries of an image", libraries.FORMAT_VERSION, {"below": below, "more": more})
        known = self.bench.store.recall(key)
        if known is None:
            known = {"names": sorted(libraries.in_image(self.evaluator.tree(state), more))}
            self.bench.store.remember(key, known)
        return frozenset(known["names"])

    def _key(self, natives: str) -> Digest:
        """Names the layers: the environment, and how its packages are grouped into them."""
        # A wheel of source depends on nothing but the source, unless a hook changed the root that it is built in.
        if self._domain and any(choice.is_source for choice in self.packages):
            natives = f"{natives} {self._domain}"
        packages = environment.key(
            self.packages, self.ground.python.interpreter, compiled=self.shape.bytecode, natives=natives
        )
        return action_key("environment layers", layers.RULE_VERSION, str(packages))

    def _keys(self, *, build: bool) -> Iterator[Digest]:
        """Without and with the wheels that sources became: which one counts shows when they were built.

        They are, for that, when nothing else is known of them and `build` says so. A native one is the same on most
        roots that it is built in anew, and so are the layers.
        """
        yield self._key("")
        if any(choice.is_source for choice in self.packages):
            natives = environment.natives(self.packages, self._workshop(), build=build)
            if natives:
                yield self._key(natives)

    @property
    def _context(self) -> str:
        """Names the root in which sources are built."""
        return self._below(self.ground.runs, (*self.pre, *self.building))

    @property
    def _domain(self) -> str:
        """Names what a hook made of the root; empty where it changed no file."""
        changed = any(isinstance(operation, _MAKES_FILES) for operation in self.pre)
        return self._below(self.ground.runs, self.pre) if changed else ""

    @staticmethod
    def _below(ground: Ground, operations: tuple[Operation, ...]) -> str:
        """Names the files that operations make of a base. What only sets variables, last, changes nothing of them."""
        makes = [number for number, operation in enumerate(operations, 1) if isinstance(operation, _MAKES_FILES)]
        texts = [repr(operation) for operation in operations[: max(makes, default=0)]]
        diff_ids = [str(item) for item in ground.base.image.config.diff_ids]
        return str(Digest.of("\n".join([*diff_ids, *texts]).encode()))

    def _recall(self) -> Installed | None:
        for key in self._keys(build=False):
            if known := self.bench.store.recall(_place(key)):
                installed = Installed.from_json(known)
                if _all_there(self.bench.store, installed.layers):
                    return installed
        return None

    def _find(self) -> Installed | None:
        if self.bench.elsewhere is nowhere:
            return None
        for key in self._keys(build=False):
            if known := self.bench.store.recall(self._found(key)):
                self.sources.append(Reference.parse(known["source"]))
                return Installed.from_json(known)
        found = self.bench.elsewhere(self._keys(build=True))
        if found is None:
            return None
        self.sources.append(found.source)
        installed = Installed(found.layers, (), layers.libraries_of(found.layers))
        self.bench.store.remember(self._found(found.key), {**installed.to_json(), "source": str(found.source)})
        return installed

    def _found(self, key: Digest) -> Digest:
        return action_key("found", layers.RULE_VERSION, {"key": str(key), "kind": self.shape.compression})

    def _make(self) -> Installed:
        self.bench.say("environment")
        prepared = environment.prepare(self.packages, self._workshop(), compiled=self.shape.bytecode)
        key = self._key(prepared.natives)
        installed = layers.install(self.bench.store, prepared, self.ground.python.interpreter, key)
        self.bench.store.remember(_place(key), installed.to_json())
        return installed

    def _workshop(self) -> environment.Workshop:
        return environment.Workshop(
            self.bench.store,
            self.bench.index,
            self._root,
            self.ground.python.interpreter,
            self.bench.executor,
            self.bench.say,
            self._context,
            self.ground.runs.python.interpreter if self.ground.host else None,
            self._clean,
            self._domain,
        )

    def _clean(self) -> Tree:
        """The root as the base has it: what its Python compiles there, connectors with other hooks use too."""
        runs = self.ground.runs
        runs.base.bring()
        evaluator = Evaluator(self.bench.store, runs.base.image) if self.ground.host else self.evaluator
        return evaluator.tree(evaluator.state(()))

    def _root(self) -> Tree:
        runs = self.ground.runs
        runs.base.bring()
        if self.ground.host:
            evaluator = Evaluator(self.bench.store, runs.base.image)
            return evaluator.tree(evaluator.state(self.building))
        return self.evaluator.tree(self.evaluator.state((*self.pre, *self.building)))


def _place(key: Digest) -> Digest:
    """Where the store remembers the layers of this key."""
    return action_key("installed", layers.FORMAT_VERSION, str(key))


def _confirm_impure(plan: BuildPlan, found: tuple[Impure, ...]) -> None:
    """Raises PlanError where a command had to be run again, and gave something else."""
    for item in plan.impure:
        if item not in found:
            record = plan.pre if item.hook == "pre" else plan.post
            command = record.operations[item.operation]
            shown = " ".join(command.arguments) if isinstance(command, Exec) else "a command"
            named = f"layer {item.layer.descriptor.digest.short}" if item.layer else "no layer"
            raise PlanError(
                f"building the plan of {plan.name}: {shown!r} gave {named} when it was made, and now "
                "gives something else",
                advice="build it with the store that has this layer, or make a new plan",
            )


def _confirm_depth(image: Image, base_layers: int) -> None:
    """Raises ImageError for more layers than run: how ours are grouped may not depend on the base, to be shared."""
    if len(image.layers) > MOST_LAYERS:
        ours = len(image.layers) - base_layers
        raise ImageError(
            f"the image would have {len(image.layers)} layers, {base_layers} of its base and {ours} above; Docker runs "
            f"images of at most {MOST_LAYERS}",
            advice="use a base image of fewer layers, or do more in one command of a hook",
        )


def _all_there(store: Store, found: Iterable[Layer]) -> bool:
    return all(store.has(layer.descriptor.digest) for layer in found)
