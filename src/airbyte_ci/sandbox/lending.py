"""Files and variables that a command sees while it runs and no image contains: names, certificates, proxies."""

import base64
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from airbyte_ci.sandbox import network
from airbyte_ci.sandbox.command import Command, Mount, Purpose

# The sandbox's folder for certificates and other files of this machine.
FOLDER = ".airbyte-ci"
# The variables by which programs find the certificates that they trust.
CERTIFICATE_VARIABLES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PIP_CERT",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
)
_SYSTEM_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_HOSTS = b"127.0.0.1 localhost connector\n::1 localhost ip6-localhost ip6-loopback\n"
_LOGIN = re.compile(r"://[^/@\s:]*:[^/\s]*@")
_WORTH_HIDING = 6
_NAMES = Purpose(
    "host names",
    "input",
    source="a file in the sandbox's own scratch folder",
    target="`/etc/hosts`",
    written_by="airbyte-ci",
)
_RESOLVER = Purpose(
    "name server",
    "input",
    source="a file in the sandbox's own scratch folder",
    target="`/etc/resolv.conf`",
    written_by="airbyte-ci",
)
_TRUST = Purpose(
    "trusted certificates",
    "input",
    source="the certificates of this machine or its environment",
    target=f"`/{FOLDER}/ca-certificates.crt`",
    written_by="the machine's administrator",
)
_PROXY_VARIABLES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


@dataclass(frozen=True, slots=True)
class Lent:
    """Files of this machine with their places in the sandbox, and variables."""

    mounts: tuple[Mount, ...]
    variables: Mapping[str, str]


def lend(bundle: Path, command: Command) -> Lent:
    """Returns what a command may see of this machine.

    Every command gets host names; one with network also gets name servers, trusted certificates and proxies.
    """
    hosts = bundle / "hosts"
    # Images have no /etc/hosts of their own, and programs expect the name `localhost`.
    hosts.write_bytes(Path("/etc/hosts").read_bytes() if command.network == "host" else _HOSTS)
    if command.network == "none":
        return Lent((Mount(source=hosts, target="/etc/hosts", purpose=_NAMES),), {})
    resolver = bundle / "resolv.conf"
    if command.network == "private":
        resolver.write_text(f"nameserver {network.NAME_SERVER}\n")
    else:
        shutil.copy("/etc/resolv.conf", resolver)
    for file in (hosts, resolver):
        file.chmod(0o644)  # Readable for the image's users, with any umask.
    mounts = [
        Mount(source=hosts, target="/etc/hosts", purpose=_NAMES),
        Mount(source=resolver, target="/etc/resolv.conf", purpose=_RESOLVER),
    ]
    variables = {name: os.environ[name] for name in _either_case(_PROXY_VARIABLES) if name in os.environ}
    if bundle_file := certificates():
        target = f"/{FOLDER}/ca-certificates.crt"
        mounts.append(Mount(source=bundle_file, target=target, purpose=_TRUST))
        variables |= dict.fromkeys(CERTIFICATE_VARIABLES, target)
    return Lent(tuple(mounts), variables)


def passwords(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Returns the logins in proxy variables, in each form in which a program may print them; the longest first."""
    found: set[str] = set()
    for name in _either_case(_PROXY_VARIABLES):
        login = urlsplit(environment.get(name, "")).netloc.rpartition("@")[0]
        _, colon, password = login.partition(":")
        if colon and password:
            plain = unquote(login)
            found |= {login, plain, base64.b64encode(plain.encode()).decode()}
            # Shorter texts also occur in unrelated words.
            found |= {item for item in (password, unquote(password)) if len(item) >= _WORTH_HIDING}
    return tuple(sorted(found, key=lambda item: (-len(item), item)))


def without_logins(variables: Mapping[str, str]) -> dict[str, str]:
    """Returns variables for a record: their URLs contain no login."""
    return {name: _LOGIN.sub("://***@", value) for name, value in variables.items()}


def _either_case(names: Sequence[str]) -> list[str]:
    return [*names, *(name.upper() for name in names)]


def certificates() -> Path | None:
    """Returns the bundle of certificates that this machine or its environment trusts; None if there is none."""
    return next(iter(all_certificates(os.environ)), None)


def all_certificates(environment: Mapping[str, str]) -> list[Path]:
    """Returns each bundle of certificates that the environment names, and last that of this machine."""
    named = [environment[name] for name in CERTIFICATE_VARIABLES if environment.get(name)]
    places = dict.fromkeys(Path(name) for name in (*named, _SYSTEM_CERTIFICATES))
    return [place for place in places if place.is_file()]
