"""The source of a release: which uncommitted files count."""

import subprocess
from pathlib import Path

import pytest

from airbyte_ci.attest.subject import SourceState
from airbyte_ci.config import Configuration
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import ConnectorError
from airbyte_ci.publish import source


def test_folders_that_a_build_read_count_too(tmp_path: Path) -> None:
    """Changes in another folder that a build read are uncommitted files of the release; git's own index is none."""
    (tmp_path / "shared").mkdir()
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "shared" / "code.py").write_text("")
    state = SourceState(remote="", commit="0" * 40, time=0, changes=("metadata.yaml",))
    folders = [str(tmp_path / "shared"), str(tmp_path / ".git" / "index")]
    assert source.add_folders(state, tmp_path, folders).changes == ("metadata.yaml", "shared/code.py")
    assert source.add_folders(state, tmp_path, folders[1:]) == state


def test_what_changes_during_the_build_counts(tmp_path: Path) -> None:
    """A file that is edited while the image is built differs too; another commit is an error."""
    git = ("git", "-c", "user.name=test", "-c", "user.email=test@example.com")
    folder = tmp_path / "source-x"
    folder.mkdir()
    (folder / "metadata.yaml").write_text("data: {}\n")
    for arguments in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "first")):
        subprocess.run([*git, *arguments], cwd=tmp_path, check=True)
    connector = Connector("source-x", folder, "source-x", {}, frozenset({"metadata.yaml"}))
    configuration = Configuration(root=tmp_path)
    before = source.read_source(connector, configuration)
    assert before.changes == ()
    assert source.read_again(before, connector, configuration, ()) == before
    (folder / "metadata.yaml").write_text("data: {a: 1}\n")
    assert source.read_again(before, connector, configuration, ()).changes == ("source-x/metadata.yaml",)
    subprocess.run([*git, "commit", "-qam", "second"], cwd=tmp_path, check=True)
    with pytest.raises(ConnectorError, match="was checked out while"):
        source.read_again(before, connector, configuration, ())
