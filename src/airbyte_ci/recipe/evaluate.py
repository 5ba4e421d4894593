"""Evaluation: a base image and operations → an image. All work on containers happens here.

Commands are cached by everything that can influence them: the base, the platform and all operations before them. The
result of a command with network access becomes an input; the store holds its layer by digest.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from airbyte_ci.dagger import (
    Content,
    Copy,
    Exec,
    FromContainer,
    MakeLink,
    MountCache,
    MountContents,
    Operation,
    Question,
    Remove,
    Unmount,
    WriteFile,
    contents_to_json,
    to_json,
)
from airbyte_ci.dagger.patterns import matches
from airbyte_ci.errors import HookError, SandboxError
from airbyte_ci.oci import tar
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import (
    CREATED,
    DOCKER_LAYER_GZIP,
    LAYER_GZIP,
    Descriptor,
    Image,
    ImageConfig,
    Manifest,
    canonical_json,
)
from airbyte_ci.oci.layer import Layer, layer_of
from airbyte_ci.oci.store.store import Store, action_key
from airbyte_ci.oci.tar import Entry
from airbyte_ci.recipe import answers, contents, execute, settings
from airbyte_ci.recipe.execute import DEFAULT_PATH, Workplace
from airbyte_ci.recipe.failures import Failures
from airbyte_ci.recipe.operations import AddLayer
from airbyte_ci.recipe.state import AddedLayer, Output, State
from airbyte_ci.rootfs import snapshot, user_namespace, users
from airbyte_ci.rootfs.snapshot import Stack
from airbyte_ci.rootfs.tree import Tree
from airbyte_ci.sandbox import sandbox

__all__ = [
    "CREATED",
    "DEFAULT_PATH",
    "FORMAT_VERSION",
    "AddedLayer",
    "Evaluator",
    "Handler",
    "Output",
    "State",
    "prepare",
]

FORMAT_VERSION = 5
# The number of output characters held with every state; for longer output, only its location is.
_KEPT_IN_MIND = 1 << 16


# Evaluates an operation of another room, from the evaluator, the operations before it, and itself.
Handler = Callable[["Evaluator", Sequence[Operation], Operation], Sequence[AddedLayer]]


class Evaluator:
    """Evaluates operations on one base image for one platform, each prefix once.

    `bring` runs before the base's layers are needed: until then they may be elsewhere. `owner` identifies the owner of
    the commands, who alone uses their mounted caches. `handlers` evaluate the operations that higher rooms added.
    """

    def __init__(
        self,
        store: Store,
        base: Image,
        *,
        timeout: float | None = 3600,
        bring: Callable[[], None] = lambda: None,
        owner: str = "",
        handlers: Mapping[type[Operation], Handler] | None = None,
    ) -> None:
        self._store = store
        self._bring = bring
        self._base = base
        self._handlers = handlers or {}
        # By the name of the operations up to each: the state, and the key of their result.
        self._known: dict[Digest, tuple[State, Digest]] = {}
        # By the name of a command's raw snapshot: the state before it, the command, and its action.
        self._made: dict[str, tuple[State, Exec, Digest]] = {}
        # The results of commands when a plan was created, by the name of the operations up to them.
        self._given: dict[Digest, Layer | None] = {}
        self._secrets: dict[str, str] = {}
        self._whose = owner
        self._workplace = Workplace(store, timeout, self._secrets, owner)
        self._failures = Failures(store)

    def state(self, operations: Sequence[Operation]) -> State:
        """Returns the container after these operations; raises SandboxError, CommandFailed, ImageError."""
        state, key = State(base=self._base, execution=self._base.config.execution), self._origin
        for position, name in enumerate(self._names(operations)):
            if name not in self._known:
                self._known[name] = self._next(
                    state, key, operation=operations[position], name=name, before=operations[:position]
                )
            state, key = self._known[name]
        return state

    def _next(
        self, state: State, key: Digest, operation: Operation, name: Digest, before: Sequence[Operation]
    ) -> tuple[State, Digest]:
        """Returns the state after the operation, and the key of the result so far."""
        handler = self._handlers.get(type(operation))
        if handler is None:
            key = self._chained(key, operation)
            return self._apply(state, operation, key, name, before), key
        # A handler's result can depend on more than the operation, so later keys include that result.
        steps = handler(self, before, operation)
        for step in steps:
            state = state.with_step(step)
        return state, Digest.of(canonical_json([str(key), [step.layer.to_json() for step in steps if step.layer]]))

    @property
    def _origin(self) -> Digest:
        return Digest.of(canonical_json({"base": str(self._base.digest), "format": FORMAT_VERSION}))

    def _names(self, operations: Sequence[Operation]) -> Iterator[Digest]:
        """Names the base and each prefix of the operations, without evaluating any."""
        name = self._origin
        for operation in operations:
            name = self._chained(name, operation)
            yield name

    def _chained(self, key: Digest, operation: Operation) -> Digest:
        # What a command finds in a cache depends on the owner of the cache.
        whose = [self._whose] if isinstance(operation, MountCache) else []
        return Digest.of(canonical_json([str(key), to_json(operation), *whose]))

    def impure(self, operations: Sequence[Operation]) -> list[tuple[int, Layer | None]]:
        """Returns the commands that used the network or a cache: their positions and their layers."""
        commands = [place for place in range(len(operations)) if isinstance(operations[place], Exec)]
        steps = self.state(operations[: commands[-1] + 1]).steps if commands else ()
        names = list(self._names(operations)) if commands else []
        # A command's own step is the first after the steps of the operations before it.
        own = [(place, steps[len(self._known[names[place - 1]][0].steps) if place else 0]) for place in commands]
        return [(place, step.layer) for place, step in own if step.impure]

    def give(self, operations: Sequence[Operation], layer: Layer | None) -> None:
        """Records an earlier result of the last operation, a command, which is used if the store has that layer."""
        *_, name = self._names(operations)
        self._given[name] = layer

    def answer(self, operations: Sequence[Operation], question: Question) -> Any:  # noqa: ANN401  # an answer in JSON
        """Evaluates the recipe and answers a hook's question; raises CommandFailed as in the earlier evaluation."""
        self._secrets.update(question.secrets)
        if question.about == "secret":
            return True
        recipe = [*map(to_json, (*operations, *question.operations)), *contents_to_json(question.contents)]
        inputs = {"base": str(self._base.digest), "recipe": recipe, "as": user_namespace.name()}
        return self._failures.same(
            action_key("failure", FORMAT_VERSION, inputs), lambda: self._answer(operations, question)
        )

    def keep_failures(self) -> None:
        """Stores the failures that a hook's questions met, after the hook has finished."""
        self._failures.keep()

    def _answer(self, operations: Sequence[Operation], question: Question) -> Any:  # noqa: ANN401  # an answer in JSON
        if question.contents:
            found = contents.entries(question.contents, self._taker(operations), self._store.verified)
            return answers.about_contents(found, question.about, question.argument)
        state = self.state((*operations, *question.operations))
        if question.about in answers.OF_STATE:
            return answers.OF_STATE[question.about](replace(state, output=self._whole(state.output)), question.argument)
        return answers.about_tree(self.tree(state), question.about, state.absolute(question.argument))

    def image(
        self, operations: Sequence[Operation], annotations: Mapping[str, str], *, created: str = CREATED
    ) -> Image:
        """Returns the image that the operations create from the base; stores it."""
        return to_image(self._store, self.state(operations), annotations, created=created)

    def tree(self, state: State) -> Tree:
        """Returns the root file system that commands see; unpacks missing layers."""
        self._bring()
        stack = snapshot.unpack(self._store, self._base.layers)
        for step in state.steps:
            stack = self._push(stack, step)
        return stack.tree

    def shipped(self, state: State) -> Tree:
        """Returns the image's root file system: without mounts, and without files left only for later commands."""
        own = tuple(replace(step, raw="") for step in state.steps if not step.lent)
        return self.tree(replace(state, steps=own))

    def command(self, state: State, tree: Tree, arguments: Sequence[str], *, use_entrypoint: bool) -> sandbox.Command:
        """Returns a command with the image's configuration: environment, user, folder, and entrypoint if requested."""
        return execute.command(state, tree, arguments, use_entrypoint=use_entrypoint)

    # --- snapshots -------------------------------------------------------------------------------

    def _push(self, stack: Stack, step: AddedLayer) -> Stack:
        snapshots = self._store.root / "snapshots"
        raw = snapshots / step.raw
        if step.raw and self._store.use(raw):
            return stack.push_folder(raw)
        if step.layer:
            stack = stack.push(self._store, step.layer.descriptor, step.layer.diff_id)
        if step.raw:
            rest = snapshots / step.raw.replace("exec-", "rest-")
            if self._store.use(rest) or self._leave_again(step):
                stack = stack.push_folder(rest)
        return stack

    def _leave_again(self, step: AddedLayer) -> bool:
        """Recreates the files that a command left for later ones after garbage collection; False if it left none.

        The command's layer stays the same: its first result is an input from then on.
        """
        before, operation, action = self._made[step.raw]
        known = self._store.recall(action)
        if known is None or not known["left_out"]:
            return False
        snapshots = self._store.root / "snapshots"
        shown = " ".join(operation.arguments)
        with self._store.scratch() as folder:
            try:
                ran = self._workplace.run(before, self.tree(before), operation, folder / "raw")
            except SandboxError as error:
                raise SandboxError(
                    f"the store no longer has the files that {shown!r} left for later commands, and the command fails "
                    f"now: {error.message}",
                    advice=error.advice,
                ) from error
            execute.only(folder / "raw", ran.left_out, folder / "rest")
            (folder / "rest").replace(snapshots / step.raw.replace("exec-", "rest-"))
        return True

    # --- operations ------------------------------------------------------------------------------

    def _apply(
        self, state: State, operation: Operation, key: Digest, name: Digest, before: Sequence[Operation]
    ) -> State:
        changed = settings.apply(state, operation)
        if changed is not None:
            return changed
        match operation:
            case Exec():
                return self._exec(state, operation, key, name)
            case AddLayer(layer, comment, impure):
                return state.with_step(AddedLayer(layer, comment, impure=impure))
            case WriteFile():
                return self._write(state, operation)
            case Copy():
                return self._copy(state, operation, before)
            case MakeLink(path, target, expand):
                place = state.absolute(path, expand=expand).strip("/")
                entry = tar.symlink(place, state.expanded(target, expand=expand))
                return self._with_layer(state, [entry], f"with_symlink /{place}")
            case Remove():
                return self._remove(state, operation)
            case MountContents():
                return self._mount(state, operation, before)
            case Unmount(path, expand):
                return self._unmount(state, state.absolute(path, expand=expand))
        raise AssertionError(f"no handler was given for {type(operation).__name__}")

    def _with_layer(self, state: State, entries: Sequence[Entry], created_by: str) -> State:
        layer = layer_of(self._store, entries) if entries else None
        return state.with_step(AddedLayer(layer, created_by))

    def _write(self, state: State, operation: WriteFile) -> State:
        path = state.absolute(operation.path, expand=operation.expand).strip("/")
        if not path or not 0 <= operation.permissions <= 0o7777:
            shown = f"with_new_file({operation.path!r}, permissions={operation.permissions:#o})"
            raise SandboxError(f"{shown} is not a valid file for an image")
        uid, gid = self._owner(state, operation.owner) or (0, 0)
        entry = Entry(path=path, mode=operation.permissions, content=operation.contents.encode(), uid=uid, gid=gid)
        return self._with_layer(state, [entry], f"with_new_file /{path}")

    def _owner(self, state: State, owner: str) -> tuple[int, int] | None:
        if not owner:
            return None
        user = users.resolve(self.tree(state), owner)
        return user.uid, user.gid

    def _copy(self, state: State, operation: Copy, before: Sequence[Operation]) -> State:
        path = state.absolute(operation.path, expand=operation.expand)
        placed = self._placed(state, operation.contents, path, operation.owner, before, operation)
        return self._with_layer(state, placed, f"with_{'file' if _is_file(operation.contents) else 'directory'} {path}")

    def _placed(
        self,
        state: State,
        made_of: Sequence[Content],
        path: str,
        owner: str,
        before: Sequence[Operation],
        copy: Copy | None = None,
    ) -> list[Entry]:
        found = contents.entries(made_of, self._taker(before), self._store.verified)
        if copy:
            found = contents.selected(found, copy.include, copy.exclude)
        given = self._owner(state, owner)
        if "" not in found and path != "/" and (not found or (given and self.tree(state).resolve(path) is None)):
            found = {"": Entry(path="", kind="dir", mode=0o755), **found}
        placed = contents.placed(found, path, permissions=copy.permissions if copy else -1)
        if given is None:
            return list(placed.values())
        return [replace(entry, uid=given[0], gid=given[1]) for entry in placed.values()]

    def _taker(self, before: Sequence[Operation]) -> contents.Take:
        """Returns the files that contents copy from a container, at this point of the recipe."""

        def take(content: FromContainer) -> tuple[Tree, str]:
            if not 0 <= content.back <= len(before):
                raise HookError("a hook copies files from a container that precedes the first one")
            state = self.state((*before[: len(before) - content.back], *content.operations))
            return self.tree(state), state.absolute(content.path, expand=content.expand)

        return take

    def _remove(self, state: State, operation: Remove) -> State:
        tree = self.tree(state)
        found: set[str] = set()
        for pattern in operation.paths:
            path = state.absolute(pattern, expand=operation.expand)
            if any(letter in path for letter in "*?["):
                found |= {node.path for node in tree.walk("") if matches(node.path, path)}
            elif (node := tree.resolve(path, follow_last=False)) and node.path:
                found.add(node.path)
        entries = [tar.whiteout(path) for path in sorted(found) if not any(p in found for p in tar.parents(path))]
        return self._with_layer(state, entries, f"without_files {' '.join(operation.paths)}")

    # --- mounts of contents: layers that the image does not get ----------------------------------

    def _mount(self, state: State, operation: MountContents, before: Sequence[Operation]) -> State:
        path = state.absolute(operation.path, expand=operation.expand)
        if path == "/":
            raise SandboxError("a hook mounts something at /, which hides the image")
        placed = self._placed(state, operation.contents, path, operation.owner, before)
        return self._lend(state, path, placed, (*state.mounted, path))

    def _unmount(self, state: State, path: str) -> State:
        lending = tuple(item for item in state.lending if item[0] != path)
        if path not in state.mounted:
            return replace(state, lending=lending)
        # The image's own content at this path becomes visible again.
        tree = self.shipped(state)
        taken = () if tree.resolve(path) is None else (FromContainer((), path),)
        found = contents.entries(taken, lambda _: (tree, path), self._store.verified)
        others = tuple(place for place in state.mounted if place != path)
        return self._lend(replace(state, lending=lending), path, list(contents.placed(found, path).values()), others)

    def _lend(self, state: State, path: str, placed: list[Entry], mounted: tuple[str, ...]) -> State:
        place = path.strip("/")
        node = self.tree(state).resolve(path, follow_last=False)
        if node is not None:
            gone = Entry(path=f"{place}/{tar.OPAQUE}", mode=0) if node.is_dir and placed else tar.whiteout(place)
            hides = node.is_dir and any(entry.path != place for entry in placed)
            placed = [*placed, gone] if hides or not placed else placed
        step = AddedLayer(layer_of(self._store, placed), f"mount {path}", lent=True) if placed else None
        return replace(state.with_step(step) if step else state, mounted=mounted)

    # --- commands --------------------------------------------------------------------------------

    def _exec(self, state: State, operation: Exec, key: Digest, name: Digest) -> State:
        action = action_key("exec", FORMAT_VERSION, {"operations": f"{key}{user_namespace.name()}"})
        raw = f"exec-{action.hex[:32]}"
        known = self._ran(action) or self._as_given(operation, name)
        if known is None:
            with self._store.turns.take(action):
                known = self._ran(action)
                if known is None:
                    place = self._store.root / "snapshots" / raw
                    known = self._workplace.run(state, self.tree(state), operation, place).known
                    self._store.remember(action, known)
        self._made[raw] = (state, operation, action)
        output = Output(known["stdout"], known["stderr"], known["exit_code"], known["cut"])
        shown = " ".join(operation.arguments)
        step = AddedLayer(_layer(known), f"with_exec {shown}", raw, known["impure"])
        after = self._redirected(replace(state.with_step(step), output=output), operation)
        if len(output.stdout) + len(output.stderr) > _KEPT_IN_MIND:
            output = replace(output, stdout="", stderr="", remembered=action)
        return replace(after, output=output)

    def _ran(self, action: Digest) -> dict[str, Any] | None:
        """Returns the result of a command that ran before, if the store has its layer."""
        known = self._store.recall(action)
        return known if known is not None and self._has_layer(known) else None

    def _as_given(self, operation: Exec, name: Digest) -> dict[str, Any] | None:
        """Returns the command's result from the plan, if it is here; only its own run knows the printed output."""
        if name not in self._given or operation.redirect_stdout or operation.redirect_stderr:
            return None
        layer = self._given[name]
        nothing = {"stdout": "", "stderr": "", "exit_code": 0, "cut": False, "left_out": []}
        known = {"layer": layer.to_json() if layer else None, "impure": True, **nothing}
        return known if self._has_layer(known) else None

    def _whole(self, output: Output) -> Output:
        """Returns the output with its text, which may be only in the store."""
        if output.remembered is None:
            return output
        known = self._store.recall(output.remembered)
        if known is None:
            raise SandboxError("the output of a command is no longer in the store", advice="run the build again")
        return replace(output, stdout=known["stdout"], stderr=known["stderr"], remembered=None)

    def _redirected(self, state: State, operation: Exec) -> State:
        """Adds the command's output as files of the image, if requested."""
        kinds = (("stdout", operation.redirect_stdout), ("stderr", operation.redirect_stderr))
        for name, path in kinds:
            if path:
                if state.output.cut:
                    raise SandboxError(
                        f"with_exec(redirect_{name}={path!r}): the command printed more than airbyte-ci keeps"
                    )
                place = state.absolute(path, expand=operation.expand).strip("/")
                text = state.output.stdout if name == "stdout" else state.output.stderr
                state = self._with_layer(state, [Entry(path=place, content=text.encode())], f"redirect_{name} /{place}")
        return state

    def _has_layer(self, known: Mapping[str, Any]) -> bool:
        layer = _layer(known)
        return layer is None or self._store.has(layer.descriptor.digest)


