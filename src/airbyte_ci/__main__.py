"""The console script, and `python -m airbyte_ci`: heeds Ctrl-C and SIGTERM alike, from the first moment on."""

import os
import signal

# What each does where nobody has changed it.
_SIGNALS = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}


def main() -> None:
    """Runs the command. Interrupted while it is still being imported it just ends: nothing has begun."""
    # Where a signal is ignored, as behind `nohup`, it stays so.
    heeded = [number for number, usual in _SIGNALS.items() if signal.getsignal(number) is usual]
    for number in heeded:
        signal.signal(number, lambda *_: os._exit(130))
    from airbyte_ci.cli.main import main as run

    for number in heeded:
        signal.signal(number, signal.default_int_handler)
    run()


if __name__ == "__main__":
    main()
