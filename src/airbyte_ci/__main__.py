"""The console script and `python -m airbyte_ci`. Handles Ctrl-C and SIGTERM from the start."""

import gc
import os
import signal

# The default action of each signal.
_SIGNALS = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}


def main() -> None:
    """Runs the command. An interruption during the imports just exits, because no work has started."""
    # A signal that is ignored, as with `nohup`, stays ignored.
    heeded = [number for number, usual in _SIGNALS.items() if signal.getsignal(number) is usual]
    for number in heeded:
        signal.signal(number, lambda *_: os._exit(130))
    # Imports and reading a fleet create many objects and few cycles; the default threshold cost a tenth of the time.
    gc.set_threshold(50_000)
    from airbyte_ci.cli.main import main as run

    for number in heeded:
        signal.signal(number, signal.default_int_handler)
    run()


if __name__ == "__main__":
    main()
