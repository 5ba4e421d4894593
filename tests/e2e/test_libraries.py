"""Shared libraries that a base image lacks: reported by every build, and named if the image does not work without."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry, symlink
from tests.e2e.conftest import Base
from tests.e2e.tiny import Tiny, derived
from tests.python import sample_wheels

pytestmark = pytest.mark.slow
_SPEC = find_spec("zstandard.backend_c")
# A compiled extension that is surely here, linked to a library that no image has: the C library by another name.
NATIVE = Path(str(_SPEC and _SPEC.origin)).read_bytes().replace(b"libc.so.6\0", b"libx.so.6\0")
LIBC = "/lib/x86_64-linux-gnu/libc.so.6"
LOADS = """VERSION = 'native'
import ctypes, pathlib
ctypes.CDLL(str(pathlib.Path(__file__).with_name("native.so")))
"""
TOLD = "the image has no libx.so.6, which tinydep is linked to"


def _native(tiny: Tiny, version: str, loads: str) -> str:
    name = f"tinydep-{version}-cp311-cp311-manylinux_2_17_x86_64.whl"
    files: dict[str, str | bytes] = {"tinydep/__init__.py": loads, "tinydep/native.so": NATIVE}
    path = sample_wheels.make(tiny.folder.parent, "tinydep", version, files, filename=name)
    return f"tinydep=={version} --hash=sha256:{tiny.index.add('tinydep', name, path.read_bytes())}\n"


def test_a_missing_library_that_is_not_needed_is_told(tiny: Tiny) -> None:
    """A package may do without an extension: the image is built and works, again and from memory."""
    tiny.require(_native(tiny, "1.0", "VERSION = 'plain'\n"))
    for arguments in ((), (), ("--no-verify",)):
        built = tiny.build(*arguments)
        assert (built.code, built.json["status"]) == (0, "ok"), built.out
        assert built.json["missingLibraries"] == {"libx.so.6": "tinydep"}
    shown = tiny.run("connectors", "--name=source-tiny", "build")
    assert shown.code == 0
    assert f"! {TOLD}: packages that need it fail" in shown.out


def test_a_base_upgrade_that_takes_a_library_away_fails_and_names_it(tiny: Tiny, store: Store, base: Base) -> None:
    """With the library it works and nothing is reported; without it, the library is the reason, on every run."""
    tiny.require(_native(tiny, "2.0", LOADS))
    good = derived(store, base.address, symlink("usr/lib/x86_64-linux-gnu/libx.so.6", LIBC), tag="libx")
    built = tiny.build(f"--base-image={good}")
    assert built.code == 0, built.out
    assert "missingLibraries" not in built.json
    for _ in range(2):
        upgraded = tiny.build()
        assert (upgraded.code, upgraded.json["status"]) == (1, "failed")
        assert upgraded.json["reason"].startswith(f"{TOLD}; the built image does not answer `spec`")
    assert tiny.build("--no-verify").json["missingLibraries"] == {"libx.so.6": "tinydep"}


def test_what_the_loader_is_told_of_is_there(tiny: Tiny, store: Store, base: Base) -> None:
    """Folders of ld.so.conf.d, and what the declaration adds after the install."""
    tiny.require(_native(tiny, "3.0", "VERSION = 'plain'\n"))
    conf = Entry(path="etc/ld.so.conf.d/acme.conf", content=b"/opt/acme/lib\n")
    told = derived(store, base.address, symlink("opt/acme/lib/libx.so.6", LIBC), conf, tag="conf")
    built = tiny.build(f"--base-image={told}")
    assert built.code == 0, built.out
    assert "missingLibraries" not in built.json
    (tiny.connector() / "lib.so").write_bytes(b"x")
    (tiny.connector() / "build_customization.yaml").write_text(
        "postInstall: {files: {/usr/lib/libx.so.6: {source: lib.so}}}\n"
    )
    later = tiny.build()
    assert later.code == 0, later.out
    assert "missingLibraries" not in later.json
