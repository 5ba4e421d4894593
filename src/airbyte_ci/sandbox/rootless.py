"""How an ordinary user builds: the whole tool again as root of a user namespace, with that user's subordinate ids.

Owners of files below the store are then the numbers that images have; nothing in there has rights outside. Root in an
image is this user, whom the kernel allows no mounts with other owners (`sandbox.identities` has them for root): code
that leaves such a sandbox has this user's rights.
"""

import os
import pwd
import shutil
from collections.abc import Sequence
from pathlib import Path

from airbyte_ci.errors import SandboxError

# With fewer ids, some owners of an image's files have no number.
NEEDED = 65535


def obstacle() -> SandboxError | None:
    """Returns why this user cannot become root of a user namespace; None if that is possible."""
    if missing := [name for name in ("unshare", "newuidmap", "newgidmap") if shutil.which(name) is None]:
        return SandboxError(
            f"cannot build without root: {', '.join(missing)} not found on this machine",
            advice="run airbyte-ci with sudo, or run: apt-get install uidmap util-linux",
            error_id="sandbox-unavailable",
        )
    user = pwd.getpwuid(os.getuid()).pw_name
    tables = (Path("/etc/subuid"), Path("/etc/subgid"))
    return next((found for table in tables if (found := shortage(table, user, os.getuid()))), None)


def shortage(table: Path, user: str, uid: int) -> SandboxError | None:
    """Returns why a table of subordinate ids (subuid(5)) is insufficient for a user; None if it is sufficient."""
    try:
        rows = [line.split(":") for line in table.read_text().splitlines()]
    except OSError:
        rows = []
    own = [row[2] for row in rows if len(row) == 3 and row[0] in (user, str(uid)) and row[2].isdigit()]
    if sum(map(int, own)) >= NEEDED:
        return None
    return SandboxError(
        f"cannot build without root: {user} has no {NEEDED} ids in {table}",
        advice=f"run airbyte-ci with sudo, or run first: sudo usermod --add-{table.name}s 100000-165535 {user}",
        error_id="sandbox-unavailable",
    )


def enter(program: Sequence[str]) -> None:
    """Replaces this process with the program, run by root of a user namespace; does nothing if that is impossible."""
    if os.geteuid() != 0 and obstacle() is None:
        os.execvp("unshare", ["unshare", "--user", "--map-root-user", "--map-auto", "--mount", "--", *program])
