"""Prints the table of all mounts of all sandboxes, from the code; with a file name, writes it between the file's marks."""

import importlib
import pkgutil
import sys
from pathlib import Path

import airbyte_ci
from airbyte_ci.sandbox import runtime
from airbyte_ci.sandbox.command import Purpose

BEGIN, END = "<!-- mounts: written by `make reference` -->", "<!-- end of mounts -->"
WRITABLE = {
    "input": "no",
    "output": "yes; begins empty, read as hostile data",
    "kept": "yes; only for its owner",
    "lent": "as the user chooses; never the store",
}


def purposes() -> list[Purpose]:
    """Every purpose that a module of airbyte-ci has for a mount."""
    found: set[Purpose] = set()
    for module in pkgutil.walk_packages(airbyte_ci.__path__, "airbyte_ci."):
        # What runs in images and in hooks' processes imports nothing of airbyte-ci, and mounts nothing.
        if module.name.rpartition(".")[2] in ("__main__", "process", "bytecode_compiler", "bytecode_marshal"):
            continue
        values = vars(importlib.import_module(module.name)).values()
        found |= {value for value in values if isinstance(value, Purpose)}
    return sorted(found, key=lambda item: (item.access, item.name))


def table() -> str:
    """The rows as Markdown."""
    rows = [
        ("root: layers of the image", "snapshots in the store, stacked by overlayfs", "`/`", "no", "airbyte-ci"),
        ("root: changes of the command", "an empty folder, or copies of files", "`/`", "yes; its own", "none"),
        ("root: packages for apt", "files in the store's `caches/apt`", "`/.airbyte-ci/apt`", "no", "other commands"),
        *(
            (str(mount["type"]), "the kernel", f"`{mount['destination']}`", "as the kernel allows", "none")
            for mount in runtime.SYSTEM_MOUNTS
        ),
        ("sysfs", "the kernel", "`/sys`", "no", "none"),
        *((item.name, item.source, item.target, WRITABLE[item.access], item.written_by) for item in purposes()),
    ]
    head = ("mount", "source", "target", "writable", "possible earlier writers of the source")
    lines = [f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows)]
    return "\n".join(lines)


def replaced(text: str) -> str:
    """A document with the table between its marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        Path(name).write_text(replaced(Path(name).read_text()))
    if not sys.argv[1:]:
        print(table())
