"""The imports of the commands that people wait for: no more than they use.

Of Python's own modules, only those that take long to import are checked. Classes whose methods Python's dataclasses
compile take longer than a module, so they have those of `airbyte_ci.records`. A regular expression takes as long as a
module, so it is compiled at its first use, unless each start uses it.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.e2e.tiny import NAME, Tiny

pytestmark = pytest.mark.slow
# Runs the command and prints, as the last line of stderr, the libraries and the slow modules that it imported, the
# classes whose methods were compiled, and the modules that compiled expressions.
SCRIPT = """
import atexit, re, sys, sysconfig
from airbyte_ci.__main__ import main

def report():
    places = tuple({sysconfig.get_path("purelib") + "/", sysconfig.get_path("platlib") + "/"})
    loaded = [item for item in list(sys.modules.values()) if (getattr(item, "__file__", None) or "").startswith(places)]
    slow = {
        "ast", "concurrent.futures", "email", "hashlib", "http.client", "inspect", "ipaddress", "logging",
        "multiprocessing", "platform", "selectors", "shutil", "socket", "ssl", "subprocess", "tempfile", "tokenize",
    }
    if sys.version_info >= (3, 13):  # its dataclasses use it
        slow -= {"ast", "inspect", "tokenize"}
    own = [module for name, module in list(sys.modules.items()) if name.startswith("airbyte_ci")]
    compiled = [
        f"compiled:{item.__module__}.{item.__name__}"
        for module in own
        for item in vars(module).values()
        if isinstance(item, type) and item.__module__ == module.__name__
        if getattr(getattr(item.__init__, "__code__", None), "co_filename", "") == "<string>"
    ]
    compiled += [
        f"expression:{module.__name__}"
        for module in own
        if any(isinstance(item, re.Pattern) for item in vars(module).values())
    ]
    names = {item.__name__.partition(".")[0] for item in loaded} - {"_distutils_hack"} | slow & {*sys.modules}
    print(*sorted(names), *compiled, file=sys.stderr)

atexit.register(report)
main()
"""


def _imported(tiny: Tiny, *arguments: str) -> set[str]:
    environment = {**os.environ, "AIRBYTE_CI_HOME": str(tiny.home), **tiny.environment}
    environment.pop("COVERAGE_PROCESS_START", None)
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        cwd=tiny.folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return {*ended.stderr.splitlines()[-1].split()}


EACH = {"click", "expression:airbyte_ci.text"}
BUILD = {*EACH, "expression:airbyte_ci.images.naming", "expression:airbyte_ci.oci.reference"}
# A verified build is recorded for `check` by the files that git does not ignore, so git runs.
VERIFIED = {*BUILD, "hashlib", "selectors", "subprocess"}
# Each command, with all that it may import of them when nothing changed since the last time.
TABLE: Sequence[tuple[str, set[str]]] = (
    ("--version", EACH),
    ("connectors list", {*EACH, "expression:airbyte_ci.reports.listing"}),
    (f"connectors --name={NAME} build", VERIFIED),
    (f"connectors --name={NAME} build --output=oci:out", VERIFIED),
    (f"connectors --name={NAME} build --output=registry:REGISTRY/again", VERIFIED),
    (f"connectors --name={NAME} build --no-verify --output=registry:REGISTRY/unverified", BUILD),
)


@pytest.mark.parametrize(("command", "allowed"), TABLE, ids=[command for command, _ in TABLE])
def test_what_was_done_before_imports_little(
    tiny: Tiny, registry: str, tmp_path: Path, command: str, allowed: set[str]
) -> None:
    """If nothing changed since the last time, neither HTTP, schemas, versions nor YAML are needed."""
    arguments = command.replace("REGISTRY", registry).split()
    for _ in range(2):  # what is too young is not remembered
        _imported(tiny, *arguments)
    assert _imported(tiny, *arguments) <= allowed


def test_a_changed_line_imports_what_pushes(tiny: Tiny, registry: str) -> None:
    """Where only code changed, what compresses: the push of a small change needs no library of HTTP."""
    command = f"connectors --name={NAME} build --no-verify --output=registry:{registry}/edited".split()
    for _ in range(2):
        _imported(tiny, *command)
    main = tiny.connector() / "main.py"
    main.write_text(main.read_text() + "# more\n")
    many = {"compiled:airbyte_ci.oci.tar.Entry"}  # one for each file
    assert _imported(tiny, *command) <= {*BUILD, "deflate", "hashlib", *many}


def test_a_first_list_reads_yaml_and_no_more(tiny: Tiny) -> None:
    """Listing connectors uses no registry and no package index."""
    expressions = {"expression:airbyte_ci.oci.reference", "expression:airbyte_ci.reports.listing"}
    semver = {"semver", "ast", "inspect", "tokenize"}  # with the modules of Python that it imports
    assert _imported(tiny, "connectors", "list") <= {*EACH, "yaml", "_yaml", *semver, *expressions}


def test_only_watching_imports_what_watches(tiny: Tiny) -> None:
    """The library that watches, and what it needs, would cost every other command its start."""
    assert not {"watchfiles", "anyio"} & _imported(tiny, "connectors", f"--name={NAME}", "build")
