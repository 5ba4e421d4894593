"""Mutated metadata, pages and Dockerfiles: each edit is exactly the intended one, or refused with one line.

python -m tests.fuzz.edits [COUNT] [SEED]     COUNT of each kind, from the examples and the real fleet
"""

import random
import re
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from airbyte_ci.base_images.catalog import catalog
from airbyte_ci.campaigns.connector_files import readme
from airbyte_ci.campaigns.conversion import carry_over, customization_draft
from airbyte_ci.campaigns.conversion.connector_folder import ConnectorFolder
from airbyte_ci.campaigns.dockerfile import stages
from airbyte_ci.campaigns.dockerfile.syntax import instructions
from airbyte_ci.connectors import customization
from airbyte_ci.edits import versions, yaml_text
from airbyte_ci.edits.changelog import Row, insert_row, rows
from airbyte_ci.errors import AirbyteCiError, EditRefused
from airbyte_ci.git import codeowners
from tests.connectors import fleets
from tests.fuzz.mutations import mutate

EXAMPLES = Path(__file__).parents[2] / "examples"
REAL = fleets.REAL / "fleet-2023-10.tar.xz"
BASE_IMAGE = "docker.io/airbyte/python-connector-base:1.1.0@sha256:" + "bd98f650" * 8
OPTIONS = ("data", "connectorBuildOptions", "baseImage")
TAG = ("data", "dockerImageTag")
URL = "https://github.com/acme/connectors/pull/{number}"
# Seconds within which any file must be edited or refused.
_PATIENCE = 10
# What goes wrong with these files more than with locks.
_LINES = (
    "| 1.2.3 | 2023-01-01 | [1](https://x.example/pull/1) | x |\n",
    "| Version | Date | Pull Request | Subject |\n",
    "| --- | --- | --- | --- |\n",
    "|:--|\n",
    "| a \\| b | `|` | | | | |\n",
    "## Changelog\n",
    "# CHANGELOG source-x\n",
    "```\n",
    "~~~~\n",
    "<details>\n",
    "\n",
    "\t\n",
    "  dockerImageTag: 9.9.9\n",
    "  connectorBuildOptions:\n",
    "  connectorBuildOptions: {}\n",
    "  connectorBuildOptions: &a {baseImage: x}\n",
    "  <<: *a\n",
    "  x: |+\n    y\n\n",
    "---\n",
    "...\n",
    "# c\n",
    "- x\n",
    "FROM base as x\n",
    "RUN a && \\\n",
    "RUN <<EOF\n",
    "ENV A=$A B='c\n",
    'COPY --from=0 ["a", "b"]\n',
    "#### Build\n",
)
_CODEOWNERS = """\
# who is asked
* @acme/all
/docs/** @acme/writers writer@example.com
connectors/*/build_customization.* @acme/images # hooks
a\\ b/?c/**/d @one @two
/connectors/source-x/
"""
_DECLARATION = """\
systemPackages: [libpq5, "tesseract-ocr"]
buildPackages: [gcc]
env: {A: b, C: "1"}
files:
  /etc/a.conf: {content: "x\\n", mode: "0640"}
  /opt/data: {source: data}
user: airbyte
workdir: /airbyte
postInstall:
  systemPackages: [curl]
"""
Problem = str
Examine = Callable[[str], str]


@dataclass(frozen=True)
class Source:
    """A valid file and its edit; `examine` returns the result, or raises AssertionError."""

    name: str
    text: str
    examine: Examine


def sources(folder: Path) -> list[Source]:
    """metadata.yaml, pages with a changelog, READMEs and Dockerfiles below a folder."""
    return sorted(_found(folder), key=lambda source: source.name)


def _found(folder: Path) -> Iterator[Source]:
    kinds: dict[str, Examine] = {"metadata.yaml": _metadata, "README.md": _readme, "Dockerfile": _dockerfile}
    yield Source("CODEOWNERS", _CODEOWNERS, _owners)
    yield Source("build_customization.yaml", _DECLARATION, _declaration)
    yield Source("base-images.yaml", catalog.dump(catalog.shipped()), _catalog)
    for path in folder.rglob("*"):
        examine = kinds.get(path.name) or (_page if path.suffix == ".md" and "docs" in path.parts else None)
        if examine and path.is_file():
            yield Source(path.relative_to(folder).as_posix(), path.read_bytes().decode(), examine)


