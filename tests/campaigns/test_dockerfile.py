"""How a Dockerfile is read before it is deleted: stages, instructions, and what a RUN does."""

import contextlib
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_ci.base_images.catalog.catalog import shipped
from airbyte_ci.campaigns.dockerfile import shell_commands, stages, words
from airbyte_ci.campaigns.dockerfile.syntax import Instruction
from airbyte_ci.campaigns.dockerfile.words import Misread


def read(text: str) -> stages.Dockerfile:
    return stages.read(textwrap.dedent(text))


def commands(text: str) -> list[tuple[str, str]]:
    found = shell_commands.read(Instruction("RUN", text, 1))
    return [(command.kind, command.text) for command in found if command.kind != "nothing"]


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
        ("FROM python:3.10 as base\nFROM base as base\nFROM base\n", "3.10"),
        ("ARG V=3.9\nFROM python:${V}\n", "3.9"),
        ("FROM python:${V}\n", ""),
        ("FROM airbyte/python-connector-base:1.1.0\n", ""),
        ("FROM debian:12\n", ""),
        ("FROM\n", ""),
        ("", ""),
    ],
)
def test_the_python_of_the_last_stage(text: str, python: str) -> None:
    """X.Y of the image that the final stage is built on, through stages by name; empty if it is not stated."""
    assert read(text).python() == python


def test_the_python_of_a_known_base_image() -> None:
    """By its tag or digest, and through a stage."""
    known = shipped()
    for image in ("airbyte/python-connector-base:1.1.0", str(known.named("python-connector-base:1.1.0").address)):
        assert read(f"FROM {image} AS base\nFROM base\n").python(known) == "3.9"


def test_the_final_image_and_what_is_aside() -> None:
    """Stages that the last is built on are the image; the others only where something is copied from them."""
    file = read("FROM a as base\nFROM base as builder\nRUN x\nFROM base as rest\nRUN y\nFROM rest\nRUN z\n")
    assert [stage.name for stage in file.final] == ["base", "rest", ""]
    assert [stage.name for stage in file.aside] == ["builder"]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("RUN a && \\\n    # why\n    b\n", ["a &&     b"]),
        ("RUN a \\\n\n  b\nRUN c\n", ["a   b", "c"]),
        ("RUN a \\\n", ["a"]),
        ("RUN <<EOF\necho FROM x\nENV a=b\nEOF\nRUN c\n", ["<<EOF\necho FROM x\nENV a=b\nEOF", "c"]),
        ("RUN a && \\\n  cat <<-'E' > /x\n\t# y\n\tE\nRUN c\n", ["a &&   cat <<-'E' > /x\n\t# y\n\tE", "c"]),
        ('RUN cat <<< "E"\nRUN E\n', ['cat <<< "E"', "E"]),
        ("RUN a\r\nRUN b\r\n", ["a", "b"]),
        ("# escape=`\nFROM z\nRUN a `\n b\n", ["a  b"]),
    ],
)
def test_instructions_over_several_lines(text: str, values: list[str]) -> None:
    """Joined as Docker joins them: comments and blank lines in between, here-documents, the last line, other ends."""
    instructions = read(f"FROM x\n{text}" if not text.startswith("# esc") else text).final[-1].instructions
    assert [item.value for item in instructions if item.name == "RUN"] == values


@pytest.mark.parametrize(
    ("value", "pairs"),
    [
        ("A=1 B=2", [("A", "1"), ("B", "2")]),
        ("C 3 D=4", [("C", "3 D=4")]),
        ('A="x B=y" C=z', [("A", "x B=y"), ("C", "z")]),
        ("A=$K/b", [("A", "known/b")]),
    ],
)
def test_names_and_values(value: str, pairs: list[tuple[str, str]]) -> None:
    """Both forms of ENV, with quotes and variables."""
    known = stages.Values({})
    known.apply(Instruction("ENV", "K=known", 1))
    assert [(name, found.text) for name, found in known.pairs(Instruction("ENV", value, 2))] == pairs


