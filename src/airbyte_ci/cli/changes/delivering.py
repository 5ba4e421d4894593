"""Delivers the changes of a run: the options that choose a destination, and the commits, pushes and pull requests."""

import dataclasses
import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from airbyte_ci.campaigns.changes.change import Change
from airbyte_ci.cli import fleet
from airbyte_ci.cli.options import with_options
from airbyte_ci.cli.settings import Settings
from airbyte_ci.errors import AirbyteCiError, UsageError
from airbyte_ci.git import forge, history
from airbyte_ci.outcomes import Outcome, failure
from airbyte_ci.reports import changes as report

if TYPE_CHECKING:
    from airbyte_ci.campaigns.delivery.review_requests import ReviewRequests

Kind = Literal["working tree", "commit", "branch", "pull request"]


@dataclass(frozen=True, slots=True)
class Destination:
    """The requested destination. `branch` is a name; with `{connector}` in it, each connector has its own branch.

    `remote` is the remote to push branches to; empty keeps them local.
    """

    kind: Kind = "working tree"
    branch: str = ""
    labels: tuple[str, ...] = ()
    remote: str = ""

    @property
    def is_each(self) -> bool:
        """Whether each connector is delivered separately, as soon as it is planned."""
        return self.kind == "commit" or "{connector}" in self.branch

    @property
    def is_chained(self) -> bool:
        """Whether edits of one page build on each other. Separate branches all start at the same commit."""
        return self.kind in ("working tree", "commit") or not self.is_each


HERE = Destination()

_OPTIONS = (
    click.option("--commit", "is_commit", is_flag=True, help="Commit each connector on the current branch."),
    click.option(
        "--branch",
        "branch",
        is_flag=False,
        flag_value="",
        default=None,
        metavar="[NAME]",
        help="Commit each connector on a new branch and leave the working tree unchanged. NAME is one branch for all "
        "connectors, or one for each if it contains {connector} (default: airbyte-ci/COMMAND/{connector}).",
    ),
    click.option(
        "--push",
        "remote",
        is_flag=False,
        flag_value="origin",
        default=None,
        metavar="[REMOTE]",
        help="Push the branches of --branch to this git remote (default: origin), and keep no local branches.",
    ),
    click.option(
        "--pull-request",
        "is_each",
        is_flag=True,
        help="Push a branch and open a pull request (on GitLab: a merge request) for each connector.",
    ),
    click.option(
        "--one-pull-request",
        "is_one",
        is_flag=True,
        help="Push one branch and open one pull request for all connectors.",
    ),
    click.option(
        "--label", "labels", multiple=True, metavar="NAME", help="Add this label to pull requests; repeatable."
    ),
)


def options(command: str | None = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds the delivery options, which the function receives as `destination`; `command` names the branches."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(
            *arguments: object,
            is_commit: bool,
            branch: str | None,
            remote: str | None,
            is_each: bool,
            is_one: bool,
            labels: tuple[str, ...],
            **rest: object,
        ) -> Any:  # noqa: ANN401  # click's callables
            name = (command or function.__name__).replace("_", "-")
            destination = _destination(name, branch, labels, is_commit=is_commit, is_each=is_each, is_one=is_one)
            if remote is not None:
                destination = _add_push(destination, name, remote)
            return function(*arguments, destination=destination, **rest)

        return with_options(functools.update_wrapper(wrapped, function), _OPTIONS)

    return decorate


def _destination(
    command: str, branch: str | None, labels: tuple[str, ...], *, is_commit: bool, is_each: bool, is_one: bool
) -> Destination:
    if is_each + is_one + is_commit > 1 or (is_commit and branch is not None):
        raise UsageError("--commit, --branch, --pull-request and --one-pull-request exclude each other")
    if labels and not (is_each or is_one):
        raise UsageError("--label needs a pull request", advice="add --pull-request or --one-pull-request")
    if is_each and branch and "{connector}" not in branch:
        raise UsageError(
            f"--pull-request needs a branch for each connector, and {branch!r} is one branch",
            advice="use --one-pull-request, or put {connector} into the name",
        )
    if is_one and branch and "{connector}" in branch:
        raise UsageError(
            "--one-pull-request has one branch for all connectors",
            advice="leave out {connector}, or use --pull-request",
        )
    if is_commit:
        return Destination("commit")
    if is_one:
        return Destination("pull request", branch or f"airbyte-ci/{command}/all", labels)
    if is_each:
        return Destination("pull request", branch or f"airbyte-ci/{command}/{{connector}}", labels)
    return HERE if branch is None else Destination("branch", branch or f"airbyte-ci/{command}/{{connector}}")


