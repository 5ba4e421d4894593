"""Progress on a terminal and off it, and the end that Ctrl-C makes."""

import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from airbyte_ci.oci.store.check import check
from airbyte_ci.oci.store.store import Store
from tests.e2e.test_interrupted import left_behind
from tests.e2e.tiny import Tiny, with_base
from tests.processes import Pause, until, wait_for_handlers

pytestmark = pytest.mark.slow
SLOW = """async def pre_connector_install(container):
    return container.with_exec(["sh", "-c", "{pause}; echo {name} > /hooked"])
"""


def _at_a_terminal(
    tiny: Tiny, *arguments: str, home: Path, pause: Pause | None = None, until_seen: tuple[str, ...] = ()
) -> tuple[int, str, str]:
    """The command with a pseudo-terminal as its stderr: exit code, stdout, and what the terminal got.

    A pause ends when the terminal has got these texts.
    """
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "airbyte_ci", *arguments],
        cwd=tiny.folder,
        env={**os.environ, **tiny.environment, "AIRBYTE_CI_HOME": str(home), "TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    seen = b""
    while process.poll() is None or select.select([ours], [], [], 0)[0]:
        if select.select([ours], [], [], 0.1)[0]:
            try:
                seen += os.read(ours, 1 << 16)
            except OSError:  # the other end is closed
                break
        if pause and all(text.encode() in seen for text in until_seen):
            pause.end()
    os.close(ours)
    out, _ = process.communicate(timeout=600)
    return process.returncode, out.decode(), seen.decode()


def _screen(text: str) -> list[str]:
    """The final state of a terminal after these bytes: cursor up, clear the line, clear below, new lines."""
    lines, row = [""], 0
    position = 0
    while position < len(text):
        if text.startswith("\x1b[", position):
            end = next(index for index in range(position + 2, len(text)) if text[index].isalpha())
            number, letter = text[position + 2 : end], text[end]
            if letter == "A":
                row = max(0, row - int(number or 1))
            elif letter == "J":
                lines[row:] = [""]
            elif letter == "K":
                lines[row] = ""
            position = end + 1
            continue
        if text[position] == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif text[position] != "\r":
            lines[row] += text[position]
        position += 1
    return [line for line in lines if line]


def test_live_lines_come_and_go(tiny: Tiny) -> None:
    """One line for each running connector, and none at the end; none without a terminal."""
    second, pause = tiny.add("source-second"), Pause()
    for folder in (tiny.connector(), second):
        (folder / "build_customization.py").write_text(SLOW.format(pause=pause.shell, name=folder.name))
    command = ("connectors", "--all", "--concurrency=2", "build", "--json")
    # This terminal reports zero columns: whole lines are shown anyway.
    lines = ("source-tiny · pre hook", "source-second · pre hook")
    code, out, seen = _at_a_terminal(tiny, *command, home=tiny.home, pause=pause, until_seen=lines)
    assert (code, len(out.splitlines())) == (0, 2), out
    assert all(line in seen for line in lines)
    assert "\x1b[2K" in seen
    assert _screen(seen) == []
    quiet = tiny.run(*command)
    assert (quiet.code, quiet.err) == (0, "")
    code, _, seen = _at_a_terminal(tiny, "--quiet", *command, home=tiny.home)
    assert (code, seen) == (0, "")


def test_ctrl_c_ends_everything_at_once(tiny: Tiny, store: Store, tmp_path: Path) -> None:
    """With several connectors in work: 130 within seconds, nothing goes on running, and the next run goes on."""
    names, pause = ["source-tiny", *(f"source-more-{number}" for number in range(3))], Pause()
    for name in names:
        folder = tiny.connector(name) if name == "source-tiny" else tiny.add(name)
        (folder / "build_customization.py").write_text(SLOW.format(pause=pause.shell, name=name))
    home = with_base(store, tiny.base, tmp_path / "stopped", unpacked=True)
    process = tiny.start("connectors", "--all", "--concurrency=4", "build", home=home)
    pause.wait(len(names))
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 130, out + err
    assert "Traceback" not in err
    # The kernel takes down namespaces on its own time.
    assert until(lambda: not left_behind(home) and not pause.reached()), (left_behind(home), pause.reached())
    for name in names:
        (tiny.connector(name) / "build_customization.py").write_text(SLOW.format(pause=":", name=name))
    finished = tiny.run("connectors", "--all", "build", home=home)
    assert finished.code == 0, finished.out + finished.err
    assert check(Store(home)).damages == ()


@pytest.mark.parametrize("moment", [0.02, 0.1, 0.2, 0.25, 0.3, 0.4, 0.6, 1.0])
def test_ctrl_c_ends_at_any_moment(tiny: Tiny, moment: float) -> None:
    """While it starts, imports, plans, or is about to start its commands: 130, one line at most, and no waiting."""
    for name in ("source-tiny", "source-second", "source-third"):
        folder = tiny.connector(name) if name == "source-tiny" else tiny.add(name)
        hook = SLOW.format(pause="sleep 600", name=f"{name}{moment}{tiny.folder}")
        (folder / "build_customization.py").write_text(hook)
    process = subprocess.Popen(
        [sys.executable, "-m", "airbyte_ci", "connectors", "--all", "--concurrency=3", "build"],
        cwd=tiny.folder,
        env={**os.environ, **tiny.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for_handlers(process.pid)
    time.sleep(moment)
    os.killpg(process.pid, signal.SIGINT)
    # Its sleepers sleep for ten minutes: what ends before that was ended.
    out, err = process.communicate(timeout=600)
    assert process.returncode == 130, out + err
    assert "Traceback" not in err and len(err.split("\n✗")) <= 2, err
