"""The canonical wheel that an sdist becomes: the only possible zip of its contents."""

import io
import random
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_ci.python.packages import requirements
from airbyte_ci.python.sources import build_tools, sdist
from airbyte_ci.python.wheels import built_wheel, wheel_archive

FILES = {
    "demo/__init__.py": b"",
    "demo/run.sh": b"#!/bin/sh\n",
    "demo-1.dist-info/RECORD": b"x",
    "a/\xe9.py".encode().decode("latin-1"): b"y",
}


def packed(seed: int, executable: int = 0o755, plain: int = 0o644, **options: int) -> bytes:
    """The files in some order, at some time, in some compression, with folders or without."""
    chance = random.Random(seed)
    names = sorted(FILES)
    chance.shuffle(names)
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", chance.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive:
        if chance.random() < 0.5:
            archive.writestr(zipfile.ZipInfo("demo/"), b"")
        for name in names:
            item = zipfile.ZipInfo(name, (chance.randrange(1980, 2100), 5, 17, 3, 2, 2))
            item.external_attr = (0o100000 | (executable if name.endswith(".sh") else plain)) << 16
            item.create_system = chance.choice([0, 3])
            item.comment = b"by chance"
            item.extra = b"\x99\x99\x04\0abcd"
            archive.writestr(item, FILES[name])
        archive.comment = b"made today"
    return data.getvalue()


def canonical(data: bytes) -> bytes:
    target = io.BytesIO()
    with wheel_archive.open_checked(io.BytesIO(data)) as archive:
        built_wheel.canonical(archive, target)
    return target.getvalue()


@given(st.integers(), st.integers())
def test_the_same_contents_are_the_same_bytes(one: int, other: int) -> None:
    """Order, times, compression, comments, folders and builders' marks do not show."""
    assert canonical(packed(one)) == canonical(packed(other))


def test_only_executable_or_not_is_kept_of_modes() -> None:
    """The umask of the builder has no effect; executable files stay executable."""
    assert canonical(packed(1, 0o700, 0o600)) == canonical(packed(2, 0o775, 0o664))
    with zipfile.ZipFile(io.BytesIO(canonical(packed(1)))) as archive:
        modes = {item.filename: item.external_attr >> 16 for item in archive.infolist()}
    assert modes["demo/run.sh"] == 0o100755
    assert modes["demo/__init__.py"] == 0o100644


def test_the_contents_stay() -> None:
    """It is still the wheel: the same files with the same bytes, sorted, and a fixed point of itself."""
    once = canonical(packed(1))
    with zipfile.ZipFile(io.BytesIO(once)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == FILES
        assert archive.namelist() == sorted(FILES)
        assert {item.date_time for item in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert canonical(once) == once


@pytest.mark.parametrize(
    ("said", "reason"), [("Traceback\n  File\nValueError: x\n\n", "ValueError: x"), ("", "the build printed nothing")]
)
def test_the_reason_is_the_last_line_of_the_build(said: str, reason: str) -> None:
    """The last output of a back end is the reason of its failure."""
    assert sdist._reason(said.splitlines()) == reason


def test_the_shipped_build_requirements_are_pinned() -> None:
    """Everything that builds an sdist is named with one version and its hashes."""
    names = {item.name for item in requirements.parse(build_tools.requirements(), "build-requirements.txt").entries}
    assert {"pip", "setuptools", "wheel"} <= names
