"""Malicious hooks: the module, which is Python, and its commands, which are root in an image."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import airbyte_ci
from airbyte_ci.dagger import Exec, Question, SetLabel
from airbyte_ci.errors import HookError, SandboxError
from airbyte_ci.hooks.conversation import MODULE, Conversation, HookRecord
from airbyte_ci.oci.image import Image
from airbyte_ci.oci.layer import layer_of
from airbyte_ci.oci.store.store import Store
from airbyte_ci.recipe.evaluate import Evaluator
from airbyte_ci.rootfs import snapshot
from airbyte_ci.rootfs.tree import Tree
from airbyte_ci.sandbox import control_groups, network, sandbox, seccomp
from airbyte_ci.sandbox.command import Limits
from airbyte_ci.sandbox.sandbox import Command, Finished
from tests.processes import Pause, processes, until
from tests.small_image import image_entries

pytestmark = pytest.mark.slow

HEADER = "import os, sys\nasync def pre_connector_install(c):\n"
Run = Callable[..., Finished]


def hook(folder: Path, body: str, timeout: float = 30, answer: Any = None) -> HookRecord:
    module = folder / "connector" / MODULE
    module.parent.mkdir(exist_ok=True)
    module.write_text(HEADER + textwrap.indent(textwrap.dedent(body), "    "))

    def nobody(question: Question) -> Any:
        raise AssertionError(f"nobody asked for {question}")

    with Conversation(module=module, passed={}, timeout=timeout) as talk:
        return talk.call("pre_connector_install", answer or nobody)


def label(record: HookRecord) -> str:
    (operation,) = record.operations
    assert isinstance(operation, SetLabel)
    return operation.value


# --- the module ------------------------------------------------------------------------------------


def test_a_module_sees_nothing_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither files of the user and the system, nor the tool, nor secrets next to the hook, nor processes."""
    (tmp_path / "beside").write_text("hunter2")
    secrets = tmp_path / "connector" / "secrets"
    secrets.mkdir(parents=True)
    (secrets / "config.json").write_text("hunter2")
    (secrets.parent / ".env").write_text("TOKEN=hunter2")
    (secrets.parent / "link").symlink_to(tmp_path / "beside")
    (secrets.parent / "own").write_text("mine")
    body = f"""
    found = []
    places = [{str(tmp_path / "beside")!r}, "secrets/config.json", ".env", "link", "/etc/passwd", "/etc/shadow"]
    places += [{str(Path.home() / ".ssh")!r}, {str(Path(airbyte_ci.__file__))!r}, "/proc/1/root/etc/hostname", "/home"]
    for place in places:
        try:
            found.append(place if os.path.isdir(place) else open(place).read())
        except OSError:
            pass
    owns = open("own").read()
    numbers = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
    return c.with_label("found", repr((found, owns, numbers, sorted(os.listdir("secrets")))))
    """
    assert label(hook(tmp_path, body)) == "([''], 'mine', [1], [])"


