"""The inventory of a base image without running it: packages, distributions, accounts, libc, Python, files by layer.

Computed once per image and stored: the summary as an action, and the list of files as a blob, which is read only to
compare files.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from airbyte_ci.base_images.inspection import layer_files
from airbyte_ci.base_images.inspection.layer_files import LayerFile
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Image
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.interpreter import installed
from airbyte_ci.rootfs import dpkg, snapshot
from airbyte_ci.rootfs.dpkg import DebianPackage
from airbyte_ci.rootfs.tree import Tree

FORMAT_VERSION = 1
_LIBC = re.compile(rb"GNU C Library [^\n]{0,80} version (\d+\.\d+)")
_PYTHON_FOLDER = re.compile(r"(?:^|/)include/python3\.\d+[a-z]*/patchlevel\.h\Z")
_PATCHLEVEL = re.compile(rb'#define\s+PY_VERSION\s+"([^"]+)"')
_DEBIAN_PYTHON = re.compile(r"libpython(3\.\d+)-minimal\Z")


@dataclass(frozen=True, slots=True)
class UserAccount:
    """A user of the image."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str


@dataclass(frozen=True, slots=True)
class LayerContents:
    """One layer: its compressed size, the size of the files that it adds, and its history entry."""

    diff_id: str
    size: int
    files: int
    file_bytes: int
    created_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """The contents of an image. `files` names the blob with one line per path; `python` is empty without Python."""

    system: Mapping[str, str]
    libc: str
    python: str
    packages: tuple[DebianPackage, ...]
    distributions: tuple[tuple[str, str], ...]
    accounts: tuple[UserAccount, ...]
    layers: tuple[LayerContents, ...]
    files: Digest

    @property
    def size(self) -> int:
        """Returns the compressed size of all layers in bytes."""
        return sum(layer.size for layer in self.layers)

    @property
    def ecosystem(self) -> str:
        """Returns the OSV ecosystem of the image's system packages, such as `Debian:12`."""
        return f"Debian:{self.system.get('VERSION_ID', '')}" if self.system.get("ID") == "debian" else ""

    def to_json(self) -> dict[str, Any]:
        return {
            "system": dict(self.system),
            "libc": self.libc,
            "python": self.python,
            "packages": [item.to_json() for item in self.packages],
            "distributions": [list(item) for item in self.distributions],
            "accounts": [asdict(item) for item in self.accounts],
            "layers": [asdict(item) for item in self.layers],
            "files": str(self.files),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Contents":
        return cls(
            system=document["system"],
            libc=document["libc"],
            python=document["python"],
            packages=tuple(DebianPackage(**item) for item in document["packages"]),
            distributions=tuple((name, version) for name, version in document["distributions"]),
            accounts=tuple(UserAccount(**item) for item in document["accounts"]),
            layers=tuple(LayerContents(**item) for item in document["layers"]),
            files=Digest.parse(document["files"]),
        )


def of(store: Store, image: Image) -> Contents:
    """Returns the image's inventory; its layers must be in the store. Raises ImageError for a damaged layer."""
    known = store.reuse(
        "contents",
        FORMAT_VERSION,
        inputs={"manifest": str(image.digest)},
        make=lambda: _made(store, image).to_json(),
        is_whole=lambda found: store.has(Digest.parse(found["files"])),
    )
    return Contents.from_json(known)


def files(store: Store, contents: Contents) -> dict[str, str]:
    """Returns by path one text of kind, mode, owner and content, for comparisons."""
    lines = store.read(contents.files).decode("utf-8", "surrogateescape").split("\n")
    return {path: rest for path, _, rest in (line.partition("\0") for line in lines) if path}


def _made(store: Store, image: Image) -> Contents:
    tree = snapshot.unpack(store, image.layers).tree
    found = list(layer_files.listed(tree.layers))
    held = layer_files.contents(found)
    lines = (_line(file, content) for file, content in zip(found, held, strict=True))
    blob = store.put("\n".join(lines).encode("utf-8", "surrogateescape"))
    packages = dpkg.installed(tree)
    folders = sorted({folder for file in found if (folder := _site_packages(file.path))})
    return Contents(
        system=_system(tree),
        libc=_libc(tree, found),
        python=_python(image, tree, found, packages),
        packages=packages,
        distributions=tuple((item.name, item.version) for item in installed.distributions_in(tree, folders)),
        accounts=_accounts(tree),
        layers=_layers(image, found),
        files=blob,
    )


def _line(file: LayerFile, content: str) -> str:
    path, content = (text.replace("\n", "\\n") for text in (file.path, content))
    return f"{path}\0{file.kind} {file.mode:o} {file.uid}:{file.gid} {file.size} {content}"


def _site_packages(path: str) -> str | None:
    folder, _, name = path.rpartition("/")
    parent = folder.rpartition("/")[2]
    return folder if name.endswith(".dist-info") and parent in ("site-packages", "dist-packages") else None


def _system(tree: Tree) -> dict[str, str]:
    """Returns the fields of os-release(5) that identify the system."""
    text = (tree.read("etc/os-release") or b"").decode("utf-8", "replace")
    pairs = (line.partition("=") for line in text.split("\n"))
    wanted = ("ID", "VERSION_ID", "VERSION_CODENAME", "PRETTY_NAME")
    return {name: value.strip("\"'") for name, _, value in pairs if name in wanted}


def _libc(tree: Tree, found: Sequence[LayerFile]) -> str:
    """Returns `glibc 2.36`, read from the library itself, or `musl` where programs are linked with it."""
    for file in found:
        if file.path.endswith("/libc.so.6") and (data := tree.read(file.path)) and (version := _LIBC.search(data)):
            return f"glibc {version[1].decode()}"
    return "musl" if any("/ld-musl-" in f"/{file.path}" for file in found) else ""


def _python(image: Image, tree: Tree, found: Sequence[LayerFile], packages: Sequence[DebianPackage]) -> str:
    """Returns the full version of `python`, which Docker's images and virtual environments record."""
    if named := image.config.environment.get("PYTHON_VERSION"):
        return named
    for place in ("usr/local/pyvenv.cfg", "opt/venv/pyvenv.cfg"):
        pairs = (line.partition("=") for line in (tree.read(place) or b"").decode(errors="replace").splitlines())
        if version := {name.strip(): value.strip() for name, _, value in pairs}.get("version"):
            return version
    for file in found:
        if _PYTHON_FOLDER.search(file.path) and (defined := _PATCHLEVEL.search(tree.read(file.path) or b"")):
            return defined[1].decode(errors="replace")
    debian = (item for item in packages if _DEBIAN_PYTHON.match(item.name))
    return next((re.split(r"[-+~]", item.version)[0] for item in debian), "")


def _accounts(tree: Tree) -> tuple[UserAccount, ...]:
    rows = (line.split(":") for line in (tree.read("etc/passwd") or b"").decode(errors="replace").split("\n"))
    return tuple(
        UserAccount(row[0], int(row[2]), gid=int(row[3]), home=row[5], shell=row[6])
        for row in rows
        if len(row) >= 7 and _is_number(row[2]) and _is_number(row[3])
    )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 10


def _layers(image: Image, found: Sequence[LayerFile]) -> tuple[LayerContents, ...]:
    history = [item for item in image.config.document.get("history") or [] if not item.get("empty_layer")]
    commands = [str(item.get("created_by", "")) for item in history]
    counts, sizes = [0] * len(image.layers), [0] * len(image.layers)
    for file in found:
        counts[file.layer] += file.kind != "dir"
        sizes[file.layer] += file.size
    if len(commands) != len(image.layers):
        commands = [""] * len(image.layers)
    return tuple(
        LayerContents(
            str(diff_id), descriptor.size, files=counts[number], file_bytes=sizes[number], created_by=commands[number]
        )
        for number, (descriptor, diff_id) in enumerate(image.layers)
    )
