"""The console script and `python -m airbyte_ci`. Handles Ctrl-C and SIGTERM from the start."""

import gc
import os
import signal
import sys
from collections.abc import Mapping

from airbyte_ci.cli.late_modules import late_modules

# The default action of each signal.
_SIGNALS = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}


def _clean_help(text: str) -> str:
    """Does the work of `inspect.cleandoc`: click calls it for the help of each option, and most have one line."""
    if "\n" not in text:
        return text.expandtabs().lstrip()
    import inspect

    return inspect.cleandoc(text)


# Modules of Python that click, pathlib and dataclasses import for functions that few commands call: a tenth of the time
# of a short command. `click` calls `cleandoc`, and `uuid` asks `platform` for the system while it is imported.
_RARE: Mapping[str, Mapping[str, object]] = {
    "inspect": {"cleandoc": _clean_help},
    "ipaddress": {},
    "ntpath": {},
    "platform": {"system": lambda: os.uname().sysname},
}


def main() -> None:
    """Runs the command. An interruption during the imports just exits, because no work has started."""
    if sys.platform == "win32":
        raise SystemExit("✗ airbyte-ci does not run on Windows itself → run it in WSL 2: docs/other-systems.md")
    # A signal that is ignored, as with `nohup`, stays ignored.
    heeded = [number for number, usual in _SIGNALS.items() if signal.getsignal(number) is usual]
    for number in heeded:
        signal.signal(number, lambda *_: os._exit(130))
    # Imports and reading a fleet create many objects and few cycles; the default threshold cost a tenth of the time.
    gc.set_threshold(100_000)
    if os.environ.get("_AIRBYTE_CI_COMPLETE", "").endswith("_complete"):
        raise SystemExit(_complete())
    with late_modules(_RARE):
        from airbyte_ci.cli.main import main as run

    for number in heeded:
        signal.signal(number, signal.default_int_handler)
    run()


def _complete() -> int:
    """Answers a shell that completes a command line. Only the first answer after an installation imports commands."""
    from airbyte_ci.cli.completion import answer
    from airbyte_ci.cli.completion.index import IndexedCommand

    def build() -> IndexedCommand:
        from airbyte_ci.cli.completion import commands
        from airbyte_ci.cli.main import cli

        return commands.index(cli)

    return answer.run(os.environ, build)


if __name__ == "__main__":
    main()
