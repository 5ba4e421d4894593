"""Attacks by code that a build runs: on the store, on this machine, and on the builds of other connectors."""

import uuid
from collections.abc import Iterable
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.sources import build_tools
from tests.e2e.tiny import Tiny

pytestmark = pytest.mark.slow

BACKEND = """[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
# Everything that root of a sandbox can do to a file that it can reach by a path.
VANDAL = """
import os, pathlib

def harm(path):
    for action in (
        lambda: os.chmod(path, 0o4777),
        lambda: os.setxattr(path, "user.harm", b"1"),
        lambda: os.utime(path, (0, 0)),
        lambda: open(path, "r+b").write(b"harm"),
        lambda: open(f"/proc/self/fd/{os.open(path, os.O_RDONLY)}", "wb").write(b"harm"),
        lambda: os.truncate(path, 0),
        lambda: os.link(path, "/tmp/linked"),
        lambda: os.chmod("/tmp/linked", 0o4777),
        lambda: open("/tmp/linked", "r+b").write(b"harm"),
        lambda: os.rename(path, f"{path}.gone"),
        lambda: os.unlink(path),
    ):
        try:
            action()
        except OSError:
            pass

for root in ("/.airbyte-ci",):
    for path in sorted(pathlib.Path(root).rglob("*")):
        if path.is_file():
            harm(path)
"""
NAME = "evil-1.0-py3-none-any.whl"
WRITE = f"""
import os, zipfile
OUT = "/.airbyte-ci/build/out"
def build_wheel(folder, config=None, metadata=None):
    path = os.path.join(OUT, {NAME!r})
    %s
    return {NAME!r}
"""


def _cases(names: Iterable[str], *quick: str) -> list[ParameterSet]:
    """All cases, those that are not among the quick ones for `make attack`."""
    return [pytest.param(name, marks=() if name in quick else pytest.mark.attack) for name in names]


def _state(store: Store) -> dict[str, tuple[int, ...]]:
    """The properties of each blob that an attacker may change."""
    found: dict[str, tuple[int, ...]] = {}
    for path in (store.root / "blobs" / "sha256").iterdir():
        status = path.stat()
        found[path.name] = (status.st_mode, status.st_uid, status.st_size, status.st_mtime_ns)
    return found


def _assert_unharmed(store: Store, before: dict[str, tuple[int, ...]]) -> None:
    after = _state(store)
    # The tool marks what it uses, and may write the same bytes again.
    changed = {name for name in before if after.get(name) != before[name]}
    for name in changed:
        assert after[name][:3] == before[name][:3], name
        store.verified(Digest(name))
    assert not [name for name, status in after.items() if status[0] & 0o7777 != 0o444]


def test_a_projects_own_code_harms_no_blob(tiny: Tiny, store: Store) -> None:
    """setup.py, run for metadata as root of its sandbox, changes no byte and no mode of its inputs."""
    tiny.with_tools()
    assert tiny.build().code == 0
    before = _state(store)
    folder = tiny.connector()
    (folder / "requirements.txt").unlink()
    (folder / "pyproject.toml").unlink()
    (folder / "setup.py").write_text(
        f"{VANDAL}\nfrom setuptools import setup\nsetup(name='source-tiny', version='1')\n"
    )
    built = tiny.build("--resolve-as-of", "2024-04-01")
    assert built.code in (0, 1), built.err
    _assert_unharmed(store, before)


@pytest.mark.parametrize("kind", _cases(["sdist", "metadata hook", "tree"], "sdist"))
def test_a_back_end_harms_no_blob(tiny: Tiny, store: Store, kind: str) -> None:
    """Nor does a build back end: of an sdist, of a folder of the repository, in its metadata hook."""
    tiny.with_tools()
    code = VANDAL + WRITE % "pass"
    if kind == "metadata hook":
        code += "def prepare_metadata_for_build_wheel(folder, config=None):\n    raise SystemExit(1)\n"
    if kind == "tree":
        library = tiny.folder / "lib"
        library.mkdir()
        (library / "pyproject.toml").write_text(BACKEND + '[project]\nname = "evil"\nversion = "1.0"\n')
        (library / "backend.py").write_text(code)
        tiny.require(tiny.small(), "-e ../../lib\n")
    else:
        tiny.require(tiny.small(), tiny.sdist("evil", "1.0", {"pyproject.toml": BACKEND, "backend.py": code}))
    before = _state(store)
    assert tiny.build().code == 1
    _assert_unharmed(store, before)


LEFT = {
    "link to a wheel of this machine": ("os.symlink(@HOST@, path)", "is a symbolic link"),
    "link in a folder above": ("os.rmdir(OUT); os.symlink('/tmp', OUT)", "Device or resource busy"),
    "named pipe": ("os.mkfifo(path)", "is a named pipe"),
    "link to an endless device": ("os.symlink('/dev/zero', path)", "is a symbolic link"),
    "folder": ("os.mkdir(path)", "is a folder"),
    "socket": (
        "import socket; os.chdir(OUT); socket.socket(socket.AF_UNIX).bind('evil-1.0-py3-none-any.whl')",
        "socket",
    ),
    "sparse file of 30 GB": ("open(path, 'wb').truncate(30 << 30)", "more than 4295 MB"),
    "second name": ("open('/.airbyte-ci/build/work/x', 'w'); os.link('/.airbyte-ci/build/work/x', path)", "link"),
    "second name in its folder": ("open(path, 'w'); os.link(path, path + '.again')", "a second name"),
    "bomb": (
        "z = zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED)\n"
        "    with z.open('big', 'w', force_zip64=True) as file: [file.write(bytes(1 << 20)) for _ in range(300)]\n"
        "    z.close()",
        "unpacks to more than the limit for wheels",
    ),
    "two wheels": ("open(path, 'w'); open(OUT + '/other-1.0-py3-none-any.whl', 'w')", "left 2 wheels"),
    "name with line ends": ("open(OUT + '/a\\x1b]0;x\\x07\\nb.whl', 'w')", "a\\x1b]0;x\\x07\\nb.whl"),
    "many files": ("[open(f'{OUT}/{number}.whl', 'w') for number in range(2000)]", "more than 1000 files"),
    "no zip": ("open(path, 'w').write('hello')", "is not a valid wheel"),
}


@pytest.mark.parametrize("left", _cases(LEFT, "link to a wheel of this machine", "named pipe", "bomb"))
def test_what_a_back_end_leaves_is_hostile(tiny: Tiny, tmp_path: Path, left: str) -> None:
    """Instead of its wheel: each gives one clear line, in a moment, and nothing of this machine gets into an image."""
    code, said = LEFT[left]
    host = tmp_path / "host.whl"
    host.write_bytes(b"PK")
    code = code.replace("@HOST@", repr(str(host)))
    tiny.require(tiny.small(), tiny.sdist("evil", "1.0", {"pyproject.toml": BACKEND, "backend.py": WRITE % code}))
    built = tiny.build()
    assert built.code == 1
    assert said in built.json["reason"] + "".join(built.json.get("details", [])), built.out
    assert "Traceback" not in built.err


@pytest.mark.attack
def test_the_tools_of_a_build_are_not_its_own(tiny: Tiny, store: Store) -> None:
    """The wheels of the pinned tools are what they were after a build that tried to replace them."""
    tiny.with_tools()
    hashes = {item.partition("sha256:")[2].strip(" \\") for item in build_tools.requirements().splitlines()}
    tiny.require(
        tiny.small(), tiny.sdist("evil", "1.0", {"pyproject.toml": BACKEND, "backend.py": VANDAL + WRITE % "pass"})
    )
    tiny.build()
    held = [digest for item in hashes if item and store.path(digest := Digest(item)).exists()]
    assert held
    for digest in held:
        store.verified(digest)


# The image's Python, replaced by one of which everything that it compiles is the attacker's.
HOOK = """
POISON = '''
import builtins
real = builtins.compile
def poisoned(source, *more, **options):
    bad = source.replace(b"VERSION = '1.0'", b"VERSION = 'bad'") if isinstance(source, bytes) else source
    return real(bad, *more, **options)
builtins.compile = poisoned
'''
WRAPPER = '''#!/bin/sh
"$0.real" "$@"
code=$?
case "$*" in *bytecode_worker*) sed -i 's/1[.]0/bad/g' /.airbyte-ci/answers/* ;; esac
exit $code
'''
SCRIPT = '''
set -e
python=$(readlink -f "$(command -v python3)")
library=$("$python" -c 'import struct; print(struct.__file__)')
printf %s "$1" >> "$library"
mv "$python" "$python.real"
printf %s "$2" | sed "s#\\$0#$python#" > "$python"
chmod 755 "$python"
'''

