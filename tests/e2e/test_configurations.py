"""Configuration of this machine, of its user and of the image: what shapes bytes is airbyte-ci's alone."""

from pathlib import Path

import pytest

from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry
from tests.e2e.tiny import Tiny, derived, own_layers, with_base

pytestmark = pytest.mark.slow

SETUP = "from setuptools import setup\nsetup(name='tinydep', version='1.0', packages=['tinydep'])\n"
# distutils reads this in a home, and the wheel's name, its metadata and its files become others.
DISTUTILS = b"[bdist_wheel]\nbuild_number = 666\n[egg_info]\ntag_build = +evil\n[build_py]\ncompile = 1\noptimize = 2\n"
PIP = b"[global]\nno-binary = :all:\nconstraint = /nowhere\n[install]\nglobal-option = egg_info --tag-build=evil\n"
VARIABLES = {
    "PYTHONHASHSEED": "7",
    "PYTHONOPTIMIZE": "2",
    "TZ": "Asia/Tokyo",
    "LC_ALL": "C",
    "PIP_NO_BINARY": ":all:",
    "PIP_CONSTRAINT": "/nowhere",
    "UV_NO_BINARY": "1",
    "UV_CONSTRAINT": "/nowhere",
    "SETUPTOOLS_SCM_PRETEND_VERSION": "6.6.6",
    "DIST_EXTRA_CONFIG": "/tmp/.pydistutils.cfg",
    "CFLAGS": "-g3",
}


def test_no_configuration_changes_a_wheel(tiny: Tiny, store: Store, tmp_path: Path) -> None:
    """Neither files in the image's homes, nor its variables, nor those of the user: an sdist's wheel is the same."""
    tiny.require(tiny.sdist("tinydep", "1.0", {"setup.py": SETUP, "tinydep/__init__.py": "VERSION = '1.0'\n"}))
    homes = [with_base(store, tiny.base, tmp_path / name, unpacked=True) for name in ("plain", "hostile")]
    built = tiny.build("--no-verify", home=homes[0])
    assert built.code == 0, built.out
    plain = own_layers(Store(homes[0]), built.json["digest"], tiny.base)

    files = {f"{home}/.pydistutils.cfg": DISTUTILS for home in ("tmp", "root", "home/airbyte", "airbyte")}
    files |= {"etc/pip.conf": PIP, "root/.config/pip/pip.conf": PIP, "root/.pip/pip.conf": PIP}
    files |= {f"evil/{name}.py": b"raise SystemExit('evil')" for name in ("json", "struct", "sitecustomize", "pip")}
    variables = ["PYTHONPATH=/evil", *(f"{name}={value}" for name, value in VARIABLES.items())]
    hostile = derived(
        Store(homes[1]),
        tiny.base,
        *(Entry(path=path, content=content) for path, content in files.items()),
        tag="hostile",
        execution={"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", *variables]},
    )
    (tmp_path / "user").mkdir()
    (tmp_path / "user" / ".pydistutils.cfg").write_bytes(DISTUTILS)
    metadata = tiny.connector() / "metadata.yaml"
    metadata.write_text(metadata.read_text().replace(tiny.base, hostile))
    again = tiny.build("--no-verify", home=homes[1], env={**VARIABLES, "HOME": str(tmp_path / "user")})
    assert again.code == 0, again.out
    assert own_layers(Store(homes[1]), again.json["digest"], hostile) == plain
