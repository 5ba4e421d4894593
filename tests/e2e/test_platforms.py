"""Several platforms: one index, the other architecture built without an emulator, and reported as unverified."""

import gzip
import io
import json
import subprocess
import tarfile
import uuid
from pathlib import Path

import pytest

from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Index
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry, directory
from airbyte_ci.oci.validate import validate
from tests.e2e.conftest import Base
from tests.e2e.tiny import Tiny, as_index, derived
from tests.python import sample_wheels

pytestmark = pytest.mark.slow
BOTH = ("-a", "linux/amd64", "-a", "linux/arm64")
LIBC = b"GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\n"
NATIVE_SETUP = """from setuptools import Distribution, setup
class Native(Distribution):
    def has_ext_modules(self): return True
setup(name="natdep", version="1.0", py_modules=["natdep"], distclass=Native)
"""
COMPILED_SETUP = """from setuptools import Extension, setup
setup(name="natdep", version="1.0", ext_modules=[Extension("natdep", ["n.c"])])
"""
PURE_SETUP = 'from setuptools import setup\nsetup(name="puredep", version="1.0", py_modules=["puredep"])\n'


@pytest.fixture
def both(tiny: Tiny, store: Store, base: Base) -> Tiny:
    """The demo's base with a twin: the same files under arm64's name, and an arm64 C library."""
    folder = "usr/lib/aarch64-linux-gnu"
    arm = derived(
        *(store, base.address, directory(folder), Entry(path=f"{folder}/libc.so.6", content=LIBC)),
        tag="arm64",
        architecture="arm64",
    )
    tiny.base = as_index(store, derived(store, base.address, tag="amd64"), arm)
    tiny.add("source-both")
    return tiny


def _native(tiny: Tiny, *machines: str) -> str:
    """A wheel for each machine; the line that locks them all."""
    hashes = []
    for machine in machines:
        path = sample_wheels.make(
            tiny.folder.parent,
            "natdep",
            "1.0",
            {"natdep.py": f"MACHINE = {machine!r}\n"},
            filename=f"natdep-1.0-cp311-cp311-manylinux_2_17_{machine}.manylinux2014_{machine}.whl",
        )
        hashes.append(tiny.index.add("natdep", path.name, path.read_bytes()))
    return "natdep==1.0 " + " ".join(f"--hash=sha256:{item}" for item in hashes) + "\n"


def _files(store: Store, digest: Digest) -> dict[str, bytes]:
    """The contents of the last layers of an image."""
    found = {}
    for layer in store.image(digest).manifest.layers[-4:]:
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(store.read(layer.digest)))) as archive:
            for member in archive:
                reader = archive.extractfile(member)
                found[member.name] = reader.read() if reader else b""
    return found


