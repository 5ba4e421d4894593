"""The tar of a distribution as hostile data: everything except one folder of files is refused in one line."""

import contextlib
import gzip
import io
import os
import random
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from airbyte_ci.errors import ConnectorError
from airbyte_ci.images import distribution_tar
from airbyte_ci.images.distribution_tar import DistributionFile
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import Store
from tests.images import distributions
from tests.images.distributions import NAME, jar, member, write

GOOD = member(f"{NAME}/lib/a-1.0.jar", jar({"a": "a"}))
SHOWN = "build/distributions/x.tar"


def read(path: Path, tmp_path: Path) -> tuple[DistributionFile, ...]:
    return distribution_tar.read(path, Store(tmp_path / "store"), SHOWN)


def refusal(path: Path, tmp_path: Path) -> str:
    """The only line of the error."""
    with pytest.raises(ConnectorError) as caught:
        read(path, tmp_path)
    assert caught.value.message.startswith(f"cannot read {SHOWN}: "), caught.value.message
    assert "\n" not in caught.value.message
    return caught.value.message.partition(": ")[2]


def a_link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    return member(f"{NAME}/{name}", type=kind, linkname=target)


REFUSED = {
    "two top folders": ([GOOD, member("other/lib/b.jar")], f"it has two top folders, {NAME} and other"),
    "two empty top folders": (
        [GOOD, member("other", type=tarfile.DIRTYPE)],
        f"it has two top folders, {NAME} and other",
    ),
    "no folder": ([member("a.txt")], "a.txt is not in a folder"),
    "nothing": ([member(NAME, type=tarfile.DIRTYPE)], "it has no files"),
    "parent": ([GOOD, member(f"{NAME}/../../etc/cron.d/x")], "a name that leads out of it"),
    "parent in the middle": ([GOOD, member(f"{NAME}/lib/../x")], "a name that leads out of it"),
    "absolute": ([GOOD, member("/etc/passwd")], "an absolute name: /etc/passwd"),
    "whiteout": ([GOOD, member(f"{NAME}/lib/.wh.base.sh")], "a name that image layers reserve"),
    "opaque folder": ([GOOD, member(f"{NAME}/.wh..wh..opq/a")], "a name that image layers reserve"),
    "line feed": ([GOOD, member(f"{NAME}/a\nb")], "a name with unprintable characters"),
    "not UTF-8": ([GOOD, member(f"{NAME}/a\udcff")], "a name with unprintable characters"),
    "terminal": ([GOOD, member(f"{NAME}/\x1b[2J")], "a name with unprintable characters"),
    "too deep": ([GOOD, member(f"{NAME}/{'a/' * 300}b")], "a name that is too long"),
    "long": ([GOOD, member(f"{NAME}/{'a' * 300}")], "a name that is too long"),
    "link out": ([GOOD, a_link("x", "/etc/shadow")], f"{NAME}/x is a symbolic link"),
    "link up": ([GOOD, a_link("x", "../../../etc/shadow")], f"{NAME}/x is a symbolic link"),
    "link inside": ([GOOD, a_link("x", "lib/a-1.0.jar")], f"{NAME}/x is a symbolic link"),
    "hard link": ([GOOD, a_link("x", "/etc/shadow", tarfile.LNKTYPE)], f"{NAME}/x is a hard link"),
    "character device": ([GOOD, member(f"{NAME}/x", type=tarfile.CHRTYPE)], f"{NAME}/x is a device"),
    "block device": ([GOOD, member(f"{NAME}/x", type=tarfile.BLKTYPE)], f"{NAME}/x is a device"),
    "pipe": ([GOOD, member(f"{NAME}/x", type=tarfile.FIFOTYPE)], f"{NAME}/x is a pipe"),
    "unknown kind": ([GOOD, member(f"{NAME}/x", type=b"V")], f"{NAME}/x is an entry of an unknown kind"),
    "twice": (
        [GOOD, member(f"{NAME}/lib/a-1.0.jar", jar({"a": "b"}))],
        "it has lib/a-1.0.jar twice, with different contents",
    ),
    "twice by another spelling": (
        [GOOD, member(f"./{NAME}//lib/./a-1.0.jar", jar({"a": "b"}))],
        "it has lib/a-1.0.jar twice, with different contents",
    ),
    "file and folder": ([member(f"{NAME}/lib"), GOOD], "lib is both a file and a folder"),
    "not a jar": ([member(f"{NAME}/lib/a-1.0.jar", b"text")], "lib/a-1.0.jar is not a jar"),
    "half a jar": ([member(f"{NAME}/lib/a-1.0.jar", jar({"a": "a" * 99})[:-30])], "lib/a-1.0.jar is not a jar"),
}


