"""The changelog row that an earlier run could not write, because the pull request had no number yet."""

from airbyte_ci.campaigns.changes.change import Change
from airbyte_ci.campaigns.changes.task import Task
from airbyte_ci.campaigns.connector_files import release
from airbyte_ci.edits import versions
from airbyte_ci.edits.edit import Edit


def plan(task: Task) -> Change | None:
    """Returns the change that only adds the row of the connector's current version; None if no row is missing.

    A row is missing if the version is not released yet (or git does not know), the page lacks it, and the number of
    the pull request is known now. Raises EditRefused if the row cannot be written exactly.
    """
    connector, entry = task.connector, task.entry
    released = task.baseline.released.get(connector.relative)
    is_new = released is None or (versions.is_semver(connector.version) and connector.version != released)
    if entry.pull_request is None or not (entry.is_wanted and entry.is_written) or not is_new:
        return None
    page = release.page_of(connector, task.configuration)
    if page is None or release.has_row(task.files, page, connector, connector.version):
        return None
    changes, written = release.row(task, connector.version)
    return Change(
        connector=connector.name,
        folder=connector.relative,
        title=f"{connector.name}: changelog entry of {connector.version}",
        summary=f"{connector.version} has its changelog entry now",
        before=released or connector.version,
        after=connector.version,
        edit=Edit.of(changes),
        base_image=connector.base_image,
        changelog=written,
        next_step="git add -A && git commit",
    )