def to_image(store: Store, state: State, annotations: Mapping[str, str], *, created: str = CREATED) -> Image:
    """Returns the state as an image: the base's layers and history, and the new ones on top. `created` is RFC 3339."""
    document = {**state.base.config.document}
    document["created"] = created
    document["config"] = {key: value for key, value in state.execution.items() if value not in (None, [], {}, "")}
    document["history"] = [*(document.get("history") or []), *({**item, "created": created} for item in state.history)]
    ours = [step.layer for step in state.steps if step.layer and not step.lent]
    diff_ids = [str(item) for item in (*state.base.config.diff_ids, *(layer.diff_id for layer in ours))]
    document["rootfs"] = {"type": "layers", "diff_ids": diff_ids}
    config = ImageConfig.make(document)
    layers = (*map(_oci_layer, state.base.manifest.layers), *(layer.descriptor for layer in ours))
    return store.put_image(Manifest.make(config.descriptor, layers, {**state.annotations, **annotations}), config)


def prepare(
    store: Store, image: Image, arguments: Sequence[str], *, use_entrypoint: bool = False
) -> tuple[Tree, sandbox.Command]:
    """Returns an image's root and a command with its configuration, ready to run."""
    evaluator = Evaluator(store, image)
    state = evaluator.state(())
    tree = evaluator.tree(state)
    return tree, evaluator.command(state, tree, arguments, use_entrypoint=use_entrypoint)


def _is_file(made_of: Sequence[Content]) -> bool:
    last = made_of[-1] if made_of else None
    return bool(getattr(last, "file", False))


def _layer(known: Mapping[str, Any]) -> Layer | None:
    """Returns the layer of a cached command."""
    return Layer.from_json(known["layer"]) if known["layer"] else None


def _oci_layer(layer: Descriptor) -> Descriptor:
    """Returns the layer with an OCI media type: strict readers refuse manifests that mix Docker's types with OCI's."""
    return replace(layer, media_type=LAYER_GZIP) if layer.media_type == DOCKER_LAYER_GZIP else layer
