"""The files that are secrets or belong to tools: never in an image, and never visible to a hook or a back end.

One list for a connector's code, declarations, hook, dependencies and all other readers of a folder.
"""

import os
import re
import stat
from collections.abc import Collection, Iterator
from pathlib import Path, PurePath

from airbyte_ci.disk import DEPTH_LIMIT

# Folders of credentials, by Airbyte's own convention and of tools.
_FOLDERS = frozenset(
    {
        *("secrets", ".git", ".hg", ".svn", ".docker", ".kube", ".aws", ".azure", ".ssh", ".gnupg", ".gcloud", ".oci"),
        *(".terraform", ".password-store", ".vault"),
    }
)
_FILES = frozenset(
    {
        *(".env", ".envrc", ".netrc", "_netrc", ".npmrc", ".yarnrc", ".pypirc", ".git-credentials", ".git", ".pgpass"),
        *(".my.cnf", ".htpasswd", ".dockercfg", ".vault-token", ".boto", ".s3cfg", ".terraformrc", ".rclone.conf"),
        *("id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "kubeconfig", "credentials.toml"),
        *("application_default_credentials.json", "service-account.json", "service_account.json"),
    }
)
_ENDINGS = (".p12", ".pfx", ".jks", ".keystore", ".kdbx", ".ppk", ".tfstate", ".tfvars")
# `.env.local`, but not examples, which people commit.
_VARIABLES = r"\.env\..+(?<!\.example)(?<!\.sample)(?<!\.template)(?<!\.dist)"
# Read only if the name suggests a key; certificates have the same suffixes.
_KEYS = (".pem", ".key", ".asc", ".gpg")
_PRIVATE = rb"-----BEGIN (?:[A-Z0-9 ]+ )?PRIVATE KEY(?: BLOCK)?-----"
_ACCOUNT = rb'"private_key"\s*:\s*"-----BEGIN'
_LOOKED_AT = 64 << 10


def is_secret_name(name: str) -> bool:
    """Returns whether a file or folder of this name is a secret, independent of its place and content."""
    lower = name.lower()
    return lower in _FOLDERS or lower in _FILES or lower.endswith(_ENDINGS) or bool(re.fullmatch(_VARIABLES, lower))


def is_secret(path: Path) -> bool:
    """Returns whether a file is a secret: by name, or because it contains a private key or a service account's key."""
    if is_secret_name(path.name):
        return True
    lower = path.name.lower()
    if lower.endswith(_KEYS):
        return re.search(_PRIVATE, _head(path)) is not None
    return lower.endswith(".json") and re.search(_ACCOUNT, _head(path)) is not None


def secret_part(path: PurePath) -> str:
    """Returns the first part of a relative path whose name marks a secret; empty if there is none."""
    return next((part for part in path.parts if is_secret_name(part)), "")


def hidden(folder: Path, left_out: Collection[str] = ()) -> Iterator[str]:
    """Returns the relative paths of secrets below a folder; of a hidden folder, only the folder. Follows no links.

    Skips folders whose names are in `left_out`.
    """
    waiting = [""]
    while waiting:
        place = waiting.pop()
        try:
            entries = sorted(os.scandir(folder / place), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            path = f"{place}/{entry.name}" if place else entry.name
            if entry.is_symlink():
                continue
            if is_secret_name(entry.name) or (entry.is_file() and is_secret(folder / path)):
                yield path
            elif entry.is_dir() and entry.name not in left_out and path.count("/") < DEPTH_LIMIT:
                waiting.append(path)


def _head(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return b""
    with os.fdopen(descriptor, "rb") as file:
        return file.read(_LOOKED_AT) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
