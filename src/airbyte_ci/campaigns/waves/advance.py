"""One step of a campaign: whatever can be done now. It can be repeated at any time, and continues where it was.

Everything that acts outside of this process is a function of `Actions`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Protocol

from airbyte_ci.campaigns.changes.change import AlreadyDone, Change, NotApplicable
from airbyte_ci.campaigns.delivery.deliver import Delivered
from airbyte_ci.campaigns.waves import pace, reconcile
from airbyte_ci.campaigns.waves.campaign_file import AUTOMERGE_TAG, CampaignFile, MergeMethod
from airbyte_ci.campaigns.waves.members import CampaignMember, Membership
from airbyte_ci.campaigns.waves.state import CampaignState, ConnectorState, PullState, State
from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.git.github import GitHubLimit
from airbyte_ci.outcomes import Outcome, Status, failure

UNKNOWN_HEAD = "unknown"
# Checks of a new pull request do not exist from the first second on.
_UNTIL_CHECKS_EXIST = timedelta(hours=1)


class Merger(Protocol):
    """Merges pull requests. Each method raises AirbyteCiError."""

    @property
    def settings(self) -> Any: ...  # noqa: ANN401  # MergeSettings; a protocol's attribute would have to be writable

    def merge(self, pull: PullState, method: MergeMethod) -> None: ...
    def merge_later(self, pull: PullState, method: MergeMethod) -> None: ...
    def enqueue(self, pull: PullState) -> None: ...
    def stop(self, pull: PullState) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Actions:
    """The actions of a step; each raises AirbyteCiError.

    `plan` returns a connector's change, or raises NotApplicable. `trial` builds and tests it here, and returns why it
    fails, or an empty text. `deliver` opens or updates the pull request. `is_own` returns whether airbyte-ci made every
    commit of a branch.
    """

    plan: Callable[[CampaignMember], Change]
    trial: Callable[[CampaignMember, Change], str]
    deliver: Callable[[CampaignMember, Change], Delivered]
    is_own: Callable[[str, str], bool]
    pulls: Merger


class CampaignStep:
    """A running step. `state` is always current, so that an interrupted step can be recorded."""

    def __init__(self, campaign: CampaignFile, membership: Membership, state: CampaignState, actions: Actions) -> None:
        self.state = state
        self._campaign = campaign
        self._membership = membership
        self._members = {member.name: member for member in membership.members}
        self._actions = actions
        self._has_renewed = False

    def run(self) -> Iterator[Outcome]:
        """Acts, and yields an outcome for each connector that changed or failed. A limit of GitHub ends the step."""
        if self._campaign.closed:
            return
        try:
            yield from self._tend()
            if not self.state.held:
                yield from self._open()
        except GitHubLimit as error:
            yield limited(self._campaign, error)

    # --- open pull requests ----------------------------------------------------------------------

    def _tend(self) -> Iterator[Outcome]:
        for item in self.state.connectors:
            pull = item.pull
            # A pull request that reverts the change has another branch, and is merged by people.
            if pull is None or pull.status != "open" or pull.is_revert:
                continue
            try:
                if item.state == "excluded" or self.state.held:
                    yield from self._stop(item, pull, self.state.held or item.reason)
                else:
                    yield from self._continue(item, pull)
            except GitHubLimit:
                raise
            except AirbyteCiError as error:
                yield failure(item.connector, error)

    def _stop(self, item: ConnectorState, pull: PullState, reason: str) -> Iterator[Outcome]:
        if pull.is_automatic or pull.is_queued:
            self._actions.pulls.stop(pull)
            yield _ok(item, f"pull request {pull.number} is not merged automatically any more: {reason}")

    def _continue(self, item: ConnectorState, pull: PullState) -> Iterator[Outcome]:
        owned = self._owned(item, pull)
        if pull.is_draft and owned.head == pull.head != item.head:
            # The run that opened it did not end: it is a draft until its number is in the changelog.
            yield self._start(self._members[item.connector], item)
        elif owned.head == pull.head:
            yield from self._merge(owned, pull)
        elif item.head != UNKNOWN_HEAD:
            # Found now. If people have it merged automatically after this, that is their decision.
            yield from self._stop(owned, pull, owned.reason)

    def _owned(self, item: ConnectorState, pull: PullState) -> ConnectorState:
        """Returns the connector with its branch's head, if airbyte-ci made all of its commits."""
        if item.head == pull.head:
            return item
        is_own = self._actions.is_own(self._campaign.branch(item.connector), pull.head)
        reason = item.reason if is_own else "a person changed its branch, so it is left to people"
        return self._put(replace(item, head=pull.head if is_own else UNKNOWN_HEAD, reason=reason))

    def _merge(self, item: ConnectorState, pull: PullState) -> Iterator[Outcome]:
        member = self._members[item.connector]
        if pull.is_conflicting:
            yield from self._renew(member, item, "conflicted")
            return
        tags = member.connector.data.get("tags")
        is_allowed = self._campaign.automerge and isinstance(tags, list) and AUTOMERGE_TAG in tags
        is_young = pull.created is None or self.state.time - pull.created < _UNTIL_CHECKS_EXIST
        if not is_allowed or pull.is_draft or pull.checks == "failure" or pull.is_queued:
            return
        merger, method = self._actions.pulls, self._campaign.merge_method
        if pull.is_mergeable and not (pull.checks == "none" and is_young):
            if merger.settings.has_queue:
                merger.enqueue(pull)
                self._put(replace(item, pull=replace(pull, is_queued=True), reason="it is in the merge queue"))
                yield _ok(item, f"pull request {pull.number} is in the merge queue")
            else:
                merger.merge(pull, method)
                done = replace(pull, status="merged", merged=self.state.time)
                self._put(_moved(replace(item, pull=done), "merged", "", self.state))
                yield _ok(item, f"pull request {pull.number} is merged")
        elif merger.settings.allows_automatic and not pull.is_automatic and pull.is_blocked:
            merger.merge_later(pull, method)
            self._put(replace(item, pull=replace(pull, is_automatic=True), reason="it will be merged automatically"))
            yield _ok(item, f"pull request {pull.number} will be merged when its checks succeed")
        elif pull.is_behind and pull.checks == "success" and not self._has_renewed:
            # Each merge leaves all others behind, so more than one would only repeat their checks.
            self._has_renewed = True
            yield from self._renew(member, item, "was behind its target")

    def _renew(self, member: CampaignMember, item: ConnectorState, why: str) -> Iterator[Outcome]:
        """Makes a branch again, on the target's current commit."""
        try:
            delivered = self._actions.deliver(member, self._actions.plan(member))
        except NotApplicable as error:
            self._put(replace(item, reason=error.message))
            return
        if delivered.done != "unchanged":
            self._put(replace(item, head=delivered.commit, reason="its branch was made again"))
            yield _ok(item, f"the branch of pull request {delivered.pull_request} {why}, and was made again")

    # --- new pull requests -----------------------------------------------------------------------

    def _open(self) -> Iterator[Outcome]:
        for item in self.state.connectors:
            if item.state != "planned":
                continue
            # Each trial changes what is allowed: failures narrow the window, and may close the gate.
            if pace.allow(self._campaign, self.state).number <= 0:
                return
            outcome = self._start(self._members[item.connector], item)
            yield outcome
            if outcome.status == "failed" and (problem := self._gate_problem(item.wave)):
                self.state = replace(self.state, held=problem)
                return

    def _gate_problem(self, wave: str) -> str:
        declared = next(item for item in self._membership.waves if item.name == wave)
        following = reconcile.following(self._membership.waves, declared)
        if following and following.name in self.state.open_waves:
            return ""  # a person started the next wave
        return reconcile.gate_problem(declared, [item for item in self.state.connectors if item.wave == wave])

    def _start(self, member: CampaignMember, item: ConnectorState) -> Outcome:
        """Returns the outcome of one connector's first step, which completes a pull request that is open already."""
        item = replace(item, attempt=item.attempt + 1)
        # What failed is not tried again, also where an earlier run opened the pull request.
        head = item.pull.head if item.pull else item.head
        try:
            change = self._actions.plan(member)
        except NotApplicable as error:
            # The change is in the target branch already, or the migration is not for this connector.
            is_there = isinstance(error, AlreadyDone)
            self._put(_moved(item, "healthy" if is_there else "excluded", error.message, self.state))
            return Outcome(subject=item.connector, status="skipped", reason=error.message)
        except GitHubLimit:
            raise
        except AirbyteCiError as error:
            self._put(_moved(replace(item, head=head), "trial-failed", error.message, self.state))
            return failure(item.connector, error)
        is_target = change.base_image != member.connector.base_image
        item = replace(item, after=change.after, base_after=(is_target and change.base_image) or "")
        try:
            if reason := self._actions.trial(member, change):
                self._put(_moved(replace(item, head=head), "trial-failed", reason, self.state))
                return Outcome(subject=item.connector, status="failed", reason=reason, advice=self._retry(item))
            done = self._actions.deliver(member, change)
        except GitHubLimit:
            raise
        except AirbyteCiError as error:
            self._put(replace(item, reason=error.message))
            return failure(item.connector, error)
        assert done.pull_request is not None and done.url is not None
        created = item.pull.created if item.pull else self.state.time
        pull = PullState(number=done.pull_request, url=done.url, head=done.commit, status="open", created=created)
        self._put(_moved(replace(item, pull=pull, head=done.commit), "in-pr", "its checks are running", self.state))
        return _ok(item, f"pull request {done.pull_request} {'completed' if item.pull else done.done}: {done.url}")

    def _retry(self, item: ConnectorState) -> str:
        return f"airbyte-ci campaign run {self._campaign.name} --retry {item.connector}"

    def _put(self, item: ConnectorState) -> ConnectorState:
        self.state = self.state.with_connector(item)
        return item


def limited(campaign: CampaignFile, error: GitHubLimit) -> Outcome:
    """Returns the outcome of a command that a limit of GitHub ended."""
    return Outcome(subject=campaign.name, status="skipped", reason=error.message, advice="the next run continues")


def _moved(item: ConnectorState, state: State, reason: str, campaign: CampaignState) -> ConnectorState:
    return replace(item, state=state, reason=reason, since=campaign.time)


def _ok(item: ConnectorState, summary: str) -> Outcome:
    status: Status = "ok"
    return Outcome(subject=item.connector, status=status, summary=summary)
