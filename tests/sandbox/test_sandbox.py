"""The sandbox under the real runc: a command sees its image and nothing of this machine, and leaves nothing."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airbyte_ci.errors import SandboxError
from airbyte_ci.oci.layer import layer_of
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry
from airbyte_ci.rootfs import diff, snapshot
from airbyte_ci.rootfs.tree import Tree
from airbyte_ci.sandbox import sandbox
from airbyte_ci.sandbox.sandbox import Command, Finished, Mount
from tests.small_image import image_entries

PATH = {"PATH": "/bin"}
Run = Callable[..., Finished]


@pytest.fixture
def run(small_store: Store, small_tree: Tree) -> Run:
    """Runs a line of shell in the small image; keywords are Command's, and `upper`."""

    def go(line: str, upper: Path | None = None, **options: Any) -> Finished:
        command = Command(arguments=["/bin/bash", "-c", line], environment=options.pop("environment", PATH), timeout=60)
        return sandbox.run(small_store, small_tree, replace(command, **options), upper=upper)

    return go


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("true", 0),
        ("exit 1", 1),
        ("exit 42", 42),
        ("exit 255", 255),
        ("nothing-of-the-kind", 127),
        ("bash -c 'kill -9 $$'; exit $?", 137),
    ],
)
def test_exit_codes_are_kept(run: Run, line: str, code: int) -> None:
    """The command's own, and 128 with the signal that ended it."""
    assert run(line).returncode == code


def test_output_is_kept_apart_and_as_bytes(run: Run) -> None:
    """stdout and stderr do not mix, and need not be text."""
    done = run(r"printf 'a\0\377b'; printf err >&2; exit 3")
    assert (done.stdout, done.stderr, done.returncode) == (b"a\0\xffb", b"err", 3)


