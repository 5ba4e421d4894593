"""Hooks: runs build_customization.py beside us and carries on its conversation about the image.

Knows the protocol and its record, not what the operations mean: questions are answered by a function.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from airbyte_ci.container import api
from airbyte_ci.container.api import Operation, Question
from airbyte_ci.errors import AirbyteCiError, HookError

MODULE = "build_customization.py"
HookName = Literal["pre_connector_install", "post_connector_install"]
Answer = Callable[[Question], Any]


@dataclass(frozen=True, slots=True)
class HookRecord:
    """What a hook did: its operations, and the questions it asked with their answers."""

    operations: tuple[Operation, ...] = ()
    answers: tuple[tuple[str, str, Any], ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "operations": [api.to_json(operation) for operation in self.operations],
            "answers": [list(answer) for answer in self.answers],
        }


@dataclass(slots=True)
class Conversation:
    """One running hook module. Use it as a context manager; `call` each hook at its time."""

    module: Path
    passed: Mapping[str, str]
    timeout: float = 3600
    main_file: str | None = None
    hooks: tuple[str, ...] = ()
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)
    _socket: Any = field(default=None, repr=False)
    _pending: bytearray = field(default_factory=bytearray, repr=False)
    _talk: Any = field(default=None, repr=False)

    def __enter__(self) -> "Conversation":
        ours, theirs = socket.socketpair()
        self._talk = tempfile.TemporaryFile()
        self._socket = ours
        script = Path(__file__).with_name("hook_process.py")
        with theirs:
            self._process = subprocess.Popen(
                [
                    *(_NAMESPACES if os.geteuid() == 0 and shutil.which("unshare") else ()),
                    *(sys.executable, "-I", "-S", str(script), str(theirs.fileno()), str(self.module.absolute())),
                ],
                stdin=subprocess.DEVNULL,
                stdout=self._talk,
                stderr=self._talk,
                env={**_ENVIRONMENT, **self.passed},
                cwd=self.module.parent,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        try:
            self._greet(self._receive(time.monotonic() + self.timeout))
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def call(self, name: HookName, answer: Answer) -> HookRecord:
        """Runs one hook to its end; nothing where the module does not define it. Raises HookError."""
        if name not in self.hooks:
            return HookRecord()
        deadline = time.monotonic() + self.timeout
        self._send({"call": name}, deadline)
        answers: list[tuple[str, str, Any]] = []
        while True:
            message = self._receive(deadline)
            if "operations" in message:
                return HookRecord(self._operations(message["operations"]), tuple(answers))
            question = self._question(message)
            asked = time.monotonic()
            value = self._answer(question, answer)
            deadline += time.monotonic() - asked  # what an answer takes is not the hook's time
            answers.append((question.about, question.argument, value))
            self._send({"answer": value}, deadline)

    def _greet(self, hello: Mapping[str, Any]) -> None:
        main, names = hello.get("main"), hello.get("hooks")
        if not isinstance(main, str | None) or not isinstance(names, list):
            raise HookError(f"{self.module}: MAIN_FILE_NAME is {main!r:.80}, which is not the name of a file")
        self.main_file, self.hooks = main, tuple(map(str, names))

    def _answer(self, question: Question, answer: Answer) -> Any:
        try:
            return answer(question)
        except AirbyteCiError as error:
            # The hook may not go on with a wrong picture of the image: the reason is told as it is.
            raise HookError(f"{self.module.name}: {error.message}", advice=error.advice) from error

    def _question(self, message: Mapping[str, Any]) -> Question:
        asked = message.get("ask")
        if not isinstance(asked, dict):
            raise HookError(f"{self.module}: the hook's process sent something that is not of the protocol")
        operations = self._operations(asked.get("operations"))
        return Question(str(asked.get("about")), operations, str(asked.get("argument")))

    def _operations(self, documents: Any) -> tuple[Operation, ...]:
        try:
            operations = tuple(api.from_json(document) for document in documents)
        except (ValueError, TypeError, AttributeError) as error:
            raise HookError(f"{self.module}: the hook's process sent a malformed operation ({error})") from error
        if any(isinstance(operation, api.AddLayer) for operation in operations):
            raise HookError(f"{self.module}: a hook may not add finished layers")
        return operations

    def _send(self, message: Mapping[str, Any], deadline: float) -> None:
        # A process that has ended is met when its reply is read.
        with self._in_time(deadline), contextlib.suppress(ConnectionError):
            self._socket.sendall(json.dumps(message).encode() + b"\n")

    def _receive(self, deadline: float) -> dict[str, Any]:
        line = self._line(deadline)
        try:
            message = json.loads(line) if line else {"error": "its process ended" + self._said()}
        except (ValueError, RecursionError) as error:
            raise HookError(f"{self.module}: the hook's process sent something unreadable") from error
        if not isinstance(message, dict):
            raise HookError(f"{self.module}: the hook's process sent something that is not of the protocol")
        if "error" in message:
            raise HookError(f"running {self.module}: {message['error']}")
        return message

    def _line(self, deadline: float) -> bytes:
        """One line of the conversation; empty when the process has ended."""
        searched = 0
        while (end := self._pending.find(b"\n", searched)) < 0:
            if (searched := len(self._pending)) > _MESSAGE_LIMIT:
                raise HookError(f"{self.module}: the hook's process sent more than {_MESSAGE_LIMIT >> 20} MiB at once")
            data = b""
            with self._in_time(deadline), contextlib.suppress(ConnectionError):  # it died with our message unread
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
            raise HookError(f"{self.module}: not finished after {self.timeout:g} s, so it was killed") from error

    def _said(self) -> str:
        size = self._talk.seek(0, os.SEEK_END)
        self._talk.seek(max(0, size - 4096))
        lines = self._talk.read(4096).decode(errors="replace").strip().splitlines()
        return f": {lines[-1]}" if lines else ""

    def _stop(self) -> None:
        assert self._process is not None
        # Not waited for yet, so its number is still its own, and what it has started goes with it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._socket.close()
        self._talk.close()


_MESSAGE_LIMIT = 64 << 20
# Where this user may: no network, no other processes (nor their environment) to be seen, and an end together with ours.
_NAMESPACES = (
    *("setpriv", "--pdeathsig", "KILL", "--"),
    *("unshare", "--mount", "--pid", "--net", "--ipc", "--fork", "--kill-child", "--mount-proc", "--"),
)
# The same for everyone, so that a hook that reads its environment builds the same image everywhere.
_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/nonexistent",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
}


@contextlib.contextmanager
def conversation(module: Path, passed: Mapping[str, str]) -> Iterator[Conversation | None]:
    """The hook module's conversation, or None where there is no such file."""
    if not module.exists():
        yield None
        return
    with Conversation(module, passed) as talk:
        yield talk
