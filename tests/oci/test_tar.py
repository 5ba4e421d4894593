"""The tar writer: what Python's tarfile (an independent reader) finds is what was meant, in the only bytes."""

import io
import random
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_ci.errors import ImageError
from airbyte_ci.oci import tar
from airbyte_ci.oci.tar import Entry


def archive(*entries: Entry) -> bytes:
    """The entries in canonical order, as a whole archive."""
    buffer = io.BytesIO()
    tar.write(tar.sorted_entries(entries), buffer)
    return buffer.getvalue() + tar.END


def read_back(data: bytes) -> list[Entry]:
    """The archive as Python's own reader sees it."""
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as reader:
        return [_entry(reader, member) for member in reader]


def _entry(reader: tarfile.TarFile, member: tarfile.TarInfo) -> Entry:
    assert (member.mtime, member.uname, member.gname) == (tar.MTIME, "", "")
    kinds: dict[bytes, tar.Kind] = {flag: kind for kind, flag in tar._TYPEFLAG.items()}
    kind = kinds[member.type]
    file = reader.extractfile(member) if member.isfile() else None
    return Entry(
        path=member.name,
        kind=kind,
        mode=member.mode,
        content=file.read() if file else b"",
        link=member.linkname,
        uid=member.uid,
        gid=member.gid,
        device=(member.devmajor, member.devminor) if kind in ("char", "block") else (0, 0),
        xattrs={
            key.removeprefix("SCHILY.xattr."): value.encode("utf-8", "surrogateescape")
            for key, value in member.pax_headers.items()
            if key.startswith("SCHILY.xattr.")
        },
    )


def records(data: bytes) -> set[str]:
    """The kinds of pax record that an archive has."""
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as reader:
        return {key for member in reader for key in member.pax_headers}


_NAME = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=120).filter(
    lambda name: name not in (".", "..")
)
_PATH = st.lists(_NAME, min_size=1, max_size=4).map("/".join)
_NUMBER = st.one_of(st.integers(0, 70_000), st.sampled_from([0o7777777, 0o10000000, 2**31 - 1, 2**32 - 2]))
_XATTRS = st.dictionaries(
    st.from_regex(r"(user|security)\.[a-z_.]{1,20}", fullmatch=True), st.binary(max_size=50), max_size=2
)


@st.composite
def an_entry(draw: st.DrawFn) -> Entry:
    kind = draw(st.sampled_from(list(tar._TYPEFLAG)))
    path = draw(_PATH)
    entry = Entry(
        path=path,
        kind=kind,
        mode=draw(st.integers(0, 0o7777)),
        uid=draw(_NUMBER),
        gid=draw(_NUMBER),
        xattrs=draw(_XATTRS),
    )
    if kind == "file":
        return replace(entry, content=draw(st.binary(max_size=1200)))
    if kind in ("symlink", "hardlink"):
        return replace(entry, link=draw(_PATH))
    if kind in ("char", "block"):
        return replace(entry, device=(draw(st.integers(0, 4095)), draw(st.integers(0, 1 << 20))))
    return entry


@given(st.lists(an_entry(), max_size=5, unique_by=lambda entry: entry.path))
def test_tarfile_reads_back_what_was_written(entries: list[Entry]) -> None:
    """Names, kinds, modes, owners, links, devices, attributes and content survive, however odd."""
    assert read_back(archive(*entries)) == tar.sorted_entries(entries)


@given(st.lists(an_entry(), max_size=6, unique_by=lambda entry: entry.path))
def test_files_are_found_as_tarfile_finds_them(entries: list[Entry]) -> None:
    """The quick reader of own archives yields each regular file, with the place of its content."""
    data = archive(*entries)
    found = [(path, data[start : start + size]) for path, start, size in tar.files(io.BytesIO(data))]
    assert found == [(entry.path, entry.content) for entry in read_back(data) if entry.kind == "file"]


@given(st.lists(an_entry(), max_size=6, unique_by=lambda entry: entry.path), st.randoms())
def test_the_order_in_which_entries_come_does_not_show(entries: list[Entry], chance: random.Random) -> None:
    """Sorted by path bytes, hard links last: one set of entries, one archive."""
    shuffled = entries.copy()
    chance.shuffle(shuffled)
    assert archive(*shuffled) == archive(*entries)


def _path_of(length: int, component: int) -> str:
    """A path of exactly `length` characters whose components have at most `component`."""
    text = "".join("/" if (n + 1) % (component + 1) == 0 else "a" for n in range(length))
    return text[:-1] + "b" if text.endswith("/") else text


