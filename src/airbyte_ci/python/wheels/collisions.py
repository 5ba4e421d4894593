"""Files that several packages install: which one stays, and whether it matters. Light to import."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from airbyte_ci.errors import PackageError
from airbyte_ci.records import dataclass

# A package's files by path, each with a value that is equal if the bytes are.
Contents = Callable[[str], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Collision:
    """A path of several packages: the package whose file is `kept`, the others, and whether their bytes differ."""

    path: str
    kept: str
    others: tuple[str, ...]
    differ: bool

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Collision":
        return cls(document["path"], document["kept"], tuple(document["others"]), bool(document["differ"]))

    def __str__(self) -> str:
        return f"/{self.path} from {self.kept} replaces a different file from {', '.join(self.others)}"


def shared(paths: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    """Returns the paths that several packages own, with their packages. The last package's file stays."""
    owners: dict[str, tuple[str, ...]] = {}
    for package, found in paths.items():
        for path in found:
            owners[path] = (*owners.get(path, ()), package)
    _refuse_both(owners)
    return {path: names for path, names in owners.items() if len(names) > 1}


def judged(paths: Mapping[str, Sequence[str]], contents: Contents) -> tuple[Collision, ...]:
    """Returns the result of `shared` by path, with whether the bytes differ; reads `contents` once per package."""
    files = {name: contents(name) for name in sorted({name for names in paths.values() for name in names})}
    return tuple(
        Collision(path, names[-1], tuple(names[:-1]), len({files[name][path] for name in names}) > 1)
        for path, names in sorted(paths.items())
    )


def _refuse_both(owners: Mapping[str, Sequence[str]]) -> None:
    """Raises an error for a path that is a file of one package and a folder of another: the result would be random."""
    from airbyte_ci.oci import tar  # an unchanged build uses the rest of this module

    for both in sorted(tar.folders(owners) & owners.keys()):
        other = next(names[-1] for path, names in owners.items() if path.startswith(f"{both}/"))
        raise PackageError(f"{owners[both][-1]} installs /{both} as a file, and {other} as a folder")
