"""The README of a connector that becomes manifest-only: how to develop it without a Python package."""

import re
from collections.abc import Iterator

from airbyte_ci.campaigns.changes.task import Task
from airbyte_ci.campaigns.connector_files.readme import headings
from airbyte_ci.edits.edit import FileChange

# Sections about a Python package; the first is replaced, the others are removed.
_OF_PACKAGE = re.compile(r"(?i)local development|dependency management|(unit |integration )?test(ing|s)?|prerequisites")
_SPEAKS_OF_PACKAGE = re.compile(
    r"\bpoetry\b|\bpip install\b|\bpytest\b|main\.py\b|\bsetup\.py\b|\bdocker build\b|gradlew\b"
)
_NEW = """\
## Local development

The connector is `manifest.yaml` on the framework's base image, which `metadata.yaml` names. It is no Python package.

```bash
airbyte-ci connectors --name={name} build
airbyte-ci connectors --name={name} run -- spec
airbyte-ci connectors --name={name} test
```

"""


def updated(task: Task) -> Iterator[FileChange]:
    """Yields the change of the connector's README, if it has one that is text."""
    if "README.md" not in task.connector.names:
        return
    content = task.read("README.md")
    try:
        text = with_development_section(content.decode(), task.connector.name)
    except UnicodeDecodeError:
        return
    yield FileChange(task.path_of("README.md"), content, text.encode())


def left(task: Task) -> Iterator[str]:
    """Yields the lines of the new README that still mention the package, for a person to review."""
    if "README.md" not in task.connector.names:
        return
    text = with_development_section(task.read("README.md").decode("utf-8", "replace"), task.connector.name)
    for number, line in enumerate(text.splitlines(), 1):
        if _SPEAKS_OF_PACKAGE.search(line) or task.connector.package in line:
            yield f"README.md line {number}: {line.strip()[:80]}: it speaks of the Python package"


def with_development_section(text: str, name: str) -> str:
    """Returns the text with the section on local development replaced, and without other sections on the package."""
    ending = "\r\n" if "\r\n" in text else "\n"
    lines = text.split(ending)
    new = _NEW.format(name=name).split("\n")[:-1]
    found = headings(lines)
    result, at, is_written = [], 0, False
    for index, (number, rank, title) in enumerate(found):
        if number < at or not _OF_PACKAGE.fullmatch(title.strip().rstrip(":")):
            continue
        stop = next((line for line, other, _ in found[index + 1 :] if other <= rank), len(lines))
        result += lines[at:number] + ([] if is_written else new)
        at, is_written = stop, True
    result += lines[at:]
    if not is_written:
        result = [*(line for line in [ending.join(result).rstrip()] if line), "", *new]
    return ending.join(result).rstrip() + ending
