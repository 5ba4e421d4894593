"""The source of a release: which uncommitted files count."""

import subprocess
from pathlib import Path

from airbyte_ci.attest.subject import SourceState
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
