"""Whether packages have what their metadata says they need: a lock may be edited, incomplete or older than they are.

As `pip check` sees it: extras are not asked for, and what applies is decided by the image's Python.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.parser import HeaderParser

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from airbyte_ci.errors import PackageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store import Store, action_key
from airbyte_ci.python.interpreter import Interpreter
from airbyte_ci.python.lock import LockedFile

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, order=True)
class Unmet:
    """What a package requires (`name>=1.0`) and the environment has in another version, or (empty) not at all."""

    by: str
    requirement: str
    found: str

    def __str__(self) -> str:
        has = f"{self.found} is installed" if self.found else "which is not installed"
        return f"{self.by} requires {self.requirement}, {has}"

    def met_by(self, distributions: Mapping[str, str]) -> bool:
        """Whether one of other distributions, name → version, is what is missing."""
        requirement = Requirement(self.requirement)
        found = distributions.get(canonicalize_name(requirement.name))
        return not self.found and found is not None and _admits(requirement, found)


def of_wheel(store: Store, file: LockedFile) -> tuple[str, ...]:
    """The requirements in the metadata of a wheel that is in the store, read once; raises PackageError."""
    key = action_key("requirements of a wheel", FORMAT_VERSION, file.sha256)
    known = store.recall(key)
    if known is None:
        from airbyte_ci.python import metadata  # only wheels that are new wait for it

        text = metadata.of_wheel(store.path(Digest(file.sha256)), file.name)
        known = {"requires": HeaderParser().parsestr(text, headersonly=True).get_all("Requires-Dist") or []}
        store.remember(key, known)
    return tuple(known["requires"])


def unmet(
    packages: Iterable[tuple[str, Collection[str]]], versions: Mapping[str, str], interpreter: Interpreter
) -> tuple[Unmet, ...]:
    """What packages, each with its requirements, lack of an environment (normalised name → version), sorted.

    A requirement that cannot be read counts as met: old packages say things that no tool understands any more.
    """
    return tuple(
        sorted(
            {
                item
                for name, requires in packages
                for text in requires
                for item in _unmet(name, text, versions, interpreter, strictly=False)
            }
        )
    )


def confirm(name: str, requires: Iterable[str], versions: Mapping[str, str], interpreter: Interpreter) -> None:
    """Raises PackageError that names what a source tree requires as it is now and the environment has not."""
    found = [item for text in requires for item in _unmet(name, text, versions, interpreter, strictly=True)]
    if found:
        wrong = ", ".join(f"{item.requirement} ({item.found or 'not in the lock'})" for item in found)
        raise PackageError(
            f"{name} as it is now needs other packages than the lock has: {wrong}",
            advice=f"lock again with this {name}, or add them to pyproject.toml first",
        )


def _unmet(
    name: str, text: str, versions: Mapping[str, str], interpreter: Interpreter, *, strictly: bool
) -> Iterator[Unmet]:
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        if strictly:
            raise PackageError(f"{name} as it is now has a requirement that cannot be read: {text!r}") from error
        return
    if requirement.marker and not requirement.marker.evaluate({**interpreter.markers, "extra": ""}):
        return
    found = versions.get(canonicalize_name(requirement.name))
    if found is None or not _admits(requirement, found):
        yield Unmet(name, f"{requirement.name}{requirement.specifier}", found or "")


def _admits(requirement: Requirement, version: str) -> bool:
    try:
        # The version of a folder may be known to nobody, and a base's is what somebody wrote.
        return not version or requirement.specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return True
