"""The users of a sandbox on this machine: they own nothing else, while their files keep the image's numbers."""

import json
import os
import pwd
import stat
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airbyte_ci.dagger import SetLabel
from airbyte_ci.errors import SandboxError
from airbyte_ci.hooks import module_root
from airbyte_ci.hooks.conversation import MODULE, Conversation
from airbyte_ci.oci.layer import layer_of
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry
from airbyte_ci.rootfs import diff, snapshot, user_namespace
from airbyte_ci.rootfs.tree import Tree
from airbyte_ci.sandbox import identities, sandbox, staging
from airbyte_ci.sandbox.sandbox import Command, Finished, Limits, Mount
from tests.processes import Pause
from tests.small_image import image_entries

pytestmark = pytest.mark.skipif(user_namespace.inside(), reason="root of this machine is not who runs this")
Run = Callable[..., Finished]
# cap_chown+ep as revision 2 of the attribute, which does not name a user namespace (linux/capability.h).
CAPABLE = struct.pack("<5I", 0x02000001, 1, 0, 0, 0)


@pytest.fixture
def run(small_store: Store, small_tree: Tree) -> Run:
    def go(line: str, upper: Path | None = None, tree: Tree = small_tree, **options: Any) -> Finished:
        command = Command(arguments=["/bin/bash", "-c", line], environment={"PATH": "/bin"}, timeout=60)
        return sandbox.run(small_store, tree, replace(command, **options), upper=upper)

    return go


@pytest.mark.parametrize("user", [0, 1000])
def test_a_process_in_a_sandbox_belongs_to_nobody(run: Run, user: int) -> None:
    """Seen from here its users and groups are numbers of no account, for root of the image too."""
    pause = Pause()
    with ThreadPoolExecutor(1) as executor:
        executor.submit(run, pause.shell, uid=user, gid=user)
        found = _owners_of(*pause.wait())
        pause.end()
    accounts = {account.pw_uid for account in pwd.getpwall()}
    assert found and all(number >= 1 << 31 for number in found) and not found & accounts
    assert {number % 65536 for number in found} == {user}


def _owners_of(process: int) -> set[int]:
    """All user and group numbers of a process."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return {int(number) for line in lines if line.startswith(("Uid:", "Gid:")) for number in line.split()[1:]}


def test_two_at_once_are_two_nobodies(run: Run) -> None:
    """One sandbox's root is not another's; afterwards the numbers are used again."""
    pause = Pause()
    with ThreadPoolExecutor(3) as executor:
        running = [executor.submit(run, f"head -1 /proc/self/uid_map; {pause.shell}") for _ in range(3)]
        pause.wait(3)
        pause.end()
    tables = {item.result().stdout for item in running}
    assert len(tables) == 3
    assert run("head -1 /proc/self/uid_map").stdout in tables


NUMBERS = (0, 1, 1000, 65534, 65535, 65536, 70_000, 197_609, (1 << 30) - 1)


def test_files_keep_the_images_numbers(run: Run, upper: Path, small_tree: Tree) -> None:
    """Files that a command creates, gives away, links, renames or copies up have the same numbers on disk and in its
    layer.
    """
    lines = [f"touch /f{number} && chown {number}:{number} /f{number}" for number in NUMBERS]
    lines += ["mkdir /d && chown 5:6 /d && mv /d /e", "ln /f1000 /g", "ln -s x /s", "mkdir -m 2755 /sticky"]
    lines += ["chown 7:8 /usr/lib/data/one", "mv /usr/lib/data/two /usr/lib/two", "chmod 4711 /usr/lib/su"]
    done = run(" && ".join(lines) + "; stat -c '%n %u %g' /f* /e /usr/lib/two /", upper=upper)
    assert done.returncode == 0, done.stderr
    made = {entry.path: (entry.uid, entry.gid) for entry in diff.entries(upper, small_tree, done.lent)}
    assert {made[f"f{number}"] for number in NUMBERS} == {(number, number) for number in NUMBERS}
    assert (made["e"], made["g"], made["s"], made["sticky"]) == ((5, 6), (1000, 1000), (0, 0), (0, 0))
    assert (made["usr/lib/data/one"], made["usr/lib/two"]) == ((7, 8), (0, 0))
    assert made["usr/lib/data/.wh.two"] == (0, 0)
    for line in done.stdout.decode().splitlines():
        name, *owners = line.split()
        assert tuple(map(int, owners)) == made.get(name.strip("/"), (0, 0))
    on_disk = {path.lstat().st_uid for path in upper.rglob("*") if not stat.S_ISCHR(path.lstat().st_mode)}
    assert on_disk == {*NUMBERS, 5, 7}


def test_numbers_beyond_the_last_are_refused_to_commands(run: Run, small_store: Store, small_tree: Tree) -> None:
    """A file of user 2^30 or later is shown as nobody's in a sandbox, and root cannot give it away."""
    layer = layer_of(small_store, [Entry(path="far", uid=1 << 30, gid=(1 << 32) - 2, mode=0o644, content=b"far")])
    tree = snapshot.Stack(small_tree).push(small_store, layer.descriptor, layer.diff_id).tree
    done = run(f"cat /far; stat -c ' %u %g' /far; chown 0 /far; touch /x; chown {1 << 30} /x", tree=tree)
    assert done.stdout == b"far 65534 65534\n"
    assert done.returncode != 0 and done.stderr.count(b"chown") == 2