async def pre_connector_install(container):
    return container.with_exec(["sh", "-c", SCRIPT, "sh", POISON, WRAPPER])
"""
# A back end whose wheel has what this Python makes of its source.
COMPILING = """
import base64, hashlib, os, zipfile

def build_wheel(out, config=None, metadata=None):
    made = {}
    exec(compile(b"VERSION = '1.0'", "tinydep", "exec"), made)
    info = "tinydep-1.0.dist-info"
    files = {
        "tinydep/__init__.py": f"VERSION = {made['VERSION']!r}\\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\\nName: tinydep\\nVersion: 1.0\\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    rows = [f"{info}/RECORD,,"]
    for name, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
        rows.append(f"{name},sha256={digest},{len(text)}")
    name = "tinydep-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(out, name), "w") as wheel:
        for place, text in {**files, f"{info}/RECORD": "\\n".join(rows)}.items():
            wheel.writestr(place, text)
    return name
"""


@pytest.mark.parametrize("kind", _cases(["wheel", "sdist"], "wheel"))
def test_a_hook_poisons_nothing_that_others_are_built_with(tiny: Tiny, kind: str) -> None:
    """A hook that changes the image's Python changes what its own image has, and no byte code or wheel of another's."""
    tiny.add("source-victim")
    (tiny.connector() / "build_customization.py").write_text(HOOK)
    new = f"# {uuid.uuid4()}\n"  # the store has met nothing of this
    if kind == "sdist":
        line = tiny.sdist("tinydep", "1.0", {"pyproject.toml": BACKEND, "backend.py": COMPILING + new})
    else:
        line = tiny.wheel("tinydep", "1.0", {"tinydep/__init__.py": f"VERSION = '1.0'\n{new}"})
    tiny.require(line)
    tiny.require(line, name="source-victim")
    built = tiny.build("--no-verify")
    assert built.code == 0, built.out
    assert tiny.build(name="source-victim").code == 0
    ran = tiny.run("connectors", "--name=source-victim", "run", "--", "spec")
    assert '"tinydep": "1.0"' in ran.out, ran.err
