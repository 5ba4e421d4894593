"""The wheel that a build backend created: opened as hostile data, checked, and stored as a canonical zip.

No wheel is held in memory as a whole. `wheel_archive` defines a valid wheel.
"""

import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from airbyte_ci.errors import PackageError
from airbyte_ci.oci.digest import chunks
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.packages.lock import LockedFile
from airbyte_ci.python.wheels import wheel_archive
from airbyte_ci.python.wheels.wheel_archive import WheelRefused
from airbyte_ci.python.wheels.zip_layout import LayoutRefused
from airbyte_ci.sandbox.output_files import OutputRefused, list_outputs, open_output

# The largest wheels on public indexes have about 2 GB.
SIZE_LIMIT = 4 << 30
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
_SHOWN = 200
_REFUSED = (WheelRefused, LayoutRefused, OutputRefused, InvalidWheelFilename)


def keep(store: Store, folder: Path, scratch: Path, what: str) -> LockedFile:
    """Stores the only wheel in a folder that a build filled; raises PackageError.

    `scratch` is a temporary folder, and `what` names the sdist in messages.
    """
    name = ""
    try:
        name = _only(list_outputs(folder))
        parse_wheel_filename(name)
        with (
            open_output(folder, name, SIZE_LIMIT) as file,
            wheel_archive.open_checked(file) as archive,
            (scratch / "canonical.whl").open("x+b") as target,
        ):
            store.require_space(sum(member.file_size for member in archive.infolist()))
            canonical(archive, target)
            target.seek(0)
            with store.writer() as writer:
                for piece in chunks(target):
                    writer.write(piece)
    except (*_REFUSED, zipfile.BadZipFile, zlib.error, EOFError) as error:
        shown = f"{name!r:.{_SHOWN}} is not a valid wheel: {error!s:.{_SHOWN}}" if name else str(error)
        raise PackageError(
            f"cannot build a wheel of {what}: {shown}",
            advice="lock a version that has a wheel, or publish one on your own index",
        ) from error
    return LockedFile(name, writer.digest.hex)


def _only(names: list[str]) -> str:
    wheels = [name for name in names if name.endswith(".whl")]
    if len(wheels) != 1:
        raise OutputRefused(f"its build backend created {len(wheels)} wheels instead of one")
    return wheels[0]


def canonical(archive: zipfile.ZipFile, target: BinaryIO) -> None:
    """Writes the wheel to a seekable file in its canonical form: sorted, stored, with fixed times and modes."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as made:
        for member in sorted(archive.infolist(), key=lambda item: item.filename):
            if member.is_dir():
                continue
            info = zipfile.ZipInfo(member.filename, _ZIP_TIME)
            info.create_system = 3
            executable = (member.external_attr >> 16) & 0o111
            info.external_attr = (0o100755 if executable else 0o100644) << 16
            info.file_size = member.file_size  # The size decides whether the zip uses 32-bit or 64-bit fields.
            with archive.open(member) as reader, made.open(info, "w") as writer:
                for piece in chunks(reader):
                    writer.write(piece)
