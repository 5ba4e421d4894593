"""The guide's point 6, written down: what customises the build has owners who must approve it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from airbyte_ci.checks import places
from airbyte_ci.checks.codeowners import CodeOwners
from airbyte_ci.checks.mending import Mending
from airbyte_ci.checks.rule import OK, Place, Rule, Verdict, failed, inapplicable
from airbyte_ci.connectors import customization
from airbyte_ci.connectors.connector import Connector

RULE = Rule(
    id="hook-owned",
    point=6,
    label="hook",
    title="CODEOWNERS gives build_customization.py (or .yaml) to the configured customization-owners.",
    why="It runs while images are built, so whoever changes it decides what every user of the image runs.",
    severity="error",
)
NO_HOOK = inapplicable("it does not customise its build")


@dataclass(frozen=True, slots=True)
class Ownership:
    """What is known of owners: the file, the owners that were configured (none: any do), and the merge base's file.

    `prefix` is where the configured root is in the git repository that CODEOWNERS speaks of: `connectors/`, or empty.
    `required_before` are the owners that were configured at the merge base.
    """

    codeowners: CodeOwners | None
    required: tuple[str, ...]
    before: CodeOwners | None = None
    prefix: str = ""
    required_before: tuple[str, ...] = ()

    def approvers(self, place: Place) -> tuple[str, ...]:
        """Those who may approve a change of a file: its owners on the branch that it goes to, where it has any there.

        As on GitHub: a pull request must not choose its own approvers.
        """
        before = Ownership(self.before, self.required_before or self.required, None, self.prefix)
        return before.owners(place) or replace(before, required=()).owners(place) or self.owners(place)

    def owners(self, place: Place) -> tuple[str, ...]:
        """Those whose approval counts for a file: its owners, of the configured ones where there are such."""
        line = self.codeowners.of(self.prefix + place.path) if self.codeowners else None
        owners = line.owners if line else ()
        required = {owner.lower() for owner in self.required}
        return tuple(owner for owner in owners if not required or owner.lower() in required)


def files(connector: Connector) -> tuple[Place, ...]:
    """The connector's files that customise its build, and what of that was approved."""
    return tuple(
        places.file(connector, name)
        for name in (customization.MODULE, customization.FILE, customization.LOCK)
        if name in connector.names
    )


def customizes(connector: Connector) -> bool:
    """Whether it has a module or a declaration."""
    return not connector.names.isdisjoint((customization.MODULE, customization.FILE))


def check(connector: Connector, ownership: Callable[[], Ownership], mending: Mending) -> Verdict:
    hooks = files(connector)
    if not hooks:
        return NO_HOOK
    known = ownership()
    for place in hooks:
        # A branch that configures other owners is held to those of before, too.
        for required in dict.fromkeys((known.required, known.required_before or known.required)):
            held = replace(known, required=required)
            if not held.owners(place):
                return _unowned(place, held, mending)
    return OK


def _unowned(place: Place, ownership: Ownership, mending: Mending) -> Verdict:
    path = ownership.codeowners.path if ownership.codeowners else "CODEOWNERS"
    wanted = " ".join(ownership.required) or "@org/team"
    file = mending.path("../" * ownership.prefix.count("/") + path)
    append = f"echo '/{ownership.prefix}{place.path} {wanted}' >> {file}"
    if ownership.codeowners is None:
        return failed("it customises its build, and the repository has no CODEOWNERS", append, place)
    line = ownership.codeowners.of(ownership.prefix + place.path)
    owners = " ".join(line.owners) if line and line.owners else "nobody"
    told = f"{path}:{line.number}" if line else path
    needed = f", not to {wanted}" if ownership.required else ""
    return failed(f"{told} gives {place.path.rpartition('/')[2]} to {owners}{needed}", append, place)