def test_a_module_changes_nothing(tmp_path: Path) -> None:
    """Its folder, its interpreter and its root are read-only; it has no capability and no way to mount or to leave."""
    body = """
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    done = []
    for place in (__file__, "new", sys.executable, os.__file__, "/new", "/lib/new", "/airbyte-ci/dagger/api.py"):
        try:
            open(place, "a").close()
            done.append(place)
        except OSError:
            pass
    for call in (lambda: libc.mount(b"none", b"/tmp", b"tmpfs", 0, None), lambda: libc.unshare(0x10000000),
                 lambda: libc.umount2(b"/proc", 2), lambda: libc.ptrace(16, 1, None, None), lambda: os.chroot("/tmp"),
                 lambda: os.mknod("/tmp/disk", 0o60666, os.makedev(8, 0)), lambda: os.setuid(1000)):
        try:
            if call() == 0:
                done.append(str(call))
        except OSError:
            pass
    open("/tmp/scratch", "w").close()
    return c.with_label("done", repr(done))
    """
    assert label(hook(tmp_path, body)) == "[]"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("while True:\n    try:\n        os.fork()\n    except OSError:\n        pass", "did not finish in 2 s"),
        (
            "held = []\nwhile True: held.append(bytearray(64 << 20))",
            "its process ended, killed: it probably used more than 1024 MiB",
        ),
        (
            "with open('/tmp/f', 'wb') as file:\n    while True: file.write(bytes(1 << 20))",
            r"build_customization\.py:\d: OSError: .*[Nn]o space",
        ),
        ("while True: os.write(1, b'x' * 65536)", "did not finish in 2 s"),
        ("return 'nonsense'", "must return a container"),
    ],
    ids=["forks", "takes memory", "fills the disk", "prints without end", "returns nonsense"],
)
def test_a_module_that_takes_everything_is_ended(tmp_path: Path, body: str, message: str) -> None:
    """In time, with its children, and this machine's memory and disk as they were."""
    with pytest.raises(HookError, match=message):
        hook(tmp_path, body, timeout=2 if "2 s" in message else 60)
    assert until(lambda: processes(str(tmp_path / "connector")) == [])


def test_a_gigabyte_of_talk_is_nobodys_memory(tmp_path: Path) -> None:
    """The output is read and discarded; its end is available when needed."""
    body = "for _ in range(1 << 14): os.write(1, b'x' * 65535 + b'\\n')\nprint('last', flush=True)\nos._exit(1)"
    before = _peak()
    with pytest.raises(HookError, match="its process ended: last"):
        hook(tmp_path, body)
    assert _peak() - before < 32 << 10


def _peak() -> int:
    """This process' largest resident size so far, in KiB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def test_a_hook_asks_and_branches(tmp_path: Path, small_store: Store, small_image: Image) -> None:
    """The answer comes from the real image, and decides what is built; an event loop of its own does no harm."""
    body = """
    import asyncio
    async def ask(c): return (await c.with_exec(["id", "-u"]).stdout()).strip()
    one, two = await asyncio.gather(ask(c), ask(c.with_user("airbyte")))
    return c.with_label("ids", f"{one} {two}") if one == "0" else c
    """
    evaluator = Evaluator(small_store, small_image, timeout=60)
    record = hook(tmp_path, body, answer=lambda question: evaluator.answer((), question))
    assert label(record) == "0 1000"
    assert [answer[2] for answer in record.answers] == ["0\n", "1000\n"]


# --- its commands ----------------------------------------------------------------------------------


@pytest.fixture
def run(small_store: Store, small_tree: Tree) -> Run:
    def go(line: str, **options: Any) -> Finished:
        command = Command(arguments=["/bin/bash", "-c", line], environment={"PATH": "/bin"}, timeout=60)
        return sandbox.run(small_store, small_tree, replace(command, **options))

    return go


def test_root_of_an_image_is_nobody_here(run: Run) -> None:
    """It is in a user namespace below this one, as a user without account, and has no right over anything outside."""
    inside = run(
        "head -1 /proc/self/uid_map; stat -L -c %i /proc/self/ns/user; stat -L -c %i /proc/self/ns/net"
    ).stdout.split()
    assert inside[0] == b"0" and int(inside[1]) >= 1 << 31
    for number, kind in zip(inside[3:], ("user", "net"), strict=True):
        assert int(number) != Path(f"/proc/self/ns/{kind}").stat().st_ino


@pytest.mark.parametrize(
    "line",
    [
        "mount -t tmpfs none /tmp",
        "mount -t proc proc /tmp",
        "mount --bind / /tmp",
        "mount -o remount,rw /sys",
        "unshare --user true",
        "unshare --mount true",
        "unshare --net true",
        "mknod /tmp/disk b 8 0",
        "echo x > /proc/sys/kernel/core_pattern",
        "echo 1 > /proc/sys/vm/drop_caches",
        "echo b > /proc/sysrq-trigger",
        "echo 0 > /proc/sys/net/ipv4/ip_forward",
        "mkdir /sys/fs/cgroup/x",
        'cat /proc/kcore | head -c 1 | { read -r -N 1 x && [ -n "$x" ]; }',
        "exec 3<>/dev/tcp/169.254.169.254/80",
    ],
)
@pytest.mark.parametrize("kind", ["none", "private"])
def test_a_command_has_no_way_out(run: Run, line: str, kind: sandbox.Network) -> None:
    """Mounts, namespaces, devices, the kernel's settings, and the address where clouds keep credentials."""
    assert run(line, network=kind).returncode != 0


