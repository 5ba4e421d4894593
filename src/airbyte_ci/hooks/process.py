"""The process in which build_customization.py runs: no credentials, none of airbyte-ci's packages, only a pipe.

Started as a script with `-I -S`. It exchanges JSON lines over one socket: it receives a call, asks questions while the
hook runs, and ends each call with the operations that the hook added.
"""

# ruff: noqa: PTH119, PTH120  # pathlib would take a large share of the start
import importlib
import json
import os
import sys
import types
from typing import Any


class _Pipe:
    """JSON lines over a socket, which is given by its number."""

    def __init__(self, descriptor: int) -> None:
        self._reader = open(descriptor, encoding="utf-8")  # noqa: SIM115  # as long as this process
        self._writer = open(os.dup(descriptor), "w", encoding="utf-8")  # noqa: SIM115, PTH123

    def send(self, message: dict[str, Any]) -> None:
        self._writer.write(json.dumps(message) + "\n")
        self._writer.flush()

    def receive(self) -> dict[str, Any]:
        line = self._reader.readline()
        if not line:
            raise SystemExit("airbyte-ci went away")
        message: dict[str, Any] = json.loads(line)
        return message


def _call(api: types.ModuleType, module: types.ModuleType, name: str, pipe: _Pipe) -> dict[str, Any]:
    def ask(question: Any) -> Any:
        asked = {
            "about": question.about,
            "argument": question.argument,
            "operations": [api.to_json(operation) for operation in question.operations],
            "contents": api.contents_to_json(question.contents),
            "secrets": question.secrets,
        }
        pipe.send({"ask": asked})
        reply = pipe.receive()
        if "failed" in reply:
            raise api.ExecError(**reply["failed"])
        return reply["answer"]

    api.dag.ask = ask
    result = getattr(module, name)(api.Container((), ask))
    returned = _awaited(result, module) if hasattr(result, "__await__") else result
    if not isinstance(returned, api.Container):
        raise TypeError(f"{name} must return a container, but it returned {returned!r:.80}")
    return {"operations": [api.to_json(operation) for operation in returned.operations]}


def _awaited(result: Any, module: types.ModuleType) -> Any:
    """Returns an awaitable's value. The API never waits; an event loop exists only for hooks that need one."""
    with open(str(module.__file__), encoding="utf-8") as source:  # noqa: PTH123
        named = "asyncio" in sys.modules or "asyncio" in source.read()
    if named or not isinstance(result, types.CoroutineType):
        import asyncio

        async def run() -> Any:
            return await result

        return asyncio.run(run())
    try:
        result.send(None)
    except StopIteration as finished:
        return finished.value
    raise RuntimeError(
        "the hook awaits an object that airbyte-ci does not provide; import asyncio at the top of the module"
    )


def _where(error: BaseException, module: str) -> str:
    """Returns the line of the hook's own file where an error occurred."""
    import traceback

    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == module]
    return f"{os.path.basename(module)}:{lines[-1]}: " if lines else ""


def _is_about_environment(error: BaseException) -> bool:
    """Whether the error is a missing variable of `os.environ`."""
    place = error.__traceback__
    while place and place.tb_next:
        place = place.tb_next
    return isinstance(error, KeyError) and place is not None and place.tb_frame.f_globals.get("__name__") == "os"


def main() -> None:
    pipe = _Pipe(int(sys.argv[1]))
    path = sys.argv[2]
    # Hooks may print; stdout is reserved for results.
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    sys.dont_write_bytecode = True
    # `dagger` lies next to this script, other modules of the connector next to the hook; no other module replaces them.
    sys.path.insert(0, os.path.dirname(__file__))
    api = importlib.import_module("dagger")
    sys.path[0] = os.path.dirname(path)
    try:
        module = importlib.import_module(os.path.basename(path).removesuffix(".py"))
        names = [name for name in ("pre_connector_install", "post_connector_install") if hasattr(module, name)]
        pipe.send({"main": getattr(module, "MAIN_FILE_NAME", None), "hooks": names})
        while True:
            request = pipe.receive()
            pipe.send(_call(api, module, request["call"], pipe))
    except api.ExecError as error:
        pipe.send({"error": f"{_where(error, path) or f'{os.path.basename(path)}: '}{error}", "failed": True})
    except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever the hook raises is reported with its line
        failure = {"error": f"{_where(error, path)}{type(error).__name__}: {error}"}
        pipe.send({**failure, "variable": str(error.args[0])} if _is_about_environment(error) else failure)


if __name__ == "__main__":
    main()
