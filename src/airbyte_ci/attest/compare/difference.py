"""Compares two images fact by fact, and gives each difference a verdict; `docs/compare.md` lists these rules."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from airbyte_ci.attest.compare.comparison import FactRow
from airbyte_ci.attest.compare.image_contents import FileFacts, ImageContents, comparable
from airbyte_ci.attest.compare.intended import IntendedChange
from airbyte_ci.attest.compare.kinds import BY_ID, KINDS, FactKind
from airbyte_ci.attest.compare.owned_files import parents_of

# Every build of airbyte-ci sets these, so that they are new where a Dockerfile did not.
_SET_BY_BUILDS = frozenset({"AIRBYTE_ENTRYPOINT", "io.airbyte.version", "io.airbyte.name"})
_VERSION_LABEL = "io.airbyte.version"
_BUILD_MODES = ("644", "755")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedImage:
    """One side: its contents, and its base image with its name. Without a base, nothing comes from it."""

    contents: ImageContents
    base: ImageContents | None = None
    base_name: str = ""


@dataclass(frozen=True, slots=True)
class _Facts:
    """The facts of one kind: of both images and of their bases (None: unknown)."""

    old: Mapping[str, str]
    new: Mapping[str, str]
    old_base: Mapping[str, str] | None
    new_base: Mapping[str, str]


def compare_contents(
    old: ComparedImage, new: ComparedImage, intended: IntendedChange | None = None
) -> Iterator[FactRow]:
    """Yields a row for each fact of the images, in the order of `kinds.KINDS`."""
    folders = {side.contents.workdir for side in (old, new)}
    from_base = new.base.facts["distribution"] if new.base else {}
    for row in _compare(old, new):
        yield intended.explain(row, folders, from_base) if intended else row


def _compare(old: ComparedImage, new: ComparedImage) -> Iterator[FactRow]:
    for kind in KINDS:
        if kind.id == "file":
            yield from _compare_files(old, new)
        elif kind.id in old.contents.facts:
            known = old.base.facts[kind.id] if old.base else None
            above = new.base.facts[kind.id] if new.base else {}
            facts = _Facts(old.contents.facts[kind.id], new.contents.facts[kind.id], known, above)
            for name in sorted(facts.old.keys() | facts.new.keys()):
                yield _refine(_judge(kind, name, facts, old, new), old, new)


def _judge(kind: FactKind, name: str, facts: _Facts, old: ComparedImage, new: ComparedImage) -> FactRow:
    """Returns the row of one fact, by the rules that all kinds share."""
    before, after = facts.old.get(name), facts.new.get(name)
    row = FactRow(kind=kind.id, name=name, old=before, new=after, verdict="same")
    if before == after:
        return row
    if before is not None and facts.old_base is not None and facts.old_base.get(name) == before:
        # The old image had it from its own base, so its end is the base image's change.
        if after is None and name not in facts.new_base:
            return replace(
                row,
                verdict="expected",
                reason=f"from the old base image {old.base_name}, which the new one does not have",
            )
        if after is not None and facts.new_base.get(name) == after:
            return replace(row, verdict="expected", reason=_from_base(new))
    if after is None:
        return replace(row, verdict="lost")
    if facts.new_base.get(name) != after:
        return replace(row, verdict="unexplained")
    is_own = before is not None and (facts.old_base is not None or not kind.follows_base)
    if is_own:
        return replace(row, verdict="unexplained", reason=f"the old image set it; the new value is {_from_base(new)}")
    return replace(row, verdict="expected", reason=_from_base(new))


def _from_base(new: ComparedImage) -> str:
    return f"from the base image {new.base_name}"


def _refine(row: FactRow, old: ComparedImage, new: ComparedImage) -> FactRow:
    """Applies the rules of single kinds to a row that the shared rules do not explain."""
    if row.verdict in ("same", "expected"):
        return row
    if row.name in _SET_BY_BUILDS and row.new is not None:
        if row.old is None:
            return replace(row, verdict="expected", reason="set by every build of airbyte-ci")
        if row.name == _VERSION_LABEL:
            return replace(row, verdict="expected", reason="the version of the release")
    if row.kind == "distribution" and row.new is None and _is_code(row.name, old.contents, new.contents):
        reason = f"the connector's own package: its files are in {new.contents.workdir}"
        return replace(row, verdict="expected", reason=reason)
    if row.kind == "distribution":
        if row.old and row.new:
            return _explain_distribution(row, old.contents, new.contents)
        return replace(row, change=_version(row.old or row.new or ""))
    return row


def _version(text: str) -> str:
    return text.partition(" (")[0]


def _is_code(name: str, old: ImageContents, new: ImageContents) -> bool:
    """Returns whether each file of a distribution is in the new image's code, with the same content."""
    folder = new.workdir.strip("/")
    parts = {path: content for path, content in old.parts[name].items() if path.endswith(".py")}
    if not parts:
        return f"{folder}/{name.replace('-', '_')}" in new.files
    there = {path: new.files.get(f"{folder}/{path}") for path in parts}
    return all(facts is not None and facts.content == parts[path] for path, facts in there.items())


