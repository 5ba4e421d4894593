"""Our installation of a wheel against pip's and installer's."""

from pathlib import Path

import pytest

from tests.oracles.wheels import compare
from tests.python import wheels

INFO = "demo_kit-1.0.dist-info"
DATA = "demo_kit-1.0.data"


@pytest.mark.slow
def test_files_lie_where_pip_and_installer_put_them(tmp_path: Path) -> None:
    """Packages, scripts, data, nested folders, odd names, launchers: same places, bytes, modes and RECORD."""
    files: dict[str, str | bytes] = {
        "demo_kit/__init__.py": "VALUE = 1\n",
        "demo_kit/tool.sh": "#!/bin/sh\n",
        "demo_kit/é ü.txt": "named\n",
        "demo_kit/library.so": bytes(range(256)) * 9000,
        f"{DATA}/scripts/demo-script": "#!python\nprint('script')\n",
        f"{DATA}/scripts/demo-gui": "#!pythonw -u\nprint('gui')\n",
        f"{DATA}/scripts/demo.sh": "#!/bin/sh\n",
        f"{DATA}/scripts/binary": b"\x7fELF" + bytes(100),
        f"{DATA}/data/share/demo/data.txt": "data\n",
        f"{DATA}/headers/demo.h": "/* */\n",
        f"{DATA}/purelib/demo_pure.py": "",
        f"{DATA}/platlib/demo_plat/deep/er.py": "",
        f"{INFO}/licenses/LICENSE": "free\n",
        f"{INFO}/entry_points.txt": "[console_scripts]\ndemo = demo_kit:main.run\n[gui_scripts]\ndemo-w = demo_kit:a\n",
    }
    runnable = ["demo_kit/tool.sh", *(name for name in files if "/scripts/" in name)]
    path = wheels.make(tmp_path, "demo_kit", "1.0", files, executable=runnable)
    assert "\n".join(compare(path)) == ""
