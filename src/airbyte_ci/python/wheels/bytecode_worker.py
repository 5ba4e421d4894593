"""Copies a compiler for each question inside an image, a few at a time. `bytecode_compiler` executes this program.

A copy (fork) starts in a tenth of the time of a new Python: most images have no bytecode of their standard library, so
each new one compiles `encodings` first. Marshal's output depends on which names a process holds. Therefore this program
imports nothing from a file, and in a copy it returns and leaves nothing: the copy then equals a new compiler. Works on
Python 3.9.
"""

import posix
import sys

_WIDTH = 2


def fork(question: str, answer: str) -> int:
    """Copies this process, and gives the copy one file to read and another to write; returns its process id."""
    process = posix.fork()
    if not process:
        reading = posix.open(question, posix.O_RDONLY)
        writing = posix.open(answer, posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL, 0o644)
        posix.dup2(reading, 0)
        posix.dup2(writing, 1)
        posix.close(reading)
        posix.close(writing)
    return process


def main(questions: str, answers: str) -> bool:
    """Returns True in each copy. Returns False when there is an answer for each file of the folder of questions."""
    running: dict[int, str] = {}
    # The largest files first, so that no long job runs alone at the end.
    names = sorted(posix.listdir(questions))
    waiting = sorted(names, key=lambda name: -posix.stat(questions + "/" + name).st_size)
    failed = ""
    while waiting or running:
        while waiting and len(running) < _WIDTH and not failed:
            name = waiting.pop(0)
            process = fork(questions + "/" + name, answers + "/" + name)
            if not process:
                return True
            running[process] = name
        if not running:
            break
        process, status = posix.waitpid(-1, 0)
        if process in running and status:
            failed = "the compiler of " + running[process] + " ended with " + str(posix.waitstatus_to_exitcode(status))
        running.pop(process, None)
    if failed:
        sys.exit("compiling failed: " + failed)
    return False


if __name__ == "bytecode_worker" and not main(*sys.argv[2:]):
    sys.exit()
