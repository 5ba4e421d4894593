"""Source trees: a folder or a git commit of a lock, as one archive by digest, from which a wheel is built.

A folder's files are those that git would track: tracked files and new ones that are not ignored. No code of the tree
runs here.
"""

import os
import stat
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePath

from airbyte_ci.connectors import hidden_files, leftovers, pylock_names
from airbyte_ci.documents import load_toml
from airbyte_ci.errors import PackageError
from airbyte_ci.git import git
from airbyte_ci.oci import tar
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry
from airbyte_ci.python.index.package_index import PackageIndex
from airbyte_ci.python.packages.lock import FromArchive, FromDirectory, FromGit, LockedFile, LockedPackage
from airbyte_ci.python.sources import git_checkout

FORMAT_VERSION = 3
# The archive name of a tree: no index file can have such a name.
SUFFIX = ".tree.tar"
# Files that tools leave are always excluded; the others only without git, which otherwise decides.
CACHES = leftovers.FOLDERS
_LEFT_OUT = CACHES | {".tox", "build", "dist", "node_modules"}


def obtain(package: LockedPackage, folder: Path, store: Store, index: PackageIndex) -> LockedFile:
    """Stores the file or tree of a package that no index has; raises PackageError if it is not available.

    `folder` is the connector's, to which paths in a lock are relative.
    """
    match package.origin:
        case FromDirectory() as origin:
            return _of_folder(store, package.name, folder_of(origin, folder), origin.subdirectory, is_local=True)
        case FromGit() as origin:
            return _of_git(store, package.name, origin, offline=index.offline)
        case FromArchive() as origin:
            return _archive(store, index, package, origin, folder)
    raise AssertionError(f"{package.origin} is an index")


def describe(folder: Path, store: Store) -> LockedFile:
    """Returns the tree for asking a folder's build back end for requirements; raises PackageError.

    Excludes locks at its top: they depend on the answer, so a new lock must not change the question.
    """
    return _of_folder(store, folder.name, folder, "", is_local=True, left_out=pylock_names.is_pylock)


def of_project(name: str, folder: Path, store: Store, replaced: Mapping[str, bytes]) -> LockedFile:
    """Returns the tree of a project's folder with other contents for some of its files, by path."""
    entries = (
        replace(entry, content=replaced[entry.path]) if entry.path in replaced else entry
        for entry in _entries(folder, is_local=True)
    )
    return _keep(store, name, entries, "")


def version(store: Store, file: LockedFile) -> str:
    """Returns the static version in a tree's pyproject.toml; empty if only its code or git knows it."""
    _, _, place = file.name.removesuffix(SUFFIX).partition("+")
    path = f"{place.replace('+', '/')}/pyproject.toml" if place else "pyproject.toml"
    try:
        with tarfile.open(store.path(Digest(file.sha256))) as archive:
            reader = archive.extractfile(path)
            document = load_toml(reader.read().decode()) if reader else {}
        project, tools = document.get("project") or {}, document.get("tool") or {}
        poetry = {} if "poetry-dynamic-versioning" in tools else tools.get("poetry") or {}
        return str(
            project.get("version") or ("" if "version" in project.get("dynamic", ()) else poetry.get("version", ""))
        )
    except (KeyError, AttributeError, TypeError, ValueError, OSError, tarfile.TarError):
        return ""


def folder_of(origin: FromDirectory, folder: Path) -> Path:
    """Returns the location of the source folder on this machine."""
    return Path(os.path.normpath(folder / origin.path))


def _of_folder(
    store: Store,
    name: str,
    folder: Path,
    subdirectory: str,
    *,
    is_local: bool,
    left_out: Callable[[str], bool] = lambda _: False,
) -> LockedFile:
    project = folder / subdirectory if subdirectory else folder
    if not any((project / file).is_file() for file in ("pyproject.toml", "setup.py")):
        raise PackageError(
            f"{name} comes from the folder {project}, which has neither pyproject.toml nor setup.py",
            advice="check out the commit for which the lock was created, or lock again",
        )
    entries = (entry for entry in _entries(folder, is_local=is_local) if not left_out(entry.path))
    return _keep(store, name, entries, subdirectory)


def _entries(folder: Path, *, is_local: bool) -> Iterator[Entry]:
    """Yields the included files with their archive paths; links stay links. Excludes this machine's secrets."""
    for path in sorted(_listed(folder) or _walked(folder)):
        disk = folder / path
        if is_local and (hidden_files.secret_part(PurePath(path)) or hidden_files.is_secret(disk)):
            continue
        try:
            status = disk.lstat()
        except FileNotFoundError:
            continue  # removed, but git still tracks it
        if stat.S_ISLNK(status.st_mode):
            yield tar.symlink(path, str(disk.readlink()))
        elif stat.S_ISREG(status.st_mode):
            yield Entry(path=path, mode=0o755 if status.st_mode & stat.S_IXUSR else 0o644, content=disk)


