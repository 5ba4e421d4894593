"""The runner for machines without runc: the whole tool again, in a Linux container of a docker-compatible program.

The store has to be on Linux as well, not only the commands: a Mac's file system keeps neither the owners of an image's
files nor devices, nor names that differ only in case. So the container holds airbyte-ci itself, a volume holds the
store, and commands run under runc inside, in the same sandbox as on Linux. Digests are equal for that reason.
"""

import csv
import hashlib
import io
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from airbyte_ci.config import RUNNER_BASE
from airbyte_ci.errors import SandboxError
from airbyte_ci.sandbox import lending, runner
from airbyte_ci.sandbox.runner import Runner

_PYTHON = "3.11"  # bookworm's
_PACKAGES = "ca-certificates git iproute2 mmdebstrap mount openssh-client python3 runc slirp4netns uidmap util-linux"
_NAME = "airbyte-ci-runner"
_LABEL = "io.airbyte.ci.runner"
_VOLUME = "/var/cache/airbyte-ci"
# uv's names of the machines on which such programs run.
_MACHINES = {"amd64": "x86_64", "x86_64": "x86_64", "arm64": "aarch64", "aarch64": "aarch64"}
# Variables that describe this machine and not the work, by name or by the start of it.
_OWN = re.compile(
    r"PATH|HOME|PWD|OLDPWD|SHELL|USER|LOGNAME|TMPDIR|TEMP|TMP|HOSTNAME|MAIL|DISPLAY|SHLVL|_"
    r"|(AIRBYTE_CI_HOME|AIRBYTE_CI_RUNNER.*|VIRTUAL_ENV|(PYTHON|LD_|DYLD_|XDG_|DOCKER_|CONTAINER_|SSH_AUTH|__|DBUS_).*)"
)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# These are the container's own, the first ones with everything below.
_SYSTEM = re.compile(r"/(bin|boot|dev|etc|lib\w*|proc|sbin|sys|usr)(/.*)?|/(opt|run|var(/(cache|lib|log|run))?)?")
_PATH_LIMIT = 4096
# The rights of the container: to mount and to create namespaces with numbers of their own (SYS_ADMIN, and SYS_PTRACE
# for runc), and to connect sandboxes with the network. The sandbox inside has its own filter of system calls.
_CAPABILITIES = ("SYS_ADMIN", "SYS_PTRACE", "NET_ADMIN")
_UNCONFINED = ("seccomp=unconfined", "apparmor=unconfined")


@dataclass(frozen=True, slots=True)
class ContainerUser:
    """The user of the container: root where the daemon maps it to this user, else this user's numbers."""

    uid: int
    gid: int


def enter(chosen: Runner, arguments: Sequence[str]) -> None:
    """Replaces this process with the command in a container; does nothing if runc runs here.

    The first time, this builds the container's image, whose progress the program itself shows on stderr. Raises
    SandboxError.
    """
    if chosen.program is None:
        return
    user = _user(chosen.program)
    image = _prepare(chosen.program, os.environ, user)
    command = run_command(
        chosen, image, user, arguments, os.environ, folder=Path.cwd(), is_terminal=all(map(os.isatty, range(3)))
    )
    sys.stdout.flush()
    os.execvp(command[0], command)


def run_command(
    chosen: Runner,
    image: str,
    user: ContainerUser,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    folder: Path,
    is_terminal: bool,
) -> list[str]:
    """Returns the command line of the container.

    It sees the user's home, the repository and folders that arguments name, at their own paths. Whatever it runs of a
    connector is confined by the sandbox inside.
    """
    assert chosen.program is not None
    home = Path(environment.get("HOME") or "~").expanduser()
    variables = {
        "HOME": str(home),
        "AIRBYTE_CI_HOME": f"{_VOLUME}/store",
        "XDG_CACHE_HOME": f"{_VOLUME}/cache",
        "TMPDIR": f"{_VOLUME}/tmp",
        runner.INSIDE: f"in a container of {chosen.program}, {chosen.why}",
    }
    passed = [name for name in sorted(environment) if _VARIABLE.fullmatch(name) and not _OWN.fullmatch(name)]
    return [
        *(chosen.program, "run", "--rm", "--init", "--network=host", "--interactive"),
        *_rights(chosen.program),
        *(["--tty"] if is_terminal else []),
        f"--user={user.uid}:{user.gid}",
        f"--workdir={folder}",
        f"--mount={_mount('volume', volume(environment, user), _VOLUME)}",
        *(f"--mount={_mount('bind', str(item), str(item))}" for item in shared_folders(folder, home, arguments)),
        *(
            f"--mount={_mount('bind', str(item), str(item), 'readonly')}"
            for item in lending.all_certificates(environment)
            if item.is_absolute()
        ),
        *(f"--env={name}" for name in passed),
        *(f"--env={name}={value}" for name, value in variables.items()),
        *(image, *arguments),
    ]