def test_file_capabilities_keep_their_bytes(run: Run, upper: Path, small_store: Store, small_tree: Tree) -> None:
    """Copied by a command or copied up, they do not reveal the user namespace in the layer."""
    entries = [
        Entry(path=name, mode=0o755, content=b"x", xattrs={"security.capability": CAPABLE}) for name in ("one", "two")
    ]
    layer = layer_of(small_store, entries)
    tree = snapshot.Stack(small_tree).push(small_store, layer.descriptor, layer.diff_id).tree
    done = run("cp -a /one /copy && echo more >> /two", tree=tree, upper=upper)
    assert done.returncode == 0, done.stderr
    made = {entry.path: entry.xattrs for entry in diff.entries(upper, tree, done.lent)}
    # As on any Linux, writing to a file takes its capabilities away.
    assert made == {"copy": {"security.capability": CAPABLE}, "two": {}}


def test_a_file_of_this_machines_root_is_not_the_sandboxs(run: Run, tmp_path: Path) -> None:
    """In what is mounted as everyone sees it, root of the image reads what everyone may, and changes nothing."""
    place = tmp_path / "place"
    (place / "folder").mkdir(parents=True)
    place.chmod(0o755)
    for name, mode in (("open", 0o644), ("closed", 0o600), ("folder", 0o700)):
        if name != "folder":
            (place / name).write_text(name)
        (place / name).chmod(mode)
    done = run(
        "cat /m/open; cat /m/closed; ls /m/folder; stat -c %u /m/open",
        mounts=(Mount(source=place, target="/m", public=True),),
    )
    assert done.stdout == b"open65534\n" and done.stderr.count(b"Permission denied") == 2


def test_what_is_mounted_for_a_command_is_its_own(run: Run, tmp_path: Path) -> None:
    """A folder that only its owner may enter, in another one: read and written, with the numbers on disk unchanged."""
    place = tmp_path / "closed" / "folder"
    place.mkdir(parents=True)
    (place / "secret").write_text("mine")
    for path, owner in ((place / "secret", 1000), (place, 1000)):
        os.chown(path, owner, owner)
        path.chmod(0o600 if path.is_file() else 0o700)
    place.parent.chmod(0o700)
    line = "cat /m/secret; echo x > /m/new; touch /m/roots; stat -c %u /m/secret"
    assert (
        run(line, uid=1000, gid=1000, mounts=(Mount(source=place, target="/m", writable=True),)).stdout == b"mine1000\n"
    )
    assert (place / "new").stat().st_uid == 1000
    run("touch /m/roots2", mounts=(Mount(source=place, target="/m", writable=True),))
    assert (place / "roots2").stat().st_uid == 0


