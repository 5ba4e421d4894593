"""The console script, and `python -m airbyte_ci`: sees to it that Ctrl-C counts from the first moment on."""

import os
import signal


def main() -> None:
    """Runs the command. Interrupted while it is still being imported it just ends: nothing has begun."""
    # Where SIGINT is ignored, as behind `nohup`, it stays so.
    heeded = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if heeded:
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    from airbyte_ci.cli.main import main as run

    if heeded:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


if __name__ == "__main__":
    main()