def test_two_platforms_are_one_index(both: Tiny, store: Store, registry: str, tmp_path: Path) -> None:
    """Each with its own wheels and the same pure ones, byte code and a wheel of an sdist too; skopeo reads it."""
    pure = both.sdist("puredep", "1.0", {"setup.py": PURE_SETUP, "puredep.py": "VALUE = 1\n"})
    both.require(both.small(), _native(both, "x86_64", "aarch64"), pure, name="source-both")
    outputs = (f"--output=registry:{registry}/platforms", f"--output=oci:{tmp_path / 'layout'}")
    built = both.build(*BOTH, *outputs, name="source-both")
    assert built.code == 0, built.out
    amd, arm = (json.loads(line) for line in built.out.splitlines())
    assert [(item["status"], item["platform"]) for item in (amd, arm)] == [
        ("ok", "linux/amd64"),
        ("unverified", "linux/arm64"),
    ]
    assert "linux/amd64" in arm["reason"]
    for item, machine in ((amd, "x86_64"), (arm, "aarch64")):
        validate(store, Digest.parse(item["digest"]))
        files = _files(store, Digest.parse(item["digest"]))
        (path,) = (name for name in files if name.endswith("/natdep.py"))
        assert files[path] == f"MACHINE = {machine!r}\n".encode()
        assert any("natdep.cpython-311.pyc" in name for name in files)
        assert any(name.endswith("/puredep.py") for name in files)
    shared = [set(item["diffIds"]) for item in (amd, arm)]
    assert len(shared[0] & shared[1]) >= len(shared[0]) - 1, "only the layer of the native package differs"

    address = next(place for place in amd["outputs"] if registry in place)
    place = f"docker://{registry}/platforms/acme/source-both@{Reference.parse(address).digest}"
    raw = subprocess.run(["skopeo", "inspect", "--tls-verify=false", "--raw", place], capture_output=True, check=True)
    index = Index.parse(raw.stdout, place)
    assert [(str(item.digest), str(item.platform)) for item in index.manifests] == [
        (amd["digest"], "linux/amd64"),
        (arm["digest"], "linux/arm64"),
    ]
    command = ["skopeo", "copy", "-q", "--all", "--src-tls-verify=false", place, f"oci:{tmp_path / 'copy'}:x"]
    subprocess.run(command, check=True)
    local = f"oci:{tmp_path / 'layout'}:acme/source-both:dev"
    seen = subprocess.run(["skopeo", "inspect", "--override-arch=arm64", local], capture_output=True, check=True)
    assert json.loads(seen.stdout)["Architecture"] == "arm64"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("native sdist", "natdep 1.0 has no wheel for aarch64, and its sdist builds native code"),
        ("no compiler", "natdep 1.0 has no wheel for aarch64, and building one from its source failed ("),
        ("no wheel", "natdep 1.0: no locked file is for Python 3.11.2 on aarch64"),
    ],
)
def test_what_needs_the_other_machine_is_a_clear_failure(both: Tiny, kind: str, said: str) -> None:
    """The package, the machine and the choices are named; this machine's own platform is built."""
    if kind == "no compiler":
        line = both.sdist("natdep", "1.0", {"setup.py": COMPILED_SETUP, "n.c": "int x;\n"})
    elif kind == "native sdist":
        line = both.sdist("natdep", "1.0", {"setup.py": NATIVE_SETUP, "natdep.py": ""})
    else:
        line = _native(both, "x86_64")
    both.require(both.small(), line, name="source-both")
    # For its own platform, this machine would first report that there is no compiler.
    platforms = BOTH if kind != "no compiler" else ("-a", "linux/arm64")
    built = both.build(*platforms, name="source-both")
    assert built.code == 1, built.out
    failed = json.loads(built.out.splitlines()[-1])
    assert said in failed["reason"]
    assert "\n" not in failed["reason"]
    assert "or build on a machine that is aarch64" in json.dumps(failed) or kind == "no wheel"
    if kind == "no compiler":
        assert "buildPackages" not in json.dumps(failed)
        return
    alone = both.build("-a", "linux/amd64", name="source-both")
    assert alone.code == 0, alone.out


def test_what_this_machine_does_not_run_is_neither_built_nor_tested(both: Tiny) -> None:
    """Point 5 reports it with the reason; together with this machine's own platform, that one's result applies."""
    both.require(_native(both, "x86_64", "aarch64"), both.small(), name="source-both")
    # Results of the same files in an earlier run of the tests still apply.
    with (both.connector("source-both") / "main.py").open("a") as file:
        file.write(f"# {uuid.uuid4().hex}\n")
    name = "--name=source-both"

    def points() -> list[tuple[str, str]]:
        checked = both.run("connectors", name, "check", "--only=built", "--only=tested", "--offline", "--json")
        return [(item["status"], item["reason"]) for item in checked.json["checks"]]

    assert both.run("connectors", name, "test", "--architecture=linux/arm64", "--skip-step=rules").code == 0
    (built, why), (tested, what) = points()
    assert (built, why) == ("unverified", "not built: linux/arm64: this machine runs linux/amd64")
    assert (tested, what.partition(";")[0]) == (
        "unverified",
        "not tested: unit: no image was built for linux/amd64, which is what this machine runs",
    )
    assert both.run("connectors", name, "test", *BOTH, "--skip-step=rules").code == 0
    assert points()[0][0] == "ok"
    assert both.build("-a", "linux/arm64", name="source-both").code == 0
    assert points()[0][0] == "ok"