def test_of_endless_output_the_end_is_kept(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last output is the reason of a failed command."""
    monkeypatch.setattr(sandbox, "_OUTPUT_LIMIT", 10)
    assert run("for i in 1 2 3 4 5 6 7 8 9; do echo line $i; done").stdout == b" 8\nline 9\n"


def test_standard_input_is_what_is_given(run: Run) -> None:
    """Bytes and then the end; by default the end at once."""
    assert run("cat", stdin=b"x\0y" * 100_000).stdout == b"x\0y" * 100_000
    assert run("cat; echo done").stdout == b"done\n"
    assert run("true", stdin=b"never read" * 100_000).returncode == 0


def test_the_environment_is_exactly_what_is_given(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of this machine is seen, with network or without; odd values come through."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    environment = {"PATH": "/bin", "A": "b=c d\n'\"$x", "EMPTY": "", "É": "ü"}
    expected = {f"{name}={value}".encode() for name, value in environment.items()}
    found = run("env -0", environment=environment).stdout.split(b"\0")
    assert expected <= set(found)
    extra = {line.partition(b"=")[0] for line in set(found) - expected}
    assert extra <= {b"", b"PWD", b"SHLVL", b"_", b"OLDPWD", b"HOME"}  # the shell's own, and runc's
    done = run("env; cat /proc/1/environ; cat /proc/*/cmdline", network="private")
    assert b"hunter2" not in done.stdout + done.stderr


def test_the_working_directory_is_made_when_it_is_missing(run: Run) -> None:
    """As Docker does for WORKDIR."""
    assert run("pwd", workdir="/usr/lib").stdout == b"/usr/lib\n"
    assert run("pwd", workdir="/not/there").stdout == b"/not/there\n"
    assert run("pwd", workdir="").stdout == b"/\n"


def test_the_user_is_who_is_asked_for(run: Run) -> None:
    """User, group and supplementary groups by number, and no capability but for root."""
    done = run(
        "id -u; id -g; id -G;"
        "while read n v; do case $n in CapEff:|NoNewPrivs:) echo $v;; esac; done < /proc/self/status",
        uid=1000,
        gid=1001,
        groups=(1002, 7),
    )
    assert done.stdout.split() == [b"1000", b"1001", b"1001", b"7", b"1002", b"0" * 16, b"1"]


def test_root_has_only_what_package_managers_need(run: Run) -> None:
    """No mount, no device, no raw network, no tracing, no module: bits 21, 27, 13, 19, 16 and others are off."""
    line = run("while read n v; do case $n in CapBnd:|CapEff:) echo $v;; esac; done < /proc/self/status").stdout
    for word in line.split():
        for bit in (12, 13, 16, 17, 19, 21, 27, 38, 39):
            assert not int(word, 16) >> bit & 1
        assert int(word, 16) & 1  # chown


def test_no_descriptor_of_ours_is_open_in_it(run: Run) -> None:
    """Pipes to the launcher and files of the tool stay outside."""
    assert run("ls /proc/self/fd").stdout.split() == [b"0", b"1", b"2", b"3"]


def test_it_sees_its_own_processes_only(run: Run) -> None:
    """Process numbers begin at one, and the host's are not there."""
    assert run("echo $$; for p in /proc/[0-9]*; do echo ${p##*/}; done").stdout.split() == [b"1", b"1"]


def test_changes_stay_in_the_upper_folder_or_are_thrown_away(run: Run, upper: Path, small_tree: Tree) -> None:
    """With a folder they are in it; without one the image is as it was, and nothing is left on the disk."""
    run("echo new > /new; rm /usr/lib/data/one")
    assert small_tree.entry("new") is None
    run("echo new > /new; rm /usr/lib/data/one", upper=upper)
    assert (upper / "new").read_text() == "new\n"
    assert small_tree.read("usr/lib/data/one") == b"one"
    assert {entry.path for entry in diff.entries(upper, small_tree, frozenset())} >= {"new", "usr/lib/data/.wh.one"}


def test_nothing_is_left_behind(run: Run, small_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """No scratch folder, no mount, no control group."""
    names: set[str] = set()
    scratch = Store.scratch

    @contextmanager
    def noted(store: Store) -> Iterator[Path]:
        with scratch(store) as folder:
            names.add(folder.name)
            yield folder

    monkeypatch.setattr(Store, "scratch", noted)
    run("sleep 0.2 & sleep 0.1", network="private")
    with pytest.raises(SandboxError):
        run("sleep 60", timeout=0.5)
    assert len(names) == 2
    assert list((small_store.root / "scratch").iterdir()) == []
    assert str(small_store.root) not in Path("/proc/mounts").read_text()
    assert [path for path in Path("/sys/fs/cgroup").rglob("tmp*") if path.name in names] == []


@pytest.mark.parametrize("network", ["none", "private"])
@pytest.mark.parametrize("bare", [False, True], ids=["whole image", "image without folders"])
def test_what_is_lent_leaves_no_trace(
    small_store: Store, small_tree: Tree, upper: Path, tmp_path: Path, network: sandbox.Network, bare: bool
) -> None:
    """Name servers, hosts, certificates, mounts and /proc do not reach the layer, even where the image has no /etc."""
    tree = small_tree
    if bare:
        entries = [entry for entry in image_entries() if entry.path.startswith(("bin/", "lib", "usr"))]
        layer = layer_of(small_store, entries)
        tree = snapshot.unpack(small_store, [(layer.descriptor, layer.diff_id)]).tree
    command = Command(
        arguments=["/bin/true"],
        environment=PATH,
        network=network,
        mounts=(Mount(source=tmp_path, target="/a/deep/place"),),
        timeout=60,
    )
    done = sandbox.run(small_store, tree, command, upper=upper)
    assert done.returncode == 0
    assert diff.entries(upper, tree, done.lent) == []


def test_certificates_are_lent_with_the_network(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Custom certificates work in hooks; without network they are not mounted."""
    (tmp_path / "company.pem").write_text("CERTIFICATE")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "company.pem"))
    assert run('cat "$SSL_CERT_FILE" "$PIP_CERT"', network="private").stdout == b"CERTIFICATE" * 2
    assert run('echo "$SSL_CERT_FILE"; ls /.airbyte-ci').stdout == b"\n"


def test_mounts_are_read_only_unless_writable(run: Run, tmp_path: Path) -> None:
    """Folders and single files of the host, as requested."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "f").write_text("in")
    (tmp_path / "out").mkdir()
    (tmp_path / "a file").write_text("single")
    done = run(
        "cat /in/f '/etc/a file'; echo x > /out/made; echo x > /in/f; echo x > '/etc/a file'; echo $?",
        mounts=(
            Mount(source=tmp_path / "in", target="/in"),
            Mount(source=tmp_path / "out", target="/out", writable=True),
            Mount(source=tmp_path / "a file", target="/etc/a file"),
        ),
    )
    assert done.stdout == b"insingle1\n"
    assert (tmp_path / "out" / "made").read_text() == "x\n"
    assert (tmp_path / "in" / "f").read_text() == "in"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["nothing-of-the-kind"], "nothing-of-the-kind"),
        (["/bin/nothing"], "/bin/nothing"),
        (["/etc/passwd"], "/etc/passwd"),
        (["/usr"], "/usr"),
        (["a" * 100_000], "aaa"),
    ],
    ids=["not on PATH", "not there", "not executable", "a folder", "very long"],
)
def test_what_cannot_be_started_is_a_sandbox_error_that_names_it(
    small_store: Store, small_tree: Tree, arguments: list[str], word: str
) -> None:
    """Not an exit code: nothing of the image has run."""
    with pytest.raises(SandboxError) as caught:
        sandbox.run(small_store, small_tree, Command(arguments=arguments, environment=PATH, timeout=60))
    assert word in caught.value.message


