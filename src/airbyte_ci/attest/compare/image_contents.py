"""Reads what one image contains, without running it, as facts that can be compared by name."""

import hashlib
import json
import os
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from airbyte_ci.attest.compare import owned_files
from airbyte_ci.attest.compare.certificates import certificates
from airbyte_ci.attest.compare.kinds import KindId
from airbyte_ci.attest.compare.owned_files import FileOwner
from airbyte_ci.base_images.inspection import contents
from airbyte_ci.base_images.inspection.contents import Contents
from airbyte_ci.errors import ImageError
from airbyte_ci.oci.image import BASE_NAME, Image
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.interpreter import installed
from airbyte_ci.python.interpreter.installed import Distribution
from airbyte_ci.rootfs import snapshot
from airbyte_ci.rootfs.tree import Tree, TreeNode

_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SETTINGS = {
    "User": "user",
    "WorkingDir": "working directory",
    "Entrypoint": "entrypoint",
    "Cmd": "command",
    "StopSignal": "stop signal",
    "ExposedPorts": "exposed ports",
    "Volumes": "volumes",
    "Shell": "shell",
    "Healthcheck": "health check",
    "OnBuild": "triggers of builds",
}
_CAPABILITY = "security.capability"
_SCRIPTS = ("bin", "sbin")
_DEFAULTS = {"user": "root", "working directory": "/"}
_VERSION = re.compile(r"python(3\.\d+)")
# The part of a distribution's metadata that changes how it runs; the others name versions and tools.
_EFFECTIVE = "entry_points.txt"
_MINOR = re.compile(r"python3\.\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """One path: its kind, mode, owner (`uid:gid`), size, and its content's sha256 or a link's target.

    `capabilities` are those of a program (capabilities(7)), as hexadecimal digits.
    """

    kind: str
    mode: str
    owner: str
    size: int
    content: str
    capabilities: str = ""

    @classmethod
    def parse(cls, line: str) -> "FileFacts":
        """Parses a line of `contents.files`."""
        kind, mode, owner, size, content = line.split(" ", 4)
        return cls(kind=kind, mode=mode, owner=owner, size=int(size), content=content)

    @property
    def line(self) -> str:
        """Returns the facts that are compared; the content determines the size."""
        special = f" {self.capabilities}" if self.capabilities else ""
        return f"{self.kind} {self.mode} {self.owner} {self.content}{special}"

    @property
    def is_executable(self) -> bool:
        return bool(int(self.mode, 8) & 0o100)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageContents:
    """The facts of an image by kind and name. `files` are not among `facts`; `owners` has the owned ones.

    `parts` has the files of each distribution: path below site-packages → content. `edited` are configuration files of
    packages that were changed after installation. `site` are the folders of distributions; `user` is the numeric owner
    (`uid:gid`) of the user that the image runs as.
    """

    image: Image
    base: str
    facts: Mapping[KindId, Mapping[str, str]]
    files: Mapping[str, FileFacts]
    owners: Mapping[str, FileOwner]
    parts: Mapping[str, Mapping[str, str]]
    edited: frozenset[str]
    site: tuple[str, ...]
    user: str
    workdir: str

    def name_of(self, path: str) -> str:
        """Returns the name under which a path is compared: in folders of distributions, without Python's version."""
        for folder in self.site:
            if path == folder or path.startswith(f"{folder}/"):
                return _MINOR.sub("python3", folder) + path.removeprefix(folder)
        return path

    @property
    def size(self) -> int:
        """Returns the compressed size of all layers in bytes."""
        return sum(layer.size for layer in self.image.manifest.layers)

    def origins(self, base: "ImageContents | None") -> dict[str, int]:
        """Returns the uncompressed size of the image's files by origin: its base, then what others own."""
        found: Counter[str] = Counter()
        folder = self.workdir.strip("/")
        names = {"package": "system packages", "distribution": "distributions", "interpreter": "interpreter"}
        for path, facts in self.files.items():
            owner = self.owners.get(path)
            if base and base.files.get(path) == facts:
                found["base image"] += facts.size
            elif owner:
                found[names[owner.kind]] += facts.size
            else:
                found["code" if folder and path.startswith(f"{folder}/") else "other files"] += facts.size
        return {name: found[name] for name in ("base image", *names.values(), "code", "other files") if found[name]}


def read(store: Store, image: Image) -> ImageContents:
    """Returns the contents of an image whose layers are in the store. Raises ImageError for a damaged one."""
    held = contents.of(store, image)
    tree = snapshot.unpack(store, image.layers).tree
    files = {path: _facts(tree, path, line) for path, line in contents.files(store, held).items()}
    site = owned_files.site_folders(files)
    packages, owners = owned_files.packages(tree)
    distributions = installed.distributions_in(tree, site)
    executable = _find_python(tree, image)
    version = held.python if _fits(held.python, executable) else ""
    interpreter = f"{version or 'of an unknown version'} at /{executable}" if executable else ""
    owned = {
        **dict(owned_files.python_files(files, executable, version, interpreter)),
        **owners,
        **owned_files.distribution_files(distributions),
    }
    parts = {item.name: _parts(item, site, files) for item in distributions}
    execution = image.config.execution
    user = str(execution.get("User") or "root")
    facts: dict[KindId, Mapping[str, str]] = {
        "setting": _settings(image),
        "variable": image.config.environment,
        "label": {name: str(value) for name, value in (execution.get("Labels") or {}).items()},
        "system": {
            name: value
            for name, value in (
                ("operating system", held.system.get("PRETTY_NAME") or held.system.get("ID", "")),
                ("C library", held.libc),
                ("platform", str(image.config.platform)),
            )
            if value
        },
        "interpreter": {"python": interpreter} if interpreter else {},
        "package": _by_name((f"{item.manager} {item.name}", item.version) for item in packages),
        "distribution": _by_name((item.name, _versioned(item, parts[item.name])) for item in distributions),
        "account": {**_accounts(held), **_groups(tree)},
        "certificate": certificates(tree),
        "locale": _locales(tree, image),
        "time zone": _time_zone(tree, image),
    }
    return ImageContents(
        image=image,
        base=image.manifest.annotations.get(BASE_NAME, ""),
        facts=facts,
        files=files,
        owners={path: owner for path, owner in owned.items() if path in files},
        parts=parts,
        edited=owned_files.edited_files(tree),
        site=tuple(site),
        user=_owner_of(user, held),
        workdir=str(execution.get("WorkingDir") or "/"),
    )


def _settings(image: Image) -> dict[str, str]:
    found = dict(_DEFAULTS)
    for key, name in _SETTINGS.items():
        value = image.config.execution.get(key)
        if value:
            found[name] = value if isinstance(value, str) else _shown(value)
    return found


def _shown(value: object) -> str:
    # Ports and volumes are sets, which Docker writes as objects with empty values.
    if isinstance(value, dict) and not any(value.values()):
        return " ".join(sorted(value))
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _by_name(items: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Returns all versions of each name: an image may have a package for two architectures, or a distribution twice."""
    found: dict[str, list[str]] = {}
    for name, version in items:
        found.setdefault(name, []).append(version)
    return {name: ", ".join(dict.fromkeys(sorted(versions))) for name, versions in sorted(found.items())}


def _facts(tree: Tree, path: str, line: str) -> FileFacts:
    facts = FileFacts.parse(line)
    if facts.kind != "file" or not facts.is_executable or (node := tree.entry(path)) is None:
        return facts
    try:
        return replace(facts, capabilities=os.getxattr(node.disk, _CAPABILITY, follow_symlinks=False).hex())
    except OSError:
        return facts


# --- distributions and the interpreter -----------------------------------------------------------


def _parts(item: Distribution, site: list[str], files: Mapping[str, FileFacts]) -> dict[str, str]:
    """Returns the code of a distribution: path below site-packages → content; without byte code and metadata.

    Files elsewhere are named by their folders. Installers write scripts, whose first line names the interpreter.
    """
    found = {}
    for path in item.files:
        folder = next((folder for folder in site if path.startswith(f"{folder}/")), None)
        if path not in files or path.endswith(".pyc"):
            continue
        if folder is None:
            parent, _, name = path.rpartition("/")
            kind = parent.rpartition("/")[2]
            is_script = kind in _SCRIPTS
            found[f"{kind}/{name}"] = f"script {files[path].is_executable}" if is_script else files[path].content
            continue
        relative = path.removeprefix(f"{folder}/")
        top, _, rest = relative.partition("/")
        if not top.endswith((".dist-info", ".egg-info")):
            found[relative] = files[path].content
        elif rest == _EFFECTIVE:
            found[rest] = files[path].content
    return found


def _versioned(item: Distribution, parts: Mapping[str, str]) -> str:
    if not parts:
        return item.version
    text = "\n".join(f"{path} {content}" for path, content in sorted(parts.items()))
    return f"{item.version} ({hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:12]})"


def _find_python(tree: Tree, image: Image) -> str:
    """Returns the file that `python` (else `python3`) names on the image's path, relative to the root; or empty."""
    folders = image.config.environment.get("PATH", _DEFAULT_PATH).split(":")
    for name in ("python", "python3"):
        for folder in folders:
            if (node := _resolve(tree, posixpath.join(folder, name))) and not node.is_dir:
                return node.path
    return ""


def _resolve(tree: Tree, path: str) -> TreeNode | None:
    try:
        return tree.resolve(path.strip("/"))
    except ImageError:
        return None  # a loop of links


def _fits(version: str, executable: str) -> bool:
    """Returns whether the recorded version can be that of the executable, whose name may have another one."""
    found = _VERSION.search(executable.rpartition("/")[2])
    return bool(version) and (found is None or version.startswith(f"{found[1]}.") or version == found[1])


# --- files of the system -------------------------------------------------------------------------


def _accounts(held: Contents) -> dict[str, str]:
    return {f"user {item.name}": f"{item.uid}:{item.gid} {item.home} {item.shell}" for item in held.accounts}


def _groups(tree: Tree) -> dict[str, str]:
    rows = (line.split(":") for line in _text(tree, "etc/group").split("\n"))
    return {f"group {row[0]}": f"{row[2]} {row[3]}".strip() for row in rows if len(row) == 4}


def _owner_of(user: str, held: Contents) -> str:
    name, _, group = user.partition(":")
    account = next((item for item in held.accounts if name in (item.name, str(item.uid))), None)
    return f"{account.uid}:{account.gid}" if account else f"{name}:{group or 0}"


def _locales(tree: Tree, image: Image) -> dict[str, str]:
    environment = image.config.environment
    found = {"of processes": environment.get("LC_ALL") or environment.get("LANG") or "POSIX"}
    for path in ("etc/default/locale", "etc/locale.conf"):
        lines = (line.strip() for line in _text(tree, path).split("\n"))
        if text := "; ".join(line for line in lines if line and not line.startswith("#")):
            found[f"/{path}"] = text
    for name in tree.names("usr/lib/locale"):
        archive = tree.read("usr/lib/locale/locale-archive") if name == "locale-archive" else None
        found[f"installed {name}"] = hashlib.sha256(archive).hexdigest()[:12] if archive is not None else "yes"
    return found


def _time_zone(tree: Tree, image: Image) -> dict[str, str]:
    zone = image.config.environment.get("TZ")
    node = tree.entry("etc/localtime")
    named = str(node.disk.readlink()).rpartition("zoneinfo/")[2] if node and node.is_link else ""
    data = tree.read("etc/localtime") if node else None
    text = _text(tree, "etc/timezone").strip()
    local = named or text or (f"of a file {hashlib.sha256(data).hexdigest()[:12]}" if data else "")
    return {"of processes": (zone or local or "UTC").removeprefix("Etc/")}


def _text(tree: Tree, path: str) -> str:
    return (tree.read(path) or b"").decode("utf-8", "replace")


def comparable(found: ImageContents) -> Iterator[tuple[str, FileFacts]]:
    """Yields the files that rows compare by themselves: not those of distributions."""
    for path, facts in found.files.items():
        owner = found.owners.get(path)
        if not owned_files.is_left_out(path) and (owner is None or owner.kind != "distribution"):
            yield path, facts
