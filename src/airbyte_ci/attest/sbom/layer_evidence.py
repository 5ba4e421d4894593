"""The evidence about packages in one layer: read from its archive once, without unpacking or other layers.

The wheels of a layer that airbyte-ci made are recorded, so that its archive need not be read; the result is the same.
"""

import re
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from airbyte_ci.attest.sbom import jars, licenses
from airbyte_ci.attest.sbom.found_package import APK, DEB, GENERIC, PYPI, RPM, FoundPackage, LayerEvidence, LicenseText
from airbyte_ci.errors import BlobNotFound, ImageError, PackageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Descriptor
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import OPAQUE, WHITEOUT
from airbyte_ci.python.environment import layer_wheels, wheel_metadata
from airbyte_ci.python.packages.core_metadata import CoreMetadata
from airbyte_ci.rootfs import apk, dpkg, rpm
from airbyte_ci.rootfs.archive import Stream, open_layer

FORMAT_VERSION = 2
_SITE = ("site-packages", "dist-packages")
_METADATA = re.compile(r"\.(?:dist-info/METADATA|egg-info(?:/PKG-INFO)?)\Z")
_SYSTEM_FIELDS = ("ID", "VERSION_ID", "VERSION_CODENAME", "PRETTY_NAME")
_PYTHON_VERSION = re.compile(r'#define\s+PY_VERSION\s+"([^"]+)"')
_JAVA_VERSION = re.compile(r'^JAVA_VERSION="([^"]+)"', re.MULTILINE)


def of_layer(store: Store, descriptor: Descriptor, diff_id: Digest, bring: Callable[[], None]) -> LayerEvidence:
    """Returns the evidence of a layer; `bring` puts the image's layers into the store if this one must be read.

    Raises ImageError for a damaged layer, BlobNotFound if the store still lacks it.
    """

    def make() -> dict[str, Any]:
        made = of_wheels(store, diff_id)
        if made is None:
            if not store.has(descriptor.digest):
                bring()
            made = read(store, descriptor, diff_id)
        return made.to_json()

    return LayerEvidence.from_json(store.reuse("packages of a layer", FORMAT_VERSION, str(diff_id), make))


def read(store: Store, descriptor: Descriptor, diff_id: Digest) -> LayerEvidence:
    """Reads a layer's archive; raises ImageError for a damaged one, BlobNotFound."""
    if not store.has(descriptor.digest):
        raise BlobNotFound(f"the store does not contain layer {descriptor.digest}")
    collected = _Collected()
    with open_layer(store, descriptor, diff_id) as stream:
        for member in stream.entries():
            collected.add(member, stream)
    return collected.evidence()


def of_wheels(store: Store, diff_id: Digest) -> LayerEvidence | None:
    """Returns the evidence of a layer of wheels; None for other layers, and if a wheel is no longer known."""
    wheels = layer_wheels.recall(store, diff_id)
    if wheels is None:
        return None
    packages: dict[str, tuple[FoundPackage, ...]] = {}
    try:
        for wheel in wheels:
            texts = wheel_metadata.of_all(store, wheel.file)
            for path in wheel.metadata:
                # A path below site-packages is that of the wheel.
                inside = next((name for name in texts if path.endswith(f"/{name}")), None)
                if inside is None:
                    return None
                packages[path] = (_distribution(path, texts[inside]),)
    except (BlobNotFound, PackageError):
        return None
    return LayerEvidence(packages=dict(sorted(packages.items())))


@dataclass(slots=True, kw_only=True)
class _Collected:
    """The evidence of a layer as far as its archive has been read. The last entry of a path is the layer's."""

    packages: dict[str, tuple[FoundPackage, ...]] = field(default_factory=dict)
    systems: dict[str, Mapping[str, str]] = field(default_factory=dict)
    licenses: dict[str, LicenseText] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    opaque: set[str] = field(default_factory=set)

    def evidence(self) -> LayerEvidence:
        # A file without packages hides the one in a lower layer.
        self.gone |= {path for path, found in self.packages.items() if not found}
        return LayerEvidence(
            packages=dict(sorted((path, found) for path, found in self.packages.items() if found)),
            systems=dict(sorted(self.systems.items())),
            licenses=dict(sorted(self.licenses.items())),
            unread=tuple(sorted(self.unread)),
            gone=tuple(sorted(self.gone)),
            opaque=tuple(sorted(self.opaque)),
        )

    def add(self, member: tarfile.TarInfo, stream: Stream) -> None:
        path = _normal(member.name)
        folder, _, name = path.rpartition("/")
        if name == OPAQUE:
            self.opaque.add(folder)
        elif name.startswith(WHITEOUT):
            self.gone.add(f"{folder}/{name[len(WHITEOUT) :]}".lstrip("/"))
        elif member.isdir() or (reader := _reader(path)) is None:
            return
        elif member.islnk():
            self._link(path, _normal(member.linkname))
        elif not member.isreg() or member.issparse() or member.size > reader.limit:
            self.gone.add(path)  # another kind of file hides that of a lower layer
        else:
            reader.read(self, path, b"".join(stream.content(member.size)))

    def _link(self, path: str, target: str) -> None:
        """A hard link has the content of another path of the layer."""
        self.packages[path] = tuple(replace(item, path=path) for item in self.packages.get(target, ()))
        if target in self.licenses:
            self.licenses[path] = self.licenses[target]


# --- the files that are evidence -----------------------------------------------------------------


def _read_jar(into: _Collected, path: str, content: bytes) -> None:
    into.packages[path] = jars.read(content, path)


def _read_metadata(into: _Collected, path: str, content: bytes) -> None:
    into.packages[path] = (_distribution(path, CoreMetadata.parse(_text(content))),)


