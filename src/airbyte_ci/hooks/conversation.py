"""Hooks: runs build_customization.py in its own process and answers its questions about the image.

Knows the protocol and its record, not the meaning of operations: a function answers the questions.
"""

import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from airbyte_ci import dagger, disk
from airbyte_ci.dagger import Operation, Question
from airbyte_ci.documents import load_json
from airbyte_ci.errors import AirbyteCiError, CommandFailed, HookError
from airbyte_ci.hooks import module_root
from airbyte_ci.rootfs import user_namespace
from airbyte_ci.sandbox import control_groups, identities, launch
from airbyte_ci.sandbox.capture import Capture
from airbyte_ci.sandbox.runtime import Confinement
from airbyte_ci.sandbox.staging import Staging

MODULE = "build_customization.py"
HookName = Literal["pre_connector_install", "post_connector_install"]
Answer = Callable[[Question], Any]


@dataclass(frozen=True, slots=True)
class HookRecord:
    """The result of a hook: its operations, and the questions that it asked with their answers."""

    operations: tuple[Operation, ...] = ()
    answers: tuple[tuple[str, str, Any], ...] = ()


@dataclass(slots=True, kw_only=True)
class Conversation:
    """One running hook module. Use it as a context manager, and `call` each hook at its time."""

    module: Path
    passed: Mapping[str, str]
    timeout: float = 600
    main_file: str | None = None
    hooks: tuple[str, ...] = ()
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)
    _socket: Any = field(default=None, repr=False)
    _pending: bytearray = field(default_factory=bytearray, repr=False)
    _talk: "Capture | None" = field(default=None, repr=False)
    _bundle: Path = field(default=Path(), repr=False)
    _ends: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, repr=False)

    def __enter__(self) -> "Conversation":
        launch.require(_NEEDED, f"cannot run {self.module}")
        control_groups.sweep()
        _sweep_bundles(Path(tempfile.gettempdir()))
        while True:
            with contextlib.ExitStack() as stack:
                self._start(stack)
                try:
                    self._greet(self._receive(time.monotonic() + self.timeout))
                except HookError:
                    if control_groups.refused(launch.start_failure(self._bundle / "log") or ""):
                        continue
                    raise
                self._ends = stack.pop_all()
                return self

    def _start(self, stack: contextlib.ExitStack) -> None:
        name = control_groups.new_name()
        self._bundle = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"{name}-")))
        environment = {**_ENVIRONMENT, **self.passed}
        with contextlib.ExitStack() as briefly:
            stage, confinement = None, _ALONE
            if os.geteuid() == 0:
                owners = None if user_namespace.inside() else stack.enter_context(identities.borrow())
                stage, confinement = briefly.enter_context(Staging(owners, self._bundle)), Confinement.of(owners)
            links = module_root.write_bundle(
                self._bundle, self.module, environment=environment, confinement=confinement, stage=stage
            )
            gate = launch.Gate()
            briefly.callback(gate.close)
            self._socket, theirs = socket.socketpair()
            stack.callback(self._socket.close)
            with theirs:
                self._process = subprocess.Popen(
                    [
                        *launch.namespaces("--net", *([] if stage else ["--user", "--map-root-user"])),
                        *("sh", "-c", _LAUNCHER, "hook", *gate.arguments, str(self._bundle), name, launch.rootless()),
                    ],
                    stdin=theirs.fileno(),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    pass_fds=gate.descriptors,
                )
            stack.callback(control_groups.remove, name)
            stack.callback(launch.end, self._process)
            assert self._process.stdout is not None
            self._talk = Capture(self._process.stdout, _TALK_LIMIT)
            if gate.wait():
                if stage:
                    self._attach(stage, self._process.pid, links)
                gate.open()

    def _attach(self, stage: Staging, pid: int, links: Mapping[str, Path]) -> None:
        try:
            stage.attach_links(pid, links)
        except OSError as error:
            raise HookError(f"cannot run {self.module}: mounting its root failed: {error.strerror}") from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.close()

    def call(self, name: HookName, answer: Answer) -> HookRecord:
        """Runs one hook to its end; returns nothing if the module does not define it. Raises HookError."""
        if name not in self.hooks:
            return HookRecord()
        deadline = time.monotonic() + self.timeout
        self._send(json.dumps({"call": name}), deadline)
        answers: list[tuple[str, str, Any]] = []
        size = 0
        while True:
            message = self._receive(deadline)
            if "operations" in message:
                return HookRecord(self._operations(message["operations"]), tuple(answers))
            question = self._question(message)
            asked = time.monotonic()
            reply = self._reply(question, answer)
            deadline += time.monotonic() - asked  # The time for answers does not count as the hook's time.
            if question.about != "secret":
                answers.append((_asked_about(question), question.argument, reply.get("answer", reply)))
            text = json.dumps(reply)
            if (size := size + len(text)) > _ANSWERS_LIMIT:
                raise HookError(
                    f"{self.module}: the answers to {name} exceed {_ANSWERS_LIMIT >> 20} MiB "
                    f"with the answer to {question.about} {question.argument}".rstrip(),
                    advice="request less, for example with `grep` or `head`: the plan contains the answers",
                )
            self._send(text, deadline)

    def _greet(self, hello: Mapping[str, Any]) -> None:
        main, names = hello.get("main"), hello.get("hooks")
        if not isinstance(main, str | None) or not isinstance(names, list):
            raise HookError(f"{self.module}: MAIN_FILE_NAME is {main!r:.80}, which is not a valid file name")
        self.main_file, self.hooks = main, tuple(map(str, names))

    def _reply(self, question: Question, answer: Answer) -> dict[str, Any]:
        """Returns the answer, or the command that failed before it; the hook may catch that failure."""
        try:
            return {"answer": answer(question)}
        except CommandFailed as error:
            failure = {"message": error.message, "stdout": error.stdout, "stderr": error.stderr}
            return {"failed": {**failure, "command": list(error.command), "exit_code": error.returncode}}
        except AirbyteCiError as error:
            # The hook must not continue with a wrong view of the image, so the original reason is reported.
            raise HookError(f"{self.module.name}: {error.message}", advice=error.advice) from error

    def _question(self, message: Mapping[str, Any]) -> Question:
        asked = message.get("ask")
        if not isinstance(asked, dict):
            raise HookError(f"{self.module}: the hook's process sent a message that violates the protocol")
        operations = self._operations(asked.get("operations"))
        secrets = asked.get("secrets", {})
        if not isinstance(secrets, dict) or not all(isinstance(item, str) for item in secrets.values()):
            raise HookError(f"{self.module}: the hook's process sent a message that violates the protocol")
        with self._read():
            made_of = dagger.contents_from_json(asked.get("contents", []))
        self._refuse_kept(made_of)
        return Question(str(asked.get("about")), operations, str(asked.get("argument")), made_of, secrets)

    def _operations(self, documents: Any) -> tuple[Operation, ...]:  # noqa: ANN401  # parsed data
        with self._read():
            operations = tuple(dagger.from_json(document) for document in documents)
        self._refuse_kept(operations)
        return operations

    @contextlib.contextmanager
    def _read(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, TypeError, AttributeError) as error:
            raise HookError(f"{self.module}: the hook's process sent a malformed operation ({error})") from error

    def _refuse_kept(self, values: Iterable[Any]) -> None:
        """Raises HookError for files by digest, at any depth: only airbyte-ci may add them."""
        for value in values:
            if isinstance(value, dagger.KeptFile):
                raise HookError(f"{self.module}: a hook must not add files from the store")
            for name in ("contents", "operations"):
                inner = getattr(value, name, ())
                self._refuse_kept(inner if isinstance(inner, tuple) else ())

    def _send(self, message: str, deadline: float) -> None:
        # If the process has ended, reading its reply reports it.
        with self._in_time(deadline), contextlib.suppress(ConnectionError):
            self._socket.sendall(message.encode() + b"\n")

    def _receive(self, deadline: float) -> dict[str, Any]:
        line = self._line(deadline)
        try:
            message = load_json(line) if line else {"error": "its process ended" + self._said()}
        except ValueError as error:
            raise HookError(f"{self.module}: the hook's process sent an unreadable message") from error
        if not isinstance(message, dict):
            raise HookError(f"{self.module}: the hook's process sent a message that violates the protocol")
        if "error" in message and message.get("failed"):
            raise HookError(str(message["error"]))
        if "error" in message:
            raise HookError(
                f"{self.module} failed: {message['error']}",
                advice=self._advice(message),
                error_id="customization-failed",
            )
        return message

    def _advice(self, message: Mapping[str, Any]) -> str | None:
        """Returns advice about values that the module may miss because hooks cannot see them."""
        hints = []
        if "variable" in message:
            name = json.dumps(str(message["variable"])[:100])
            hints.append(f"to pass the variable, set hook-environment = [{name}] in .airbyte-ci.toml")
        if names := module_root.hidden(self.module.parent):
            hints.append(f"hooks see these files and folders as empty: {', '.join(sorted(names))}")
        return "; ".join(hints) or None

    def _line(self, deadline: float) -> bytes:
        """Returns one line of the conversation; empty if the process has ended."""
        searched = 0
        while (end := self._pending.find(b"\n", searched)) < 0:
            if (searched := len(self._pending)) > _MESSAGE_LIMIT:
                raise HookError(
                    f"{self.module}: the hook's process sent a message of more than {_MESSAGE_LIMIT >> 20} MiB"
                )
            data = b""
            with (
                self._in_time(deadline),
                contextlib.suppress(ConnectionError),
            ):  # The process died before it read our message.
                launch.wait_for(self._socket.fileno(), deadline)
                data = self._socket.recv(1 << 16)
            if not data:
                return b""
            self._pending += data
        line = bytes(self._pending[:end])
        del self._pending[: end + 1]
        return line

    @contextlib.contextmanager
    def _in_time(self, deadline: float) -> Iterator[None]:
        try:
            if (left := deadline - time.monotonic()) <= 0:
                raise TimeoutError
            self._socket.settimeout(left)
            yield
        except TimeoutError as error:
            raise HookError(f"{self.module}: killed because it did not finish in {self.timeout:g} s") from error

    def _said(self) -> str:
        """Returns why the process ended: runc's reason, or the last line that it printed."""
        if why := launch.start_failure(self._bundle / "log"):
            return f": {why}"
        assert self._talk is not None and self._process is not None
        self._talk.wait(5)
        with contextlib.suppress(subprocess.TimeoutExpired):
            if self._process.wait(5) == 128 + signal.SIGKILL:
                return f", killed: it probably used more than {module_root.LIMITS.memory >> 20} MiB"
        lines = self._talk.tail.decode(errors="replace").strip().splitlines()
        return f": {lines[-1][:500]}" if lines else ""


