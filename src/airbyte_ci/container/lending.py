"""What is lent to a command for as long as it runs and is never part of an image: names, certificates, a network."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from airbyte_ci.container.command import Command, Mount
from airbyte_ci.errors import SandboxError

# Where certificates and other files of this machine are put in the sandbox.
FOLDER = ".airbyte-ci"
_CERTIFICATE_VARIABLES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PIP_CERT",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
)
_HOSTS = b"127.0.0.1 localhost connector\n::1 localhost ip6-localhost ip6-loopback\n"
_PROXY_VARIABLES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


@dataclass(frozen=True, slots=True)
class Lent:
    """Files of this machine at places of the sandbox, and variables."""

    mounts: tuple[Mount, ...]
    variables: Mapping[str, str]


def lend(bundle: Path, command: Command) -> Lent:
    """What is lent to every command, the names of itself, and to one with network what it needs of this machine:
    name servers, trusted certificates, proxies."""
    hosts = bundle / "hosts"
    # Images have no /etc/hosts of their own, and programs expect `localhost` to be a name.
    hosts.write_bytes(Path("/etc/hosts").read_bytes() if command.network == "host" else _HOSTS)
    if command.network == "none":
        return Lent((Mount(hosts, "/etc/hosts"),), {})
    resolver = bundle / "resolv.conf"
    if command.network == "private":
        resolver.write_text("nameserver 10.0.2.3\n")  # slirp4netns forwards it to the host's name servers
    else:
        shutil.copy("/etc/resolv.conf", resolver)
    mounts = [Mount(hosts, "/etc/hosts"), Mount(resolver, "/etc/resolv.conf")]
    variables = {name: os.environ[name] for name in _either_case(_PROXY_VARIABLES) if name in os.environ}
    if bundle_file := _certificates():
        target = f"/{FOLDER}/ca-certificates.crt"
        mounts.append(Mount(bundle_file, target))
        variables |= dict.fromkeys(_CERTIFICATE_VARIABLES, target)
    return Lent(tuple(mounts), variables)


def _either_case(names: Sequence[str]) -> list[str]:
    return [*names, *(name.upper() for name in names)]


def _certificates() -> Path | None:
    named = [os.environ[name] for name in _CERTIFICATE_VARIABLES if os.environ.get(name)]
    for candidate in (*named, "/etc/ssl/certs/ca-certificates.crt"):
        if Path(candidate).is_file():
            return Path(candidate)
    return None


@contextlib.contextmanager
def network(pid: int) -> Iterator[None]:
    """User-mode networking for the namespaces of a process: the outside, but not this host's loopback."""
    ready_read, ready_write = os.pipe()
    exit_read, exit_write = os.pipe()  # slirp4netns ends when the other side is closed, so it cannot outlive us
    try:
        process = subprocess.Popen(
            [
                *("slirp4netns", "--configure", "--mtu=65520", "--disable-host-loopback"),
                *(f"--ready-fd={ready_write}", f"--exit-fd={exit_read}", str(pid), "tap0"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=(ready_write, exit_read),
        )
    finally:
        os.close(ready_write)
        os.close(exit_read)
    try:
        with os.fdopen(ready_read, "rb") as ready:
            if not ready.read(1):
                _, message = process.communicate()
                last = message.decode(errors="replace").strip().rpartition("\n")[2]
                raise SandboxError(f"setting up the network of a sandbox: slirp4netns says {last!r}")
        yield
    finally:
        os.close(exit_write)
        with process:
            process.terminate()
