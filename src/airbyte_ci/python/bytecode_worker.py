"""Runs inside an image: starts a compiler for each question, a few at a time. Imports nothing from a file.

Most images have no byte code of their own standard library, so every module that is imported here would be compiled
first, in each build: `json`, `subprocess` and `tarfile` together took longer than the compiling that is asked for.
Works on Python 3.9.
"""

import posix
import sys

_WIDTH = 2
# No site, no user's packages, no byte code of its own, UTF-8 whatever locales the image has; seed 0 shows in marshal.
_OPTIONS = ("-S", "-s", "-B", "-X", "utf8", "-W", "ignore")
_ENVIRONMENT = {b"PYTHONHASHSEED": b"0", b"PATH": b"/usr/local/bin:/usr/bin:/bin"}


def start(compiler: str, question: str, answer: str) -> int:
    """A compiler that reads one file and writes the other; its process id."""
    actions = [
        (posix.POSIX_SPAWN_OPEN, 0, question, posix.O_RDONLY, 0),
        (posix.POSIX_SPAWN_OPEN, 1, answer, posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL, 0o644),
    ]
    command = [sys.executable, *_OPTIONS, compiler]
    return posix.posix_spawn(sys.executable, command, _ENVIRONMENT, file_actions=actions)


def main() -> None:
    """`worker.py COMPILER QUESTIONS ANSWERS`: an answer for each file of the folder of questions."""
    compiler, questions, answers = sys.argv[1:]
    running: dict[int, str] = {}
    # The largest first: else one that comes last is waited for alone.
    names = sorted(posix.listdir(questions))
    waiting = sorted(names, key=lambda name: -posix.stat(questions + "/" + name).st_size)
    failed = ""
    while waiting or running:
        while waiting and len(running) < _WIDTH and not failed:
            name = waiting.pop(0)
            running[start(compiler, questions + "/" + name, answers + "/" + name)] = name
        if not running:
            break
        process, status = posix.waitpid(-1, 0)
        if process in running and status:
            failed = "the compiler of " + running[process] + " ended with " + str(posix.waitstatus_to_exitcode(status))
        running.pop(process, None)
    if failed:
        sys.exit("compiling failed: " + failed)


if __name__ == "__main__":
    main()