def ruled_by(folder: Path) -> list[Path]:
    """Returns the files that decide which other files belong to a folder: git's index and its ignore rules."""
    answer = git.ask(folder, "rev-parse", "--show-toplevel", "--git-path", "index")
    if answer is None or answer.returncode:
        return []
    top, *others = (os.fsdecode(line) for line in answer.stdout.removesuffix(b"\n").split(b"\n"))
    above = [place for place in folder.resolve().parents if place.is_relative_to(top)]
    return [
        *(place / ".gitignore" for place in above),
        *(folder / name for name in others),
    ]


def _listed(folder: Path) -> list[str]:
    # Only the repository's own rules: the user's ignore file must not affect an image.
    asked = ("ls-files", "-z", "--cached", "--others", "--exclude-per-directory=.gitignore", "--deduplicate")
    answer = git.ask(folder, *asked)
    if answer is None or answer.returncode:
        return []
    names = [os.fsdecode(name) for name in answer.stdout.split(b"\0") if name]
    counted = [name for name in names if not name.endswith(".pyc") and CACHES.isdisjoint(name.split("/"))]
    found = []
    for name in counted:
        if (folder / name).is_dir() and not (folder / name).is_symlink():
            found += [f"{name.rstrip('/')}/{inner}" for inner in _of_submodule(folder / name)]
        else:
            found.append(name)
    return found


def _of_submodule(folder: Path) -> list[str]:
    """Yields the files of a nested repository, of which git lists only the folder."""
    if not (folder / ".git").exists():
        raise PackageError(
            f"cannot read the folder {folder}: it is a submodule that is not checked out",
            advice="git submodule update --init --recursive",
        )
    return _listed(folder)


def _walked(folder: Path) -> list[str]:
    found = []
    for place, names, files in os.walk(folder):
        names[:] = [name for name in names if name not in _LEFT_OUT and not name.endswith(".egg-info")]
        found += [os.path.relpath(Path(place, name), folder) for name in files if not name.endswith(".pyc")]
    return found


def _keep(store: Store, name: str, entries: Iterator[Entry], subdirectory: str) -> LockedFile:
    files = {entry.path: entry for entry in entries}
    folders = {parent: tar.directory(parent) for path in files for parent in tar.parents(path)}
    with store.writer() as writer:
        tar.write(tar.sorted_entries([*folders.values(), *files.values()]), writer)
        writer.write(tar.END)
    place = f"+{subdirectory.replace('/', '+')}" if subdirectory else ""
    return LockedFile(f"{name}{place}{SUFFIX}", writer.digest.hex)


def _of_git(store: Store, name: str, origin: FromGit, *, offline: bool) -> LockedFile:
    """Returns the commit's tree. A commit never changes, so it is fetched once."""
    inputs = {"url": origin.url, "commit": origin.commit, "name": name, "subdirectory": origin.subdirectory}

    def make() -> dict[str, str]:
        if offline:
            raise PackageError(
                f"cannot fetch {name} from {origin}: it is not cached, and --offline is set",
                advice="run the command once without --offline",
                error_id="not-cached",
            )
        with store.scratch() as folder:
            git_checkout.check_out(origin.url, origin.commit, folder / "tree", f"{name} from {origin}")
            found = _of_folder(store, name, folder / "tree", origin.subdirectory, is_local=False)
        return {"name": found.name, "sha256": found.sha256}

    known = store.reuse(
        "git tree", FORMAT_VERSION, inputs=inputs, make=make, is_whole=lambda item: store.has(Digest(item["sha256"]))
    )
    return LockedFile(known["name"], known["sha256"])


def _archive(
    store: Store, index: PackageIndex, package: LockedPackage, origin: FromArchive, folder: Path
) -> LockedFile:
    (file,) = package.files
    if origin.is_url:
        index.fetch_url(store, file, origin.place)
        return file
    path = folder / origin.place
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PackageError(f"{package.name} comes from {origin.place}: {error.strerror}") from error
    if Digest.of(data).hex != file.sha256:
        raise PackageError(
            f"{package.name} comes from {origin.place}, whose content does not match the locked hash",
            advice="lock again if the change is intended",
            error_id="package-hash-mismatch",
        )
    store.put(data)
    return file
