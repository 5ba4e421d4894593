"""GitHub's published GraphQL schema: queries to a double are executed by it, so that fields, arguments and types count.

It comes from npm (0.6 MB) when a test first needs it, and is kept in .scratch, never committed.
"""

import functools
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from graphql import GraphQLSchema, build_schema, graphql_sync

PACKAGE, VERSION = "@octokit/graphql-schema", "15.26.1"
_KEPT = Path(__file__).parents[2] / ".scratch" / f"github-graphql-{VERSION}.graphql"


@functools.cache
def schema() -> GraphQLSchema:
    """The schema; reading it takes a second."""
    if not _KEPT.exists():
        _KEPT.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_KEPT.parent) as folder:
            command = ["npm", "pack", "--silent", "--pack-destination", folder, f"{PACKAGE}@{VERSION}"]
            subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=300)
            (archive,) = Path(folder).glob("*.tgz")
            with tarfile.open(archive) as tar:
                member = tar.extractfile("package/schema.graphql")
                assert member is not None
                staged = Path(folder) / "schema.graphql"
                staged.write_bytes(member.read())
                staged.replace(_KEPT)
    return build_schema(_KEPT.read_text(), assume_valid=True)


def executed(root: Mapping[str, Callable[..., Any]], body: Any) -> Any:
    """The answer to a request: `root` has a function for each field of Query and Mutation that the double knows."""
    done = graphql_sync(schema(), body["query"], root_value=root, variable_values=body.get("variables"))
    answer: dict[str, Any] = {"data": done.data}
    if done.errors:
        answer["errors"] = [{"message": error.message} for error in done.errors]
    return answer