def test_set_user_id_programs_give_nothing(small_store: Store, small_tree: Tree) -> None:
    """Root's own program with the bit set, run by a user of the image, stays that user's."""
    program = next(entry for entry in image_entries() if entry.path == "bin/id")
    layer = layer_of(small_store, [replace(program, path="su-id", mode=0o6755)])
    tree = snapshot.Stack(small_tree).push(small_store, layer.descriptor, layer.diff_id).tree
    command = Command(arguments=["/su-id"], environment={"PATH": "/bin"}, uid=1000, gid=1001, timeout=60)
    assert b"euid" not in sandbox.run(small_store, tree, command).stdout


def test_links_lead_nowhere(small_store: Store, small_image: Image, tmp_path: Path) -> None:
    """A command's links lead into the image, also for the tool that reads and writes there afterwards."""
    (tmp_path / "secret").write_text("hunter2")
    evaluator = Evaluator(small_store, small_image, timeout=60)
    line = f"ln -s {tmp_path}/secret /leak; ln -s {tmp_path} /out; ln -s ../../../../../../{tmp_path} /up"
    plant = Exec(("bash", "-c", line))
    for path in ("/leak", "/out/secret", "/up/secret"):
        with pytest.raises(HookError, match="not a file in the image"):
            evaluator.answer((), Question("file", (plant,), path))
    evaluator.image((plant, Exec(("bash", "-c", "mkdir -p /out/x; echo x > /up/y; true"))), {})
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_a_fork_bomb_meets_its_limit(run: Run) -> None:
    """The command cannot start more than it may, and nothing of it stays."""
    pause = Pause()
    # dash gives up at the first process that it cannot start.
    done = run(f"exec sh -c 'while true; do {pause.shell} & echo started; done'", limits=Limits(processes=50))
    assert done.returncode and b"fork" in done.stderr, done
    assert 10 < done.stdout.count(b"started") <= 50
    assert pause.reached() == []


def test_memory_is_limited(run: Run) -> None:
    """A command that uses more is killed, and the build names the likely cause."""
    line = "x=$(head -c 200000000 /dev/zero | tail -c 199999999 | { read -r -N 150000000 x; echo ${#x}; }); echo $x"
    assert run("echo fine", limits=Limits(memory=64 << 20)).stdout == b"fine\n"
    done = run(
        f"head -c 300000000 /dev/zero | tail -c 299999999 > /dev/null; echo ${{PIPESTATUS[1]}}; {line}",
        limits=Limits(memory=64 << 20),
    )
    assert done.returncode == 137 or done.stdout.startswith(b"137")