def _explain_distribution(row: FactRow, old: ImageContents, new: ImageContents) -> FactRow:
    """Names the files that differ in one version of a distribution."""
    assert row.old and row.new
    if _version(row.old) != _version(row.new):
        return replace(row, change=f"{_version(row.old)} → {_version(row.new)}")
    before, after = old.parts[row.name], new.parts[row.name]
    paths = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    if not paths:
        return row
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    row = replace(row, change=f"the same version with another {paths[0]}{more}")
    is_compiled = all(path.endswith((".so", ".pyd")) for path in paths)
    if is_compiled and old.facts["interpreter"] != new.facts["interpreter"]:
        return replace(row, verdict="expected", reason="compiled for another Python")
    return row


# --- files ---------------------------------------------------------------------------------------


def _compare_files(old: ComparedImage, new: ComparedImage) -> Iterator[FactRow]:
    before, after = (_named(side.contents) for side in (old, new))
    facts = _Facts(
        {name: item.line for name, (_, item) in before.items()},
        {name: item.line for name, (_, item) in after.items()},
        _lines(old.base) if old.base else None,
        _lines(new.base) if new.base else {},
    )
    # Folders of packages and distributions come and go with their files.
    folders = {side.name_of(path) for side in (old.contents, new.contents) for path in parents_of(side.owners)}
    for name in sorted(before.keys() | after.keys()):
        pair = _Pair(name=name, before=before.get(name), after=after.get(name), old=old, new=new.contents)
        if pair.has_owners_row or (name in folders and pair.is_plain_folder):
            continue
        row = _judge(BY_ID["file"], name, facts, old, new)
        if row.verdict != "same":
            row = replace(row, change=describe(pair.facts(pair.before), pair.facts(pair.after)))
            if row.verdict == "expected" and pair.is_edited:
                row = replace(row, verdict="unexplained", reason="the old image changed this file of a package")
            if row.verdict == "unexplained" and pair.is_built_code:
                row = replace(row, verdict="expected", reason="airbyte-ci sets the mode and the owner of code")
        yield row


def _named(side: ImageContents) -> dict[str, tuple[str, FileFacts]]:
    return {side.name_of(path): (path, facts) for path, facts in comparable(side)}


def _lines(side: ImageContents) -> dict[str, str]:
    return {side.name_of(path): facts.line for path, facts in side.files.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """A file of both images: its name, and its path and facts in each image."""

    name: str
    before: tuple[str, FileFacts] | None
    after: tuple[str, FileFacts] | None
    old: ComparedImage
    new: ImageContents

    @staticmethod
    def facts(side: tuple[str, FileFacts] | None) -> FileFacts | None:
        return side[1] if side else None

    @property
    def is_edited(self) -> bool:
        """Returns whether the old image changed a file of a package, by its base or the package's own MD5."""
        if self.before is None:
            return False
        path, facts = self.before
        owner, base = self.old.contents.owners.get(path), self.old.base
        if owner and base and base.owners.get(path) == owner:
            return base.files[path].line != facts.line
        return path in self.old.contents.edited

    @property
    def is_plain_folder(self) -> bool:
        """Returns whether it is a folder in each image that has it, and no package lists it."""
        sides = ((self.before, self.old.contents), (self.after, self.new))
        return all(side is None or (side[1].kind == "dir" and side[0] not in of.owners) for side, of in sides)

    @property
    def has_owners_row(self) -> bool:
        """Returns whether the row of the file's package or interpreter covers the file.

        It does if the images have different versions of the owner. In one version, a file that differs was changed
        after its installation.
        """
        owners = (
            self.old.contents.owners.get(self.before[0]) if self.before else None,
            self.new.owners.get(self.after[0]) if self.after else None,
        )
        if owners[0] == owners[1] or self.is_edited:
            return False
        others = ((owner, side) for owner, side in zip(owners, (self.new, self.old.contents), strict=True) if owner)
        return all(side.facts[owner.kind].get(owner.name) != owner.version for owner, side in others)

    @property
    def is_built_code(self) -> bool:
        """Returns whether only mode and owner differ, in the way in which airbyte-ci writes code."""
        old, new = self.facts(self.before), self.facts(self.after)
        folder = self.new.workdir.strip("/")
        if old is None or new is None or not folder or not f"{self.name}/".startswith(f"{folder}/"):
            return False
        same = (old.kind, old.content, old.is_executable) == (new.kind, new.content, new.is_executable)
        return same and new.mode in _BUILD_MODES and new.owner == self.new.user


def describe(old: FileFacts | None, new: FileFacts | None) -> str:
    """Returns the difference of two files in a few words."""
    if old is None or new is None:
        facts = old or new
        assert facts is not None
        special = ", set-user-ID" if facts.kind == "file" and int(facts.mode, 8) & 0o6000 else ""
        return (
            f"{_KINDS.get(facts.kind, facts.kind)}{f' to {facts.content}' if facts.kind == 'symlink' else ''}{special}"
        )
    if old.kind != new.kind:
        return f"{_KINDS.get(old.kind, old.kind)} → {_KINDS.get(new.kind, new.kind)}"
    found = []
    if old.content != new.content:
        sizes = f" ({old.size} → {new.size} bytes)" if old.size != new.size else ""
        found.append(f"target {old.content} → {new.content}" if old.kind == "symlink" else f"content{sizes}")
    if old.mode != new.mode and old.kind != "symlink":
        found.append(f"mode {old.mode} → {new.mode}")
    if old.capabilities != new.capabilities:
        found.append(f"capabilities {old.capabilities or 'none'} → {new.capabilities or 'none'}")
    if old.owner != new.owner:
        found.append(f"owner {old.owner} → {new.owner}")
    return ", ".join(found)


_KINDS = {"dir": "folder", "symlink": "link"}
