"""The process in which build_customization.py runs: no credentials, no packages of the tool, only a pipe.

Started as a script with `-I -S`. It speaks JSON lines over one socket: it is told what to call, asks questions
while the hook runs, and ends each call with the operations that the hook added.
"""

import asyncio
import importlib.util
import json
import sys
import traceback
import types
from pathlib import Path
from socket import socket
from typing import Any


def _load(name: str, path: Path) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


class _Pipe:
    def __init__(self, descriptor: int) -> None:
        self._file = socket(fileno=descriptor).makefile("rw", encoding="utf-8")

    def send(self, message: dict[str, Any]) -> None:
        self._file.write(json.dumps(message) + "\n")
        self._file.flush()

    def receive(self) -> dict[str, Any]:
        line = self._file.readline()
        if not line:
            raise SystemExit("airbyte-ci went away")
        message: dict[str, Any] = json.loads(line)
        return message


class _Refused(Exception):
    """A question could not be answered; airbyte-ci knows the reason already."""


def _call(api: types.ModuleType, module: types.ModuleType, name: str, pipe: _Pipe) -> dict[str, Any]:
    def ask(question: Any) -> Any:
        operations = [api.to_json(operation) for operation in question.operations]
        pipe.send({"ask": {"about": question.about, "argument": question.argument, "operations": operations}})
        reply = pipe.receive()
        if "error" in reply:
            raise _Refused(reply["error"])
        return reply["answer"]

    async def run() -> Any:
        result = getattr(module, name)(api.Container((), ask))
        return await result if hasattr(result, "__await__") else result

    returned = asyncio.run(run())
    if not isinstance(returned, api.Container):
        raise TypeError(f"{name} must return a container, but it returned {returned!r:.80}")
    return {"operations": [api.to_json(operation) for operation in returned.operations]}


def _where(error: BaseException, module: Path) -> str:
    """The line of the hook's own file where an error came up."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == module]
    return f"{module.name}:{lines[-1]}: " if lines else ""


def main() -> None:
    pipe = _Pipe(int(sys.argv[1]))
    path = Path(sys.argv[2])
    # What hooks print is talk, and stdout belongs to results.
    sys.stdout = sys.stderr
    api = _load("dagger", Path(__file__).with_name("api.py"))
    sys.path.insert(0, str(path.parent))
    sys.dont_write_bytecode = True
    try:
        module = _load(path.stem, path)
        names = [name for name in ("pre_connector_install", "post_connector_install") if hasattr(module, name)]
        pipe.send({"main": getattr(module, "MAIN_FILE_NAME", None), "hooks": names})
        while True:
            request = pipe.receive()
            pipe.send(_call(api, module, request["call"], pipe))
    except _Refused as error:
        pipe.send({"error": str(error), "known": True})
    except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever the hook raises is reported with its line
        pipe.send({"error": f"{_where(error, path)}{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()
