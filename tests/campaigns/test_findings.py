"""Each part of each instruction of a Dockerfile ends as exactly one thing, and never as nothing."""

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_ci.base_images.catalog import catalog
from airbyte_ci.campaigns.changes.findings import Fate
from airbyte_ci.campaigns.conversion import carry_over
from airbyte_ci.campaigns.conversion.carried import CarriedOver
from airbyte_ci.campaigns.conversion.connector_folder import ConnectorFolder
from airbyte_ci.campaigns.dockerfile import shell_commands, stages, words
from airbyte_ci.campaigns.dockerfile.syntax import Instruction, instructions
from airbyte_ci.campaigns.dockerfile.words import Misread
from tests.campaigns.dockerfiles import dockerfile
from tests.campaigns.repositories import EXAMPLES

SHIPPED = catalog.shipped()
BASES = {item.version: item for item in SHIPPED.of("docker.io/airbyte/python-connector-base")}
# Lines of real Dockerfiles, and what is near to them.
_LINES = r"""
FROM airbyte/python-connector-base:1.1.0
FROM --platform=linux/amd64 python:3.9-slim AS base
FROM base
FROM ${IMAGE:-python}:${V}
ARG IMAGE
ARG A=1 B=2 # why
ENV A=$A PATH=/x:$PATH
ENV X ${U:-a} b
ENV Z
COPY . .
COPY . ./airbyte/integration_code
COPY setup.py main.py ./
COPY source_x ./source_x
COPY a
COPY data/*.json /data/
COPY source_x/schemas /schemas
COPY --from=base /install /usr/local
ADD x.tar.gz /x
COPY --chown=me:me --chmod=755 run.sh /run.sh
COPY ["a b", "/c"]
ADD https://x.y/z /z
RUN pip install ./airbyte/integration_code pandas
RUN pip install -r requirements.txt && x
RUN a | b
RUN
RUN apt-get update && apt-get install -y git $X vim=1 && rm -rf /var/lib/apt/lists/*
RUN ["a", "b"]
RUN cd /x && pip install .
WORKDIR /app
WORKDIR $W
USER me
USER root
EXPOSE 80
VOLUME /data
STOPSIGNAL 9
HEALTHCHECK NONE
SHELL ["/bin/bash", "-c"]
ONBUILD RUN x
LABEL a=b
WAT x
ENTRYPOINT python main.py
ENTRYPOINT ["python", "/airbyte/integration_code/main.py"]
CMD ["spec"]
CMD []
ENV AIRBYTE_ENTRYPOINT python x
MAINTAINER me
LABEL maintainer=me x
# a comment
"""
LINES = (*_LINES.splitlines(), "COPY <<E /e\n$A\nE", "RUN <<E\na\nb\nE", "RUN x \\\n  && y")


@pytest.fixture(scope="module")
def folder() -> Iterator[ConnectorFolder]:
    with tempfile.TemporaryDirectory() as name:
        for path in (
            "main.py",
            "source_x/__init__.py",
            "source_x/schemas/a.json",
            "data/c.json",
            "data/d.json",
            "run.sh",
        ):
            (Path(name) / path).parent.mkdir(parents=True, exist_ok=True)
            (Path(name) / path).touch()
        (Path(name) / "setup.py").write_text("setup(install_requires=['requests'])")
        (Path(name) / "requirements.txt").write_text("requests\npandas  # for one stream\n-e .\n")
        (Path(name) / "x.tar.gz").touch()
        yield ConnectorFolder(Path(name), "source_x")


def confirm(text: str, folder: ConnectorFolder, version: str = "4.0.2") -> CarriedOver:
    """The rule, of one Dockerfile."""
    found = carry_over.decide(stages.read(text), BASES[version], folder, SHIPPED)
    for instruction in instructions(text):
        mine = [item for item in found.findings if item.line == instruction.line]
        assert len(mine) >= parts(instruction), f"{instruction} ends as nothing"
        assert all(item.fate in get_args(Fate) for item in mine)
        assert len({(item.part, item.note) for item in mine}) == len(mine) or instruction.name == "RUN", (
            f"{instruction} ends twice"
        )
    kept = {item.part for item in found.findings if item.fate == "carried over"}
    # Every instruction that is carried over is in a draft, and every draft is reported as carried over.
    assert bool(kept) == bool(found.declared() or found.coded() or found.entry_point.main_text)
    return found


def parts(instruction: Instruction) -> int:
    """How many there are at least: commands of a RUN, variables of an ENV, sources of a COPY without patterns."""
    match instruction.name:
        case "RUN":
            return max(1, len(list(shell_commands.read(instruction))))
        case "ENV" | "LABEL":
            try:
                pairs = instruction.pairs()
                return len(
                    {
                        words.expand(name, {}, instruction.escape).text
                        for name, value in pairs
                        if words.expand(value or "", {}, instruction.escape)
                    }
                )
            except Misread:
                return 1
    return 1


@settings(max_examples=300)
@given(lines=st.lists(st.sampled_from(LINES), max_size=14), version=st.sampled_from(("1.1.0", "4.0.2")))
def test_no_instruction_ends_as_nothing(folder: ConnectorFolder, lines: list[str], version: str) -> None:
    """Each command, source and variable is given by the base, done by the build, carried over or reported."""
    confirm("\n".join(("FROM python:3.9-slim", *lines)), folder, version)


def test_no_rare_form_ends_as_nothing(folder: ConnectorFolder) -> None:
    """The same for variables in all their forms."""
    for seed in range(200):
        text = dockerfile(seed, base="python:3.10")
        lines = [line for line in text.splitlines() if not line.startswith(("ENTRYPOINT", "CMD"))]
        confirm("\n".join(lines), folder, random.Random(seed).choice(("1.1.0", "4.0.2")))


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("Dockerfile")), ids=lambda path: path.parent.name)
def test_the_examples(path: Path) -> None:
    """The same for the Dockerfiles of the examples, in their own folders."""
    confirm(path.read_text(), ConnectorFolder(path.parent, path.parent.name.replace("-", "_")))
