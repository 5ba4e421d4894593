"""The image's Python as it describes itself: the probe, its answer, and the wheel tags that follow."""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.tags import sys_tags

from airbyte_ci.errors import ImageError
from airbyte_ci.python.interpreter.interpreter import PROBE, Interpreter
from tests.python.interpreters import cpython


def answered() -> str:
    command = [sys.executable, "-I", "-c", PROBE]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_probe_tells_what_python_is() -> None:
    """Version, folders and markers of the Python that runs it; nothing of the machine's kernel."""
    found = Interpreter.parse(answered())
    assert found.executable == sys.executable
    assert found.cache_tag == sys.implementation.cache_tag
    assert found.purelib == sysconfig.get_paths()["purelib"]
    assert found.minor == sys.version_info[:2]
    expected = {key: str(value) for key, value in default_environment().items() if key != "extra"}
    assert {**expected, "platform_release": "", "platform_version": ""} == found.markers
    assert Interpreter.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_the_probe_tells_where_distributions_are(tmp_path: Path) -> None:
    """All folders of the path but the standard library, each once and where it really is; also those of PYTHONPATH."""
    for name in ("more", "named"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("more")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    (site,) = (tmp_path / "venv").glob("lib/*/site-packages")
    (site / "more.pth").write_text(f"{tmp_path}/more\n{tmp_path}/link\n{tmp_path}/absent\n")
    python = tmp_path / "venv/bin/python"
    places = os.pathsep.join([f"{tmp_path}/named", "relative", "", f"{tmp_path}/more"])
    said = subprocess.run(
        [python, "-I", "-c", PROBE], capture_output=True, text=True, check=True, env={"PYTHONPATH": places}
    )
    expected = [site, tmp_path / "more", tmp_path / "named"]
    assert Interpreter.parse(said.stdout).site == tuple(str(place.resolve()) for place in expected)


def test_tags_are_those_of_packaging() -> None:
    """For the Python that runs this, tags and order are packaging's own, except the plain linux_….

    The position of that tag depends on the version of packaging; no index accepts such wheels.
    """
    ours, theirs = Interpreter.parse(answered()).tags(), list(sys_tags())
    assert set(ours) == set(theirs)
    assert [tag for tag in ours if not tag.platform.startswith("linux_")] == [
        tag for tag in theirs if not tag.platform.startswith("linux_")
    ]


@pytest.mark.parametrize(
    ("said", "libc"), [("musl libc (x86_64)\nVersion 1.2.4\nDynamic Program Loader\n", "musl 1.2.4"), ("what?\n", "")]
)
def test_the_probe_asks_the_loader_of_musl(tmp_path: Path, said: str, libc: str) -> None:
    """It prints its version, on stderr and with a bad exit code, when it is run alone; glibc's confstr is not there."""
    loader = tmp_path / "ld-musl-x86_64.so.1"
    loader.write_text(f"#!/bin/sh\nprintf '%s' '{said}' >&2\nexit 1\n")
    loader.chmod(0o755)
    program = "import os\nos.confstr = lambda name: None\n" + PROBE.replace("/lib/ld-musl-", f"{tmp_path}/ld-musl-")
    ended = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert Interpreter.parse(ended.stdout).libc == libc


def test_talk_before_the_answer_does_not_matter() -> None:
    """A sitecustomize may print: the last line is the answer."""
    assert Interpreter.parse(f"hello\n{answered()}\n") == Interpreter.parse(answered())


@pytest.mark.parametrize(
    ("interpreter", "first", "last_platform", "absent"),
    [
        (cpython(), "cp311-cp311-manylinux_2_36_x86_64", "linux_x86_64", "manylinux_2_37_x86_64"),
        (cpython(machine="aarch64"), "cp311-cp311-manylinux_2_36_aarch64", "linux_aarch64", "manylinux_2_16_aarch64"),
        (cpython(libc=""), "cp311-cp311-musllinux_1_2_x86_64", "linux_x86_64", "manylinux_2_17_x86_64"),
        (cpython(libc="musl 1.1.24"), "cp311-cp311-musllinux_1_1_x86_64", "linux_x86_64", "musllinux_1_2_x86_64"),
        (
            cpython("3.9.18", libc="glibc 2.17"),
            "cp39-cp39-manylinux_2_17_x86_64",
            "linux_x86_64",
            "manylinux_2_28_x86_64",
        ),
        (cpython("3.13.0rc2"), "cp313-cp313-manylinux_2_36_x86_64", "linux_x86_64", "win_amd64"),
    ],
    ids=["glibc", "arm", "musl", "old musl", "old", "candidate"],
)
def test_tags_follow_libc_and_machine(interpreter: Interpreter, first: str, last_platform: str, absent: str) -> None:
    """The newest platform that the image's libc allows comes first, the plain one last, others' never."""
    tags = interpreter.tags()
    assert str(tags[0]) == first
    platforms = [tag.platform for tag in tags if tag.abi != "none"]
    assert last_platform in platforms
    assert absent not in platforms
    assert len(set(tags)) == len(tags)


GOOD = json.loads(json.dumps(cpython().to_json()))


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "\n",
        "not JSON",
        "[]",
        "{}",
        json.dumps({**GOOD, "surprise": 1}),
        json.dumps({**GOOD, "markers": {}}),
        json.dumps({**GOOD, "markers": []}),
        json.dumps({**GOOD, "markers": {**GOOD["markers"], "python_version": "three"}}),
        json.dumps({**GOOD, "libc": "glibc"}),
        json.dumps({**GOOD, "libc": "glibc 2.x"}),
        json.dumps({**GOOD, "libc": None}),
    ],
    ids=str,
)
def test_an_answer_that_makes_no_sense_is_refused(answer: str) -> None:
    """An image whose `python` is another program is reported before anything relies on it."""
    with pytest.raises(ImageError, match="the image's Python did not report its configuration"):
        Interpreter.parse(answer)
