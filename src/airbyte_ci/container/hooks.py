"""Hooks: runs build_customization.py beside us and carries on its conversation about the image.

Knows the protocol and its record, not what the operations mean: questions are answered by a function.
"""

import contextlib
import json
import os
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
    _file: Any = field(default=None, repr=False)
    _socket: Any = field(default=None, repr=False)
    _talk: Any = field(default=None, repr=False)

    def __enter__(self) -> "Conversation":
        ours, theirs = socket.socketpair()
        self._talk = tempfile.TemporaryFile()
        self._socket = ours
        self._file = ours.makefile("rw", encoding="utf-8")
        script = Path(__file__).with_name("hook_process.py")
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(script), str(theirs.fileno()), str(self.module)],
                stdin=subprocess.DEVNULL,
                stdout=self._talk,
                stderr=self._talk,
                env={**_ENVIRONMENT, **self.passed},
                cwd=self.module.parent,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        try:
            hello = self._receive(time.monotonic() + self.timeout)
            self.main_file, self.hooks = hello.get("main"), tuple(hello.get("hooks") or ())
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
        self._send({"call": name})
        answers: list[tuple[str, str, Any]] = []
        while True:
            message = self._receive(deadline)
            if "operations" in message:
                return HookRecord(self._operations(message["operations"]), tuple(answers))
            question = self._question(message)
            value = self._answer(question, answer)
            answers.append((question.about, question.argument, value))
            self._send({"answer": value})

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

    def _send(self, message: Mapping[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._file.write(json.dumps(message) + "\n")
            self._file.flush()

    def _receive(self, deadline: float) -> dict[str, Any]:
        self._socket.settimeout(max(0.01, deadline - time.monotonic()))
        try:
            line = self._file.readline()
            message = json.loads(line) if line else {"error": "its process ended" + self._said()}
        except TimeoutError as error:
            raise HookError(f"{self.module}: not finished after {self.timeout:.0f} s, so it was killed") from error
        except ValueError as error:
            raise HookError(f"{self.module}: the hook's process sent something unreadable") from error
        if not isinstance(message, dict):
            raise HookError(f"{self.module}: the hook's process sent something that is not of the protocol")
        if "error" in message:
            raise HookError(f"running {self.module}: {message['error']}")
        return message

    def _said(self) -> str:
        self._talk.seek(0)
        lines = self._talk.read(4096).decode(errors="replace").strip().splitlines()
        return f": {lines[-1]}" if lines else ""

    def _stop(self) -> None:
        assert self._process is not None
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, 9)
        self._process.wait()
        self._file.close()
        self._socket.close()
        self._talk.close()


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
