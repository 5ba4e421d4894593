"""Checks point 6 of the guide on a pull request: an owner approved each changed customization file."""

from collections.abc import Callable

from airbyte_ci.checks import hook_owned
from airbyte_ci.checks.hook_owned import Ownership
from airbyte_ci.checks.reviews import Reviews, team_of
from airbyte_ci.checks.rule import OK, Rule, Verdict, failed, inapplicable, unverified, unverified_by
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import AirbyteCiError

RULE = Rule(
    id="hook-approved",
    point=6,
    label="hook",
    title="An owner of build_customization.py (or .yaml) approved the pull request that changes it.",
    why="CODEOWNERS only requests a review; this check requires the approval itself.",
    severity="error",
)


def check(
    connector: Connector,
    ownership: Callable[[], Ownership],
    pull_request: int | None,
    reviews: Callable[[], Reviews | str],
) -> Verdict:
    """`reviews` returns the pull request's reviews, or the reason why GitHub cannot be asked."""
    hooks = hook_owned.files(connector)
    if not hooks:
        return hook_owned.NO_HOOK
    if pull_request is None:
        return inapplicable("not on a pull request (--pull-request)")
    asking, known = reviews(), ownership()
    if isinstance(asking, str):
        return unverified(asking)
    try:
        changed = [place for place in hooks if asking.changes(known.prefix + place.path)]
        if not changed:
            return inapplicable(f"pull request {pull_request} does not change the customization")
        for place in changed:
            owners = known.approvers(place)
            approval = asking.approval(known.prefix + place.path, owners) if owners else "approved"
            if approval != "approved":
                name, people = place.path.rpartition("/")[2], " or ".join(owners)
                reason = f"{name} is not approved by {people}"
                if approval == "stale":
                    reason = f"{name} was changed after {people} approved it"
                return failed(reason, _ask(pull_request, owners), place)
    except AirbyteCiError as error:
        return unverified_by(error)
    # Without an owner nobody can approve; hook-owned reports the missing owner.
    return OK if all(known.approvers(place) for place in changed) else inapplicable("the customization has no owner")


def _ask(pull_request: int, owners: tuple[str, ...]) -> str:
    """Returns the command that requests a review."""
    names = ",".join("/".join(team) if (team := team_of(owner)) else owner.removeprefix("@") for owner in owners)
    return f"gh pr edit {pull_request} --add-reviewer {names}"
