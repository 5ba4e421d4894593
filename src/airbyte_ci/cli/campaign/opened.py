"""An opened campaign: its file, its members, and the facts about them that commands ask for."""

import contextlib
import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from airbyte_ci import app
from airbyte_ci.base_images.catalog import catalog
from airbyte_ci.base_images.catalog.catalog import Catalog
from airbyte_ci.campaigns.delivery import branches, commits
from airbyte_ci.campaigns.delivery.branches import Ground
from airbyte_ci.campaigns.waves import campaign_file, members, reconcile, targets
from airbyte_ci.campaigns.waves.campaign_file import CampaignFile
from airbyte_ci.campaigns.waves.github_pulls import GitHubPulls
from airbyte_ci.campaigns.waves.members import CampaignMember, Membership
from airbyte_ci.campaigns.waves.reconcile import CampaignFacts
from airbyte_ci.campaigns.waves.state import CampaignState, ConnectorState, PullState, StateFile, StateRecord
from airbyte_ci.campaigns.waves.state_branch import StateBranch
from airbyte_ci.cli import facts
from airbyte_ci.cli import fleet as fleets
from airbyte_ci.cli.fleet import Fleet
from airbyte_ci.cli.options import SelectionOptions
from airbyte_ci.cli.settings import Settings
from airbyte_ci.connectors import select
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.connectors.select import Selection
from airbyte_ci.errors import BlobNotFound, ImageError, QueryError, UsageError
from airbyte_ci.git import github, history
from airbyte_ci.git.github import GitHubRepository
from airbyte_ci.oci.reference import Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCampaign:
    """A campaign with its fleet. `base` is the commit that branches begin at, and `target` the branch to merge into.

    `previous` is the state that `record` had. `found` are the pull requests of its branches by connector: asked from
    GitHub when the campaign was opened, or recorded ones offline, where `pulls` is None.
    """

    settings: Settings
    fleet: Fleet
    file: CampaignFile
    catalog: Catalog
    membership: Membership
    record: StateRecord
    previous: Mapping[str, ConnectorState]
    inputs: Mapping[str, str]
    found: Mapping[str, PullState]
    base: str
    target: str
    repository: GitHubRepository | None = None
    pulls: GitHubPulls | None = None

    def state(self, now: datetime, started: frozenset[str] = frozenset(), held: str = "") -> CampaignState:
        """Returns the current state: asks GitHub for all pull requests, and registries where the campaign needs it."""
        with contextlib.ExitStack() as opened:
            known = CampaignFacts(
                time=now,
                inputs=self.inputs,
                pulls=self.found,
                reverts=self._reverts(),
                targets=self._targets(),
                is_released=self._released(opened),
                withdrawal=self._withdrawal,
                started=started,
                held=held,
            )
            return reconcile.reconcile(self.file, self.membership, self.previous, known)

    @property
    def has_begun(self) -> bool:
        """Whether the campaign has pull requests, or tried a change."""
        return bool(self.found) or any(item.attempt for item in self.previous.values())

    def again(self) -> "OpenCampaign":
        """Returns the campaign with the pull requests as they are now, after a command changed them."""
        if self.pulls is None:
            return self
        return replace(self, found=self.pulls.read_by_name(self.file.branch, list(self.found)))

    def _reverts(self) -> dict[str, PullState]:
        """Returns the pull requests that revert merged ones."""
        merged = [name for name, pull in self.found.items() if pull.status == "merged"]
        return self.pulls.read_by_name(self.file.revert_branch, merged) if self.pulls else {}

    def _targets(self) -> dict[str, str]:
        """Returns the base images of pull requests about which nothing is recorded."""
        connectors = {member.name: member.connector for member in self.membership.members}
        unknown = self.found.keys() - self.previous.keys() if self.pulls else ()
        pulls = {name: (connectors[name], self.file.branch(name), self.found[name]) for name in sorted(unknown)}
        return targets.read(self.fleet.configuration.root, pulls) if pulls else {}

    def _withdrawal(self, address: str) -> str:
        found = self.catalog.find(address)
        return found.withdrawal if found else ""

    def _released(self, opened: contextlib.ExitStack) -> Callable[[CampaignMember, str], bool]:
        """Returns the function that asks a registry; the client opens with the first question."""

        @functools.cache
        def client() -> Callable[[Reference], object]:
            offline = self.settings.offline
            return opened.enter_context(app.open_registries(self.fleet.configuration, offline=offline)).resolve

        def is_released(member: CampaignMember, version: str) -> bool:
            if self.settings.offline:
                return False
            try:
                client()(Reference.parse(f"{member.connector.image_repository}:{version}"))
            except (BlobNotFound, ImageError):
                return False
            return True

        return is_released

    def connect_git(self) -> tuple[Ground, dict[str, str]]:
        """Returns where branches begin, and the remote's branches, after a fetch of the target branch."""
        root = self.fleet.configuration.root
        commits.refuse_without_identity(root)
        return branches.fetch_target(root, self.base, self.target)

    def save(self, current: CampaignState) -> bool:
        """Records the state; returns whether it changed."""
        return self.record.save(current)


