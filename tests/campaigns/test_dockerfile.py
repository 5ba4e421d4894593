"""What is read of a Dockerfile before it is deleted."""

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_ci.campaigns import dockerfile
from airbyte_ci.campaigns.dockerfile import DockerfileFacts


def facts(text: str) -> DockerfileFacts:
    return dockerfile.read(textwrap.dedent(text))


@pytest.mark.parametrize(
    ("text", "python"),
    [
        ("FROM python:3.9.11-alpine3.15 as base\nFROM base as builder\nFROM base\n", "3.9"),
        ("from python:3.10-slim\n", "3.10"),
        ("FROM\tpython:3.10-slim\n", "3.10"),
        ("FROM --platform=linux/amd64 python:3.9-slim AS base\nFROM base\n", "3.9"),
        ("FROM docker.io/library/python:3.11@sha256:abc\n", "3.11"),
        ("FROM python:3.10 as builder\nFROM python:3.9-slim\n", "3.9"),
        ("FROM python:3.10 as builder\nFROM python:3.9-slim as other\nFROM builder\n", "3.10"),
        ("ARG V=3.9\nFROM python:${V}\n", None),
        ("FROM airbyte/python-connector-base:1.1.0\n", None),
        ("FROM debian:12\n", None),
        ("FROM\n", None),
        ("", None),
    ],
)
def test_the_python_of_the_last_stage(text: str, python: str | None) -> None:
    """X.Y of the image that the final stage is built on, through stages by name; none where it does not say."""
    assert facts(text).python == python


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("FROM x\nENV A=1 B=2\nENV C 3 D=4\n", ("A", "B", "C")),
        ('FROM x\nENV A="x B=y" C=z\n', ("A", "C")),
        ("FROM x\nENV A=1 \\\n    # why\n    B=2\n", ("A", "B")),
        ('FROM x\nENV AIRBYTE_ENTRYPOINT "python /airbyte/integration_code/main.py"\n', ()),
        ("FROM x as builder\nENV A=1\nFROM y\nENV B=1\n", ("B",)),
        ("FROM x as base\nENV A=1\nFROM base as builder\nENV B=1\nFROM BASE\nENV C=1\n", ("A", "C")),
        ("FROM x\nENV A='unclosed B=2\n", ("A", "B")),
        ("FROM x\nENV A=1\\\n", ("A",)),
        ("FROM x\nENV\n", ()),
    ],
)
def test_variables_of_the_final_image(text: str, variables: tuple[str, ...]) -> None:
    """Those of the last stage and of the stages that it is built on; the one that every connector had is left out."""
    assert facts(text).variables == variables


@pytest.mark.parametrize(
    ("command", "packages"),
    [
        ("apt-get update && apt-get install -y --no-install-recommends socat curl=7.* && rm -rf /x", ("socat", "curl")),
        ("apk --no-cache add bash tzdata", ("bash", "tzdata")),
        ("apk add --no-cache --virtual .deps gcc~=12", ("gcc",)),
        ("yum install -y git; dnf install jq", ("git", "jq")),
        ("apt-get install -y git > /dev/null 2>&1", ("git",)),
        ("apt-get install -y git || true", ("git",)),
        ("apt install $PACKAGES git", ("git",)),
        ("apt-get install -y \\\n    libpq-dev \\\n    # for the driver\n    gcc \\\n && true", ("libpq-dev", "gcc")),
        ("pip install poetry", ()),
        ("apt-get update", ()),
    ],
)
def test_system_packages(command: str, packages: tuple[str, ...]) -> None:
    """The packages of every stage, without versions, options and what is not a name."""
    assert facts(f"FROM x\nRUN {command}\n").packages == packages


@pytest.mark.parametrize(
    ("text", "user"),
    [
        ("FROM x\nUSER airbyte\n", "airbyte"),
        ("FROM x\nUSER 1000:1000\n", "1000:1000"),
        ("FROM x\nUSER airbyte\nUSER root\n", None),
        ("FROM x\nUSER root:root\n", None),
        ("FROM x as builder\nUSER airbyte\nFROM y\n", None),
        ("FROM x as base\nUSER airbyte\nFROM base\n", "airbyte"),
    ],
)
def test_the_user_of_the_final_image(text: str, user: str | None) -> None:
    """The last USER of the final stage, or of the one that it is built on; root is nothing to tell."""
    assert facts(text).user == user


def test_what_is_not_carried_over_in_words() -> None:
    """Variables, packages and the user, each named; nothing for a Dockerfile that did nothing special."""
    told = facts("FROM x\nENV CODE_PATH=x\nRUN apk add socat bash\nUSER me\n").not_carried()
    assert told == ("ENV CODE_PATH", "system packages socat, bash", "USER me")
    assert facts('FROM python:3.9\nCOPY . .\nENTRYPOINT ["python"]\n').not_carried() == ()


_WORDS = ["FROM", "x", "as", "ENV", "A=1", "'", '"', "RUN", "apk", "add", "\n", "\\", "USER", "#", "${V}", ">"]


@given(st.text(max_size=200) | st.lists(st.sampled_from(_WORDS)).map(" ".join))
def test_any_text_can_be_read(text: str) -> None:
    """What cannot be understood is left out; it is never an error."""
    dockerfile.read(text)
