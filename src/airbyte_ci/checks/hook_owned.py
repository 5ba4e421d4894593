"""Checks point 6 of the guide: the files that customize the build have owners who must approve changes."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from airbyte_ci.checks import places
from airbyte_ci.checks.mending import Mending
from airbyte_ci.checks.rule import OK, Location, Rule, Verdict, failed, inapplicable
from airbyte_ci.connectors import customization
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.git.codeowners import CodeOwners

RULE = Rule(
    id="hook-owned",
    point=6,
    label="hook",
    title="CODEOWNERS assigns build_customization.py (or .yaml) to the configured owners.",
    why="The customization runs while images are built, so whoever edits it decides what users of the image run.",
    severity="error",
)
NO_HOOK = inapplicable("the connector does not customize its build")


@dataclass(frozen=True, slots=True)
class Ownership:
    """CODEOWNERS here and at the merge base, and the configured owners (empty: any owner is accepted).

    `prefix` is the configured root's path in the git repository of CODEOWNERS, such as `connectors/`, or empty.
    `required_before` are the owners that are configured at the merge base.
    """

    codeowners: CodeOwners | None
    required: tuple[str, ...]
    before: CodeOwners | None = None
    prefix: str = ""
    required_before: tuple[str, ...] = ()

    def approvers(self, place: Location) -> tuple[str, ...]:
        """Returns who may approve a change to a file: its owners at the merge base, else its owners here.

        A pull request must not choose its own approvers; GitHub has the same rule.
        """
        before = Ownership(self.before, self.required_before or self.required, None, self.prefix)
        return before.owners(place) or replace(before, required=()).owners(place) or self.owners(place)

    def owners(self, place: Location) -> tuple[str, ...]:
        """Returns the owners whose approval is accepted: only configured owners, if any are configured."""
        line = self.codeowners.of(self.prefix + place.path) if self.codeowners else None
        owners = line.owners if line else ()
        required = {owner.lower() for owner in self.required}
        return tuple(owner for owner in owners if not required or owner.lower() in required)


def files(connector: Connector) -> tuple[Location, ...]:
    """Returns the connector's files that customize its build."""
    return tuple(
        places.file(connector, name) for name in (customization.MODULE, customization.FILE) if name in connector.names
    )


def check(connector: Connector, ownership: Callable[[], Ownership], mending: Mending) -> Verdict:
    hooks = files(connector)
    if not hooks:
        return NO_HOOK
    known = ownership()
    for place in hooks:
        # A branch that configures other owners must also satisfy those of the merge base.
        for required in dict.fromkeys((known.required, known.required_before or known.required)):
            held = replace(known, required=required)
            if not held.owners(place):
                return _unowned(place, held, mending)
    return OK


def _unowned(place: Location, ownership: Ownership, mending: Mending) -> Verdict:
    path = ownership.codeowners.path if ownership.codeowners else "CODEOWNERS"
    wanted = " ".join(ownership.required) or "@org/team"
    file = mending.path("../" * ownership.prefix.count("/") + path)
    append = f"echo '/{ownership.prefix}{place.path} {wanted}' >> {file}"
    if ownership.codeowners is None:
        return failed("the connector customizes its build, but the repository has no CODEOWNERS file", append, place)
    line = ownership.codeowners.of(ownership.prefix + place.path)
    owners = " ".join(line.owners) if line and line.owners else "nobody"
    origin = f"{path}:{line.number}" if line else path
    needed = f", not to {wanted}" if ownership.required else ""
    return failed(f"{origin} assigns {place.path.rpartition('/')[2]} to {owners}{needed}", append, place)
