"""Ordinary users: as root of a user namespace the same things are possible, with the same bytes as a result."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import airbyte_ci
from airbyte_ci.oci.store.store import Store
from airbyte_ci.sandbox import rootless

OPERATIONS = """[
    Exec(("bash", "-c", "rm -r /usr/lib/data; mkdir /usr/lib/data; echo x > /usr/lib/data/one; chmod 4755 /bin/cat")),
    Exec(("bash", "-c", "touch /a; chown airbyte:extra /a; ln /a /b; mkdir -m 700 /d; chown 5 /d; rm /usr/lib/su")),
    WriteFile("/etc/y", "z", owner="airbyte"),
    SetUser("airbyte"),
    Exec(("bash", "-c", "id -u; echo mine > /tmp/mine; ls /usr/lib/data")),
]
"""
SCRIPT = f"""
import os, shutil, sys
from pathlib import Path
from airbyte_ci.dagger import Exec, SetUser, WriteFile
from airbyte_ci.recipe.evaluate import Evaluator
from airbyte_ci.hooks.conversation import Conversation
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import Store

store = Store(Path(sys.argv[1]))
evaluator = Evaluator(store, store.image(Digest.parse(sys.argv[2])), timeout=60)
operations = {OPERATIONS}
state = evaluator.state(operations)
with Conversation(module=Path(sys.argv[3]), passed={{}}) as talk:
    talk.call("pre_connector_install", None)
print(os.getpid(), state.output.stdout.split(), evaluator.image(operations, {{}}).digest)
"""


def test_root_of_a_user_namespace_makes_the_same_image(own_store: Store, small_image: object, tmp_path: Path) -> None:
    """Without rights over the machine: other attributes for overlayfs, no control groups, the same digest.

    This namespace has 65536 of the machine's identities, and none of the machine's capabilities.
    """
    (tmp_path / "build_customization.py").write_text("def pre_connector_install(c): return c.with_user('x')")
    digest = str(small_image.digest)  # type: ignore[attr-defined]
    arguments = [sys.executable, "-c", SCRIPT, str(own_store.root), digest, str(tmp_path / "build_customization.py")]
    environment = {**os.environ, "PYTHONPATH": str(Path(airbyte_ci.__file__).parents[1])}
    below = subprocess.Popen(
        ["unshare", "--user", "--mount", "sh", "-c", 'read -r _ && exec "$@"', "sh", *arguments],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    link = Path(f"/proc/{below.pid}/ns/user")
    while link.stat().st_ino == Path("/proc/self/ns/user").stat().st_ino:
        pass
    for table in ("uid_map", "gid_map"):
        Path(f"/proc/{below.pid}/{table}").write_text("0 0 65536\n")
    out, err = below.communicate("go\n", timeout=120)
    assert below.returncode == 0, err
    above = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=True).stdout
    assert out.split()[1:] == above.split()[1:]
    assert "'1000'" in out and "sha256:" in out


@pytest.mark.parametrize(
    ("tables", "problem"),
    [
        ("someone:100000:65536", None),
        ("someone:100000:1000", "has no 65535 ids"),
        ("other:100000:65536", "has no 65535 ids"),
        ("", "has no 65535 ids"),
        ("broken\nsomeone:1\nsomeone:a:b\nsomeone:1:65535", None),
    ],
)
def test_what_a_user_needs_is_said(tmp_path: Path, tables: str, problem: str | None) -> None:
    """Subordinate identities, enough of them, with the command that grants them."""
    table = tmp_path / "subuid"
    table.write_text(tables)
    error = rootless.shortage(table, "someone", 4711)
    assert (error is None) == (problem is None)
    if error and problem:
        assert problem in error.message and "sudo usermod --add-subuids" in str(error.advice)


def test_a_missing_table_is_a_shortage(tmp_path: Path) -> None:
    """Like an empty one."""
    assert rootless.shortage(tmp_path / "subgid", "someone", 4711) is not None
