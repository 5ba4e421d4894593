"""A declaration as operations: users of commands, files, and refused sources."""

from pathlib import Path

import pytest

from airbyte_ci.connectors import customization
from airbyte_ci.dagger import (
    Copy,
    Exec,
    KeptFile,
    Narrow,
    NewFolder,
    NewLink,
    Operation,
    SetUser,
    SetVariable,
    SetWorkdir,
    WriteFile,
)
from airbyte_ci.errors import ConnectorError
from airbyte_ci.hooks.declared import Declared, declared
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import Store

WHOLE = """\
systemPackages: [socat, jq]
buildPackages: [gcc]
env: {A: "1"}
files: {/etc/a: {content: x}, /opt/tool: {source: tool.sh}, /opt/folder: {source: folder, mode: "600"}}
user: someone
workdir: /data
postInstall: {env: {B: "2"}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "source-x"
    (made / "folder/in").mkdir(parents=True)
    (made / "tool.sh").write_text("#!/bin/sh\n")
    (made / "tool.sh").chmod(0o700)
    (made / "folder/in/raw").write_bytes(b"\xff")
    (made / "folder/link").symlink_to("in/raw")
    (made / "folder/junk.pyc").write_bytes(b"")
    return made


def _declared(text: str, folder: Path, user: str = "") -> Declared:
    return declared(customization.parse(text, "x"), folder, user, Store(folder.parent / "store"))


def _installs(operations: tuple[Operation, ...]) -> list[str]:
    return [operation.arguments[-1] for operation in operations if isinstance(operation, Exec)]


def test_a_declaration_is_these_operations(folder: Path) -> None:
    """One step of apt for sorted packages, then variables and kept files; compilers are apart, the user comes last."""
    found = _declared(WHOLE, folder)
    (install,), (build,) = _installs(found.before), _installs(found.building)
    assert " jq socat && rm -rf /var/lib/apt/lists/*" in install and " gcc &&" in build
    script, raw = Digest.of(b"#!/bin/sh\n"), Digest.of(b"\xff")
    assert found.before[1:] == (
        SetVariable("A", "1"),
        WriteFile("/etc/a", "x"),
        Copy("/opt/tool", (KeptFile("tool.sh", script.hex, 0o755), Narrow("tool.sh", file=True))),
        Copy(
            "/opt/folder",
            (NewFolder("in"), KeptFile("in/raw", raw.hex, 0o600), NewLink("link", "in/raw")),
        ),
    )
    assert found.after == (SetVariable("B", "2"), SetWorkdir("/data"), SetUser("someone"))
    assert found.user == "someone"
    store = Store(folder.parent / "store")
    assert (store.read(script), store.read(raw)) == (b"#!/bin/sh\n", b"\xff")


def test_root_installs_whoever_the_base_runs_as(folder: Path) -> None:
    """And the base's user is who goes on."""
    found = _declared("systemPackages: [jq]", folder, "airbyte")
    assert [found.before[0], found.before[2]] == [SetUser("root"), SetUser("airbyte")]
    assert len(_declared("systemPackages: [jq]", folder, "0:0").before) == 1


@pytest.mark.parametrize("source", ["absent", "out"])
def test_nothing_outside_of_the_folder_is_taken(folder: Path, source: str) -> None:
    """A link that leads out is as little there as what is not."""
    (folder / "out").symlink_to("/etc/passwd")
    with pytest.raises(ConnectorError, match=rf"files\./x: {source} does not exist in the connector's folder"):
        _declared(f"files: {{/x: {{source: {source}}}}}", folder)
