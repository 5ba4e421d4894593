"""A connector as a Python package: a wheel and an sdist, the same bytes for the same files.

The wheel is built like those of locked folders: in a sandbox without network, with pinned build tools. The sdist is the
same source tree with the wheel's metadata (PEP 625), so no code of the project runs for it.
"""

import datetime
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import Version

from airbyte_ci.connectors.connector import Connector
from airbyte_ci.edits import toml_text
from airbyte_ci.errors import ConnectorError, EditRefused
from airbyte_ci.images import asking, base
from airbyte_ci.oci import compress
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Platform
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.environment.tools import Tools
from airbyte_ci.python.packages.lock import LockedFile
from airbyte_ci.python.sources import metadata, sdist, trees

_PROJECT = "pyproject.toml"
# The tables that name a project and its version: PEP 621, and Poetry's before it.
_TABLES = (("project",), ("tool", "poetry"))
# The earliest time that wheels, which are zip files, can hold: back ends may copy the time of a source file.
_MTIME = 315_532_800


@dataclass(frozen=True, slots=True)
class PythonPackage:
    """The files of a package version, which are in the store. `metadata` is the wheel's METADATA."""

    name: str
    version: str
    wheel: LockedFile
    sdist: LockedFile
    metadata: bytes


def find_name(connector: Connector) -> str:
    """Returns `remoteRegistries.pypi.packageName` if the package is to be published; empty if it is not.

    Raises ConnectorError for an enabled package that cannot be built.
    """
    registries = connector.data.get("remoteRegistries")
    settings = registries.get("pypi") if isinstance(registries, dict) else None
    if not isinstance(settings, dict) or settings.get("enabled") is not True:
        return ""
    name = settings.get("packageName")
    where = f"cannot publish the Python package of {connector.name}: {connector.relative}"
    if not isinstance(name, str) or not name:
        raise ConnectorError(f"{where}/metadata.yaml: remoteRegistries.pypi.packageName is missing")
    if not connector.is_python or _PROJECT not in connector.names:
        raise ConnectorError(
            f"{where} has no {_PROJECT}", advice="set remoteRegistries.pypi.enabled to false, or add the file"
        )
    return name


def find_version(connector: Connector, commit_time: int, *, is_main: bool) -> str:
    """Returns the version of the package in the form of PEP 440; a pre-release has the commit's time as its number."""
    version = str(Version(connector.version))
    moment = datetime.datetime.fromtimestamp(commit_time, datetime.UTC)
    return version if is_main else f"{version}.dev{moment:%Y%m%d%H%M%S}"


def build(connector: Connector, name: str, version: str, tools: Tools, native: Platform) -> PythonPackage:
    """Returns the wheel and the sdist of a connector under this name and version; raises an AirbyteCiError."""
    store = tools.store
    tree = trees.of_project(name, connector.folder, store, {_PROJECT: _named(connector, name, version)})
    builder = asking.builder(tools, base.open_base(tools, base.address(connector, None), native, native))
    wheel = sdist.to_wheel(builder, tree, tools.say, version)
    text = metadata.of_wheel(store.verified(Digest(wheel.sha256)), wheel.name).encode()
    distribution = canonicalize_name(name).replace("-", "_")
    if not wheel.name.startswith(f"{distribution}-{version}-"):
        raise ConnectorError(
            f"cannot publish the Python package of {connector.name}: its build made {wheel.name} instead of "
            f"{distribution} {version}",
            advice=f"set the name and version in {connector.relative}/{_PROJECT} as plain strings",
        )
    archive = _sdist(store, tree, f"{distribution}-{version}", text)
    file = LockedFile(f"{distribution}-{version}.tar.gz", store.put(archive).hex)
    return PythonPackage(name, version, wheel, file, text)


def _named(connector: Connector, name: str, version: str) -> bytes:
    """Returns the connector's pyproject.toml with the package's name and version, where it sets them."""
    path = connector.folder / _PROJECT
    text = path.read_text("utf-8")
    try:
        for table in _TABLES:
            for key, value in (("name", name), ("version", version)):
                if toml_text.get_string(text, (*table, key)) not in (None, value):
                    text = toml_text.set_string(text, (*table, key), value)
    except EditRefused as error:
        raise ConnectorError(
            f"cannot publish the Python package of {connector.name}: {connector.relative}/{_PROJECT}: {error.message}",
            advice=error.advice,
        ) from error
    return text.encode()


def _sdist(store: Store, tree: LockedFile, folder: str, text: bytes) -> bytes:
    """Returns the tree as an sdist: its files in one folder, with the metadata of the wheel."""
    data = io.BytesIO()
    with (
        tarfile.open(store.verified(Digest(tree.sha256))) as source,
        tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as target,
    ):
        for member in source:
            if member.isdir() or member.name == "PKG-INFO":
                continue
            entry = _entry(f"{folder}/{member.name}", member.size, mode=member.mode)
            entry.type, entry.linkname = member.type, member.linkname
            target.addfile(entry, source.extractfile(member) if member.isreg() else None)
        target.addfile(_entry(f"{folder}/PKG-INFO", len(text)), io.BytesIO(text))
    return compress.member(data.getbuffer())


def _entry(path: str, size: int, mode: int = 0o644) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path)
    entry.size, entry.mode, entry.mtime = size, mode, _MTIME
    return entry


def to_json(package: PythonPackage, url: str, uploaded: Mapping[str, bool]) -> dict[str, Any]:
    """Returns the record of a published package; `uploaded` tells which files were new, by name."""
    return {
        "name": package.name,
        "version": package.version,
        "index": url,
        "files": [
            {"name": file.name, "sha256": file.sha256, "new": uploaded.get(file.name, False)}
            for file in (package.wheel, package.sdist)
        ],
    }