def _rights(program: str) -> Iterator[str]:
    yield from (f"--cap-add={name}" for name in _CAPABILITIES)
    # Commands need a /proc of their own, whose network settings can be written; and SELinux would hide shared folders.
    more = {"docker": ("systempaths=unconfined", "label=disable"), "podman": ("unmask=ALL", "label=disable")}
    options = (*_UNCONFINED, *more.get(program, ("systempaths=unconfined",)))
    yield from (f"--security-opt={option}" for option in options)
    yield "--device=/dev/net/tun"


def volume(environment: Mapping[str, str], user: ContainerUser) -> str:
    """Returns the name of the volume that stands for the store of this user, or of AIRBYTE_CI_HOME."""
    place = environment.get("AIRBYTE_CI_HOME") or environment.get("HOME", "")
    return f"airbyte-ci-store-{hashlib.sha256(f'{user.uid} {place}'.encode()).hexdigest()[:12]}"


def shared_folders(folder: Path, home: Path, arguments: Sequence[str]) -> list[Path]:
    """Returns the folders of this machine that the command needs: no folder of the system, and none below another."""
    found = [home, *(part for item in (folder, *_named(folder, arguments)) for part in _with_repository(item))]
    kept = sorted({item for item in found if item.is_dir() and not _SYSTEM.fullmatch(str(item))})
    return [item for item in kept if not any(other in kept for other in item.parents)]


def _with_repository(folder: Path) -> Iterator[Path]:
    """Yields the repository around a folder, or the folder itself; for a worktree, also the one that it belongs to."""
    root = next((item for item in (folder, *folder.parents) if (item / ".git").exists()), folder)
    yield root
    link = root / ".git"
    if link.is_file():  # `gitdir: /repository/.git/worktrees/name` (gitrepository-layout(5))
        with link.open(errors="replace") as file:
            target = root / file.readline(_PATH_LIMIT).removeprefix("gitdir:").strip()
        yield from (item for item in target.parents if item.name == ".git")


def _named(folder: Path, arguments: Sequence[str]) -> Iterator[Path]:
    """Yields the folders of paths in arguments: `/a`, `--option=/a`, `/a:/target`, `kind:/a`."""
    for argument in arguments:
        for part in re.split(r"[=:,]", argument):
            if "/" in part:
                place = Path(os.path.normpath(folder / Path(part).expanduser()))
                yield from next(([item] for item in (place, place.parent) if item.is_dir()), [])


def _mount(kind: str, source: str, target: str, *more: str) -> str:
    """Returns the value of `--mount`, a line of CSV."""
    line = io.StringIO()
    csv.writer(line).writerow([f"type={kind}", f"source={source}", f"target={target}", *more])
    return line.getvalue().strip()


# --- the image ------------------------------------------------------------------------------------


def dockerfile(base: str, user: ContainerUser) -> str:
    """Returns the Dockerfile of the container's image; its build context is `_write_context`'s."""
    lines = [
        f"FROM {base}",
        "USER 0",
        f"LABEL {_LABEL}=1",
        f"RUN apt-get update && apt-get install --yes --no-install-recommends {_PACKAGES} && "
        "rm -rf /var/lib/apt/lists/*",
        # On some machines, folders that are shared with a container seem to have another owner.
        "RUN git config --system --add safe.directory '*'",
        f"RUN mkdir --parents {_VOLUME}/tmp && chmod 1777 {_VOLUME}/tmp && chmod 711 {_VOLUME}",
    ]
    if user.uid:
        lines.append(
            f"RUN groupadd --non-unique --gid {user.gid} builder; "
            f"useradd --non-unique --no-create-home --uid {user.uid} --gid {user.gid} builder && "
            "echo builder:1000000:65536 | tee /etc/subuid > /etc/subgid && "
            f"chown {user.uid}:{user.gid} {_VOLUME}"
        )
    lines += [
        "COPY packages /opt/airbyte-ci",
        f"RUN echo /opt/airbyte-ci > /usr/lib/python3/dist-packages/{_NAME}.pth && "
        "/usr/bin/python3 -m compileall -q /opt/airbyte-ci || true",
        'ENTRYPOINT ["/usr/bin/python3", "-m", "airbyte_ci"]',
    ]
    return "".join(f"{line}\n" for line in lines)