def fuzz(count: int, seed: int, chosen: Sequence[Source], tell: Callable[[str], None]) -> int:
    """Returns how many of `count` mutated files of each kind failed; reports each with the way to repeat it."""
    chance = random.Random(seed)
    by_kind: dict[Examine, list[Source]] = {}
    for source in chosen:
        by_kind.setdefault(source.examine, []).append(source)
    ended: Counter[str] = Counter()
    wrong = 0
    for number in range(count * len(by_kind)):
        source = chance.choice(by_kind[list(by_kind)[number % len(by_kind)]])
        text = _mutated(source.text, chance)
        started = time.monotonic()
        problem = None
        try:
            ended[source.examine(text)] += 1
        except AirbyteCiError as refusal:
            ended[f"{source.examine.__name__.strip('_')} refused"] += 1
            problem = "a refusal of several lines" if "\n" in refusal.message else None
        except Exception as error:  # noqa: BLE001  # whatever it is, it is what was looked for
            problem = f"{type(error).__name__}: {error}"
        if time.monotonic() - started > _PATIENCE:
            problem = "too slow"
        if problem:
            wrong += 1
            tell(f"number {number} of seed {seed} ({source.name}): {problem}\n{text!r}")
    tell(
        f"{count * len(by_kind)} files, {count} of each kind (seed {seed}): "
        + ", ".join(f"{number} {what}" for what, number in sorted(ended.items()))
        + f"; {wrong} wrong"
    )
    return wrong


def _mutated(text: str, chance: random.Random) -> str:
    for _ in range(chance.randint(1, 3)):
        if chance.random() < 0.5:
            text = mutate(text, chance)
            continue
        lines = text.splitlines(keepends=True)
        at = chance.randrange(len(lines) + 1)
        lines[at:at] = [chance.choice(_LINES)]
        text = "".join(lines)
    if chance.random() < 0.1:
        text = text.replace("\n", "\r\n")
    return text.rstrip("\n") if chance.random() < 0.1 else text


# --- what must hold -------------------------------------------------------------------------------


def _owners(text: str) -> str:
    """Each line is understood or left out, as many times as it is read, and any path has one answer or none."""
    found = codeowners.parse(text, "CODEOWNERS")
    assert found == codeowners.parse(text, "CODEOWNERS")
    assert all(0 < line.number <= text.count("\n") + 1 for line in found.lines), "a line that is not there"
    for path in ("a", "docs/a/b.md", "connectors/source-x/build_customization.py"):
        line = found.of(path)
        assert line is None or line in found.lines
    return "CODEOWNERS read"


def _declaration(text: str) -> str:
    """It is read to a value that reads back, or refused."""
    found = customization.parse(text, "x")
    assert customization.parse(customization_draft.declaration(found), "x") == found, "it reads back otherwise"
    return "declaration read"


def _catalog(text: str) -> str:
    """It is read to versions that read back, or refused."""
    found = catalog.parse(text, "x")
    assert catalog.parse(catalog.dump(found), "x") == found, "it reads back otherwise"
    return "catalog read"


def _metadata(text: str) -> str:
    """The two values are set and nothing else: by another parser, by comments, by lines."""
    before = _read(text)
    result = yaml_text.set_scalar(yaml_text.upsert_scalar(text, OPTIONS, BASE_IMAGE), TAG, "9.8.7")
    after = _read(result)
    before["data"]["dockerImageTag"] = "9.8.7"
    options = before["data"].get("connectorBuildOptions")
    before["data"]["connectorBuildOptions"] = {
        **(options if isinstance(options, dict) else {}),
        "baseImage": BASE_IMAGE,
    }
    assert after == before, "it reads otherwise"
    assert yaml_text.set_scalar(yaml_text.upsert_scalar(result, OPTIONS, BASE_IMAGE), TAG, "9.8.7") == result
    more = len(result.split("\n")) - len(text.split("\n"))
    assert more <= 2, "more lines than two came"
    assert more >= -sum(_folded(text, path) for path in (OPTIONS, TAG)), "lines went that no old value had"
    assert result.endswith("\n") == text.endswith("\n") or not text, "the final newline"
    return "metadata edited"


