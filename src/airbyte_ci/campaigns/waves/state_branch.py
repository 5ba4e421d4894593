"""The record of a campaign's state on a branch of its own, so that hourly runs do not commit to the main branch.

The branch has a history of its own, with the one file. A run that loses a race reads again, and joins both records.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from airbyte_ci.campaigns.delivery import branches, commits
from airbyte_ci.campaigns.waves.campaign_file import CampaignFile
from airbyte_ci.campaigns.waves.state import CampaignState, ConnectorState, StateFile, parse
from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.git import git

# Each lost race means that another run recorded its state, and runs of one campaign are few.
_ATTEMPTS = 5


class StateBranch:
    """A StateRecord on the branch of the remote. If `offline`, it reads what was fetched last.

    Without a branch, the file next to the campaign file is read, so that a campaign can move to a branch.
    """

    def __init__(self, root: Path, campaign: CampaignFile, *, offline: bool) -> None:
        self._root, self._campaign, self._offline = root, campaign, offline
        self._branch = campaign.state_branch
        self._fetched = f"refs/remotes/{branches.REMOTE}/{self._branch}"
        self._tip: str | None = None
        self._known: Mapping[str, ConnectorState] = {}

    def load(self) -> Mapping[str, ConnectorState]:
        if not self._offline:
            self._fetch()
        answer = git.ask(self._root, "rev-parse", "--verify", "--quiet", f"{self._fetched}^{{commit}}")
        self._tip = answer.stdout.decode().strip() if answer and not answer.returncode else None
        raw = self._content()
        if raw is None:
            self._known = StateFile(self._root, self._campaign).load()
        else:
            path = f"{self._campaign.state_path} on the branch {self._branch}"
            self._known = parse(raw, path, f"git push {branches.REMOTE} --delete {self._branch}")
        return self._known

    def save(self, state: CampaignState) -> bool:
        """Pushes a commit, if no one else pushed meanwhile; else joins the states and pushes again."""
        if self._content() == state.text().encode():
            return False
        commits.refuse_without_identity(self._root)
        for _ in range(_ATTEMPTS):
            raw = state.text().encode()
            message = f"campaign {self._campaign.name}: record the state"
            commit = commits.with_file(self._root, self._tip, self._campaign.state_path, raw, message)
            before, base = self._tip, self._known
            try:
                branches.push_commit(self._root, branches.REMOTE, self._branch, before, commit)
            except AirbyteCiError:
                theirs = self.load()
                if self._tip == before:
                    raise
                state = join(base, theirs, state)
                continue
            commits.run(self._root, "recording the state", "update-ref", self._fetched, commit)
            self._tip, self._known = commit, {item.connector: item for item in state.connectors}
            return True
        raise AirbyteCiError(
            f"cannot record the state of {self._campaign.name}: other runs changed {self._branch} {_ATTEMPTS} times",
            advice="run it again; let only one run of a campaign work at a time",
        )

    def _fetch(self) -> None:
        # A pattern succeeds if nothing matches it, and --prune notices that the branch was deleted.
        pattern = f"{self._branch.rpartition('/')[0]}/*"
        refs = f"+refs/heads/{pattern}:refs/remotes/{branches.REMOTE}/{pattern}"
        options = ("-q", "--prune", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules")
        commits.run(self._root, f"reading the branch {self._branch}", "fetch", *options, branches.REMOTE, refs)

    def _content(self) -> bytes | None:
        """Returns the recorded file, as it was read last; None without one."""
        if self._tip is None:
            return None
        answer = git.ask(self._root, "cat-file", "blob", f"{self._tip}:{self._campaign.state_path}")
        return answer.stdout if answer and not answer.returncode else None


def join(base: Mapping[str, ConnectorState], theirs: Mapping[str, ConnectorState], own: CampaignState) -> CampaignState:
    """Returns the own state with what another run recorded since `base` about connectors that this run did not change.

    If both changed a connector, the one with more attempts wins, then the later one.
    """
    chosen = {item.connector: item for item in own.connectors}
    for name, other in theirs.items():
        before, mine = base.get(name), chosen.get(name)
        if other == before:
            continue
        if mine is None:
            if before is None:
                chosen[name] = other
        elif _is_recorded(mine, before) or (other.attempt, other.since) > (mine.attempt, mine.since):
            chosen[name] = other
    return replace(own, connectors=tuple(chosen.values()))


def _is_recorded(item: ConnectorState, before: ConnectorState | None) -> bool:
    return before is not None and item.to_json() == before.to_json()
