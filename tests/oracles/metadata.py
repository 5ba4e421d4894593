"""Every metadata.yaml of a clone of the public monorepo against the schema: `-m tests.oracles.metadata REPO REF…`.

Prints each file that is refused with the reasons, and a line for each commit. Ends with 1 where one is refused.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from airbyte_ci.checks import metadata_schema
from airbyte_ci.checks.mending import Mending
from airbyte_ci.checks.texts import Texts
from airbyte_ci.connectors import find
from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.git import git

_PATH = re.compile(r"airbyte-integrations/connectors/(third-party/[^/]+/)?(?!.*-scaffold-)[^/]+/metadata\.yaml")


def refused(repository: Path, reference: str, folder: Path) -> Iterator[tuple[str, str]]:
    """The paths of files that are refused, with the reason; the files are written to the empty `folder`."""
    listed = subprocess.run(
        ["git", "-C", str(repository), "ls-tree", "-r", "--name-only", reference],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    paths = [path for path in listed if _PATH.fullmatch(path)]
    texts, mending = Texts(), Mending(folder, folder)
    for path, content in git.committed(repository, reference, paths).items():
        file = folder / path
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
        try:
            verdict = metadata_schema.check(find.read(file.parent, folder), texts, mending)
        except AirbyteCiError as error:
            yield path, error.message
        else:
            if verdict.status != "ok":
                yield path, verdict.reason
    print(f"{len(paths)} files of {reference[:12]}")


def main() -> int:
    import tempfile

    repository, references = Path(sys.argv[1]), sys.argv[2:] or ["HEAD"]
    number = 0
    for reference in references:
        with tempfile.TemporaryDirectory() as folder:
            for path, reason in refused(repository, reference, Path(folder)):
                print(f"{path}: {reason}")
                number += 1
    print(f"{number} refused")
    return int(number > 0)


if __name__ == "__main__":
    sys.exit(main())
