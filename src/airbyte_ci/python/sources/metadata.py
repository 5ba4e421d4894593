"""Core metadata of sources: read if it is static, else reported by the build backend in a sandbox, never on the host.

Handles folders and sdists (PEP 621, PEP 643, PEP 517), not the use of the result.
"""

import os
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from email.parser import HeaderParser
from pathlib import Path
from typing import Any, BinaryIO

from packaging.utils import canonicalize_name

from airbyte_ci.documents import DocumentError, load_json, load_toml
from airbyte_ci.errors import PackageError, UnknownMetadata
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.packages.lock import LockedFile
from airbyte_ci.python.sources import build_tools, sdist, trees
from airbyte_ci.python.sources.sdist import Builder
from airbyte_ci.python.wheels.zip_layout import UNREADABLE
from airbyte_ci.sandbox import sandbox
from airbyte_ci.sandbox.output_files import OutputRefused, read_output

FORMAT_VERSION = 2
_STATIC = ("version", "dependencies", "optional-dependencies")
_METADATA = ".dist-info/METADATA"
_PLACE = "/.airbyte-ci/metadata"
_REPORT = "report.json"
# The largest real projects have about 100 KB.
_REPORT_LIMIT = 8 << 20
# The size limit for archive members in memory.
_TEXT_LIMIT = 32 << 20
_SOURCE = sandbox.Purpose(
    "sdist or source tree to describe",
    "input",
    source="a file in the store's `blobs`",
    target=f"`{_PLACE}`",
    written_by="airbyte-ci",
)
_TOOLS = sandbox.Purpose(
    "wheels of pinned build tools",
    "input",
    source="files in the store's `blobs`",
    target=f"`{_PLACE}/tools`",
    written_by="airbyte-ci",
)
_OUT = sandbox.Purpose(
    "metadata report of pip",
    "output",
    source="an empty folder in the run's own scratch folder",
    target=f"`{_PLACE}/out`",
    written_by="none",
)


@dataclass(frozen=True, slots=True)
class Metadata:
    """The metadata of a distribution; `requires` are PEP 508 texts, with extras as markers."""

    name: str
    version: str
    requires: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    requires_python: str = ""

    def text(self) -> str:
        """Returns the content of a METADATA file."""
        lines = ["Metadata-Version: 2.3", f"Name: {self.name}", f"Version: {self.version}"]
        lines += [f"Requires-Python: {self.requires_python}"] if self.requires_python else []
        lines += [f"Provides-Extra: {extra}" for extra in self.extras]
        lines += [f"Requires-Dist: {requirement}" for requirement in self.requires]
        return "\n".join([*lines, "", ""])

    @classmethod
    def parse(cls, text: str) -> "Metadata":
        """Parses a METADATA or PKG-INFO file."""
        headers = HeaderParser().parsestr(text, headersonly=True)
        return cls(
            str(headers["Name"] or ""),
            str(headers["Version"] or ""),
            requires=tuple(map(_joined, headers.get_all("Requires-Dist") or ())),
            extras=tuple(headers.get_all("Provides-Extra") or ()),
            requires_python=str(headers["Requires-Python"] or ""),
        )


def of_folder(builder: Builder, folder: Path, what: str) -> Metadata:
    """Returns the metadata of a source folder; raises PackageError if its build backend fails."""
    if found := static(folder):
        return found
    return _of_backend(builder, trees.describe(folder, builder.store), what)


def of_sdist(builder: Builder, file: LockedFile) -> Metadata:
    """Returns the metadata of an sdist in the store; raises PackageError."""
    path = builder.store.path(Digest(file.sha256))
    return _of_pkg_info(path, file.name) or _of_backend(builder, file, file.name)


def of_tree(builder: Builder, file: LockedFile, what: str) -> Metadata:
    """Returns the metadata of a source tree (`trees`) in the store; raises PackageError."""
    return _of_backend(builder, file, what)