@pytest.mark.parametrize(("entries", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_one_folder_of_files_is_refused(
    tmp_path: Path, entries: list[tuple[tarfile.TarInfo, bytes]], said: str
) -> None:
    """One line names the entry and why, and nothing but blobs is written."""
    assert said in refusal(write(tmp_path / "x.tar", entries), tmp_path)
    assert not (tmp_path / "etc").exists()


def _zip(path: Path) -> None:
    path.write_bytes(jar({"a": "a"}))


def _truncated_content(path: Path) -> None:
    write(path, [GOOD, member(f"{NAME}/b", os.urandom(4096))])
    path.write_bytes(path.read_bytes()[:3000])


def _without_end(path: Path) -> None:
    write(path, [GOOD])
    size = 512 * (2 + (len(GOOD[1]) - 1) // 512)
    path.write_bytes(path.read_bytes()[:size])


def _garbage_after_an_entry(path: Path) -> None:
    _without_end(path)
    path.write_bytes(path.read_bytes() + b"garbage!" * 64)


def _half_gzip(path: Path) -> None:
    write(path, [GOOD, member(f"{NAME}/b", os.urandom(1 << 16))], "w:gz")
    path.write_bytes(path.read_bytes()[:40_000])


def _wrong_checksum(path: Path) -> None:
    write(path, [GOOD], "w:gz")
    data = path.read_bytes()
    path.write_bytes(data[:-8] + b"abcd" + data[-4:])


def _after_the_end(path: Path) -> None:
    write(path, [GOOD])
    path.write_bytes(path.read_bytes() * 2)


def _endless_padding(path: Path) -> None:
    write(path, [GOOD])
    path.write_bytes(gzip.compress(path.read_bytes() + bytes(64 << 20)))


def _large_header(path: Path) -> None:
    info = tarfile.TarInfo("./PaxHeaders/x")
    info.type, info.size = tarfile.XHDTYPE, 8 << 30
    path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(4096))


def _negative(path: Path) -> None:
    write(path, [member(f"{NAME}/a")])
    block = bytearray(path.read_bytes())
    block[124:136] = b"\xff" * 12
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block[:512])
    path.write_bytes(bytes(block))


def _sparse_entry(path: Path) -> None:
    info = tarfile.TarInfo(f"{NAME}/lib/x.txt")
    info.type = tarfile.GNUTYPE_SPARSE
    path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))


DAMAGED: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.write_bytes(b""), "it is not a tar archive"),
    "text": (lambda path: path.write_text("no tar\n" * 999), "it is not a tar archive"),
    "zip": (_zip, "it is a zip archive; `distTar` makes the tar"),
    "truncated": (_truncated_content, "it is damaged or truncated"),
    "without an end": (_without_end, "it is damaged or truncated"),
    "garbage": (_garbage_after_an_entry, "it is damaged or truncated"),
    "half a gzip": (_half_gzip, "it is damaged or truncated"),
    "wrong checksum": (_wrong_checksum, "it is damaged or truncated"),
    "two archives": (_after_the_end, "it has data after its end"),
    "endless padding": (_endless_padding, "it has data after its end"),
    "large header": (_large_header, "has a header of 8589934592 bytes"),
    "negative size": (_negative, ""),
    "sparse entry": (_sparse_entry, "an entry of an unknown kind"),
    "folder": (Path.mkdir, "it is not a regular file"),
    "pipe": (os.mkfifo, "it is not a regular file"),
    "missing": (lambda path: None, "No such file or directory"),
}


