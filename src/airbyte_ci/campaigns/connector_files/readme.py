"""The build section of a connector's README: how to build the image without a Dockerfile."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from airbyte_ci.campaigns.changes.task import Task
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.edits.changelog_table import heading_text
from airbyte_ci.edits.edit import FileChange

_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]++(.*)")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_OLD = re.compile(r"\bdocker build\b|\bDockerfile\b")
_BUILD = re.compile(r"\bdocker (?:buildx )?build\b")
_BUILD_LINE = re.compile(r"(?P<lead>[ \t]*+(?:[$>] )?+)(?:sudo )?docker (?:buildx )?build\b(?P<rest>[^|;&><`#]*+)")
_NEW = """\

```bash
airbyte-ci connectors --name={name} build --output=docker
```

The image is then `{repository}:dev`.

There is no Dockerfile. The image is made of the base image that `metadata.yaml` names, the locked dependencies and the
code. What else it needs goes into `build_customization.yaml` (system packages, environment variables, files) or, for
steps of its own, into `build_customization.py`.

"""


def updated(task: Task) -> Iterator[FileChange]:
    """Returns the change of the connector's README, if it has one."""
    connector, path = task.connector, task.path_of("README.md")
    if "README.md" not in connector.names:
        return
    content = task.files.read(path)
    try:
        text = (content or b"").decode()
    except UnicodeDecodeError:
        return  # its build section is unchanged: nothing depends on it
    yield FileChange(path, content, _new(text, connector).encode())


def left(task: Task) -> Iterator[str]:
    """Yields the lines of the README with a `docker build` that `updated` keeps, for a person to review."""
    if "README.md" in task.connector.names:
        text = task.read("README.md").decode("utf-8", "replace")
        for number, line in enumerate(_new(text, task.connector).splitlines(), 1):
            if _BUILD.search(line):
                yield f"README.md line {number}: {line.strip()[:80]}: it builds with the Dockerfile"


def _new(text: str, connector: Connector) -> str:
    name, repository = connector.name, connector.image_repository
    return with_build_commands(with_build_section(text, name, repository), name, repository)


def with_build_section(text: str, name: str, repository: str) -> str:
    """Returns the text with the section below its heading `Build` replaced, if that mentions a Dockerfile."""
    ending = "\r\n" if "\r\n" in text else "\n"
    lines = text.split(ending)
    section = _build_section(lines)
    if section is None:
        return text
    body = "\n".join(lines[section.start : section.stop])
    if not any(map(_is_old, body.split("\n"))) or any(map(_is_new, body.split("\n"))):
        return text
    new = _NEW.format(name=name, repository=repository).split("\n")[:-1]
    if section.stop == len(lines):
        new = [*new[:-1], *lines[-1:]] if lines[-1] == "" else new[:-1]
    return ending.join([*lines[: section.start], *new, *lines[section.stop :]])


def with_build_commands(text: str, name: str, repository: str) -> str:
    """Returns the text with plain `docker build` commands replaced, and their image names by the new one."""
    ending = "\r\n" if "\r\n" in text else "\n"
    lines = text.split(ending)
    images: set[str] = set()
    for number, line in enumerate(lines):
        found = _BUILD_LINE.fullmatch(line)
        options = _build_options(found["rest"]) if found else None
        if found and options:
            images.add(options.image)
            lines[number] = (
                f"{found['lead']}airbyte-ci connectors --name={name} build --output=docker{options.platform}"
            )
    for image in images - {""}:
        use = re.compile(rf"(?<![\w./:-]){re.escape(image)}(?![\w./:-])")
        lines = [use.sub(f"{repository}:dev", line) for line in lines]
    return ending.join(lines)


@dataclass(frozen=True, slots=True)
class _BuildOptions:
    image: str = ""
    platform: str = ""


def _build_options(text: str) -> _BuildOptions | None:
    """Returns the parts of a plain `docker build` of the connector's folder; None for one with more options."""
    try:
        words = shlex.split(text)
    except ValueError:
        return None
    image, platform, folder = "", "", ""
    while words:
        word = words.pop(0)
        option, is_given, value = word.partition("=")
        if option in ("-t", "--tag", "--platform", "-f", "--file"):
            value = value if is_given else words.pop(0) if words else ""
            if option in ("-t", "--tag"):
                image = value
            elif option == "--platform":
                platform = f" -a {value}"
            elif value.removeprefix("./") != "Dockerfile":
                return None
        elif word in (".", "./"):
            folder = word
        elif word not in ("--no-cache", "--pull", "-q", "--quiet", "--load", "--rm"):
            return None
    if not folder:
        return None
    has_tag = not image or ":" in image.rpartition("/")[2]
    return _BuildOptions(image if has_tag else f"{image}:latest", platform)


def _is_old(line: str) -> bool:
    gradle = re.search(r"\bgradlew\b", line)
    return _OLD.search(line) is not None or (gradle is not None and "airbyteDocker" in line[gradle.end() :])


def _is_new(line: str) -> bool:
    command = re.search(r"\bairbyte-ci\b", line)
    return command is not None and re.search(r"\bbuild\b", line[command.end() :]) is not None


def _build_section(lines: list[str]) -> range | None:
    """Returns the lines below the last heading `Build` (or `Build the image`), up to the next heading of its rank or
    above.
    """
    titles = headings(lines)
    found: range | None = None
    for index, (number, rank, title) in enumerate(titles):
        if re.fullmatch(r"build(ing)?( (the|your|a) .*(image|connector))?:?", title.lower()):
            stop = next((at for at, other, _ in titles[index + 1 :] if other <= rank), len(lines))
            found = range(number + 1, stop)
    return found


def headings(lines: list[str]) -> list[tuple[int, int, str]]:
    """Yields line number, rank and title of each heading; a `#` in a code block is not one."""
    result, fence = [], ""
    for number, line in enumerate(lines):
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        elif mark:
            fence = mark[1]
        elif heading := _HEADING.fullmatch(line):
            result.append((number, len(heading[1]), heading_text(heading[2])))
    return result
