"""Tries the changes of a campaign's connectors, with the resources of a command."""

from collections.abc import Sequence

from airbyte_ci import interruption
from airbyte_ci.campaigns.changes.change import Change
from airbyte_ci.campaigns.changes.findings import shorten
from airbyte_ci.campaigns.changes.overlay import overlay
from airbyte_ci.campaigns.waves import culprits
from airbyte_ci.campaigns.waves.members import CampaignMember
from airbyte_ci.cli import resolving, workbench
from airbyte_ci.cli.campaign.planned import Planner
from airbyte_ci.cli.progress import Progress
from airbyte_ci.connector_tests import secrets, steps, trial
from airbyte_ci.connector_tests.steps import TrialResult
from airbyte_ci.connector_tests.trial import TrialOptions
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import AirbyteCiError

_LONGEST = 200


class Trials:
    """Builds and tests changes here, before anyone else sees them."""

    def __init__(self, planner: Planner, progress: Progress) -> None:
        app = planner.app
        self._planner, self._app, self._progress = planner, app, progress
        self._steps = steps.wanted(planner.opened.file.trial, ()) if planner.opened.file.trial else frozenset()
        self._order = resolving.trial_order(app)

    def failure(self, member: CampaignMember, change: Change) -> str:
        """Returns why the changed connector fails a step that it passes without the change; empty if it fails none.

        Of several packages that were upgraded together, the ones that fail are named. Raises AirbyteCiError if the
        connector cannot be built without the change either: then nothing is known about the change.
        """
        if not self._steps:
            return ""
        failed = self._failed(member, change)
        if not failed:
            return ""
        # A connector with a Dockerfile cannot be built here before it is migrated.
        before = dict(self._failures(member.connector)) if member.connector.base_image else {}
        if "build" in before and failed[0][0] == "build":
            raise AirbyteCiError(
                f"cannot try {member.name}: it cannot be built without the change either ({before['build']})",
                advice=f"airbyte-ci connectors --name={member.name} build",
            )
        new = {step: reason for step, reason in failed if step not in before}
        if not new:
            return ""
        step, reason = next(iter(new.items()))
        return f"{step}: {reason}{self._culprits(member, change, frozenset(new))}"

    def _failed(self, member: CampaignMember, change: Change) -> list[tuple[str, str]]:
        with overlay(member.connector, self._app.configuration.root, change.edit) as changed:
            return self._failures(changed)

    def _failures(self, connector: Connector) -> list[tuple[str, str]]:
        """Returns the steps that fail, each with the reason in one line."""
        result = self._test(connector)
        if result.is_interrupted:
            raise KeyboardInterrupt
        return [(step.id, _line(step.reason)) for step in result.steps if step.status == "failed"]

    def _test(self, connector: Connector) -> TrialResult:
        app = self._app
        found = secrets.load(connector, None, app.configuration.test_secrets, app.environment)
        request = TrialOptions(wanted=self._steps, secrets=found, is_ending=interruption.is_stopping)
        try:
            return trial.run(connector, self._order, app.tools(connector.name), request, workbench.side_by_side)
        finally:
            self._progress.clear(connector.name)

    def _culprits(self, member: CampaignMember, change: Change, failed: frozenset[str]) -> str:
        names = [note.split(" ")[0] for note in change.notes if " → " in note]
        if self._planner.migration.id != "upgrade_dependencies" or len(names) < 2:
            return ""

        def fails(packages: Sequence[str]) -> bool:
            try:
                part = self._planner.plan_only(member, packages)
            except AirbyteCiError:
                return False
            return any(step in failed for step, _ in self._failed(member, part))

        found = culprits.find(names, fails)
        shown = [note for note in change.notes if note.split(" ")[0] in found]
        others = len(names) - len(found)
        rest = f"; {others} other {'upgrade succeeds' if others == 1 else 'upgrades succeed'}" if others else ""
        return f" (it fails with {', '.join(shown)}{rest})"


def _line(reason: str) -> str:
    """Returns the first line, and the last one, which has the error where output is quoted."""
    lines = [line.strip() for line in reason.splitlines() if line.strip()]
    return shorten(" ".join(dict.fromkeys((lines[0], lines[-1]))), _LONGEST) if lines else ""
