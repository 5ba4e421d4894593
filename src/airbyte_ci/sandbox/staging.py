"""The folder in which a sandbox's root is assembled: mounts created here, attached in its launcher's mount namespace.

All of them lie below one folder in memory that everyone may pass, so the store and the connector may lie in private
folders. They show the sandbox's own identities, and never effective set-user-ID bits or devices.
"""

import contextlib
import errno
import os
import platform
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from airbyte_ci.errors import SandboxError
from airbyte_ci.rootfs import tree, user_namespace
from airbyte_ci.sandbox import identities, kernel
from airbyte_ci.sandbox.identities import Identities

# With 1, commands may be this machine's root if the kernel allows nothing else.
CONSENT = "AIRBYTE_CI_ALLOW_HOST_ROOT"
ADVICE = f"run airbyte-ci as an ordinary user, or accept the risk: export {CONSENT}=1"
# Folders of every Linux (FHS 3.0); at least one is not on the path of anything used.
_PLACES = ("/mnt", "/media", "/srv", "/opt", "/run")
_PROGRAMS = ("sh", "runc", "ip", "mount")
# The errors with which a file system, or the kernel, reports that it does not map identities.
_UNABLE = (errno.EINVAL, errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP)


class Staging:
    """Mounts for one sandbox, by the place where its launcher finds them. Use it as a context manager."""

    def __init__(self, owners: Identities | None, bundle: Path) -> None:
        self._owners = owners
        self._ends = contextlib.ExitStack()
        self._clones: list[tuple[int, bool]] = []
        self._parents: dict[tuple[Path, bool], Path] = {}
        self.folder = _folder(bundle)
        self.root = self.folder / "root"
        self.system = self.folder / "sys"

    def __enter__(self) -> "Staging":
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    def take(self, source: Path, *, writable: bool = False, public: bool = False) -> Path:
        """Returns the future path of a folder or file; raises SandboxError, OSError.

        A `public` one keeps its owners, so the sandbox sees what every user of this machine sees. So does a read-only
        one whose file system cannot map owners.
        """
        clone = kernel.clone_mount(source)
        self._ends.callback(os.close, clone)
        kernel.restrict(clone, writable=writable)
        if self._owners and not public:
            try:
                kernel.map_ids(clone, self._owners.mounts)
            except OSError as error:
                if writable or error.errno not in _UNABLE:
                    raise SandboxError(
                        f"cannot mount {source} for a sandbox: its file system cannot show files with other owners "
                        f"({error.strerror})",
                        advice="use a folder on ext4, xfs or btrfs",
                    ) from error
        self._clones.append((clone, stat.S_ISDIR(os.fstat(clone).st_mode)))
        return self.folder / str(len(self._clones) - 1)

    def attach_overlay(self, pid: int | None, lowers: Sequence[Path], upper: Path, work: Path) -> None:
        """Attaches everything for a process, with overlayfs over the layers, newest first, as the root.

        The work folder lies next to the upper one: overlayfs wants both on one mount.
        """
        places = [self._layer(place, writable=False) for place in lowers]
        top = self._layer(upper, writable=True)
        places += [top, top.with_name(work.name)]

        def mount_root() -> None:
            # Mount options are limited to one page, without a comma or colon in a name.
            names = [str(number) for number in range(len(places))]
            (self.folder / "places").mkdir()
            os.chdir(self.folder / "places")
            for name, place in zip(names, places, strict=True):
                Path(name).symlink_to(place)
            self.root.mkdir()
            options = f"lowerdir={':'.join(names[:-2])},upperdir={names[-2]},workdir={names[-1]}"
            kernel.mount("overlay", self.root, options + tree.mount_options())

        self._attach(pid, mount_root)

    def attach_links(self, pid: int, links: Mapping[str, Path]) -> None:
        """Attaches everything for a process, with a folder in memory that contains only these links as the root."""
        owner = self._owners.outside(0) if self._owners else 0

        def mount_root() -> None:
            self.root.mkdir()
            kernel.mount("tmpfs", self.root, f"mode=755,size=4m,uid={owner},gid={owner}")
            for name, target in links.items():
                (self.root / name).symlink_to(target)

        self._attach(pid, mount_root)

    def _layer(self, place: Path, *, writable: bool) -> Path:
        """Layers lie in few folders, so each folder is mounted once."""
        key = (place.parent.absolute(), writable)
        if key not in self._parents:
            self._parents[key] = self.take(key[0], writable=writable)
        return self._parents[key] / place.name

    def _attach(self, pid: int | None, mount_root: Callable[[], None]) -> None:
        def work() -> None:
            kernel.mount("tmpfs", self.folder, "mode=755,size=4m")
            self.system.mkdir()
            for number, (clone, is_folder) in enumerate(self._clones):
                place = self.folder / str(number)
                if is_folder:
                    place.mkdir()
                else:
                    place.touch()
                kernel.attach(clone, place)
            mount_root()

        kernel.in_mounts_of(pid, work)


def _folder(bundle: Path) -> Path:
    """A folder that every Linux has, and that is neither on the way to the bundle nor to the launcher's programs."""
    used = [bundle.resolve(), *(Path(place) for name in _PROGRAMS if (place := shutil.which(name)))]
    for folder in map(Path, _PLACES):
        if folder.is_dir() and not folder.is_symlink() and not any(place.is_relative_to(folder) for place in used):
            return folder
    raise SandboxError(
        f"cannot start a sandbox: none of {', '.join(_PLACES)} can be used as a mount point",
        advice="mkdir /mnt",
        error_id="sandbox-unavailable",
    )


# --- what this machine allows ----------------------------------------------------------------------


@contextlib.contextmanager
def borrow_identities(folder: Path) -> Iterator[Identities | None]:
    """Identities for a sandbox whose root lies in this folder; None in a user namespace, which has its own.

    Raises SandboxError where the kernel has no such mounts, unless the user consents to go without.
    """
    if user_namespace.inside():
        yield None
        return
    if why := obstacle(folder):
        if not consents():
            raise SandboxError(
                f"cannot run a command in an image: it would run as this machine's root, because {why}",
                advice=ADVICE,
                error_id="sandbox-unavailable",
            )
        yield None
        return
    with identities.borrow() as owners:
        yield owners


def consents() -> bool:
    """Whether the user accepts that commands are this machine's root if the kernel allows nothing else."""
    return os.environ.get(CONSENT, "") not in ("", "0")


_obstacles: dict[int, str] = {}


def obstacle(folder: Path) -> str:
    """Returns why a root in this folder cannot have mapped owners; empty if it can. Tried once per disk."""
    device = folder.stat().st_dev
    if device not in _obstacles:
        _obstacles[device] = _try(folder)
    return _obstacles[device]


def _try(folder: Path) -> str:
    with tempfile.TemporaryDirectory(dir=folder) as name:
        places = [Path(name, part) for part in ("lower", "upper", "work")]
        for place in places:
            place.mkdir()
        try:
            with identities.borrow() as owners, Staging(owners, Path(name)) as staging:
                staging.attach_overlay(None, places[:1], *places[1:])
        except (OSError, SandboxError) as error:
            cause = error if isinstance(error, OSError) else error.__cause__
            if not isinstance(cause, OSError):
                return str(error)
            return (
                f"Linux {platform.release()} cannot show files in {folder.parent} with other owners: {cause.strerror} "
                "(that needs Linux 5.19 and a file system such as ext4, xfs or btrfs)"
            )
    return ""