def of_wheel(file: Path | BinaryIO, name: str) -> str:
    """Returns the text of METADATA in a wheel; raises PackageError."""
    try:
        with zipfile.ZipFile(file) as archive:
            return _text(archive, _METADATA)
    except UNREADABLE as error:
        raise PackageError(f"cannot read the metadata of {name}: it is not a wheel ({type(error).__name__})") from error


def static(folder: Path) -> Metadata | None:
    """Returns the static metadata of pyproject.toml; None if the backend defines part of it."""
    try:
        project = load_toml((folder / "pyproject.toml").read_text("utf-8")).get("project")
    except (OSError, UnicodeDecodeError, DocumentError):
        return None
    if not isinstance(project, dict) or set(_STATIC) & set(project.get("dynamic") or ()) or "version" not in project:
        return None
    optional: Mapping[str, Any] = project.get("optional-dependencies") or {}
    return Metadata(
        str(project.get("name") or ""),
        str(project["version"]),
        requires=(
            *map(str, project.get("dependencies") or ()),
            *(_with_extra(str(text), extra) for extra, texts in optional.items() for text in texts),
        ),
        extras=tuple(optional),
        requires_python=str(project.get("requires-python") or ""),
    )


def name_of(folder: Path) -> str:
    """Returns the normalized name of the project in a folder, if it is readable without running code."""
    try:
        document = load_toml((folder / "pyproject.toml").read_text("utf-8"))
    except (OSError, UnicodeDecodeError, DocumentError):
        document = {}
    poetry = (document.get("tool") or {}).get("poetry") or {}
    return canonicalize_name(str((document.get("project") or {}).get("name") or poetry.get("name") or folder.name))


def _joined(text: str) -> str:
    return " ".join(text.split())


def _with_extra(text: str, extra: str) -> str:
    requirement, semicolon, marker = text.partition(";")
    condition = f"extra == '{extra}'"
    return f"{requirement} ; {f'({marker.strip()}) and {condition}' if semicolon else condition}"


# --- sdists --------------------------------------------------------------------------------------


def _of_pkg_info(path: Path, name: str) -> Metadata | None:
    """Returns PKG-INFO's metadata if it is reliable: since metadata 2.2, unless dependencies are dynamic (PEP 643)."""
    text = _pkg_info(path, name)
    headers = HeaderParser().parsestr(text, headersonly=True)
    try:
        version = tuple(map(int, str(headers["Metadata-Version"] or "0").split(".")))
    except ValueError:
        return None
    dynamic = {item.lower() for item in headers.get_all("Dynamic") or ()}
    if version < (2, 2) or dynamic & {"requires-dist", "provides-extra", "requires-python", "version"}:
        return None
    return Metadata.parse(text)


def _pkg_info(path: Path, name: str) -> str:
    try:
        if name.endswith(".zip"):
            with zipfile.ZipFile(path) as archive:
                return _text(archive, "/PKG-INFO")
        with tarfile.open(path) as tar:
            for member in tar:
                if member.name.count("/") == 1 and member.name.endswith("/PKG-INFO"):
                    reader = tar.extractfile(member)
                    return reader.read(_TEXT_LIMIT).decode("utf-8", "replace") if reader else ""
    except LookupError:
        return ""
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError) as error:
        raise PackageError(f"cannot read {name}: it is not an archive ({type(error).__name__})") from error
    return ""


def _text(archive: zipfile.ZipFile, ending: str) -> str:
    """Returns a text file of a top folder; raises LookupError if it is missing, ValueError if it is too large."""
    found = next((i for i in archive.infolist() if i.filename.count("/") == 1 and i.filename.endswith(ending)), None)
    if found is None:
        raise LookupError(ending)
    if found.file_size > _TEXT_LIMIT:
        raise ValueError(f"{ending} is larger than {_TEXT_LIMIT >> 20} MiB")
    with archive.open(found) as file:
        return file.read(_TEXT_LIMIT).decode("utf-8", "replace")


# --- the sandbox ---------------------------------------------------------------------------------