def test_the_disk_is_not_filled(tmp_path: Path) -> None:
    """A command that fills the store's disk is killed; its files are removed."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300m", "tmpfs", place], check=True)
    try:
        store = Store(place / "store")
        layer = layer_of(store, image_entries())
        tree = snapshot.unpack(store, [(layer.descriptor, layer.diff_id)]).tree
        line = "while dd if=/dev/zero of=/f$((n++)) bs=1M count=4; do sleep 0.02; done; sleep 60"
        command = Command(
            arguments=["/bin/bash", "-c", line], environment={"PATH": "/bin"}, limits=Limits(disk=128 << 20), timeout=60
        )
        with pytest.raises(SandboxError, match="killed because it filled the disk of the store"):
            sandbox.run(store, tree, command)
        assert list((store.root / "scratch").iterdir()) == []
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def test_a_gigabyte_of_output_is_cut_and_said(small_store: Store, small_image: Image) -> None:
    """The last part is kept; a hook that requests all of it gets an error, and others are not affected."""
    evaluator = Evaluator(small_store, small_image, timeout=120)
    flood = Exec(("bash", "-c", "head -c 1000000000 /dev/zero; echo last >&2"))
    before = _peak()
    assert evaluator.answer((), Question("exit_code", (flood,))) == 0
    with pytest.raises(HookError, match="more than airbyte-ci keeps"):
        evaluator.answer((), Question("stdout", (flood,)))
    assert _peak() - before < 200 << 10


def test_long_output_is_not_kept_in_memory(small_store: Store, small_image: Image) -> None:
    """A recipe has many states, and each one that is queried again still returns its command's output."""
    evaluator = Evaluator(small_store, small_image, timeout=120)
    commands = [
        Exec(("bash", "-c", f"printf -v x %010000000d {number}; echo $x; : {os.urandom(8).hex()}"))
        for number in range(12)
    ]
    before = _peak()
    lengths = {len(evaluator.answer((), Question("stdout", (command,)))) for command in commands}
    assert lengths == {10_000_001}
    assert evaluator.answer((), Question("stdout", (commands[3],))).endswith("003\n")
    assert _peak() - before < 90 << 10


# --- the network -----------------------------------------------------------------------------------


def test_this_machines_own_addresses_are_out_of_reach(tmp_path: Path, small_store: Store, small_tree: Tree) -> None:
    """On no address of its own and on no port of its name server's but that of names; other machines are in reach."""
    source = f"""
import socket, sys, threading
from pathlib import Path
from airbyte_ci.sandbox import sandbox
from airbyte_ci.rootfs.tree import Tree
from airbyte_ci.oci.store.store import Store

def serve(address, port):
    listening = socket.create_server((address, port))
    def loop():
        while True:
            connection, _ = listening.accept()
            connection.sendall(b"reached")
            connection.close()
    threading.Thread(target=loop, daemon=True).start()

for place in (("198.51.100.1", 8080), ("198.51.100.1", 3128), ("203.0.113.1", 8080), ("127.0.0.53", 8080)):
    serve(*place)
tries = ["198.51.100.1/8080", "203.0.113.1/8080", "10.0.2.2/8080", "10.0.2.3/8080", "127.0.0.53/8080",
         "198.51.100.1/3128", "198.51.100.9/8080"]
line = "".join(
    f"(exec 3<>/dev/tcp/{{place}} && read -r -N 7 x <&3 && echo {{place}} $x) 2> /dev/null;" for place in tries
)
path = {{"PATH": "/bin"}}
command = sandbox.Command(arguments=["/bin/bash", "-c", line], environment=path, network="private", timeout=60)
done = sandbox.run(Store(Path({str(small_store.root)!r})), Tree((Path({str(small_tree.layers[0])!r}),)), command)
print(done.stdout.decode())
"""
    setup = """
ip link set lo up
ip addr add 198.51.100.1/32 dev lo && ip addr add 203.0.113.1/32 dev lo
mount --bind "$2" /etc/resolv.conf
exec "$0" -c "$1"
"""
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.53\n")
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(airbyte_ci.__file__).parents[1]),
        "HTTP_PROXY": "http://198.51.100.1:3128",
    }
    argv = ["unshare", "--net", "--mount", "sh", "-c", setup, sys.executable, source, str(tmp_path / "resolv.conf")]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    # The proxy that the environment names is the one thing of this machine that stays open.
    assert done.stdout.split("\n")[:-1] == ["198.51.100.1/3128 reached", ""], done