def test_set_user_id_bits_and_devices_of_mounts_are_useless(run: Run, tmp_path: Path) -> None:
    """On every file system that a sandbox gets from this machine both are off."""
    done = run(
        "cat /proc/self/mounts",
        mounts=(Mount(source=tmp_path, target="/m", writable=True), Mount(source=tmp_path, target="/r")),
    )
    own = ("proc", "sysfs", "devpts", "mqueue", "cgroup", "cgroup2")
    devices = ("/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/random", "/dev/urandom")
    for line in done.stdout.decode().splitlines():
        _, target, kind, options, *_ = line.split()
        if kind not in own and target not in (*devices, "/dev", "/sys/firmware") and not target.startswith("/proc/"):
            assert {"nosuid", "nodev"} <= set(options.split(",")), line


def test_what_only_root_of_this_machine_reads_of_proc_is_closed(run: Run) -> None:
    """Files of /proc that reveal facts of the machine: only root reads them, and the sandbox's root is another user."""
    closed = [path for path in Path("/proc").iterdir() if path.is_file() and not path.stat().st_mode & 0o044]
    closed += [path for path in Path("/proc/sys").rglob("*") if path.is_file() and not path.stat().st_mode & 0o044]
    assert closed
    lines = [f"read -r -n 1 -t 1 x < {path} && echo {path};" for path in closed]
    # What this network namespace owns is the sandbox's to see.
    found = run(f"{{ {''.join(lines)} }} 2> /dev/null; true").stdout.decode().split()
    assert [name for name in found if not name.startswith("/proc/sys/net/")] == []


def test_the_store_may_be_closed_to_everyone_else(tmp_path: Path) -> None:
    """No folder on the way to it needs to be open: the root is put together elsewhere."""
    place = tmp_path / "a" / "b" / "store"
    place.mkdir(parents=True)
    store = Store(place)
    layer = layer_of(store, image_entries())
    tree = snapshot.unpack(store, [(layer.descriptor, layer.diff_id)]).tree
    for folder in (place, *place.iterdir(), place.parent, place.parent.parent):
        if folder.is_dir():
            folder.chmod(0o700)
    (tmp_path / "own").mkdir()
    for user in (0, 1000):
        command = Command(
            arguments=["/bin/bash", "-c", "cat /etc/passwd; ls /"], environment={"PATH": "/bin"}, uid=user, timeout=60
        )
        assert sandbox.run(store, tree, command).stdout.startswith(b"root:")


@pytest.mark.parametrize("user", [0, 1000])
def test_standard_streams_can_be_opened_by_name(run: Run, user: int) -> None:
    """Programs log to /dev/stdout and /dev/stderr, and read /dev/stdin, as any user."""
    done = run("echo out > /dev/stdout; cat /dev/stdin; echo err > /dev/stderr", uid=user, stdin=b"in\n")
    assert (done.stdout, done.stderr) == (b"out\nin\n", b"err\n")


