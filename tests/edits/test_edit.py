"""Edits as values: what they refuse, how they are shown, and that applying one is all or nothing."""

import os
import re
import stat
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_ci.edits.edit import Edit, FileChange
from airbyte_ci.errors import EditRefused

Files = dict[str, bytes]


def put(root: Path, files: Files) -> None:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)


def tree(root: Path) -> Files:
    found = (path for path in root.rglob("*") if path.is_file() and ".git" not in path.parts)
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}


def edit_between(before: Files, after: Files) -> Edit:
    return Edit.of(FileChange(path, before.get(path), after.get(path)) for path in before | after)


def git(root: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    return subprocess.run(["git", *arguments], cwd=root, input=stdin, check=True, capture_output=True).stdout


def encoded(diff: str) -> bytes:
    return diff.encode("utf-8", "surrogateescape")


def test_an_edit_holds_what_changes_in_the_order_of_paths() -> None:
    """Changes without effect are dropped, and an empty edit is false."""
    same = FileChange("c", b"x", b"x")
    edit = Edit.of([FileChange("b", None, b"1"), same, FileChange("a", b"1", None)])
    assert [change.path for change in edit.changes] == ["a", "b"]
    assert edit
    assert not Edit.of([same])


def test_two_changes_of_one_path_are_refused() -> None:
    """Neither one edit nor two combined can change a file twice."""
    one, other = FileChange("a", b"1", b"2"), FileChange("a", b"1", b"3")
    with pytest.raises(EditRefused, match="a is changed twice"):
        Edit.of([one, other])
    with pytest.raises(EditRefused, match="a is changed twice"):
        Edit.of([one]).combine(Edit.of([other]))


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "a//b", "./a", "", ".", ".git/config"])
def test_a_path_outside_of_the_repository_is_refused(path: str) -> None:
    """A change is of a file of the repository, named in the one canonical way, and not of git's own files."""
    with pytest.raises(EditRefused, match="inside the repository"):
        FileChange(path, None, b"")


BEFORE: Files = {
    "gone.txt": b"one\ntwo\n",
    "gone empty": b"",
    "sp ace/é.md": b"a\r\nb\r\n\x0cc\n",
    "no newline": b"a\nb",
    "gets newline": b"a\nb",
    "latin1": b"caf\xe9\nx\n",
    'quo"te': b"1\n",
    "long": b"".join(b"%d\n" % n for n in range(500)),
}
AFTER: Files = {
    "new/deep/file": b"1\n",
    "new empty": b"",
    "sp ace/é.md": b"a\r\nB\r\n\x0cc\n",
    "no newline": b"a\nc",
    "gets newline": b"a\nb\n",
    "latin1": b"caf\xe9\ny\n",
    'quo"te': b"2\n",
    "long": b"".join(b"%d\n" % n for n in range(500) if n not in (3, 250)) + b"end",
}


def test_git_applies_the_diff(tmp_path: Path) -> None:
    """`git apply` makes of the files before exactly the files after, and back again with -R."""
    git(tmp_path, "init", "-q")
    put(tmp_path, BEFORE)
    diff = encoded(edit_between(BEFORE, AFTER).diff())
    git(tmp_path, "apply", "-", stdin=diff)
    assert tree(tmp_path) == AFTER
    git(tmp_path, "apply", "-R", "-", stdin=diff)
    assert tree(tmp_path) == BEFORE


def test_the_diff_is_the_one_that_git_prints(tmp_path: Path) -> None:
    """Name lines and hunks are git's own, byte by byte."""
    git(tmp_path, "init", "-q")
    put(tmp_path, BEFORE)
    git(tmp_path, "add", "-A")
    one = git(tmp_path, "write-tree").decode().strip()
    edit_between(BEFORE, AFTER).apply(tmp_path)
    git(tmp_path, "add", "-A")
    other = git(tmp_path, "write-tree").decode().strip()
    printed = git(tmp_path, "-c", "core.quotePath=off", "diff-tree", "-p", "--no-renames", one, other)
    # Git also names the blobs, and behind @@ the line that it takes for the function's name.
    printed = re.sub(rb"^index .*\n", b"", printed, flags=re.MULTILINE)
    printed = re.sub(rb"^(@@ .* @@).*", rb"\1", printed, flags=re.MULTILINE)
    assert encoded(edit_between(BEFORE, AFTER).diff()) == printed


def test_a_binary_file_is_only_said_to_differ() -> None:
    """A diff of text never holds a NUL."""
    diff = Edit.of([FileChange("x", b"\0", b"\0\0")]).diff()
    assert diff == "diff --git a/x b/x\nBinary files a/x and b/x differ\n"


