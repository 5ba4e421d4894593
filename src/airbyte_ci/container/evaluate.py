"""Evaluation: a base image and operations → an image. The only place where work on containers happens.

Commands are remembered by everything that can influence them: the base, the platform and all operations before
them. What a command with network gave is an input from then on; its layer is kept by digest (design, decision 8).
"""

import json
import os
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from airbyte_ci.container import diff, sandbox, snapshot, users
from airbyte_ci.container.api import (
    AddLayer,
    Exec,
    Operation,
    Question,
    SetDefaultArguments,
    SetEntrypoint,
    SetLabel,
    SetUser,
    SetVariable,
    SetWorkdir,
    UnsetLabel,
    UnsetVariable,
    WriteFile,
    to_json,
)
from airbyte_ci.container.tree import Tree
from airbyte_ci.errors import AirbyteCiError, CommandFailed, HookError, SandboxError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import (
    DOCKER_LAYER_GZIP,
    LAYER_GZIP,
    Descriptor,
    Image,
    ImageConfig,
    Manifest,
    canonical_json,
)
from airbyte_ci.oci.layer import Layer, layer_of
from airbyte_ci.oci.store import Store, action_key
from airbyte_ci.oci.tar import Entry

FORMAT_VERSION = 3
# When an image was created is not a fact about its content; jib made the same choice.
CREATED = "1970-01-01T00:00:01Z"
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Output:
    """What a command printed."""

    stdout: str
    stderr: str
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """A layer on top of the base; none where a command changed nothing that stays.

    For a command, `raw` names the snapshot with the scrubbed files too.
    """

    layer: Layer | None
    created_by: str
    raw: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """A container after its operations: the layers it added and how it runs."""

    base: Image
    execution: Mapping[str, Any]
    steps: tuple[Step, ...] = ()
    history: tuple[Mapping[str, Any], ...] = ()
    output: Output = field(default_factory=lambda: Output("", ""))

    @property
    def environment(self) -> dict[str, str]:
        pairs = (str(item).partition("=") for item in self.execution.get("Env") or [])
        return {name: value for name, _, value in pairs}

    def with_execution(self, key: str, value: object) -> "State":
        return replace(self, execution={**self.execution, key: value})