def test_what_is_not_kept_is_passed_on(small_store: Store, small_tree: Tree) -> None:
    """A command that prints where the tool prints has a pipe, not the tool's terminal or file; its reader may go."""
    source = f"""
from pathlib import Path
from airbyte_ci.sandbox import sandbox
from airbyte_ci.rootfs.tree import Tree
from airbyte_ci.oci.store.store import Store

line = "echo out > /dev/stdout; echo err > /dev/stderr; [ -p /proc/self/fd/1 ] && while echo more; do :; done; exit 7"
argv, path = ["/bin/bash", "-c", line], {{"PATH": "/bin"}}
command = sandbox.Command(arguments=argv, environment=path, keep_output=False, stdin=None, timeout=60)
sandbox.run(Store(Path({str(small_store.root)!r})), Tree((Path({str(small_tree.layers[0])!r}),)), command)
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(staging.__file__).parents[2])}
    argv = ["bash", "-c", '"$0" -c "$1" 2> "$2" | head -2', sys.executable, source]
    with subprocess.Popen([*argv, "/dev/stderr"], env=environment, stdout=-1, stderr=-1, text=True) as process:
        out, err = process.communicate(timeout=60)
    assert out == "out\nmore\n" and "err\n" in err


# --- where it cannot be had ------------------------------------------------------------------------


@pytest.fixture
def unable(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system that cannot show other owners."""
    place = tmp_path / "unable"
    place.mkdir()
    subprocess.run(["mount", "-t", "ramfs", "ramfs", place], check=True)
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_without_such_mounts_nothing_runs_unless_the_user_consents(
    unable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line has reason and advice; with consent, commands run as root of this machine, as far as possible."""
    monkeypatch.delenv(staging.CONSENT, raising=False)
    # The kernel may give this file system the number of one that an earlier test has unmounted.
    monkeypatch.setattr(staging, "_obstacles", {})
    monkeypatch.setattr(Store, "require_space", lambda *_: None)  # this file system does not report its free space
    store = Store(unable / "store")
    layer = layer_of(store, image_entries())
    tree = snapshot.unpack(store, [(layer.descriptor, layer.diff_id)]).tree
    limits = Limits(disk=0)
    command = Command(
        arguments=["/bin/head", "-1", "/proc/self/uid_map"], environment={"PATH": "/bin"}, limits=limits, timeout=60
    )
    with pytest.raises(
        SandboxError, match=r"it would run as this machine's root, because Linux .* cannot show"
    ) as caught:
        sandbox.run(store, tree, command)
    assert str(caught.value.advice).endswith(f"export {staging.CONSENT}=1")
    assert list((store.root / "scratch").iterdir()) == []
    monkeypatch.setenv(staging.CONSENT, "1")
    assert sandbox.run(store, tree, command).stdout.split() == [b"0", b"0", b"4294967295"]


def test_what_cannot_be_shown_with_other_owners_is_only_read(run: Run, unable: Path) -> None:
    """A folder there is seen as everyone sees it; to be written it is refused with its name."""
    (unable / "file").write_text("x")
    (unable / "file").chmod(0o644)
    (unable / "closed").write_text("x")
    (unable / "closed").chmod(0o600)
    unable.chmod(0o755)
    assert run("cat /m/file /m/closed", mounts=(Mount(source=unable, target="/m"),)).stdout == b"x"
    with pytest.raises(SandboxError, match="cannot show files with other owners"):
        run("true", mounts=(Mount(source=unable, target="/m", writable=True),))


def test_without_user_namespaces_nothing_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The kernel's refusal is the reason, and the setting that forbids them the advice."""
    monkeypatch.setattr(identities, "_free", [])
    monkeypatch.setattr(identities, "_PROGRAM", ("sh", "-c", "echo unshare: No space left on device >&2; exit 1"))
    with (
        pytest.raises(SandboxError, match=r"cannot make a user namespace .* No space left") as caught,
        identities.borrow(),
    ):
        pass
    assert "user.max_user_namespaces" in str(caught.value.advice)


# --- hooks -----------------------------------------------------------------------------------------

HOOK = """
import json
async def pre_connector_install(c):
    found = [open("/proc/self/uid_map").readline().split()[1]]
    for place in PLACES:
        try:
            found.append(open(place).read())
        except OSError as error:
            found.append(error.strerror)
    return c.with_label("found", json.dumps(found))
"""


def test_a_module_is_nobody_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads its own folder, though that is closed and another user's, and of the system's what everyone may."""
    system = tmp_path / "system"
    system.mkdir()
    for name, mode in (("open", 0o644), ("closed", 0o600)):
        (system / name).write_text(name)
        (system / name).chmod(mode)
    monkeypatch.setattr(module_root, "_LIBRARIES", (*module_root._LIBRARIES, str(system)))
    folder = tmp_path / "closed" / "connector"
    folder.mkdir(parents=True)
    (folder / "own").write_text("own")
    places = [str(folder / "own"), str(system / "open"), str(system / "closed"), "/proc/slabinfo", "/proc/kmsg"]
    (folder / MODULE).write_text(f"PLACES = {places!r}\n{HOOK}")
    for path in (folder / "own", folder / MODULE, folder):
        os.chown(path, 1_234_567, 1_234_567)
        path.chmod(0o700 if path.is_dir() else 0o600)
    folder.parent.chmod(0o700)
    with Conversation(module=folder / MODULE, passed={}) as talk:
        (operation,) = talk.call("pre_connector_install", _nobody).operations
    assert isinstance(operation, SetLabel)
    first, *found = json.loads(operation.value)
    assert int(first) >= 1 << 31
    assert found == ["own", "open", *["Permission denied"] * 3]


def _nobody(question: object) -> object:
    raise AssertionError(f"nobody asked for {question}")
