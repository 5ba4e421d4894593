"""Plans the changes of a campaign's connectors, with the resources of a command."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from airbyte_ci.app import App, written_day
from airbyte_ci.campaigns.changes import baseline
from airbyte_ci.campaigns.changes.change import Change
from airbyte_ci.campaigns.changes.task import RequestedEntry, Task
from airbyte_ci.campaigns.migrations.migration import Migration, plan_change
from airbyte_ci.campaigns.waves import changes
from airbyte_ci.campaigns.waves.members import CampaignMember
from airbyte_ci.cli import resolving
from airbyte_ci.cli.campaign.opened import OpenCampaign
from airbyte_ci.edits.files import Files


@dataclass(frozen=True, slots=True)
class Planner:
    """Plans the change of each connector. All branches begin at the same commit, so no plan sees another one."""

    opened: OpenCampaign
    migration: Migration[Any]
    options: Any
    app: App
    known: baseline.Baseline

    def plan(self, member: CampaignMember) -> Change:
        """Returns the change; raises NotApplicable and AirbyteCiError."""
        return self._plan(member, self.options)

    def plan_only(self, member: CampaignMember, packages: Sequence[str]) -> Change:
        """Returns the change with only these of the upgraded packages."""
        return self._plan(member, replace(self.options, packages=tuple(packages)))

    def _plan(self, member: CampaignMember, options: object) -> Change:
        task = self.task(member)
        if prepare := resolving.preparation(self.migration, self.app):
            prepared = prepare(task, options)
            task = replace(task, prepared=lambda: prepared)
        return plan_change(self.migration, task, options)

    def task(self, member: CampaignMember) -> Task:
        """Returns the inputs of one connector's change."""
        configuration, file = self.opened.fleet.configuration, self.opened.file
        entry = RequestedEntry(
            None, file.changelog, written_day(), is_wanted=configuration.changelog.of(self.migration.id)
        )
        return Task(
            connector=member.connector,
            configuration=configuration,
            files=Files(configuration.root),
            baseline=self.known,
            entry=entry,
            catalog=self.opened.catalog,
        )


def open_planner(opened: OpenCampaign, app: App) -> Planner:
    """Returns the planner of a campaign. Raises UsageError if its options are wrong."""
    migration, options = changes.load_migration(opened.file)
    resolving.refuse_offline(migration, opened.settings)
    connectors = [member.connector for member in opened.membership.members]
    configuration = opened.fleet.configuration
    known = baseline.of(connectors, configuration, opened.settings.diffed_branch, migration.deletes)
    return Planner(opened, migration, options, app, known)