def _add_push(destination: Destination, command: str, remote: str) -> Destination:
    if destination.kind not in ("working tree", "branch"):
        given = "--commit" if destination.kind == "commit" else "pull requests, whose branches go to origin"
        raise UsageError(f"--push pushes branches and excludes {given}", advice="leave one of them out")
    if not remote:
        raise UsageError("--push is empty", advice="give the name of a git remote, or leave out the =")
    return Destination("branch", destination.branch or f"airbyte-ci/{command}/{{connector}}", remote=remote)


class Courier:
    """Delivers the changes of a run. It refuses impossible destinations before anything is planned."""

    def __init__(
        self,
        destination: Destination,
        settings: Settings,
        root: Path,
        command: str,
        diffed_branch: str | None = None,
        *,
        dry_run: bool = False,
    ) -> None:
        # Imported here because most runs write to the working tree and deliver nothing.
        from airbyte_ci.campaigns.delivery import branches, commits

        self._destination, self._command, self._dry_run = destination, command, dry_run
        self._together: list[Change] = []
        self._settled: list[str] = []
        self._pulls: ReviewRequests | None = None
        self._wants_pulls = False
        self._tips: dict[str, str] = {}
        commits.refuse_without_identity(root)
        base = history.fork_point_if_known(root, diffed_branch)
        if base is None:
            raise UsageError(
                f"cannot deliver changes: the repository {root} has no commit",
                advice="run git init and git commit",
                error_id="git-repository-missing",
            )
        is_pull = destination.kind == "pull request"
        self._ground = branches.Ground(root, base, history.target_branch(root, diffed_branch) if is_pull else "")
        if destination.remote:
            self._refuse_unknown_remote(root, destination.remote)
            self._ground = dataclasses.replace(self._ground, remote=destination.remote)
        if is_pull and not dry_run:
            self._connect(settings, root)
        elif destination.remote and not dry_run:
            self._prepare_push(settings, root, history.target_branch(root, diffed_branch))

    def _refuse_unknown_remote(self, root: Path, remote: str) -> None:
        known = forge.remote_names(root)
        if remote not in known:
            raise UsageError(
                f"cannot push to {remote!r}: there is no git remote with this name",
                advice=f"use one of {', '.join(known)}" if known else "git remote add origin ADDRESS",
            )

    def _prepare_push(self, settings: Settings, root: Path, target: str) -> None:
        from airbyte_ci.campaigns.delivery import branches

        if settings.offline:
            raise UsageError("--push needs the network and excludes --offline")
        self._tips = branches.remote_tips(root, self._destination.remote)
        if main := self._tips.get(target):
            branches.fetch(self._ground, target, main)
        self._ground = dataclasses.replace(self._ground, target=target, main=main)

    def _connect(self, settings: Settings, root: Path) -> None:
        from airbyte_ci.campaigns.delivery import branches, connect

        if settings.offline:
            raise UsageError("pull requests need the network and exclude --offline")
        self._pulls = connect.connect(root, os.environ, self._ground.target)
        self._ground, self._tips = branches.fetch_target(root, self._ground.base, self._ground.target)
        if self._pulls is None:
            self._push_instead(root)

    def _push_instead(self, root: Path) -> None:
        """Delivers as --push does, because airbyte-ci cannot open the pull requests of this forge."""
        hosted = forge.of(root)
        name = forge.NAMES[hosted.kind] if hosted and hosted.kind else "this host"
        given = self._destination.labels
        labels = f", and does not add the label {', '.join(given)}" if given else ""
        fleet.warn(
            f"airbyte-ci opens no pull requests on {name}: "
            f"it pushes the branches and prints the addresses to open them{labels}"
        )
        self._destination = dataclasses.replace(self._destination, kind="branch", remote=self._ground.remote)
        self._wants_pulls = True

    def close(self) -> None:
        if self._pulls is not None:
            self._pulls.close()

    def settle(self, connector: str) -> None:
        """Records that this connector needs no change any more."""
        self._settled.append(connector)

    def take(self, change: Change) -> Outcome | None:
        """Delivers the change now, or returns None to deliver it with the others later. Raises AirbyteCiError."""
        if self._dry_run:
            return self._preview(change)
        if not self._destination.is_each:
            self._together.append(change)
            return None
        return self._deliver((change,))[0]

    def rest(self) -> list[Outcome]:
        """Delivers the changes that `take` postponed."""
        if not self._together:
            return []
        try:
            return self._deliver(tuple(self._together))
        except AirbyteCiError as error:
            return [failure(item.connector, error) for item in self._together]

    def _deliver(self, changes: tuple[Change, ...]) -> list[Outcome]:
        from airbyte_ci.campaigns.delivery import commits, deliver, wording

        if self._destination.kind == "commit":
            (change,) = changes
            sha = commits.in_place(self._ground.root, change, wording.message(change))
            outcome = report.outcome(change)
            return [_add_destination(outcome, f"committed {sha[:10]}", "git push", {"commit": sha})]
        name = wording.branch(self._destination.branch, changes[0].connector)
        parcel = deliver.Parcel(name, self._command, changes, tuple(self._settled))
        new_url = None
        if self._destination.remote:
            done = deliver.to_remote_branch(self._ground, parcel, self._tips.get(name))
            where = f"branch {name} {done.done} on {self._destination.remote}"
            new_url = done.new_url or self._new_url(name, done.done)
            following = f"open {new_url}" if new_url else ""
        elif self._destination.kind == "branch":
            done = deliver.to_branch(self._ground, parcel)
            where, following = f"branch {name} {done.done}", f"git push origin {name}"
        else:
            assert self._pulls is not None
            labels = self._destination.labels
            done = deliver.to_pull_request(
                self._ground, parcel, tip=self._tips.get(name), pulls=self._pulls, labels=labels
            )
            where, following = f"{self._pulls.noun} {done.pull_request} {done.done}: {done.url}", ""
        facts: dict[str, Any] = {"branch": name, "commit": done.commit, "delivery": done.done}
        facts |= {"remote": self._destination.remote} if self._destination.remote else {}
        facts |= {"newPullRequestUrl": new_url} if new_url else {}
        facts |= {"pullRequest": done.pull_request, "pullRequestUrl": done.url} if done.url else {}
        return [_add_destination(report.outcome(item), where, following, facts) for item in done.changes]

    def _new_url(self, branch: str, done: str) -> str | None:
        """Returns where a user opens the pull request of a branch, if the remote did not answer with the address.

        A branch that existed before may have one already, which only matters to users who asked for pull requests.
        """
        if done != "created" and not self._wants_pulls:
            return None
        hosted = forge.of(self._ground.root, remote=self._destination.remote)
        return hosted.new_pull_request_url(branch, self._ground.target) if hosted else None

    def _preview(self, change: Change) -> Outcome:
        from airbyte_ci.campaigns.delivery import wording

        name = wording.branch(self._destination.branch, change.connector)
        where = {
            "commit": "would be committed on the current branch",
            "branch": f"would be committed on the branch {name}"
            + (f" and pushed to {self._destination.remote}" if self._destination.remote else ""),
            "pull request": f"would be pushed as {name}, for a pull request into {self._ground.target}",
        }[self._destination.kind]
        return _add_destination(report.outcome(change, with_diff=True), where, "", {})


def _add_destination(outcome: Outcome, where: str, following: str, facts: dict[str, Any]) -> Outcome:
    details = (*outcome.details, f"→ {where}")
    return dataclasses.replace(outcome, details=details, advice=following, facts={**outcome.facts, **facts})