class Evaluator:
    """Evaluates operations on one base image for one platform, each prefix once."""

    def __init__(self, store: Store, base: Image, *, timeout: float | None = 3600) -> None:
        self._store = store
        self._base = base
        self._timeout = timeout
        self._known: dict[Digest, State] = {}

    def state(self, operations: Sequence[Operation]) -> State:
        """The container after these operations; raises SandboxError, CommandFailed, ImageError."""
        state = State(self._base, self._base.config.execution)
        key = Digest.of(canonical_json({"base": str(self._base.digest), "format": FORMAT_VERSION}))
        for position, operation in enumerate(operations):
            key = Digest.of(canonical_json([str(key), to_json(operation)]))
            if key not in self._known:
                self._known[key] = self._apply(state, operation, key, operations[: position + 1])
            state = self._known[key]
        return state

    def answer(self, operations: Sequence[Operation], question: Question) -> Any:
        """Evaluates the recipe and answers a hook's question about it."""
        state = self.state((*operations, *question.operations))
        argument = question.argument
        match question.about:
            case "stdout":
                return state.output.stdout
            case "stderr":
                return state.output.stderr
            case "exit_code":
                return state.output.exit_code
            case "sync":
                return True
            case "variable":
                return state.environment.get(argument)
            case "user":
                return state.execution.get("User", "")
            case "workdir":
                return state.execution.get("WorkingDir") or "/"
            case "entrypoint":
                return state.execution.get("Entrypoint") or []
            case "label":
                return (state.execution.get("Labels") or {}).get(argument)
            case "platform":
                return str(self._base.config.platform)
            case "file":
                return self._file(state, argument)
            case "entries":
                return self._entries(state, argument)
        raise HookError(f"a hook asked something unknown: {question.about!r}")

    def image(self, operations: Sequence[Operation], annotations: Mapping[str, str]) -> Image:
        """The image that the operations make of the base, in the store."""
        return to_image(self._store, self.state(operations), annotations)

    def tree(self, state: State) -> Tree:
        """The root file system, as commands see it; unpacks what is not unpacked."""
        stack = snapshot.unpack(self._store, self._base.layers)
        for step in state.steps:
            raw = self._store.root / "snapshots" / step.raw
            if step.raw and self._store.use(raw):
                stack = stack.push_folder(raw)
            elif step.layer:
                stack = stack.push(self._store, step.layer.descriptor, step.layer.diff_id)
        return stack.tree

    # --- operations ------------------------------------------------------------------------------

    def _apply(self, state: State, operation: Operation, key: Digest, prefix: Sequence[Operation]) -> State:
        match operation:
            case Exec():
                return self._exec(state, operation, key)
            case WriteFile():
                return self._write(state, operation)
            case AddLayer(layer, comment):
                return _append(state, Step(Layer.from_json(json.loads(layer)), comment))
            case SetVariable(name, value, expand):
                environment = state.environment
                if expand:
                    value = string.Template(value).safe_substitute(environment)
                return _with_environment(state, {**environment, name: value})
            case UnsetVariable(name):
                return _with_environment(state, {k: v for k, v in state.environment.items() if k != name})
            case SetUser(user):
                return state.with_execution("User", user)
            case SetWorkdir(path):
                return state.with_execution("WorkingDir", _absolute(state, path))
            case SetEntrypoint(arguments):
                return state.with_execution("Entrypoint", list(arguments))
            case SetDefaultArguments(arguments):
                return state.with_execution("Cmd", list(arguments))
            case SetLabel(name, value):
                return state.with_execution("Labels", {**(state.execution.get("Labels") or {}), name: value})
            case UnsetLabel(name):
                labels = dict(state.execution.get("Labels") or {})
                labels.pop(name, None)
                return state.with_execution("Labels", labels)
        raise AssertionError(f"{prefix[-1]} is not an operation")

    def _write(self, state: State, operation: WriteFile) -> State:
        path = _absolute(state, operation.path).strip("/")
        if not path or not 0 <= operation.permissions <= 0o7777:
            shown = f"with_new_file({operation.path!r}, permissions={operation.permissions:#o})"
            raise SandboxError(f"{shown} is not a file that an image can have")
        uid, gid = 0, 0
        if operation.owner:
            owner = users.resolve(self.tree(state), operation.owner)
            uid, gid = owner.uid, owner.gid
        entry = Entry(path, mode=operation.permissions, content=operation.contents.encode(), uid=uid, gid=gid)
        return _append(state, Step(layer_of(self._store, [entry]), f"with_new_file /{path}"))

    def _exec(self, state: State, operation: Exec, key: Digest) -> State:
        action = action_key("exec", FORMAT_VERSION, {"operations": str(key)})
        raw = f"exec-{action.hex[:32]}"
        known = self._store.recall(action)
        # A later command may need files that are scrubbed from the layer, so the raw snapshot counts too.
        if known is None or not self._usable(known, raw):
            known = self._run(state, operation, raw, known)
            self._store.remember(action, known)
        output = Output(known["stdout"], known["stderr"])
        shown = " ".join(operation.arguments)
        return replace(_append(state, Step(_layer(known), f"with_exec {shown}", raw)), output=output)

    def _usable(self, known: Mapping[str, Any], raw: str) -> bool:
        return self._has_layer(known) and self._store.use(self._store.root / "snapshots" / raw)

    def _has_layer(self, known: Mapping[str, Any]) -> bool:
        layer = _layer(known)
        return layer is None or self._store.has(layer.descriptor.digest)

    def _run(self, state: State, operation: Exec, raw: str, known: Mapping[str, Any] | None) -> dict[str, Any]:
        tree = self.tree(state)
        command = self.command(state, tree, operation.arguments, use_entrypoint=operation.use_entrypoint)
        command = replace(command, network="private", timeout=self._timeout, stdin=operation.stdin.encode())
        snapshots = self._store.root / "snapshots"
        with self._store.scratch() as folder:
            upper = folder / "upper"
            upper.mkdir()
            finished = sandbox.run(self._store, tree, command, upper=upper)
            output = Output(finished.stdout.decode(errors="replace"), finished.stderr.decode(errors="replace"))
            if finished.returncode:
                raise _failed(operation, finished.returncode, output)
            if known is None or not self._has_layer(known):
                entries = diff.entries(upper, tree, finished.lent)
                layer = layer_of(self._store, entries).to_json() if entries else None
                known = {"stdout": output.stdout, "stderr": output.stderr, "layer": layer}
            # Otherwise only the raw files were missing: what a command gave once is an input from then on.
            _keep(upper, snapshots / raw)
        return dict(known)

    def command(self, state: State, tree: Tree, arguments: Sequence[str], *, use_entrypoint: bool) -> sandbox.Command:
        """A command as the image's configuration runs it: environment, user, folder, entrypoint if asked."""
        user = users.resolve(tree, str(state.execution.get("User") or ""))
        entrypoint = [str(item) for item in state.execution.get("Entrypoint") or []] if use_entrypoint else []
        environment = {"PATH": DEFAULT_PATH, "HOME": user.home, **state.environment}
        workdir = str(state.execution.get("WorkingDir") or "/")
        return sandbox.Command(
            (*entrypoint, *arguments),
            environment,
            workdir=workdir,
            uid=user.uid,
            gid=user.gid,
            groups=user.groups,
        )

    def _file(self, state: State, path: str) -> str:
        data = self.tree(state).read(_absolute(state, path))
        if data is None:
            raise HookError(f"a hook asked for the contents of {path}, which is not a file in the image")
        return data.decode(errors="replace")

    def _entries(self, state: State, path: str) -> list[str]:
        tree = self.tree(state)
        node = tree.resolve(_absolute(state, path))
        if node is None or not node.is_dir:
            raise HookError(f"a hook asked for the entries of {path}, which is not a folder in the image")
        return tree.names(node.path)


