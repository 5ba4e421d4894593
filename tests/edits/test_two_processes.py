"""Two processes that edit one file at once: the second is refused, and nothing is lost."""

import subprocess
import sys
from pathlib import Path

COUNT = """
import sys
from pathlib import Path
from airbyte_ci.edits.apply import replace_files
from airbyte_ci.errors import EditRefused
root = Path(sys.argv[1])
done = 0
while done < 100:
    before = (root / "page").read_bytes()
    try:
        replace_files(root, (("page", before, str(int(before) + 1).encode()),))
        done += 1
    except EditRefused:
        pass
"""


def test_no_edit_is_lost(tmp_path: Path) -> None:
    """An edit is written only onto the content that it is based on, so none of 300 increments is lost."""
    (tmp_path / "page").write_text("0")
    running = [subprocess.Popen([sys.executable, "-c", COUNT, str(tmp_path)]) for _ in range(3)]
    assert [process.wait(timeout=120) for process in running] == [0, 0, 0]
    assert (tmp_path / "page").read_text() == "300"
    assert [path.name for path in tmp_path.iterdir()] == ["page"]
