"""This machine's Python in a sandbox, for what a shell cannot do: sockets with options, system calls by number."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from airbyte_ci.oci.store.store import Store
from airbyte_ci.rootfs.tree import Tree
from airbyte_ci.sandbox import sandbox
from airbyte_ci.sandbox.sandbox import Command, Mount, Network


def run_python(
    store: Store,
    tree: Tree,
    program: str,
    *arguments: object,
    network: Network = "none",
    mounts: tuple[Mount, ...] = (),
) -> Any:
    """Returns the JSON that a program prints last; its arguments are `argv`, a list."""
    places = [*(Path(name) for name in ("/usr", "/lib", "/lib64") if Path(name).exists()), Path(sys.base_prefix)]
    lent = tuple(
        Mount(source=place.resolve(), target=str(place))
        for place in places
        if place == Path("/usr") or not place.is_relative_to("/usr")
    )
    source = f"import json, sys\nargv = json.loads(sys.argv[1])\n{program}"
    command = Command(
        arguments=[os.path.realpath(sys.executable), "-I", "-S", "-c", source, json.dumps(arguments)],
        environment={"PATH": "/bin"},
        network=network,
        mounts=(*lent, *mounts),
        timeout=60,
    )
    done = sandbox.run(store, tree, command)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout.splitlines()[-1])
