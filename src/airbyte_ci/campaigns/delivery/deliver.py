"""Delivers changes to a branch or a pull request. The state is read from git and the forge: nothing is stored here.

So the next run completes an interrupted one, and a run without new changes does nothing.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from airbyte_ci.campaigns.changes.change import Change
from airbyte_ci.campaigns.delivery import branches, commits, wording
from airbyte_ci.campaigns.delivery.branches import Branch, Ground
from airbyte_ci.campaigns.delivery.numbered import numbered, pages
from airbyte_ci.campaigns.delivery.review_requests import ReviewRequests
from airbyte_ci.edits.files import Files
from airbyte_ci.git import git


@dataclass(frozen=True, slots=True)
class Parcel:
    """Changes that belong together: `settled` are connectors without a change, whose former changes may be removed."""

    branch: str
    command: str
    changes: tuple[Change, ...]
    settled: Collection[str] = ()

    @property
    def kept(self) -> set[str]:
        return {*self.settled, *(item.connector for item in self.changes)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """The delivered changes (with their rows), and the actions of the delivery."""

    changes: tuple[Change, ...]
    branch: str
    commit: str
    done: Literal["created", "updated", "unchanged"]
    pull_request: int | None = None
    url: str | None = None
    # Where the user can open the pull request, as in the remote's answer to the push.
    new_url: str | None = None


def to_branch(ground: Ground, parcel: Parcel) -> Delivered:
    """Delivers to a branch of this repository; nothing is pushed. Raises AirbyteCiError."""
    branch = branches.local(ground, parcel.branch)
    _refuse(branch, parcel)
    made = _made(ground, parcel.changes, branch)
    if made != branch.tip:
        branches.move_local(ground, branch, made)
    return Delivered(changes=parcel.changes, branch=branch.name, commit=made, done=_done(branch.tip, made))


def to_remote_branch(ground: Ground, parcel: Parcel, tip: str | None) -> Delivered:
    """Delivers to a branch on the remote, whose tip is `tip`, without a forge. Raises AirbyteCiError."""
    branch = branches.remote(ground, parcel.branch, tip)
    _refuse(branch, parcel)
    pushed, url = _pushed(ground, parcel.changes, branch)
    assert pushed.tip is not None
    return Delivered(
        changes=parcel.changes, branch=branch.name, commit=pushed.tip, done=_done(tip, pushed.tip), new_url=url
    )


def to_pull_request(
    ground: Ground, parcel: Parcel, tip: str | None, pulls: ReviewRequests, labels: Sequence[str]
) -> Delivered:
    """Delivers to a branch on the remote, whose tip is `tip`, and its pull request. Raises AirbyteCiError."""
    first = branch = branches.remote(ground, parcel.branch, tip)
    _refuse(branch, parcel)
    pull = pulls.of(branch.name)
    title, body = wording.title(parcel.changes, parcel.command), wording.body(parcel.changes, parcel.command)
    if pull is None:
        branch, _ = _pushed(ground, parcel.changes, branch)
        pull = pulls.open(branch.name, title, body)
    url = f"{pull.url.rpartition('/')[0]}/{{number}}"
    earlier = git.committed(ground.root, branch.tip, pages(parcel.changes)) if branch.tip else {}
    changes = numbered(parcel.changes, Files(ground.root), number=pull.number, url=url, earlier=earlier)
    branch, _ = _pushed(ground, changes, branch)
    assert branch.tip is not None
    pulls.finish(pull, title, body, labels)
    return Delivered(
        changes=changes,
        branch=branch.name,
        commit=branch.tip,
        done=_done(first.tip, branch.tip),
        pull_request=pull.number,
        url=pull.url,
    )


def _pushed(ground: Ground, changes: Sequence[Change], branch: Branch) -> tuple[Branch, str | None]:
    """Returns the branch as it is on the remote now, and the address in the remote's answer."""
    made = _chain(ground, changes, branch)
    url = branches.push(ground, branch, made[-1].sha) if made[-1].sha != branch.tip else None
    return Branch(branch.name, made[-1].sha, made), url


def _made(ground: Ground, changes: Sequence[Change], branch: Branch) -> str:
    return _chain(ground, changes, branch)[-1].sha


def _chain(ground: Ground, changes: Sequence[Change], branch: Branch) -> tuple[commits.Commit, ...]:
    wanted = [(item, wording.message(item)) for item in changes]
    return commits.chain(ground.root, ground.base, wanted, branch.commits)


def _refuse(branch: Branch, parcel: Parcel) -> None:
    branches.refuse_foreign(branch)
    branches.refuse_loss(branch, parcel.kept)


def _done(before: str | None, after: str) -> Literal["created", "updated", "unchanged"]:
    if before is None:
        return "created"
    return "unchanged" if before == after else "updated"