def _read_dpkg(into: _Collected, path: str, content: bytes) -> None:
    into.packages[path] = tuple(_debian(item, path) for item in dpkg.packages(_text(content)))


def _read_apk(into: _Collected, path: str, content: bytes) -> None:
    into.packages[path] = tuple(_alpine(item, path) for item in apk.packages(_text(content)))


def _read_rpm(into: _Collected, path: str, content: bytes) -> None:
    # SQLite reads a file; from memory, it refuses databases with a write-ahead log.
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        try:
            into.packages[path] = tuple(_red_hat(item, path) for item in rpm.packages(Path(file.name)))
        except ImageError:
            into.unread.add(path)


def _read_unknown(into: _Collected, path: str, _: bytes) -> None:
    into.unread.add(path)


def _read_system(into: _Collected, path: str, content: bytes) -> None:
    pairs = (line.partition("=") for line in _text(content).split("\n"))
    into.systems[path] = {key: value.strip("\"'") for key, _, value in pairs if key in _SYSTEM_FIELDS}


def _read_copyright(into: _Collected, path: str, content: bytes) -> None:
    into.licenses[path] = licenses.of_debian_copyright(_text(content))


def _read_python(into: _Collected, path: str, content: bytes) -> None:
    into.packages[path] = _generic("python", _PYTHON_VERSION.search(_text(content)), path)


def _read_java(into: _Collected, path: str, content: bytes) -> None:
    into.packages[path] = _generic("openjdk", _JAVA_VERSION.search(_text(content)), path)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the files that match a pattern; larger ones are something else."""

    pattern: re.Pattern[str]
    read: Callable[[_Collected, str, bytes], None]
    limit: int = 64 << 20


_READERS = (
    _Reader(re.compile(r".*\.jar"), _read_jar, 512 << 20),
    _Reader(re.compile(r".*\.dist-info/METADATA|.*\.egg-info(?:/PKG-INFO)?"), _read_metadata),
    _Reader(re.compile(r"usr/share/doc/[^/]+/copyright"), _read_copyright),
    _Reader(re.compile(rf"{dpkg.STATUS}|{dpkg.STATUS_FOLDER}/(?!.*\.md5sums).*"), _read_dpkg),
    # Alpine moved it below /usr in 3.22.
    _Reader(re.compile(rf"(?:usr/)?{apk.INSTALLED}"), _read_apk),
    _Reader(re.compile("|".join(map(re.escape, rpm.DATABASES))), _read_rpm, 1 << 30),
    # The forms of RPM's database before 2020, and of SUSE.
    _Reader(re.compile(r"(?:var/lib|usr/lib/sysimage)/rpm/Packages(?:\.db)?"), _read_unknown, 1 << 30),
    _Reader(re.compile(r"(?:etc|usr/lib)/os-release"), _read_system),
    # Debian's own headers are in /usr/include, and its package manager knows their version.
    _Reader(re.compile(r"(?!usr/include/).*include/python3\.\d+[a-z]*/patchlevel\.h"), _read_python),
    _Reader(re.compile(r"(?:.*/)?release"), _read_java, 16 << 10),
)
# Most paths of an image match none of these endings, and there are thousands of paths.
_ENDINGS = (
    *(".jar", "/METADATA", ".egg-info", "/PKG-INFO", "/copyright", "/status", "/installed", "rpmdb.sqlite"),
    *("/Packages", "/Packages.db", "release", "/patchlevel.h"),
)


def _reader(path: str) -> _Reader | None:
    if not path.endswith(_ENDINGS) and not path.startswith(dpkg.STATUS_FOLDER):
        return None
    return next((item for item in _READERS if item.pattern.fullmatch(path)), None)


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")


def _normal(name: str) -> str:
    """Returns a path without empty parts, as text that can be written as JSON: a name can be any bytes."""
    readable = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "/".join(part for part in readable.split("/") if part not in ("", "."))


def _distribution(path: str, metadata: CoreMetadata) -> FoundPackage:
    """Returns a Python distribution; fields that its metadata lacks are in the name of its folder."""
    from packaging.utils import canonicalize_name

    folder = _METADATA.sub("", path)
    parent, _, spelt = folder.rpartition("/")
    named, _, rest = spelt.partition("-")
    return FoundPackage(
        ecosystem=PYPI,
        name=str(canonicalize_name(metadata.name or named)),
        version=metadata.version or rest.partition("-")[0],
        path=path,
        license=licenses.of_core_metadata(metadata),
        requires=metadata.requires,
        extras=metadata.extras,
        is_bundled=parent.rpartition("/")[2] not in _SITE,
    )


def _debian(item: dpkg.DebianPackage, path: str) -> FoundPackage:
    is_own = (item.source, item.source_version) == (item.name, item.version)
    return FoundPackage(
        ecosystem=DEB,
        name=item.name,
        version=item.version,
        path=path,
        architecture=item.architecture,
        source="" if is_own else item.source,
        source_version="" if is_own else item.source_version,
    )


def _alpine(item: apk.AlpinePackage, path: str) -> FoundPackage:
    return FoundPackage(
        ecosystem=APK,
        name=item.name,
        version=item.version,
        path=path,
        architecture=item.architecture,
        source="" if item.origin == item.name else item.origin,
        license=licenses.of_expression(item.license) if item.license else LicenseText(),
    )


def _red_hat(item: rpm.RedHatPackage, path: str) -> FoundPackage:
    return FoundPackage(
        ecosystem=RPM,
        name=item.name,
        version=item.version,
        path=path,
        architecture=item.architecture,
        source=item.source,
        license=licenses.of_names([item.license]),
    )


def _generic(name: str, found: re.Match[str] | None, path: str) -> tuple[FoundPackage, ...]:
    return (FoundPackage(ecosystem=GENERIC, name=name, version=found[1], path=path),) if found else ()
