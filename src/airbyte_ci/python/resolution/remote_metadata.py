"""Reads METADATA of an index's wheel without fetching the wheel: by PEP 658, or from the end of the zip by ranges."""

import io
from typing import Any

from airbyte_ci.errors import PackageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.index.index_project import IndexFile
from airbyte_ci.python.index.index_settings import Source
from airbyte_ci.python.index.package_index import PackageIndex
from airbyte_ci.python.packages.lock import LockedFile
from airbyte_ci.python.sources import metadata

FORMAT_VERSION = 1
# Wheels end with their metadata and their file list; this many bytes contain both in nearly all of them.
_TAIL = 128 << 10


def of_wheel(store: Store, index: PackageIndex, source: Source, package: IndexFile) -> str:
    """Returns the text of METADATA; raises PackageError."""

    def make() -> dict[str, str]:
        return {"text": _read(store, index, source, package)}

    if not package.sha256:
        return make()["text"]
    return str(store.reuse("wheel metadata", FORMAT_VERSION, {"wheel": package.sha256}, make)["text"])


def _read(store: Store, index: PackageIndex, source: Source, package: IndexFile) -> str:
    sha256 = package.sha256
    if sha256 and store.has(Digest(sha256)):
        return metadata.of_wheel(store.path(Digest(sha256)), package.filename)
    if package.has_metadata and (text := _published(index, source, package)) is not None:
        return text
    remote = _RemoteFile.open(index, source, package.url)
    if remote is not None:
        return metadata.of_wheel(io.BufferedReader(remote, 32 << 10), package.filename)
    # The index does not support ranges, so the whole wheel is fetched; it is needed anyway if it is selected.
    if not sha256:
        raise PackageError(
            f"cannot read the metadata of {package.filename}: the index provides neither the metadata nor a sha256"
        )
    digest = index.fetch_url(store, LockedFile(package.filename, sha256), package.url, source)
    return metadata.of_wheel(store.path(digest), package.filename)


def _published(index: PackageIndex, source: Source, package: IndexFile) -> str | None:
    response = index.get(source, f"{package.url}.metadata", {})
    wanted = package.metadata_sha256
    if response.status_code != 200 or (wanted and Digest.of(response.content).hex != wanted):
        return None
    return str(response.content.decode("utf-8", "replace"))


class _RemoteFile(io.RawIOBase):
    """A file on an index, read by ranges; its end is fetched first."""

    def __init__(self, index: PackageIndex, source: Source, url: str, size: int, tail: bytes) -> None:
        self._index, self._source, self._url = index, source, url
        self._size, self._tail = size, tail
        self._place = 0

    @classmethod
    def open(cls, index: PackageIndex, source: Source, url: str) -> "_RemoteFile | None":
        """Opens the file; None if the index does not support ranges."""
        response = index.get(source, url, {"Range": f"bytes=-{_TAIL}", "Accept-Encoding": "identity"}, stream=True)
        with response:
            total = response.headers.get("Content-Range", "").rpartition("/")[2]
            if response.status_code != 206 or not total.isdigit():
                return None
            return cls(index, source, url=url, size=int(total), tail=response.content)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._place = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence] + offset
        return self._place

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401  # the signature of io
        data = self._part(self._place, min(self._place + len(buffer), self._size))
        buffer[: len(data)] = data
        self._place += len(data)
        return len(data)

    def _part(self, start: int, end: int) -> bytes:
        known = self._size - len(self._tail)
        if start >= end:
            return b""
        if start >= known:
            return self._tail[start - known : end - known]
        wanted = {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
        response = self._index.get(self._source, self._url, wanted)
        if response.status_code != 206 or len(response.content) > end - start:
            raise OSError("the index returned a different range than was requested")
        return bytes(response.content)
