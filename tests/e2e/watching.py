"""`build --watch` as people run it: a process whose results are read as they come."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.tiny import NAME, Tiny

# A limit for what never comes.
_PATIENCE = 600


@dataclass
class Watch:
    """The running process. `marks` counts edits that only prove that nothing else came before them."""

    process: "subprocess.Popen[str]"
    tiny: Tiny
    results: "queue.Queue[str]" = field(default_factory=queue.Queue)
    marks: int = 0

    def result(self) -> Any:
        """The next result."""
        line = self.results.get(timeout=_PATIENCE)
        assert line, (self.tiny.folder.parent / "watch.log").read_text()
        return json.loads(line)

    def confirm_quiet(self, name: str = NAME) -> Any:
        """Fails if a result was not read: the next result is that of an edit made here."""
        self.marks += 1
        file = self.tiny.connector(name) / name.replace("-", "_") / "mark.py"
        with self.stopped():
            file.write_text(f"{self.marks}\n")
        found = self.result()
        assert found["changed"] == [f"{name.replace('-', '_')}/mark.py"], found
        return found

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """What is written meanwhile is seen at once; else the process could see a file that is only half written."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def interrupt(self) -> int:
        """Ctrl-C; the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(_PATIENCE)


@contextmanager
def watching(tiny: Tiny, *arguments: str, verb: str = "build") -> Iterator[Watch]:
    """`build --watch --json` of all connectors, or another command, from when it watches; ended afterwards."""
    command = [sys.executable, "-m", "airbyte_ci", "connectors", "--all", verb, "--watch", "--json", *arguments]
    environment = {**os.environ, "AIRBYTE_CI_HOME": str(tiny.home), **tiny.environment}
    with (tiny.folder.parent / "watch.log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=tiny.folder, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
        )
    watch = Watch(process, tiny)

    def read() -> None:
        assert process.stdout
        for line in process.stdout:
            watch.results.put(line)
        watch.results.put("")

    reader = threading.Thread(target=read)
    reader.start()
    try:
        while "watching" not in (tiny.folder.parent / "watch.log").read_text():
            assert process.poll() is None
            time.sleep(0.05)
        yield watch
    finally:
        process.kill()
        process.wait()
        reader.join()
        assert process.stdout
        process.stdout.close()
