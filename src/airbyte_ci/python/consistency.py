"""Whether what was built of a source tree fits the other packages: its lock entry may be older than its files."""

from collections.abc import Iterable
from email.parser import HeaderParser

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from airbyte_ci.errors import PackageError
from airbyte_ci.python.interpreter import Interpreter


def confirm(name: str, metadata: str, versions: dict[str, str], interpreter: Interpreter) -> None:
    """Raises PackageError that names what the metadata (METADATA of a wheel) requires and the environment has not.

    `versions` are all packages of the environment by normalised name. Extras are not asked for.
    """
    requires = HeaderParser().parsestr(metadata, headersonly=True).get_all("Requires-Dist") or []
    wrong = [f"{text} ({found or 'not in the lock'})" for text, found in _unmet(name, requires, versions, interpreter)]
    if wrong:
        raise PackageError(
            f"{name} as it is now needs other packages than the lock has: {', '.join(wrong)}",
            advice=f"lock again with this {name}, or add them to pyproject.toml first",
        )


def _unmet(
    name: str, requires: Iterable[str], versions: dict[str, str], interpreter: Interpreter
) -> Iterable[tuple[str, str | None]]:
    environment = {**interpreter.markers, "extra": ""}
    for text in requires:
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            raise PackageError(f"{name} as it is now has a requirement that cannot be read: {text!r}") from error
        if requirement.marker and not requirement.marker.evaluate(environment):
            continue
        found = versions.get(canonicalize_name(requirement.name))
        if found is None or (found and not requirement.specifier.contains(found, prereleases=True)):
            yield f"{requirement.name}{requirement.specifier}", found
