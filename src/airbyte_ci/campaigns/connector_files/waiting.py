"""The changelog row that an earlier run left to be written, because the pull request had no number yet."""

from airbyte_ci.campaigns.changes.baseline import Baseline
from airbyte_ci.campaigns.changes.change import Change
from airbyte_ci.campaigns.connector_files import release
from airbyte_ci.campaigns.connector_files.release import Entry
from airbyte_ci.config import Configuration
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.edits import versions
from airbyte_ci.edits.edit import Edit
from airbyte_ci.edits.files import Files


def plan(
    connector: Connector, configuration: Configuration, files: Files, baseline: Baseline, entry: Entry
) -> Change | None:
    """All that is left to do: the row of the connector's present version; None where none waits.

    One waits where the version is not released yet (or git does not know), the page lacks it, and the number is there
    now. Raises EditRefused when it cannot be written exactly.
    """
    if entry.pull_request is None or not (entry.is_wanted and entry.is_written) or not _is_new(connector, baseline):
        return None
    page = release.page_of(connector, configuration)
    if page is None or release.has_row(files, page, connector, connector.version):
        return None
    changes, written = release.row(connector, configuration, files, baseline, connector.version, entry)
    return Change(
        connector.name,
        connector.relative,
        f"{connector.name}: changelog entry of {connector.version}",
        f"{connector.version} has its changelog entry now",
        baseline.released.get(connector.relative, connector.version),
        connector.version,
        Edit.of(changes),
        connector.base_image,
        written,
        next_step="git add -A && git commit",
    )


def _is_new(connector: Connector, baseline: Baseline) -> bool:
    released = baseline.released.get(connector.relative)
    return released is None or (versions.is_semver(connector.version) and connector.version != released)
