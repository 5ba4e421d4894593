"""Turns a connector whose metadata cannot be read into a finding, so that every report contains it."""

import re
from pathlib import PurePosixPath

from airbyte_ci.checks.mending import Mending
from airbyte_ci.checks.metadata_schema import RULE
from airbyte_ci.checks.rule import Checked, Location, RuleFinding, failed
from airbyte_ci.errors import AirbyteCiError

# The beginning of errors about metadata: the file, and the line and column where they are known.
_PLACE = re.compile(
    r"(?:cannot read )?(?P<path>\S.*?metadata\.yaml)(?::(?P<line>\d+)(?::\d+)?)?: (?P<reason>.*)", re.DOTALL
)


def checked(error: AirbyteCiError, mending: Mending) -> Checked:
    """Returns an error of the metadata check for any support level: every connector is published by its metadata."""
    found = _PLACE.fullmatch(error.message)
    if found is None:
        verdict = failed(error.message, error.advice or "", error_id=error.error_id)
        return Checked("metadata.yaml", ".", (RuleFinding(RULE, "error", verdict),))
    path = PurePosixPath(found["path"])
    place = Location(str(path), int(found["line"] or 0))
    verdict = failed(found["reason"], error.advice or mending.edit(place), place, error.error_id)
    return Checked(path.parent.name or path.name, str(path.parent), (RuleFinding(RULE, "error", verdict),))