def to_image(store: Store, state: State, annotations: Mapping[str, str]) -> Image:
    """The state as an image: the base's layers and history as they are, ours on top."""
    document = {**state.base.config.document}
    document["created"] = CREATED
    document["config"] = {key: value for key, value in state.execution.items() if value not in (None, [], {}, "")}
    document["history"] = [*(document.get("history") or []), *state.history]
    ours = [step.layer for step in state.steps if step.layer]
    diff_ids = [str(item) for item in (*state.base.config.diff_ids, *(layer.diff_id for layer in ours))]
    document["rootfs"] = {"type": "layers", "diff_ids": diff_ids}
    config = ImageConfig.make(document)
    layers = (*map(_oci_layer, state.base.manifest.layers), *(layer.descriptor for layer in ours))
    return store.put_image(Manifest.make(config.descriptor, layers, annotations), config)


def add_layer(layer: Layer, comment: str) -> AddLayer:
    """The operation that puts a finished layer on top."""
    return AddLayer(json.dumps(layer.to_json(), sort_keys=True), comment)


def prepare(
    store: Store, image: Image, arguments: Sequence[str], *, use_entrypoint: bool = False
) -> tuple[Tree, sandbox.Command]:
    """An image as it is, ready to run a command as its configuration says: its root and the command."""
    evaluator = Evaluator(store, image)
    state = evaluator.state(())
    tree = evaluator.tree(state)
    return tree, evaluator.command(state, tree, arguments, use_entrypoint=use_entrypoint)


def _layer(known: Mapping[str, Any]) -> Layer | None:
    """The layer of a remembered command."""
    return Layer.from_json(known["layer"]) if known["layer"] else None


def _oci_layer(layer: Descriptor) -> Descriptor:
    """Docker's name for the same bytes would make the manifest a mixture that strict readers refuse."""
    return replace(layer, media_type=LAYER_GZIP) if layer.media_type == DOCKER_LAYER_GZIP else layer


def _append(state: State, step: Step) -> State:
    record: dict[str, Any] = {"created": CREATED, "created_by": step.created_by, "comment": "airbyte-ci"}
    if step.layer is None:
        record["empty_layer"] = True
    return replace(state, steps=(*state.steps, step), history=(*state.history, record))


def _with_environment(state: State, environment: Mapping[str, str]) -> State:
    return state.with_execution("Env", [f"{name}={value}" for name, value in environment.items()])


def _absolute(state: State, path: str) -> str:
    folder = str(state.execution.get("WorkingDir") or "/")
    normal = os.path.normpath(os.path.join(folder, path))  # noqa: PTH118  # a path of the image, not of this host
    if normal.startswith("/") and "\0" not in normal:
        return normal
    raise SandboxError(f"{path!r} is not a path in an image")


def _failed(operation: Exec, returncode: int, output: Output) -> AirbyteCiError:
    shown = " ".join(operation.arguments)
    last = (output.stderr.strip() or output.stdout.strip()).splitlines()[-15:]
    said = "".join(f"\n    {line}" for line in last)
    return CommandFailed(f"running {shown!r} in the image: exit code {returncode}{said}", returncode=returncode)


def _keep(upper: Path, place: Path) -> None:
    """Two processes may have run the same command; the first one's files stay."""
    if not place.exists():
        try:
            upper.replace(place)
        except OSError:
            if not place.exists():
                raise