def _folded(text: str, path: Sequence[str]) -> int:
    """Over how many lines more than one the scalar at the path goes: `1.2.3` and a deeper `- x` below are one value."""
    node = yaml.compose(text.removeprefix("\ufeff"), yaml.BaseLoader)
    for key in path:
        pairs = node.value if isinstance(node, yaml.MappingNode) else ()
        node = next((value for name, value in pairs if name.value == key), None)
    return node.end_mark.line - node.start_mark.line if isinstance(node, yaml.ScalarNode) else 0


def _read(text: str) -> Any:
    try:
        return yaml.load(text.removeprefix("\ufeff"), yaml.BaseLoader)
    except (yaml.YAMLError, ValueError, RecursionError, TypeError) as error:
        raise EditRefused(f"not YAML: {' '.join(str(error).split())}") from error


def _page(text: str) -> str:
    """One line more, and the rows are the old ones and the new one at one end."""
    before = rows(text)
    known = [row.version for row in before if versions.is_semver(row.version)]
    newest = "0.0.1"
    for version in known:
        newest = version if versions.compare(version, newest) > 0 else newest
    row = Row(versions.bump(newest, "patch"), "2023-10-18", 31543, "Pipes | and `code`")
    result = insert_row(text, row, default_url=URL)
    after = rows(result)
    assert len(after) == len(before) + 1, "not one row more"
    assert after[1:] == before or after[:-1] == before, "other rows changed"
    new = after[0] if after[1:] == before else after[-1]
    assert (new.version, new.date, new.pull_request) == (row.version, row.date, row.pull_request), "not the row"
    # A page without a final newline gets the line end of its last line with the row.
    old_lines, new_lines = ([line.rstrip("\r") for line in page.split("\n")] for page in (text, result))
    at = next(
        (n for n, pair in enumerate(zip(old_lines, new_lines, strict=False)) if pair[0] != pair[1]), len(old_lines)
    )
    assert new_lines[:at] + new_lines[at + 1 :] == old_lines, "another line changed"
    assert insert_row(result, row, default_url=None) == result, "a second run changes it"
    return "page edited"


def _readme(text: str) -> str:
    """Twice is as once, and what is outside of the section stays."""
    result = readme.with_build_section(text, "source-x", "acme/source-x")
    assert readme.with_build_section(result, "source-x", "acme/source-x") == result, "a second run changes it"
    if result == text:
        return "readme left"
    at = next(n for n, (one, other) in enumerate(zip(text, result, strict=False)) if one != other)
    assert re.search(r"build", text[:at], re.IGNORECASE), "not below a heading Build"
    return "readme edited"


def _dockerfile(text: str) -> str:
    """It is read; the drafts are what they are called: Python that compiles, a declaration that reads back."""
    base = next(item for item in catalog.shipped().versions if item.version == "1.1.0")
    folder = EXAMPLES / "fleet/airbyte-integrations/connectors/source-tides"
    found = carry_over.decide(stages.read(text), base, ConnectorFolder(folder, "source_tides"))
    parts = {item.line for item in found.findings}
    assert parts >= {item.line for item in instructions(text)}, "an instruction ends as nothing"
    compile(customization_draft.module(found), "build_customization.py", "exec")
    declared = customization_draft.declaration(found.customization)
    try:
        assert customization.parse(declared, "x") == found.customization, "the declaration reads otherwise"
    except AirbyteCiError as error:
        raise AssertionError("the declaration is refused") from error
    return "Dockerfile read"


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(10**6)
    chosen = sources(EXAMPLES)
    if REAL.exists():
        with tempfile.TemporaryDirectory() as name, tarfile.open(REAL) as archive:
            archive.extractall(name, filter="data")
            chosen += sources(Path(name))
    kinds = Counter(source.examine.__name__.strip("_") for source in chosen)
    print(f"mutated are {', '.join(f'{number} of {kind}' for kind, number in kinds.items())}")
    sys.exit(min(fuzz(count, seed, chosen, print), 1))


if __name__ == "__main__":
    main()
