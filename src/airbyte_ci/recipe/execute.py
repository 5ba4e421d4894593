"""Runs one command of a recipe: prepares it from the state before, runs it in the sandbox, and stores its layer."""

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from airbyte_ci.dagger import Exec, MountCache, MountTemporary
from airbyte_ci.errors import CommandFailed, SandboxError
from airbyte_ci.oci.layer import layer_of
from airbyte_ci.oci.store import caches
from airbyte_ci.oci.store.store import Store
from airbyte_ci.recipe.state import Lending, Output, State
from airbyte_ci.rootfs import diff, snapshot_record, users
from airbyte_ci.rootfs.tree import Tree
from airbyte_ci.sandbox import lending, sandbox
from airbyte_ci.sandbox.sandbox import Command, Finished, Mount, Purpose

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_HIDDEN = "***"
# The number of characters stored of output that is truncated anyway.
_SHOWN_OF_CUT = 1 << 16
_TEMPORARY = Purpose(
    "temporary folder of a command",
    "output",
    source="memory",
    target="the path of `with_mounted_temp`",
    written_by="none",
)
_CACHE = Purpose(
    "cache of commands",
    "kept",
    source="a folder in the store's `caches/named`",
    target="the path of `with_mounted_cache`",
    written_by="earlier commands of the same connector",
)
_SECRET = Purpose(
    "secret of a command",
    "input",
    source="a file in the command's own scratch folder",
    target="the path of `with_mounted_secret`",
    written_by="airbyte-ci",
)


@dataclass(frozen=True, slots=True)
class Ran:
    """The result of a command as it is cached; `left_out` are paths that only its raw files have."""

    known: dict[str, Any]
    left_out: tuple[str, ...]


def command(state: State, tree: Tree, arguments: Sequence[str], *, use_entrypoint: bool) -> Command:
    """Returns a command with the image's configuration: environment, user, folder, and entrypoint if requested."""
    user = users.resolve(tree, str(state.execution.get("User") or ""))
    entrypoint = [str(item) for item in state.execution.get("Entrypoint") or []] if use_entrypoint else []
    environment = {"PATH": DEFAULT_PATH, "HOME": user.home, **state.environment}
    workdir = str(state.execution.get("WorkingDir") or "/")
    return Command(
        arguments=(*entrypoint, *arguments),
        environment=environment,
        workdir=workdir,
        uid=user.uid,
        gid=user.gid,
        groups=user.groups,
    )


@dataclass(frozen=True, slots=True)
class Workplace:
    """The environment in which recipe commands run. `secrets` are values by digest; `owner` identifies their owner."""

    store: Store
    timeout: float | None
    secrets: Mapping[str, str]
    owner: str = ""

    def run(self, state: State, tree: Tree, operation: Exec, place: Path) -> Ran:
        """Runs the command; its changed files are at `place`. Raises CommandFailed, SandboxError."""
        secrets = {name: self._secret(name, digest) for name, digest in state.secrets.items()}
        arguments = [state.expanded(item, expand=operation.expand) for item in operation.arguments]
        asked = command(state, tree, arguments, use_entrypoint=operation.use_entrypoint)
        with self.store.scratch() as folder, self._lent(folder, state, tree) as mounts:
            upper = folder / "upper"
            upper.mkdir()
            asked = replace(
                asked,
                environment={**asked.environment, **secrets},
                network="private",
                timeout=self.timeout,
                stdin=_input(state, tree, operation),
                mounts=mounts,
                packages=True,
            )
            finished = sandbox.run(self.store, tree, asked, upper=upper)
            hidden = [*secrets.values(), *self._mounted_secrets(state), *lending.passwords(os.environ)]
            output = _output(finished, hidden)
            _judge(operation, output, asked)
            ignored = finished.lent | {path.strip("/") for path in state.mounted}
            kept = frozenset(path.strip("/") for path in state.mounted)
            changes = diff.changes(upper, tree, ignored, kept)
            layer = layer_of(self.store, changes.entries).to_json() if changes.entries else None
            _keep(self.store, upper, place)
        cached = any(isinstance(item, MountCache) for _, item in state.lending)
        known = {
            "stdout": output.stdout,
            "stderr": output.stderr,
            "exit_code": output.exit_code,
            "cut": output.cut,
            "layer": layer,
            "impure": finished.used_network or cached,
            "left_out": bool(changes.left_out),
        }
        return Ran(known, changes.left_out)

    def _secret(self, name: str, digest: str) -> str:
        if digest not in self.secrets:
            raise SandboxError(
                f"a command needs the secret {name}, but plans do not contain secrets",
                advice="build the connector without --from-plan",
            )
        return self.secrets[digest]

    def _mounted_secrets(self, state: State) -> Iterator[str]:
        for _, item in state.lending:
            if not isinstance(item, MountCache | MountTemporary):
                yield self.secrets.get(item.digest, "")

    @contextlib.contextmanager
    def _lent(self, folder: Path, state: State, tree: Tree) -> Iterator[tuple[Mount, ...]]:
        """Mounts caches, empty folders and secrets while a command runs."""
        with contextlib.ExitStack() as stack:
            mounts = []
            for path, item in state.lending:
                if isinstance(item, MountTemporary):
                    mounts.append(Mount(source=None, target=path, writable=True, size=item.size, purpose=_TEMPORARY))
                elif isinstance(item, MountCache):
                    mounts.append(
                        Mount(source=self._cache(item, tree, stack), target=path, writable=True, purpose=_CACHE)
                    )
                else:
                    mounts.append(Mount(source=self._secret_file(folder, item, tree), target=path, purpose=_SECRET))
            yield tuple(mounts)

    def _cache(self, item: MountCache, tree: Tree, stack: contextlib.ExitStack) -> Path:
        name = hashlib.sha256(f"{self.owner}\0{item.cache}".encode()).hexdigest()[:32]
        place = self.store.root / "caches" / caches.NAMED / name
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = stack.enter_context(caches.lock_of(place).open("a"))
        # Marked before the lookup: from now on no garbage collection removes it.
        self.store.use(caches.lock_of(place))
        if not place.is_dir():
            place.mkdir(exist_ok=True)
            place.chmod(0o755)
            _own(place, item, tree)
        if item.locked:
            fcntl.flock(lock, fcntl.LOCK_EX)
        return place

    def _secret_file(self, folder: Path, item: Lending, tree: Tree) -> Path:
        assert not isinstance(item, MountCache | MountTemporary)
        place = folder / f"secret-{item.digest}"
        with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT, 0o400), "w") as file:
            file.write(self._secret(item.secret, item.digest))
        place.chmod(item.permissions & 0o777)
        _own(place, item, tree)
        return place


