"""Small images of a connector for tests: a base with packages, accounts, certificates and a Python; and its own layer.

Nothing in them runs. Each part can be replaced, so that two images differ in exactly one fact.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from airbyte_ci.oci.image import BASE_DIGEST, BASE_NAME, Image, ImageConfig, Manifest
from airbyte_ci.oci.layer import layer_of
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry, directory, symlink, whiteout

SITE = "usr/local/lib/python3.11/site-packages"
CODE = "airbyte/integration_code"
BASE_ADDRESS = "docker.io/acme/sample-base:1.0.0"
_STATUS = """Package: {name}
Status: install ok installed
Architecture: amd64
Version: {version}
"""
# The files of the packages.
_PACKAGED = {"openssl": "/etc/openssl.cnf", "dash": "/bin/sh"}
CONFIGURATION = b"level = 2\n"
PASSWD = "root:x:0:0:root:/root:/bin/sh\nairbyte:x:1000:1000::/home/airbyte:/bin/sh\n"
GROUP = "root:x:0:\nairbyte:x:1000:\n"
SETTINGS: Mapping[str, Any] = {
    "Env": ["PATH=/usr/local/bin:/bin", "LANG=C.UTF-8", "PYTHON_VERSION=3.11.9", "API_LIMIT=10"],
    "Entrypoint": ["python", f"/{CODE}/main.py"],
    "User": "airbyte",
    "WorkingDir": f"/{CODE}",
    "Labels": {"io.airbyte.version": "1.0.0", "io.airbyte.name": "acme/source-sample", "team": "data"},
}


@dataclass(frozen=True, slots=True)
class SampleImage:
    """The content of a sample connector's image: entries of its base and of its own layer by path, and settings."""

    base: Mapping[str, Entry]
    own: Mapping[str, Entry]
    settings: Mapping[str, Any] = field(default_factory=lambda: SETTINGS)

    def adding(self, *entries: Entry) -> "SampleImage":
        """Returns the image with these files in the connector's own layer, which replace those of the same path."""
        return replace(self, own={**self.own, **{entry.path: entry for entry in entries}})

    def without(self, *paths: str) -> "SampleImage":
        """Returns the image without files: whiteouts hide those of the base."""
        kept = {path: entry for path, entry in self.own.items() if path not in paths}
        hidden = [whiteout(path) for path in paths if path in self.base]
        return replace(self, own={**kept, **{entry.path: entry for entry in hidden}})

    def with_settings(self, **settings: object) -> "SampleImage":
        """Returns the image with other fields of its configuration; None removes one."""
        found = {**self.settings, **settings}
        return replace(self, settings={name: value for name, value in found.items() if value is not None})


def sample_image() -> SampleImage:
    """Returns the unchanged image."""
    base = [
        Entry(path="etc/os-release", content=b'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12"\n'),
        Entry(path="etc/passwd", content=PASSWD.encode()),
        Entry(path="etc/group", content=GROUP.encode()),
        symlink("etc/localtime", "/usr/share/zoneinfo/Etc/UTC"),
        Entry(path="etc/ssl/certs/ca-certificates.crt", content=certificate("one") + certificate("two")),
        Entry(path="etc/openssl.cnf", content=CONFIGURATION),
        Entry(path="bin/sh", mode=0o755, content=b"shell"),
        Entry(path="usr/local/bin/python3.11", mode=0o755, content=b"python"),
        symlink("usr/local/bin/python", "python3.11"),
        Entry(path="usr/local/lib/python3.11/os.py", content=b"os"),
        Entry(path="usr/share/zoneinfo/Etc/UTC", content=b"zone"),
        directory("usr/bin"),
        directory("usr/local/share/ca-certificates"),
        *packages({"openssl": "3.0.11", "dash": "0.5.12"}),
        *distribution("pip", "24.0"),
    ]
    own = [
        *distribution("requests", "2.31.0"),
        Entry(path=f"{CODE}/main.py", content=b"main", uid=1000, gid=1000),
        Entry(path=f"{CODE}/source_sample/source.py", content=b"source", uid=1000, gid=1000),
        Entry(path="opt/tool/run.sh", mode=0o755, content=b"run"),
        Entry(path="opt/tool/data.bin", content=b"data"),
        symlink("opt/tool/latest", "data.bin"),
        directory("config", uid=1000, gid=1000),
        Entry(path="usr/local/share/ca-certificates/acme.crt", content=certificate("acme")),
    ]
    return SampleImage({entry.path: entry for entry in base}, {entry.path: entry for entry in own})


def packages(versions: Mapping[str, str], configuration: bytes = CONFIGURATION) -> list[Entry]:
    """Returns dpkg's database: name → version. openssl has a configuration file with this packaged content."""
    settings = f"Conffiles:\n /etc/openssl.cnf {hashlib.md5(configuration, usedforsecurity=False).hexdigest()}\n"
    stanzas = (
        _STATUS.format(name=name, version=version) + (settings if name == "openssl" else "")
        for name, version in versions.items()
    )
    lists = [
        Entry(path=f"var/lib/dpkg/info/{name}.list", content=f"/.\n{_PACKAGED[name]}\n".encode())
        for name in versions
        if name in _PACKAGED
    ]
    return [Entry(path="var/lib/dpkg/status", content="\n".join(stanzas).encode()), *lists]


def distribution(name: str, version: str, code: bytes = b"code") -> list[Entry]:
    """Returns an installed distribution of one module and one script."""
    info = f"{SITE}/{name}-{version}.dist-info"
    listed = (f"{name}/__init__.py", f"{name}-{version}.dist-info/METADATA", f"../../../bin/{name}")
    record = "".join(f"{path},,\n" for path in listed)
    return [
        Entry(path=f"{SITE}/{name}/__init__.py", content=code),
        Entry(path=f"{info}/METADATA", content=f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()),
        Entry(path=f"{info}/RECORD", content=record.encode()),
        Entry(path=f"usr/local/bin/{name}", mode=0o755, content=b"#!python\n"),
    ]


def certificate(name: str) -> bytes:
    """Returns a block in the form of a certificate, with a common name and nothing to verify."""
    body = b"\x06\x03\x55\x04\x03\x0c" + bytes([len(name)]) + name.encode() + hashlib.sha256(name.encode()).digest()
    return b"-----BEGIN CERTIFICATE-----\n" + base64.b64encode(body) + b"\n-----END CERTIFICATE-----\n"


def put_sample(store: Store, sample: SampleImage, *, with_base: bool = True) -> Image:
    """Adds the image to the store, and its base image, which its annotations name if `with_base`."""
    base = _put(store, [list(sample.base.values())], {"Env": ["PATH=/usr/local/bin:/bin"], "User": "airbyte"}, {})
    annotations = {BASE_NAME: f"{BASE_ADDRESS}@{base.digest}", BASE_DIGEST: str(base.digest)}
    layers = [list(sample.base.values()), list(sample.own.values())]
    return _put(store, layers, sample.settings, annotations if with_base else {})


def _put(store: Store, layers: list[list[Entry]], settings: Mapping[str, Any], annotations: Mapping[str, str]) -> Image:
    made = [layer_of(store, entries) for entries in layers]
    config = ImageConfig.make(
        {
            "os": "linux",
            "architecture": "amd64",
            "config": dict(settings),
            "rootfs": {"type": "layers", "diff_ids": [str(layer.diff_id) for layer in made]},
        }
    )
    return store.put_image(
        Manifest.make(config.descriptor, tuple(layer.descriptor for layer in made), annotations), config
    )