def refuse_offline(settings: Settings) -> None:
    """Raises UsageError with --offline, for commands that change something on GitHub."""
    if settings.offline:
        raise UsageError("this command needs GitHub and excludes --offline", advice="airbyte-ci campaign plan NAME")


@contextlib.contextmanager
def open_campaign(settings: Settings, name: str, *, asks_github: bool = True) -> Iterator[OpenCampaign]:
    """Reads a campaign, its connectors and its recorded state. Raises UsageError for whatever is wrong in its file."""
    fleet = fleets.load(settings, SelectionOptions(everything=True))
    fleets.tell_unreadable(fleet)
    root = fleet.configuration.root
    file = campaign_file.load(root, name)
    known = facts.of(fleet.bases, fleet.modified)

    def choose(connectors: Sequence[Connector], query: str) -> Sequence[Connector]:
        try:
            chosen = select.select(connectors, Selection(query=query), known, fleet.modified)
        except QueryError as error:
            raise QueryError(f"{file.path}: {error.message}") from error
        for warning in chosen.warnings:
            fleets.warn(f"{file.path}: {warning}")
        return chosen.connectors

    base = history.fork_point_if_known(root, settings.diffed_branch)
    if base is None:
        raise UsageError(
            f"campaigns need git, and {root} has no commit",
            advice="git init and git commit",
            error_id="git-repository-missing",
        )
    is_offline = not asks_github or settings.offline
    record = StateBranch(root, file, offline=is_offline) if file.state == "branch" else StateFile(root, file)
    previous = record.load()

    def opened(found: Mapping[str, PullState]) -> OpenCampaign:
        begun = {name: item.wave for name, item in previous.items() if item.state not in ("waiting", "planned")}
        begun = {**dict.fromkeys(found, ""), **begun}
        made = OpenCampaign(
            settings=settings,
            fleet=fleet,
            file=file,
            catalog=catalog.load(fleet.configuration.catalog_path),
            membership=members.divide(file, fleet.connectors, choose, begun),
            record=record,
            previous=previous,
            inputs=_inputs(file, fleet, base),
            found=found,
            base=base,
            target="",
        )
        fleet.bases.save()
        for oddity in members.find_oddities(file, made.membership, app.today()):
            fleets.warn(f"{file.path}: {oddity}")
        return made

    if is_offline:
        yield opened({name: item.pull for name, item in previous.items() if item.pull})
        return
    repository = github.require_repository(root, app.read_environment())
    target = history.target_branch(root, settings.diffed_branch)
    with contextlib.closing(GitHubPulls(repository, target)) as pulls:
        # Of all connectors: those that the campaign has changed may not be selected by its query any more.
        found = pulls.read_by_name(file.branch, [connector.name for connector in fleet.connectors])
        yield replace(opened(found), target=target, repository=repository, pulls=pulls)


def _inputs(file: CampaignFile, fleet: Fleet, base: str) -> dict[str, str]:
    """Returns a digest of each connector's committed folder and of the order: an equal one gives an equal trial."""
    root = fleet.configuration.root
    order = json.dumps([file.migration, file.options, file.trial], sort_keys=True)
    paths = [connector.relative for connector in fleet.connectors if connector.relative != "."]
    listed = commits.run(root, "reading the connectors' folders", "ls-tree", "-z", base, "--", *paths) if paths else b""
    trees = {}
    for line in filter(None, listed.split(b"\0")):
        names, _, path = line.partition(b"\t")
        trees[path.decode("utf-8", "surrogateescape")] = names.split(b" ")[2].decode()
    return {
        connector.name: hashlib.sha256(f"{trees.get(connector.relative, base)}\n{order}".encode()).hexdigest()[:16]
        for connector in fleet.connectors
    }
