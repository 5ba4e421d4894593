"""Runs every command of a page as its reader does, and prints each one's time and output: follow.py PAGE FOLDER.

The reader's machine has no checkout, so the parser of pages (`tests/e2e/console.py`) is next to this file.
"""

import os
import re
import sys
import time
from pathlib import Path

import console  # type: ignore[import-not-found]  # next to this file

COMMITTER = {f"GIT_{role}_{name}": "newcomer" for role in ("AUTHOR", "COMMITTER") for name in ("NAME", "EMAIL")}


def main(page: Path, folder: Path) -> int:
    """Returns 1 at the first command that fails."""
    os.environ |= COMMITTER
    store = Path(os.environ.get("AIRBYTE_CI_HOME", Path.home() / ".cache/airbyte-ci"))
    for part in console.parts(page.read_text("utf-8")):
        if isinstance(part, console.ShownFile):
            (folder / part.path).write_text(part.text, "utf-8")
            continue
        started = time.monotonic()
        code, output = console.run(part, folder, store)
        print(f"$ {part.command}\n{output}({time.monotonic() - started:.1f} s)", flush=True)
        if code:
            return 1
        if moved := re.search(r"(?:^|&& )cd (\S+)", part.command):
            folder = (folder / moved[1]).resolve()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()))