def test_only_what_used_the_network_is_marked(run: Run) -> None:
    """A command that sent nothing can be repeated: it has the same result anywhere."""
    assert not run("echo x; exec 3<>/dev/tcp/127.0.0.1/9", network="private").used_network
    assert run("echo x > /dev/udp/192.0.2.7/9", network="private").used_network


FIB = """
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 192.0.2.0
        /24 link UNICAST
Local:
  +-- 0.0.0.0/0 3 0 5
     +-- 127.0.0.0/8 2 0 2
           |-- 127.0.0.1
              /32 host LOCAL
        |-- 192.0.2.2
           /32 host LOCAL
        |-- 192.0.2.255
           /32 link BROADCAST
"""


def test_own_addresses_are_read_from_the_kernel() -> None:
    """Local ones but loopback's; not networks, not broadcast addresses."""
    assert network.own_addresses(FIB) == ("192.0.2.2",)


# --- what is left ----------------------------------------------------------------------------------


def test_control_groups_of_the_dead_are_swept(run: Run) -> None:
    """The next command removes what a killed process left; groups of the living stay."""
    place = next(path for path in control_groups._places() if os.access(path, os.W_OK) and path.is_dir())
    name = control_groups.new_name()
    dead = place / name.replace(f"-{os.getpid()}-", "-4194303-")
    alive = place / name
    dead.mkdir()
    alive.mkdir()
    try:
        run("true")
        assert (dead.exists(), alive.exists()) == (False, True)
    finally:
        control_groups.remove(name)


def test_the_refused_calls_have_reasons() -> None:
    """The profile is data: every call once, each group with its reason, the other ABIs of the machine included."""
    names = [name for group in seccomp.REFUSED.values() for name in group]
    assert len(names) == len(set(names)) and all(len(reason) > 20 or reason for reason in seccomp.REFUSED)
    profile = seccomp.profile("x86_64")
    # Unlisted calls are missing: a list of refused calls would allow those of a newer kernel.
    assert "SCMP_ARCH_X86" in profile["architectures"] and profile["defaultAction"] == "SCMP_ACT_ERRNO"
    assert {"mount", "bpf", "setns"} <= set(profile["syscalls"][0]["names"])


def test_without_control_groups_commands_run_all_the_same(tmp_path: Path, small_store: Store, small_tree: Tree) -> None:
    """If runc may not create groups, it runs without them; the remaining limits are those of processes."""
    (tmp_path / MODULE).write_text("def pre_connector_install(c): return c.with_user('x')")
    source = f"""
from pathlib import Path
from airbyte_ci.sandbox import control_groups, sandbox
from airbyte_ci.hooks.conversation import Conversation
from airbyte_ci.rootfs.tree import Tree
from airbyte_ci.oci.store.store import Store

store, tree = Store(Path({str(small_store.root)!r})), Tree((Path({str(small_tree.layers[0])!r}),))
argv = ["/bin/bash", "-c", "ulimit -u"]
limits = sandbox.Limits(processes=77)
command = sandbox.Command(arguments=argv, environment={{"PATH": "/bin"}}, limits=limits, timeout=60)
for _ in range(2):
    print(sandbox.run(store, tree, command).stdout.decode().strip(), "cgroup" in control_groups.refusal())
control_groups._refusals.clear()
with Conversation(module=Path({str(tmp_path / MODULE)!r}), passed={{}}) as talk:
    print(len(talk.call("pre_connector_install", None).operations), "cgroup" in control_groups.refusal())
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(airbyte_ci.__file__).parents[1])}
    # As in many a container: they are there to be read.
    lock = 'for m in $(grep -o " /sys/fs/cgroup[^ ]*" /proc/mounts); do mount -o remount,bind,ro "$m"; done'
    argv = ["unshare", "--mount", "sh", "-c", f'{lock}; exec "$0" -c "$1"']
    done = subprocess.run([*argv, sys.executable, source], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["77 True", "77 True", "1 True"], done.stderr