def _prepare(program: str, environment: Mapping[str, str], user: ContainerUser) -> str:
    """Returns the name of the image with this very version of airbyte-ci; builds it if the program lacks it."""
    text = dockerfile(RUNNER_BASE.read(environment), user)
    name = f"{_NAME}:{_digest(text)}"
    if _ask(program, "image", "inspect", "--format={{.Id}}", name) is not None:
        return name
    import tempfile  # slow to import

    with tempfile.TemporaryDirectory(prefix="airbyte-ci-") as folder:
        context = Path(folder)
        (context / "Dockerfile").write_text(text)
        _install(context / "packages", _machine(program), environment)
        package = context / "packages" / "airbyte_ci"
        shutil.copytree(_package(), package, ignore=shutil.ignore_patterns("__pycache__"))
        _run([program, "build", "--network=host", f"--tag={name}", folder], f"cannot build {name}", environment)
    return name


def _install(target: Path, machine: str, environment: Mapping[str, str]) -> None:
    """Installs the dependencies for the container's Python from this user's package index; runs no package's code."""
    from uv import find_uv_bin

    variables = dict(environment)
    if index := environment.get("PIP_INDEX_URL"):
        variables.setdefault("UV_DEFAULT_INDEX", index)
    options = (
        *("--quiet", "--only-binary=:all:", f"--python={sys.executable}", "--no-python-downloads"),
        f"--python-platform={machine}-manylinux_2_28",
    )
    command = [find_uv_bin(), "pip", "install", *options, f"--python-version={_PYTHON}", f"--target={target}"]
    _run([*command, *_requirements()], "cannot install airbyte-ci's dependencies for the container", variables)


def _requirements() -> list[str]:
    from importlib import metadata

    return sorted(item for item in metadata.requires("airbyte-ci") or () if "extra ==" not in item)


def _package() -> Path:
    return Path(__file__).parents[1]


def _digest(text: str) -> str:
    """Returns a name for what the image contains of airbyte-ci: its files, its requirements and the Dockerfile."""
    total = hashlib.sha256("\n".join([text, *_requirements()]).encode())
    package = _package()
    for file in sorted(package.rglob("*")):
        if "__pycache__" not in file.parts and file.is_file():
            total.update(f"\0{file.relative_to(package)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()[:16]


def _machine(program: str) -> str:
    """Returns uv's name of the machine on which containers run."""
    for template in ("{{.Server.Arch}}", "{{.Client.OsArch}}"):
        if said := _ask(program, "version", f"--format={template}"):
            name = said.strip().rpartition("/")[2]
            if name in _MACHINES:
                return _MACHINES[name]
    return _MACHINES.get(os.uname().machine, os.uname().machine)


def _user(program: str) -> ContainerUser:
    """Returns the user to whom the files in shared folders belong, as the container sees it."""
    if sys.platform != "linux":
        return ContainerUser(0, 0)  # Virtual machines show each user their own files.
    is_rootless = "rootless" in (_ask(program, "info", "--format={{.SecurityOptions}}") or "")
    if is_rootless or (program == "podman" and os.geteuid() != 0):
        return ContainerUser(0, 0)
    return ContainerUser(os.getuid(), os.getgid())


def _ask(program: str, *arguments: str) -> str | None:
    """Returns the output of a question to the program, or None if it fails."""
    import subprocess  # slow to import

    done = subprocess.run([program, *arguments], capture_output=True, text=True, errors="replace", check=False)
    return done.stdout if done.returncode == 0 else None


def _run(command: Sequence[str], what: str, environment: Mapping[str, str]) -> None:
    """Runs a step of building the image, whose output goes to stderr; raises SandboxError."""
    import subprocess  # slow to import

    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=2, check=False)
    if done.returncode:
        raise SandboxError(
            f"{what}: {Path(command[0]).name} failed with exit code {done.returncode}", error_id="sandbox-unavailable"
        )
