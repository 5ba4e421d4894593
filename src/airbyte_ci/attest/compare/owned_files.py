"""Which package, distribution or interpreter an image's file belongs to, and which files a comparison leaves out."""

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from airbyte_ci.attest.compare.kinds import KindId
from airbyte_ci.errors import ImageError
from airbyte_ci.python.interpreter.installed import Distribution
from airbyte_ci.rootfs import apk, diff, dpkg, rpm
from airbyte_ci.rootfs.tree import Tree

# Left out, because another kind of row has these facts, or programs write them differently each time.
_LEFT_OUT = re.compile(
    r"""
      etc/(passwd|group|shadow|gshadow|subuid|subgid|timezone|localtime|ld\.so\.cache)
    | etc/ssl/certs(/.*)? | etc/pki/(ca-trust/extracted|tls/certs)(/.*)?
    | usr/lib/locale(/.*)?
    | usr/share/(doc|man|info|lintian|bug|locale)(/.*)?
    | var/(cache|log)(/.*)? | var/lib/(apt|dpkg|rpm|yum|dnf)(/.*)?
    | lib/apk/db(/.*)? | usr/lib/sysimage/rpm(/.*)?
    | (.*/)?(\.cache|\.wh\.[^/]*)(/.*)?
    | .*\.pyc
    """,
    re.VERBOSE | re.DOTALL,
)
_SITE = re.compile(r"(?P<site>(?:.*/)?(?:site|dist)-packages)/[^/]+\.(?:dist|egg)-info(?:/.*)?", re.DOTALL)
# The files of a Python that no package manager installed, as in Docker's official images, relative to its prefix.
_PYTHON = r"""{prefix}/(
      lib/python{minor}(?!/(site|dist)-packages/).*
    | lib/libpython{minor}\S* | lib/libpython3\.so | lib/pkgconfig/python\S*
    | include/python{minor}\S*
    | bin/(python\S*|pydoc\S*|idle\S*|2to3\S*|pyvenv)
    | share/man/man1/python\S*
    )"""


@dataclass(frozen=True, slots=True)
class SystemPackage:
    """An installed package of the system. `manager` is deb, apk or rpm."""

    manager: str
    name: str
    version: str


@dataclass(frozen=True, slots=True)
class FileOwner:
    """What a file belongs to, with the version that its row of this kind shows."""

    kind: KindId
    name: str
    version: str


def is_left_out(path: str) -> bool:
    """Returns whether no row compares this path."""
    return diff.is_noise(path) or bool(_LEFT_OUT.fullmatch(path))


def site_folders(paths: Iterable[str]) -> list[str]:
    """Returns the folders of distributions, relative to the root."""
    return sorted({found["site"] for path in paths if (found := _SITE.fullmatch(path))})


def packages(tree: Tree) -> tuple[tuple[SystemPackage, ...], dict[str, FileOwner]]:
    """Returns the packages of all package managers, and the package of each path. Raises ImageError."""
    found = [SystemPackage("deb", item.name, item.version) for item in dpkg.installed(tree)]
    versions = {item.name: item.version for item in found}
    owners = {path: _owner("deb", name, versions.get(name, "")) for path, name in dpkg.files(tree).items()}
    alpine = apk.packages((tree.read(apk.INSTALLED) or b"").decode("utf-8", "replace"))
    for manager, items in (("apk", alpine), ("rpm", _red_hat(tree))):
        for item in items:
            found.append(SystemPackage(manager, item.name, item.version))
            owners |= dict.fromkeys(item.files, _owner(manager, item.name, item.version))
    return tuple(found), {_resolved(tree, path): owner for path, owner in owners.items()}


def _red_hat(tree: Tree) -> tuple[rpm.RedHatPackage, ...]:
    node = next((node for place in rpm.DATABASES if (node := tree.resolve(place))), None)
    return rpm.packages(node.disk) if node else ()


def _owner(manager: str, name: str, version: str) -> FileOwner:
    return FileOwner("package", f"{manager} {name}", version)


def _resolved(tree: Tree, path: str) -> str:
    """Returns the path without links to folders: packages list `bin/sh` where /bin is a link to usr/bin."""
    folder, slash, name = path.rpartition("/")
    if not slash or folder.split("/", 1)[0] not in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        return path
    try:
        node = tree.resolve(folder)
    except ImageError:
        return path
    return f"{node.path}/{name}" if node else path


def distribution_files(distributions: Iterable[Distribution]) -> dict[str, FileOwner]:
    """Returns the distribution of each path that one lists."""
    return {path: FileOwner("distribution", item.name, item.version) for item in distributions for path in item.files}


def python_files(
    paths: Collection[str], executable: str, version: str, interpreter: str
) -> Iterator[tuple[str, FileOwner]]:
    """Yields the files of a Python with this executable (relative to the root) that are in its own folders.

    `interpreter` is the value of its row.
    """
    prefix, found, _ = executable.rpartition("/bin/")
    minor = ".".join(version.split(".")[:2])
    if not found or not minor:
        return
    pattern = re.compile(_PYTHON.format(prefix=re.escape(prefix), minor=re.escape(minor)), re.VERBOSE | re.DOTALL)
    owner = FileOwner("interpreter", "python", interpreter)
    yield from ((path, owner) for path in paths if pattern.fullmatch(path))


def edited_files(tree: Tree) -> frozenset[str]:
    """Returns Debian's configuration files that differ from the version in their package."""
    sums = dpkg.configuration_files(tree)
    return frozenset(path for path, digest in sums.items() if _is_edited(tree.read(path), digest))


def _is_edited(content: bytes | None, digest: str) -> bool:
    return content is not None and hashlib.md5(content, usedforsecurity=False).hexdigest() != digest


def parents_of(paths: Iterable[str]) -> set[str]:
    """Returns the folders that contain these paths, at any depth."""
    found: set[str] = set()
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found