_MESSAGE_LIMIT = 64 << 20
# The size limit of all answers to one hook, as JSON: two answers of the largest kind. The plan records all of them.
_ANSWERS_LIMIT = 36 << 20
_TALK_LIMIT = 64 << 10
_NEEDED = ("runc", "unshare", "setpriv", "mount")
# The socket is standard input, the only descriptor that a shell can rely on.
_LAUNCHER = f"""
{launch.WAIT}
cd "$1" || exit 125
exec runc --rootless "$3" --root state --log log --log-format json run --preserve-fds 1 --bundle . "$2" 3<&0 < /dev/null
"""
# The same for everyone, so that a hook that reads its environment builds the same image everywhere.
_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/nonexistent",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
}


def _sweep_bundles(folder: Path) -> None:
    """Removes the bundles of killed processes; they contain only empty files and folders."""
    for name in os.listdir(folder):  # noqa: PTH208  # hot, in a folder of many
        if name.startswith("airbyte-ci-") and control_groups.is_orphan(name):
            disk.remove_tree(folder / name)


# For a user who is not root of any namespace: unshare's namespace, with only this user in it.
_ALONE = Confinement(((0, 0, 1),), ((0, 0, 1),), control_groups=False)


def _asked_about(question: Question) -> str:
    """Returns the recorded form of a question; for a composed folder, it contains the folder's digest."""
    if not question.contents:
        return question.about
    text = json.dumps(dagger.contents_to_json(question.contents), sort_keys=True)
    return f"{question.about} of {hashlib.sha256(text.encode()).hexdigest()[:16]}"


@contextlib.contextmanager
def conversation(module: Path, passed: Mapping[str, str]) -> Iterator[Conversation | None]:
    """Returns the conversation with the hook module, or None if the file does not exist."""
    if not module.exists():
        yield None
        return
    with Conversation(module=module, passed=passed) as talk:
        yield talk