def test_an_image_that_cannot_be_mounted_is_a_sandbox_error(small_store: Store, small_tree: Tree) -> None:
    """A missing snapshot, or more layers than the kernel supports, is not reported as the command's exit code."""
    gone = Tree((small_store.root / "snapshots" / "gone", *small_tree.layers))
    (small_store.root / "snapshots" / "gone").mkdir()
    command = Command(arguments=["/bin/true"], environment=PATH, timeout=60)
    upper = small_store.root / "not" / "there"
    with pytest.raises((SandboxError, FileNotFoundError)):
        sandbox.run(small_store, gone, command, upper=upper)
    with pytest.raises(SandboxError, match="too many layers"):
        sandbox.run(small_store, Tree(small_tree.layers * 501), command)
    with pytest.raises(SandboxError, match="cannot mount the image"):
        sandbox.run(small_store, Tree((*small_tree.layers, *small_tree.layers)), command)


def test_an_image_may_have_as_many_layers_as_overlayfs_takes(small_store: Store, small_tree: Tree) -> None:
    """With the store anywhere, and with layer names of any length."""
    layers = [small_store.root / "snapshots" / f"{number:040}" for number in range(500 - len(small_tree.layers))]
    for number, layer in enumerate(layers):
        layer.mkdir()
        (layer / f"f{number}").write_text(f"{number}\n")
    tree = Tree((*layers, *small_tree.layers))
    done = sandbox.run(
        small_store, tree, Command(arguments=["/bin/bash", "-c", "cat /f*"], environment=PATH, timeout=60)
    )
    assert sorted(map(int, done.stdout.split())) == list(range(len(layers))), done.stderr


@pytest.mark.parametrize("user", [0, 1000])
def test_the_umask_does_not_close_the_root(small_store: Store, small_tree: Tree, upper: Path, user: int) -> None:
    """The image's `/` has its own mode, independent of the user of the tool."""
    before = os.umask(0o077)
    try:
        upper.chmod(0o700)
        command = Command(
            arguments=["/bin/bash", "-c", "stat -c %a / && cat /etc/passwd"],
            environment=PATH,
            uid=user,
            gid=user,
            timeout=60,
        )
        for place in (None, upper):
            done = sandbox.run(small_store, small_tree, command, upper=place)
            assert done.stdout.startswith(b"755\nroot:"), done.stderr
    finally:
        os.umask(before)