@pytest.mark.parametrize(("make", "said"), DAMAGED.values(), ids=DAMAGED.keys())
def test_what_is_not_a_whole_tar_is_refused(tmp_path: Path, make: Callable[[Path], object], said: str) -> None:
    """One line describes it, or reports that it is damaged."""
    make(tmp_path / "x.tar")
    with pytest.raises(ConnectorError) as caught:
        read(tmp_path / "x.tar", tmp_path)
    assert said in caught.value.message, caught.value.message
    assert caught.value.message.count(SHOWN) == 1, caught.value.message


def test_damaged_bytes_are_a_refusal_or_a_distribution(tmp_path: Path) -> None:
    """Whatever 300 random changes of bytes and headers make of a tar, no other error comes out."""
    chance, store, path = random.Random(7), Store(tmp_path / "store"), tmp_path / "x.tar"
    wholes = [
        distributions.distribution(tmp_path / f"{mode[-2:]}.tar", distributions.files(), mode=mode).read_bytes()
        for mode in ("w", "w:gz")
    ]
    for _ in range(300):
        data = bytearray(chance.choice(wholes))
        for _ in range(chance.choice((1, 2, 9))):
            at = chance.randrange(len(data))
            match chance.randrange(4):
                case 0:
                    data[at] = chance.randrange(256)
                case 1:
                    del data[at : at + chance.choice((1, 512))]
                case 2:
                    data[at:at] = data[max(0, at - 512) : at]
                case _:
                    _change_header(data, at // 512 * 512, chance)
        path.write_bytes(bytes(data))
        with contextlib.suppress(ConnectorError):
            distribution_tar.read(path, store, SHOWN)


def _change_header(data: bytearray, at: int, chance: random.Random) -> None:
    """Changes a byte of a header and corrects its checksum."""
    if at + 512 <= len(data):
        data[at + chance.randrange(512)] = chance.choice(b"0123456789/.\0LgxKVS57")
        data[at + 148 : at + 156] = b" " * 8
        data[at + 148 : at + 156] = b"%06o\0 " % (sum(data[at : at + 512]) & 0o777777)


def _zeros(path: Path, size: int) -> Path:
    """A compressed tar whose only file has this many zeros."""
    with gzip.open(path, "wb", compresslevel=1) as file:
        info = tarfile.TarInfo(f"{NAME}/lib/zeros.bin")
        info.size = size
        file.write(info.tobuf())
        for _ in range(size >> 20):
            file.write(bytes(1 << 20))
        file.write(bytes(1024))
    return path


def test_a_bomb_by_ratio_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    """More than 200 times its own size: refused by the size that the entry declares."""
    said = refusal(_zeros(tmp_path / "x.tar", 100 << 20), tmp_path)
    assert said.startswith("it unpacks to more than ")
    assert sum(path.stat().st_size for path in (tmp_path / "store" / "blobs").rglob("*") if path.is_file()) == 0


def test_a_bomb_by_size_is_refused(tmp_path: Path) -> None:
    """A declared size beyond 4 GiB, for any size of the tar."""
    info = tarfile.TarInfo(f"{NAME}/lib/large.bin")
    info.size = 5 << 30
    (tmp_path / "x.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20))
    assert "it unpacks to more than" in refusal(tmp_path / "x.tar", tmp_path)


def test_a_bomb_by_count_is_refused(tmp_path: Path) -> None:
    """More entries than any distribution has."""
    block = member(NAME, type=tarfile.DIRTYPE)[0].tobuf()
    (tmp_path / "x.tar").write_bytes(block * 20_001 + bytes(1024))
    assert "it has more than 20000 entries" in refusal(tmp_path / "x.tar", tmp_path)


def test_a_jar_bomb_is_refused(tmp_path: Path) -> None:
    """A jar that unpacks to more than 200 times its size is named, nothing of it is unpacked."""
    bomb = jar({"zeros": bytes(100 << 20)})
    said = refusal(write(tmp_path / "x.tar", [member(f"{NAME}/lib/bomb-1.0.jar", bomb)]), tmp_path)
    assert said.startswith("lib/bomb-1.0.jar unpacks to more than ")


def test_a_jar_of_overlapping_members_is_refused(tmp_path: Path) -> None:
    """Members that share their bytes are each counted: the directory alone makes the bomb."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("kernel", bytes(10 << 20))
        kernel = archive.filelist[0]
        for number in range(50):
            twin = zipfile.ZipInfo(f"copy-{number}")
            for name in ("compress_type", "CRC", "compress_size", "file_size", "header_offset", "flag_bits"):
                setattr(twin, name, getattr(kernel, name))
            archive.filelist.append(twin)
    path = write(tmp_path / "x.tar", [member(f"{NAME}/lib/bomb-1.0.jar", data.getvalue())])
    assert "lib/bomb-1.0.jar unpacks to more than" in refusal(path, tmp_path)


def test_a_distribution_is_read_file_by_file(tmp_path: Path) -> None:
    """Its files by path below the top folder, with their bytes in the store; scripts are executable."""
    contents = distributions.files()
    store = Store(tmp_path / "store")
    found = distribution_tar.read(distributions.distribution(tmp_path / "x.tar", contents), store, SHOWN)
    assert [item.path for item in found] == sorted(contents)
    assert {item.path: store.read(Digest(item.sha256)) for item in found} == contents
    assert {item.path for item in found if item.executable} == {path for path in contents if path.startswith("bin/")}


@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_form_of_a_tar_gives_the_same_files(tmp_path: Path, mode: str, form: int) -> None:
    """The dialect of the tar, its compression and a leading `./` do not show, even with long names."""
    long = f"lib/{'name' * 40}-1.0.jar"
    contents = {**distributions.files(), **({} if form == tarfile.USTAR_FORMAT else {long: jar({"a": "a"})})}
    path = tmp_path / "x.tar"
    with tarfile.open(path, mode, format=form) as archive:  # type: ignore[call-overload]  # the mode is a text
        for name, content in contents.items():
            info, _ = member(f"./{NAME}/{name}", content, mtime=12345.5, uname="somebody")
            archive.addfile(info, io.BytesIO(content))
    assert {item.path for item in read(path, tmp_path)} == set(contents)


def test_a_file_that_is_there_twice_is_read_once(tmp_path: Path) -> None:
    """Gradle repeats files where projects overlap; the same contents are no conflict."""
    assert len(read(write(tmp_path / "x.tar", [GOOD, GOOD]), tmp_path)) == 1


def test_a_known_tar_is_not_read_again(tmp_path: Path) -> None:
    """By its hash, while the store has its files."""
    path = distributions.distribution(tmp_path / "x.tar", distributions.files())
    first = read(path, tmp_path)
    copy = path.rename(tmp_path / "moved.tar")
    assert read(copy, tmp_path) == first


@pytest.mark.parametrize("path", ["/a", "../a", "a/../b", "a//b", "./a", "a/", "", ".wh.a", "a\nb"])
def test_a_planned_path_is_checked_too(path: str) -> None:
    """A plan that was edited cannot place a file elsewhere."""
    with pytest.raises(ValueError, match="a file of the distribution has"):
        DistributionFile.from_json({"path": path, "sha256": "0" * 64, "executable": False})