def _own(place: Path, item: Lending, tree: Tree) -> None:
    if not isinstance(item, MountTemporary) and item.owner:
        owner = users.resolve(tree, item.owner)
        os.chown(place, owner.uid, owner.gid)


def _input(state: State, tree: Tree, operation: Exec) -> bytes:
    if not operation.redirect_stdin:
        return operation.stdin.encode()
    path = state.absolute(operation.redirect_stdin, expand=operation.expand)
    data = tree.read(path)
    if data is None:
        raise SandboxError(f"with_exec(redirect_stdin={path!r}): the image has no such file")
    return data


def _output(finished: Finished, secrets: Sequence[str]) -> Output:
    texts = [data.decode(errors="replace") for data in (finished.stdout, finished.stderr)]
    if finished.is_cut:
        texts = [text[-_SHOWN_OF_CUT:] for text in texts]
    for secret in secrets:
        texts = [text.replace(secret, _HIDDEN) for text in texts] if secret else texts
    return Output(texts[0], texts[1], finished.returncode, finished.is_cut)


def _judge(operation: Exec, output: Output, asked: Command) -> None:
    """Raises CommandFailed for an exit code that the operation does not expect."""
    code = output.exit_code
    if operation.expect == "ANY" or (operation.expect == "FAILURE") == (code != 0):
        return
    message = f"command {' '.join(operation.arguments)!r} failed in the image: {_how_it_ended(output, asked)}"
    raise CommandFailed(
        message, returncode=code, stdout=output.stdout, stderr=output.stderr, command=operation.arguments
    )


def _how_it_ended(output: Output, asked: Command) -> str:
    if output.exit_code == 0:
        return "it succeeded, but was expected to fail"
    last = (output.stderr.strip() or output.stdout.strip()).splitlines()[-15:]
    said = "".join(f"\n    {line}" for line in last)
    code = output.exit_code
    killed = f", killed: it probably used more than {asked.limits.memory_bytes >> 20} MiB" if code == 137 else ""
    return f"exit code {code}{killed}{said}"


def _keep(store: Store, upper: Path, place: Path) -> None:
    """Two processes may have run the same command; the first one's files stay. Only snapshots are recorded."""
    if not place.exists():
        try:
            if place.parent == store.root / "snapshots":
                snapshot_record.write(upper, place)
            upper.replace(place)
        except OSError:
            if not place.exists():
                raise


def only(place: Path, paths: Sequence[str], target: Path) -> None:
    """Copies the given paths of a command's files to an overlay of their own; folders keep owner and mode."""
    target.mkdir()
    shutil.copystat(place, target)
    for path in paths:
        parent = Path()
        for part in Path(path).parent.parts:
            parent /= part
            if not (target / parent).is_dir():
                (target / parent).mkdir()
                status = (place / parent).lstat()
                os.chown(target / parent, status.st_uid, status.st_gid)
                shutil.copystat(place / parent, target / parent)
        (place / path).replace(target / path)
