"""Starts a compiler for each question inside an image, a few at a time.

The process imports nothing from a file. Most images have no bytecode of their standard library, so every imported
module would be compiled first, in each build: `json`, `subprocess` and `tarfile` together took longer than the
requested work. Works on Python 3.9.
"""

import posix
import sys

_WIDTH = 2
# No site, no user packages, no own bytecode, UTF-8 in any locale. Marshal output depends on the hash
# seed.
_OPTIONS = ("-S", "-s", "-B", "-X", "utf8", "-W", "ignore")
_ENVIRONMENT = {b"PYTHONHASHSEED": b"0", b"PATH": b"/usr/local/bin:/usr/bin:/bin"}


def start(compiler: str, question: str, answer: str) -> int:
    """Starts a compiler that reads one file and writes the other; returns its process id."""
    actions = [
        (posix.POSIX_SPAWN_OPEN, 0, question, posix.O_RDONLY, 0),
        (posix.POSIX_SPAWN_OPEN, 1, answer, posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL, 0o644),
    ]
    command = [sys.executable, *_OPTIONS, compiler]
    return posix.posix_spawn(sys.executable, command, _ENVIRONMENT, file_actions=actions)


def main() -> None:
    """Runs `worker.py COMPILER QUESTIONS ANSWERS` and writes an answer for each file of the folder of questions."""
    compiler, questions, answers = sys.argv[1:]
    running: dict[int, str] = {}
    # The largest files first, so that no long job runs alone at the end.
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