text_of_a_file = st.none() | st.lists(st.sampled_from([b"a", b"b", b"\r", b"", b"\xff"]), max_size=9).map(b"\n".join)


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.sampled_from("pqr"), st.tuples(text_of_a_file, text_of_a_file)))
def test_git_applies_any_diff(
    tmp_path_factory: pytest.TempPathFactory, contents: dict[str, tuple[bytes | None, bytes | None]]
) -> None:
    """For any contents, git parses the diff as intended, with the same counts."""
    root = tmp_path_factory.mktemp("any")
    before = {path: content for path, (content, _) in contents.items() if content is not None}
    after = {path: content for path, (_, content) in contents.items() if content is not None}
    edit = edit_between(before, after)
    put(root, before)
    if edit:
        diff = encoded(edit.diff())
        numbers = git(root, "apply", "--numstat", "-", stdin=diff).decode().splitlines()
        assert numbers == [f"{added}\t{removed}\t{path}" for path, added, removed in edit.counts()]
        git(root, "apply", "-", stdin=diff)
    assert tree(root) == after


def test_apply_writes_creates_and_deletes(tmp_path: Path) -> None:
    """Applying leaves the files after, their modes as they were, and nothing else."""
    put(tmp_path, BEFORE)
    (tmp_path / "long").chmod(0o755)
    edit_between(BEFORE, AFTER).apply(tmp_path)
    assert tree(tmp_path) == AFTER
    assert stat.S_IMODE((tmp_path / "long").stat().st_mode) == 0o755
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((tmp_path / "new/deep/file").stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize(
    ("found", "change", "message"),
    [
        ({"a": b"other"}, FileChange("a", b"1", b"2"), "a has changed meanwhile"),
        ({}, FileChange("a", b"1", None), "a is gone"),
        ({"a": b"1"}, FileChange("a", None, b"2"), "a exists by now"),
        ({"a/b": b"1"}, FileChange("a", None, b"2"), "a is a folder"),
    ],
)
def test_a_file_that_is_not_as_expected_stops_the_edit(
    tmp_path: Path, found: Files, change: FileChange, message: str
) -> None:
    """An edit made from other contents is refused with the file's name, before anything is written."""
    put(tmp_path, found | {"0": b"before"})
    with pytest.raises(EditRefused, match=message):
        Edit.of([change, FileChange("0", b"before", b"after")]).apply(tmp_path)
    assert tree(tmp_path) == found | {"0": b"before"}


FAILURES = [
    (step, call, took_effect)
    for step, calls in (("hardlink_to", 8), ("fsync", 8), ("replace", 8), ("unlink", 2))
    for call in range(calls)
    for took_effect in ((False,) if step == "hardlink_to" else (False, True))
]


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()], ids=["error", "interruption"])
@pytest.mark.parametrize(("step", "call", "took_effect"), FAILURES)
def test_what_fails_half_way_is_taken_back(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    call: int,
    took_effect: bool,
    error: BaseException,
) -> None:
    """After a failure or interruption at any step, all files are unchanged, without leftover files."""
    put(tmp_path, BEFORE)
    owner = os if step == "fsync" else Path
    real = getattr(owner, step)
    calls = 0

    def failing(*arguments: object, **options: object) -> None:
        nonlocal calls
        calls += 1
        if calls != call + 1:
            real(*arguments, **options)
            return
        if took_effect:
            real(*arguments, **options)
        raise error

    monkeypatch.setattr(owner, step, failing)
    can_do_without = step == "hardlink_to" and isinstance(error, OSError)
    with suppress(OSError) if can_do_without else pytest.raises(type(error)):
        edit_between(BEFORE, AFTER).apply(tmp_path)
    monkeypatch.undo()
    assert tree(tmp_path) == (AFTER if can_do_without else BEFORE)
    assert (tmp_path / "new").exists() == can_do_without


def test_a_link_that_leaves_the_repository_is_not_followed(tmp_path: Path) -> None:
    """Neither a linked file nor a linked folder leads an edit out of the root."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    put(outside, {"file": b"1"})
    root.mkdir()
    (root / "file").symlink_to(outside / "file")
    (root / "folder").symlink_to(outside)
    for change in (
        FileChange("file", b"1", b"2"),
        FileChange("folder/file", b"1", None),
        FileChange("folder/x", None, b""),
    ):
        with pytest.raises(EditRefused, match="leads out of"):
            Edit.of([change]).apply(root)
    assert tree(outside) == {"file": b"1"}


def test_a_link_inside_of_the_repository_stays_a_link(tmp_path: Path) -> None:
    """The file behind a link is edited; deleting takes the link; one file under two names is refused."""
    put(tmp_path, {"real": b"1"})
    (tmp_path / "link").symlink_to("real")
    Edit.of([FileChange("link", b"1", b"2")]).apply(tmp_path)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"2"
    with pytest.raises(EditRefused, match="same file"):
        Edit.of([FileChange("link", b"2", b"3"), FileChange("real", b"2", b"3")]).apply(tmp_path)
    Edit.of([FileChange("link", b"2", None)]).apply(tmp_path)
    assert tree(tmp_path) == {"real": b"2"}
