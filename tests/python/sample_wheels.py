"""Wheels made for tests: right by default, wrong where a test wants them so."""

import base64
import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from airbyte_ci.oci.tar import Entry

METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def row(path: str, content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
    return f"{path},sha256={digest},{len(content)}"


def make(
    folder: Path,
    name: str = "demo",
    version: str = "1.0",
    files: Mapping[str, str | bytes] | None = None,
    *,
    filename: str = "",
    record: Sequence[str] | None = None,
    executable: Sequence[str] = (),
    twice: Sequence[str] = (),
) -> Path:
    """A wheel with `files`, and a RECORD of them unless `record` gives its lines; `twice` are written once more."""
    info = f"{name}-{version}.dist-info"
    contents: dict[str, str | bytes] = {
        f"{info}/METADATA": METADATA.format(name=name, version=version),
        f"{info}/WHEEL": WHEEL,
        **(files if files is not None else {f"{name}/__init__.py": "VALUE = 1\n"}),
    }
    packed = {path: text.encode() if isinstance(text, str) else text for path, text in contents.items()}
    lines = [row(path, content) for path, content in packed.items()] if record is None else [*record]
    packed[f"{info}/RECORD"] = "".join(f"{line}\n" for line in [*lines, f"{info}/RECORD,,"]).encode()
    path = folder / (filename or f"{name}-{version}-py3-none-any.whl")
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for member, content in [*packed.items(), *((member, packed[member]) for member in twice)]:
            item = zipfile.ZipInfo(member)
            item.external_attr = (0o100755 if member in executable else 0o100644) << 16
            archive.writestr(item, content)
    path.write_bytes(data.getvalue())
    return path


def unpack(entries: Sequence[Entry], root: Path) -> None:
    """Writes entries below a folder, as an image's layer would be."""
    for entry in entries:
        assert isinstance(entry.content, bytes)
        target = root / entry.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(entry.content)
        target.chmod(entry.mode)