@pytest.mark.parametrize("kind", ["file", "dir"])
@pytest.mark.parametrize("component", [30, 99, 100, 101, 154, 155, 156])
def test_every_path_length_round_trips(component: int, kind: tar.Kind) -> None:
    """No length from 90 to 270, with slashes anywhere, loses a character; pax is used only if ustar cannot represent
    it.
    """
    for length in range(90, 271):
        path = _path_of(length, component)
        entry = Entry(path=path, kind=kind, mode=0o755)
        data = archive(entry)
        assert read_back(data) == [entry]
        assert records(data) == (set() if _fits_ustar(path, kind) else {"path"}), length


def _fits_ustar(path: str, kind: tar.Kind) -> bool:
    whole = path + ("/" if kind == "dir" else "")
    splits = (place for place, character in enumerate(path) if character == "/")
    return len(whole) <= 100 or any(0 < place <= 155 and len(whole) - place - 1 <= 100 for place in splits)


@pytest.mark.parametrize("length", [99, 100, 101, 255, 4000])
@pytest.mark.parametrize("kind", ["symlink", "hardlink"])
def test_every_link_length_round_trips(kind: tar.Kind, length: int) -> None:
    """A link of up to a hundred characters is in the header, a longer one in a pax record."""
    entry = Entry(path="link", kind=kind, link="t" * length)
    assert read_back(archive(entry)) == [entry]
    assert records(archive(entry)) == ({"linkpath"} if length > 100 else set())


@pytest.mark.parametrize("size", [8 * 2**30 - 1, 8 * 2**30, 2**40], ids=["8 GiB - 1", "8 GiB", "1 TiB"])
def test_sizes_beyond_eleven_octal_digits_are_in_a_pax_record(size: int) -> None:
    """Eight gibibytes is the border of ustar; a reader finds the size on either side of it."""
    header = tar.header(Entry(path="large"), size)
    assert len(header) == (512 if size < 8 * 2**30 else 3 * 512)
    member = tarfile.TarInfo.frombuf(header[-512:], "utf-8", "strict")
    assert member.size == min(size, 8 * 2**30 - 1)
    assert list(tar.files(io.BytesIO(header))) == [("large", len(header), size)]
    if size >= 8 * 2**30:
        assert b" size=%d\n" % size in header[512:1024]


@pytest.mark.parametrize("length", [*range(1, 120), *range(980, 1000)])
def test_a_pax_record_counts_its_own_digits(length: int) -> None:
    """The length at the start of a record is the record's, around every change of digits."""
    record = tar._pax_record(b"key", b"v" * length)
    assert int(record.split(b" ")[0]) == len(record)


def test_a_name_that_is_not_utf8_keeps_its_bytes(tmp_path: Path) -> None:
    """Commands may make any name that Linux allows; names are bytes."""
    odd = "caf\udce9"
    entry = Entry(path=odd, kind="symlink", mode=0o777, link=odd)
    (found,) = read_back(archive(entry))
    assert (found.path, found.link) == (odd, odd)


def test_files_on_disk_are_read_when_they_are_written(tmp_path: Path) -> None:
    """A path as content gives the same archive as its bytes."""
    (tmp_path / "f").write_bytes(b"x" * 3_000_001)
    assert archive(Entry(path="f", content=tmp_path / "f")) == archive(Entry(path="f", content=b"x" * 3_000_001))


def test_a_file_that_shrinks_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    """A short file never becomes an archive that claims more than it holds."""
    place = tmp_path / "f"
    place.write_bytes(b"x" * 10)

    class Shrinks(io.BytesIO):
        """Cuts the file when its header has been written."""

        def write(self, data: object, /) -> int:
            place.write_bytes(b"")
            return 0

    with pytest.raises(ImageError, match="shorter"):
        tar.write([Entry(path="f", content=place)], Shrinks())


@pytest.mark.parametrize(
    "entry",
    [
        Entry(path="f", mode=0o10000),
        Entry(path="f", mode=-1),
        Entry(path="f", uid=-1),
        Entry(path="f", gid=-1),
        Entry(path="f", kind="char", device=(0o10000000, 0)),
        Entry(path=""),
        Entry(path="f\0g"),
        Entry(path="f", kind="symlink", link="a\0b"),
        Entry(path="f", xattrs={"user.a=b": b""}),
    ],
    ids=repr,
)
def test_what_a_header_cannot_say_is_an_error(entry: Entry) -> None:
    """A value that has no place in a header never shifts the fields after it."""
    with pytest.raises(ImageError):
        tar.header(entry, 0)


def test_whiteouts_are_named_after_what_they_remove() -> None:
    """`.wh.` goes before the last component (image-spec, layer.md)."""
    assert tar.whiteout("a/b/c").path == "a/b/.wh.c"
    assert tar.whiteout("c").path == ".wh.c"


def test_parents_are_the_folders_above_outermost_first() -> None:
    """The path itself is not its parent."""
    assert list(tar.parents("a/b/c")) == ["a", "a/b"]
    assert list(tar.parents("a")) == []