def test_the_store_may_be_anywhere(tmp_path: Path, small_store: Store) -> None:
    """Commas, colons and blanks in its path are no options of a mount."""
    place = tmp_path / "a,b:c d\\e'f"
    place.mkdir()
    store = Store(place)
    layer = layer_of(store, image_entries())
    tree = snapshot.unpack(store, [(layer.descriptor, layer.diff_id)]).tree
    done = sandbox.run(store, tree, Command(arguments=["/bin/cat", "/etc/passwd"], environment=PATH, timeout=60))
    assert done.stdout.startswith(b"root:")


def test_devices_of_an_image_do_not_work(small_store: Store, small_tree: Tree) -> None:
    """A node for this machine's disk in a hostile base opens nothing; /dev has the harmless ones."""
    layer = layer_of(small_store, [Entry(path="disk", kind="char", mode=0o666, device=(1, 5))])
    tree = snapshot.Stack(small_tree).push(small_store, layer.descriptor, layer.diff_id).tree
    node = tree.entry("disk")
    assert node is not None and stat.S_ISCHR(node.status.st_mode)
    line = "dd if=/disk of=/copy bs=1 count=1; dd if=/dev/zero of=/copy bs=1 count=7; stat -c %s /copy; ls /dev"
    done = sandbox.run(small_store, tree, Command(arguments=["/bin/bash", "-c", line], environment=PATH, timeout=60))
    assert b"Permission denied" in done.stderr
    size, *names = done.stdout.decode().split()
    assert size == "7"
    harmless = {
        "console",
        "core",
        "fd",
        "full",
        "mqueue",
        "null",
        "ptmx",
        "pts",
        "random",
        "shm",
        "tty",
        "urandom",
        "zero",
    }
    assert set(names) <= harmless | {"stdin", "stdout", "stderr"}


def test_this_machines_control_groups_and_settings_are_out_of_reach(run: Run) -> None:
    """Nothing under /sys and /proc/sys can be written, by root of the image either."""
    done = run(
        "ls /sys/fs/cgroup; for d in /sys /sys/fs/cgroup /sys/kernel; do mkdir $d/x && echo made $d; done;"
        "echo x > /proc/sys/kernel/hostname && echo wrote; echo b > /proc/sysrq-trigger && echo wrote; true"
    )
    assert done.stdout == b""


def test_localhost_is_a_name(run: Run) -> None:
    """Images have no /etc/hosts, and programs expect one."""
    assert b"127.0.0.1" in run("cat /etc/hosts").stdout


def test_many_run_at_once(run: Run) -> None:
    """Threads do not disturb each other's pipes, mounts and processes."""
    with ThreadPoolExecutor(4) as executor:
        outputs = list(executor.map(lambda n: run(f"echo {n}; exit {n}", network="private"), range(8)))
    assert [(done.stdout, done.returncode) for done in outputs] == [(f"{n}\n".encode(), n) for n in range(8)]


def test_missing_programs_are_named_with_their_packages(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The advice can be pasted into a shell."""
    monkeypatch.setenv("PATH", "/nonexistent")
    assert sandbox.missing_tools("none") == ["runc", "unshare", "setpriv", "mount", "ip"]
    with pytest.raises(SandboxError, match=r"apt-get install iproute2 mount runc slirp4netns util-linux$"):
        run("true", network="private")


def test_a_user_without_rights_is_told_what_to_do(small_store: Store) -> None:
    """Not a traceback from mount, but one sentence."""
    script = (
        "import os; from airbyte_ci.sandbox import sandbox; os.setgid(65534); os.setuid(65534)\n"
        "try: sandbox.require('none')\n"
        "except sandbox.SandboxError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": _source()}
    )
    assert done.stdout.startswith("cannot build without root: ") and "sudo" in done.stdout


def _source() -> str:
    import airbyte_ci

    return str(Path(airbyte_ci.__file__).parents[1])
