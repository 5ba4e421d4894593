"""The base images to which pull requests move, read from git. The record has them, unless it was lost."""

import contextlib
from collections.abc import Mapping
from pathlib import Path

from airbyte_ci.campaigns.delivery import branches, commits
from airbyte_ci.campaigns.waves.base_history import base_in
from airbyte_ci.campaigns.waves.state import PullState
from airbyte_ci.connectors.connector import METADATA, Connector
from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.git import git


def read(root: Path, pulls: Mapping[str, tuple[Connector, str, PullState]]) -> dict[str, str]:
    """Returns the base image that each pull request sets, by the name of its connector: those that set one.

    `pulls` has for each connector the branch and the pull request. The branches of open ones are fetched.
    """
    open_branches = [f"refs/heads/{branch}" for _, branch, pull in pulls.values() if pull.status == "open"]
    if open_branches:
        options = ("-q", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules")
        # A branch may have been deleted meanwhile; others may be here already.
        with contextlib.suppress(AirbyteCiError):
            commits.run(root, "reading the campaign's branches", "fetch", *options, branches.REMOTE, *open_branches)
    places: dict[str, tuple[tuple[str, str], tuple[str, str]]] = {}
    for name, (connector, _, pull) in pulls.items():
        commit = pull.merge_commit or pull.head
        path = connector.path_of(METADATA)
        places[name] = (f"{commit}^", path), (commit, path)
    found = git.versions(root, [place for pair in places.values() for place in pair])
    bases = {name: [base_in(found.get(place, b"")) for place in pair] for name, pair in places.items()}
    return {name: after for name, (before, after) in bases.items() if after and after != before}
