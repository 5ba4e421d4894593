"""Our installation of wheels against pip's, installer's and uv's."""

import os
from pathlib import Path

import pytest

from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.environment import environment
from airbyte_ci.python.index.package_index import PackageIndex
from airbyte_ci.python.locks import poetry
from tests.oracles import folders
from tests.oracles.test_images import CONNECTORS
from tests.oracles.wheels import compare, running
from tests.python import sample_wheels

INFO = "demo_kit-1.0.dist-info"
DATA = "demo_kit-1.0.data"


def odd(folder: Path, *, headers: bool = True) -> Path:
    """A wheel with everything that a wheel may have."""
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
        **({f"{DATA}/headers/demo.h": "/* */\n"} if headers else {}),
        f"{DATA}/purelib/demo_pure.py": "",
        f"{DATA}/platlib/demo_plat/deep/er.py": "",
        f"{INFO}/licenses/LICENSE": "free\n",
        f"{INFO}/entry_points.txt": "[console_scripts]\ndemo = demo_kit:main.run\n[gui_scripts]\ndemo-w = demo_kit:a\n",
    }
    runnable = ["demo_kit/tool.sh", *(name for name in files if "/scripts/" in name)]
    return sample_wheels.make(folder, "demo_kit", "1.0", files, executable=runnable)


@pytest.mark.slow
def test_files_lie_where_pip_and_installer_put_them(tmp_path: Path) -> None:
    """Packages, scripts, data, nested folders, odd names, launchers: same places, bytes, modes and RECORD."""
    assert "\n".join(compare(odd(tmp_path))) == ""


@pytest.mark.slow
def test_files_lie_where_uv_puts_them(tmp_path: Path) -> None:
    """The same wheel and its neighbour in one folder, as `uv pip install --target` has them.

    But for C headers: uv spells their folder as the normalised name, pip and we as the wheel does.
    """
    plain = sample_wheels.make(tmp_path, "plain", "2.0", {"plain/__init__.py": "", "plain/data.json": "{}"})
    assert "\n".join(folders.compare([odd(tmp_path, headers=False), plain])) == ""


@pytest.mark.slow
def test_a_whole_lock_lies_where_uv_puts_it(home: Path, tmp_path: Path) -> None:
    """Every wheel of a lock, for the Python that runs this."""
    folder, python, store = CONNECTORS / "source-parcels", running(), Store(home)
    lock, project = ((folder / name).read_text("utf-8") for name in ("poetry.lock", "pyproject.toml"))
    choices = environment.choose(poetry.select(lock, project, python, folder.name), python)
    found = folders.fetched(choices, store, PackageIndex.from_environment(os.environ), tmp_path)
    assert len(found) > 50
    assert "\n".join(folders.compare(found)) == ""