def _of_backend(builder: Builder, file: LockedFile, what: str) -> Metadata:
    inputs = {
        "source": file.sha256,
        "builds": sdist.identity(),
        "python": builder.interpreter.version,
        "machine": builder.interpreter.markers["platform_machine"],
    }
    known = builder.store.reuse("metadata", FORMAT_VERSION, inputs, lambda: asdict(_ask(builder, file, what)))
    lists = {name: tuple(known[name]) for name in ("requires", "extras")}
    return Metadata(known["name"], known["version"], requires_python=known["requires_python"], **lists)


def _ask(builder: Builder, file: LockedFile, what: str) -> Metadata:
    """Asks the backend for metadata: pip runs it under the image's Python, and installs nothing."""
    tools = build_tools.packages(builder.store, builder.index, builder.interpreter)
    target = f"{_PLACE}/{file.name if file.name.endswith(('.tar.gz', '.zip')) else 'source.tar'}"
    inputs = (
        sandbox.Mount(source=builder.store.verified(Digest(file.sha256)), target=target, purpose=_SOURCE),
        *(_mount(builder.store, tool) for package in tools for tool in package.files),
    )
    pip = next(package.files[0].name for package in tools if package.name == "pip")
    with builder.store.scratch() as folder:
        output = sandbox.Mount(source=folder, target=f"{_PLACE}/out", writable=True, purpose=_OUT)
        finished = sandbox.run(builder.store, builder.root(), _command(builder, pip, target, (*inputs, output)))
        if finished.returncode == 0 and (found := _of_report(folder)):
            return found
    try:
        # A build supports more cases, and its wheel is needed anyway, except that of the connector itself.
        wheel = sdist.to_wheel(builder, file, lambda _: None)
    except PackageError as error:
        raise UnknownMetadata(
            f"cannot read the requirements of {what}, which only its own code can report: {error.message}",
            advice=error.advice,
            details=error.details,
        ) from error
    return Metadata.parse(of_wheel(builder.store.path(Digest(wheel.sha256)), wheel.name))


def _mount(store: Store, tool: LockedFile) -> sandbox.Mount:
    return sandbox.Mount(
        source=store.verified(Digest(tool.sha256)), target=f"{_PLACE}/tools/{tool.name}", purpose=_TOOLS
    )


def _of_report(folder: Path) -> Metadata | None:
    """Returns the metadata in pip's installation report (PEP 566), which the project's own code may have forged.

    Returns None if the sandbox left no readable report.
    """
    try:
        found = load_json(read_output(folder, _REPORT, _REPORT_LIMIT))["install"][0]["metadata"]
        texts = [found["name"], found["version"], found.get("requires_python") or ""]
        lists = [found.get(key) or [] for key in ("requires_dist", "provides_extra")]
    except (OSError, OutputRefused, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    if not all(isinstance(item, list) for item in lists):
        return None
    if not all(isinstance(text, str) for text in (*texts, *lists[0], *lists[1])):
        return None
    name, version, python = texts
    return Metadata(
        name, version, requires=tuple(map(_joined, lists[0])), extras=tuple(lists[1]), requires_python=python
    )


def _command(builder: Builder, pip: str, target: str, mounts: tuple[sandbox.Mount, ...]) -> sandbox.Command:
    return sandbox.Command(
        arguments=(
            *(builder.interpreter.executable, "-s", "-B", f"{_PLACE}/tools/{pip}/pip", "install"),
            *("--dry-run", "--ignore-installed", "--no-deps", "--no-index", f"--find-links={_PLACE}/tools"),
            *("--no-cache-dir", "--disable-pip-version-check", "--quiet", "--no-input", "--break-system-packages"),
            *(f"--report={_PLACE}/out/{_REPORT}", target),
        ),
        environment={
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": f"{_PLACE}/out/home",
            "PIP_CONFIG_FILE": os.devnull,
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "PYTHONHASHSEED": "0",
            "PIP_ROOT_USER_ACTION": "ignore",
        },
        mounts=mounts,
        timeout=600,
    )