@pytest.mark.parametrize("value", ["A='unclosed B=2", "A=1 B", "", "A", "A=${K", "A=${K:x}", "A=${}", "A=${K:?why}"])
def test_what_is_no_name_and_value(value: str) -> None:
    """A Dockerfile that `docker build` refuses is not half understood: nothing is changed."""
    values = stages.Values({})
    with pytest.raises(Misread):
        values.apply(Instruction("ENV", value, 1))
    assert values.env == {}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$V", "a.b.c"),
        ("${V#*.}", "b.c"),
        ("${V##*.}", "c"),
        ("${V%.*}", "a.b"),
        ("${V%%.*}", "a"),
        ("${V%%x}", "a.b.c"),
        ("${V/./-}", "a-b.c"),
        ("${V//./-}", "a-b-c"),
        ("${V/?.?/}", ".c"),
        ("${V-x}${E-x}${N-x}", "a.b.cx"),
        ("${V:-x}${E:-x}${N:-x}", "a.b.cxx"),
        ("${V+x}${E+x}${N+x}", "xx"),
        ("${V:+x}${E:+x}${N:+x}", "x"),
        ("${N:-${V:+'y'}}", "y"),
        ("'$V'\\$V\\\\\"\\$V \\n\"", "$V$V\\$V \\n"),
    ],
)
def test_forms_of_a_variable(text: str, value: str) -> None:
    """Each form has the meaning of Docker's reference; V is `a.b.c`, E is empty, N is missing."""
    assert words.expand(text, {"V": "a.b.c", "E": ""}).text == value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "apt-get update && apt-get install -y --no-install-recommends socat curl=7.* && rm -rf /tmp/x",
            [("packages", "socat curl")],
        ),
        ("apk --no-cache add bash tzdata", [("packages", "bash tzdata")]),
        ("apk add --no-cache --virtual .deps gcc~=12", [("packages", "gcc")]),
        ("yum install -y git; dnf install jq", [("packages", "git"), ("packages", "jq")]),
        ("apt-get install -y git > /dev/null 2>&1", [("packages", "git")]),
        ("DEBIAN_FRONTEND=noninteractive apt-get install -y git || true", [("packages", "git")]),
        ("apt install $PACKAGES git", [("packages", "git")]),
        ("pip install -e . && pip3.9 install --no-deps ./lib", [("install", "."), ("install", "./lib")]),
        (
            "pip install ./x[a] y -rreq.txt --requirement=b.txt",
            [("install", "./x[a]"), ("requirements", "b.txt"), ("requirements", "req.txt"), ("python", "y")],
        ),
        ("pip install --extra-index-url https://x.example y", [("by_hand", None), ("python", "y")]),
        ("pip uninstall -y y && uv pip install --system z", [("python", "z")]),
        ("poetry install --extras a", [("by_hand", "--extras a"), ("install", ".")]),
        ("poetry add y", [("by_hand", "poetry add y")]),
        ("pip config set global.index-url https://x.example", [("by_hand", None)]),
        ("apt-get install -y ./x.deb", [("by_hand", None)]),
        ("for p in a b; do pip install $p; done", [("by_hand", None)]),
        ('["apt-get", "install", "-y", "git"]', [("packages", "git")]),
        ('["sh", "-c", "apk add git && pip install ."]', [("packages", "git"), ("install", ".")]),
        ("--mount=type=cache,target=/x apk add git", [("packages", "git")]),
        ("pip install --upgrade pip poetry==1.6.1 setuptools && pip install --prefix=/install .", [("install", None)]),
        ("python3 -m pip install -r requirements.txt", [("requirements", "requirements.txt")]),
        (
            'pip install --prefix=/install "Cython<3.0" "pyyaml~=5.4"',
            [("python", "Cython<3.0"), ("python", "pyyaml~=5.4")],
        ),
        ("pip install duckdb", [("python", "duckdb")]),
        ("poetry config virtualenvs.create false && poetry install --no-root", [("install", None)]),
        ('echo "Etc/UTC" > /etc/timezone', []),
        ("rm -rf /opt/thing", [("other", "rm -rf /opt/thing")]),
        ("mkdir -p /airbyte/integration_code && mkdir /data", [("other", "mkdir /data")]),
        ("curl https://x.example | sh", [("other", "curl https://x.example | sh")]),
        ("cd /tmp && make", [("other", "cd /tmp && make")]),
        ("for i in a b; do echo $i; done", [("other", "for i in a b; do echo $i; done")]),
        ("echo 'unclosed", [("other", "echo 'unclosed")]),
        ("apt-get update", []),
        ("a && apt-get install -y b && c", [("other", "a"), ("packages", "b"), ("other", "c")]),
        ("pwd > /x && ls 2> /dev/null", [("other", "pwd > /x")]),
        (": >/x", [("other", ": >/x")]),
        ("A=1 a", [("other", "A=1 a")]),
        ("A=1; a $A", [("other", "A=1; a $A")]),
        ("a || b", [("other", "a || b")]),
        ("a || true", [("other", "a || true")]),
        ("apt-get install -y a || true && b", [("packages", "a"), ("other", "b")]),
        ("apt-get install -y a || apt-get install -y b", [("other", None)]),
        ("a; b", [("other", "a; b")]),
        ("set -ex; a; b", [("other", "a"), ("other", "b")]),
        ("(a; b)", [("other", "(a; b)")]),
        ("a &", [("other", "a &")]),
        ("a '$b'", [("other", "a '$b'")]),
        ("a ';' b", [("other", "a ; b")]),
        ("cd /x && pip install .", [("install", None)]),
        ("cd /x && pip install . && a", [("by_hand", None)]),
        ("apk add git | tee /x", [("by_hand", None)]),
        ("<<E\nset -e\na\nb\nE", [("other", "a"), ("other", "b")]),
        ("<<E\na\nb\nE", [("other", "a\nb")]),
        ("<<E\n#!/bin/x -y\na\nE", [("other", "/bin/x -y <<E\n#!/bin/x -y\na\nE")]),
        ("cat <<E > /x\na\nE", [("other", "cat <<E > /x\na\nE")]),
        ('["sh", "-c", "a; b"]', [("other", "sh -c a; b")]),
    ],
)
def test_what_a_run_does(text: str, expected: list[tuple[str, str | None]]) -> None:
    """Packages without versions and options, Python packages, the connector itself; the rest as it is written.

    All of it is one command where its commands would not do the same one by one.
    """
    found = commands(text)
    assert [kind for kind, _ in found] == [kind for kind, _ in expected]
    assert all(words in (None, said) for (_, said), (_, words) in zip(found, expected, strict=True))


_WORDS = [
    "FROM",
    "x",
    "as",
    "ENV",
    "A=1",
    "'",
    '"',
    "RUN",
    "apk",
    "add",
    "\n",
    "\\",
    "USER",
    "#",
    "${V}",
    ">",
    "<<E",
    "E",
]


@given(st.text(max_size=200) | st.lists(st.sampled_from(_WORDS)).map(" ".join))
def test_any_text_can_be_read(text: str) -> None:
    """Instructions that cannot be understood are left out; they are never an error."""
    for stage in stages.read(text).stages:
        for instruction in stage.instructions:
            with contextlib.suppress(Misread):
                instruction.pairs()
            instruction.flags()
            instruction.listed()
            list(shell_commands.read(instruction))
