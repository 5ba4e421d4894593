"""Declarations that extend others: how keys are joined, and the declarations that are shipped."""

from pathlib import Path

import pytest

from airbyte_ci.base_images.declaration import declare, extend
from airbyte_ci.base_images.inspection import checks
from airbyte_ci.dagger import Exec, SetEntrypoint, SetUser, SetVariable, SetWorkdir, WriteFile
from airbyte_ci.errors import ConfigurationError

PARENT = """
repository: acme.example/parent
version: 9.9.9
changelog: Theirs
supported-until: 2030-01-01
python: "3.11"
root: {debian: {suite: bookworm, packages: [python3]}}
packages: [socat]
requirements: parent.txt
environment: {A: "1", B: "1"}
steps: [{exec: [one]}]
user: theirs
checks: [{name: a, run: [a]}, {name: b, run: [b]}]
"""
CHILD = """
extends: parent.yaml
repository: acme.example/child
version: 1.0.0
changelog: Ours
packages: [socat, jq]
requirements: child.txt
environment: {B: "2"}
files: [{path: /etc/x, contents: x}]
steps: [{exec: [two]}]
user: ours
workdir: /ours
checks: [{name: a, run: [ours]}]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {"parent.yaml": PARENT, "child.yaml": CHILD, "parent.txt": "p==1", "child.txt": "c==1"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_declaration_adds_to_what_it_extends(folder: Path) -> None:
    """Packages, requirements, steps and checks are joined, its own last; the user comes after every step."""
    child = declare.read(folder / "child.yaml")
    assert (child.repository, child.version, child.changelog) == ("acme.example/child", "1.0.0", "Ours")
    assert (child.python, child.packages, child.requirements) == ("3.11", ("socat", "jq"), "p==1\nc==1")
    assert child.steps == (
        *(SetVariable("A", "1"), SetVariable("B", "1"), Exec(("one",))),
        *(SetVariable("B", "2"), WriteFile("/etc/x", "x"), Exec(("two",))),
        *(SetWorkdir("/ours"), SetUser("ours")),
    )
    assert [(check.name, check.run) for check in child.checks] == [("b", ("b",)), ("a", ("ours",))]
    assert child.debian_root is not None
    # The parent's support period does not apply to versions that others release.
    assert child.supported_until is None


def test_a_declaration_may_extend_several(folder: Path) -> None:
    """In their order, each adding to those before it; a single name is no other thing than a list of one."""
    more = "packages: [nano]\nsteps: [{exec: [more]}]\nuser: more\nchecks: [{name: b, run: [c]}]\n"
    (folder / "more.yaml").write_text(more)
    (folder / "child.yaml").write_text(CHILD.replace("extends: parent.yaml", "extends: [parent.yaml, more.yaml]"))
    child = declare.read(folder / "child.yaml")
    assert child.packages == ("socat", "nano", "jq")
    assert [item.arguments for item in child.steps if isinstance(item, Exec)] == [("one",), ("more",), ("two",)]
    assert [(check.name, check.run) for check in child.checks] == [("b", ("c",)), ("a", ("ours",))]
    (folder / "child.yaml").write_text(CHILD.replace("extends: parent.yaml", "extends: [parent.yaml]"))
    assert declare.read(folder / "child.yaml").packages == ("socat", "jq")


@pytest.mark.parametrize("key", ["repository", "version", "changelog"])
def test_its_own_name_is_never_inherited(folder: Path, key: str) -> None:
    """An extending declaration releases its own image, under its own name."""
    text = "".join(f"{line}\n" for line in CHILD.splitlines() if not line.startswith(f"{key}:"))
    (folder / "child.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=f"{key} is missing"):
        declare.read(folder / "child.yaml")


@pytest.mark.parametrize(
    ("extends", "said"),
    [
        ("child.yaml", "extends itself"),
        ("shipped:moon", "there is no shipped declaration 'moon'"),
        ("nothing.yaml", "nothing.yaml"),
        ("[parent.yaml, shipped:moon]", "there is no shipped declaration 'moon'"),
        ("[]", "extends must be a file next to this one, shipped:NAME, or a list of these, not []"),
        ("[parent.yaml, 7]", "extends[1] must be a file"),
    ],
)
def test_what_cannot_be_extended_is_told(folder: Path, extends: str, said: str) -> None:
    """A loop, an unknown shipped declaration, a file that is not there: one line that names it."""
    (folder / "child.yaml").write_text(CHILD.replace("parent.yaml", extends))
    with pytest.raises(ConfigurationError) as caught:
        declare.read(folder / "child.yaml")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "user", "suite"),
    [
        ("root-python3.9", None, "bullseye"),
        ("root-python3.10", None, None),
        ("airbyte-python3.9", "airbyte", "bullseye"),
        ("airbyte-python3.10", "airbyte", None),
        ("airbyte-python3.11", "airbyte", "bookworm"),
        ("airbyte-python3.12", "airbyte", None),
        ("airbyte-python3.13", "airbyte", "trixie"),
    ],
)
def test_the_shipped_families_can_be_extended(tmp_path: Path, name: str, user: str | None, suite: str | None) -> None:
    """Root's for 1.x and 2.x, the user airbyte's from 3.x on, for each Python; a company needs four lines more."""
    assert name in extend.names()
    path = tmp_path / "acme.yaml"
    path.write_text(f"extends: shipped:{name}\nrepository: acme.example/base\nversion: 1.0.0\nchangelog: First\n")
    found = declare.read(path)
    assert found.python == name.rpartition("python")[2]
    users = [item.user for item in found.steps if isinstance(item, SetUser)]
    assert users[-1:] == ([user] if user else [])
    assert (found.debian_root.suite if found.debian_root else None) == suite
    assert found.image_root is not None
    # The versions of its packages are part of the promise: a build on another root shows the differences.
    named = " · ".join(check.name for check in found.checks)
    for tool in ("Python is 3.", "pip is ", "setuptools is ", "poetry is ", "socat is ", "its variables are there"):
        assert tool in named
    # An unverified digest is not invented: if it is unknown, the builder pins it.
    assert (found.image_root.digest is not None) == (name.rpartition(".")[2] in ("9", "10"))


def test_the_example_s_company_base_extends_a_shipped_one() -> None:
    """As a reader of the example fleet finds it."""
    path = Path(__file__).parents[3] / "examples" / "fleet" / "base-images" / "acme.yaml"
    assert "extends: shipped:" in path.read_text()
    assert declare.read(path).repository == "localhost:5000/acme/python-connector-base"


@pytest.mark.parametrize(
    ("own", "more", "expected"),
    [
        ("c==1", "", "p==1 --hash=sha256:aa\nq==1 \\\n  --hash=sha256:bb\n\nc==1"),
        ("P==1 --hash=sha256:cc\n", "", "q==1 \\\n  --hash=sha256:bb\n\nP==1 --hash=sha256:cc\n"),
        ("q==2\n", "overrides: [Q]\n", "p==1 --hash=sha256:aa\n\nq==2\n"),
        ("q[extra]==2; x\n", "overrides: [q]\n", "p==1 --hash=sha256:aa\n\nq[extra]==2; x\n"),
    ],
)
def test_each_package_is_pinned_once(folder: Path, own: str, more: str, expected: str) -> None:
    """The pins of an extended declaration stay, unless the later file has the same or overrides them explicitly."""
    (folder / "parent.txt").write_text("p==1 --hash=sha256:aa\nq==1 \\\n  --hash=sha256:bb\n")
    (folder / "child.txt").write_text(own)
    (folder / "child.yaml").write_text(f"{CHILD}{more}")
    assert declare.read(folder / "child.yaml").requirements == expected


@pytest.mark.parametrize(
    ("own", "more", "said"),
    [
        ("Q==2\n", "", "q is pinned twice, to 1 in parent.txt and to 2 in child.txt → remove one of the pins, or add"),
        ("q==2\n", "overrides: [p]\n", "overrides names p, which only parent.txt pins"),
        ("q==1\nq==2; x\n", "", "q is pinned twice, to 1 in parent.txt and to 1, 2 in child.txt"),
        ("q==2\n", "overrides: [z]\n", "overrides names z, which no requirements file pins"),
        ("q==2\n", "overrides: q\n", "overrides must be a list of packages"),
    ],
)
def test_pins_that_contradict_are_refused(folder: Path, own: str, more: str, said: str) -> None:
    """The error names the package, both versions and both files, before anything is built."""
    (folder / "parent.txt").write_text("p==1\nq==1\n")
    (folder / "child.txt").write_text(own)
    (folder / "child.yaml").write_text(f"{CHILD}{more}")
    with pytest.raises(ConfigurationError) as caught:
        declare.read(folder / "child.yaml")
    assert said in str(caught.value)


def test_final_steps_and_an_entrypoint(folder: Path) -> None:
    """Final steps of both run after the requirements and before the user is set; the later entrypoint is used."""
    (folder / "parent.yaml").write_text(f"{PARENT}final-steps: [{{exec: [three]}}]\nentrypoint: [theirs]\n")
    child = declare.read(folder / "child.yaml")
    assert child.steps[-1] == Exec(("two",))
    ends = (SetEntrypoint(("theirs",)), SetWorkdir("/ours"), SetUser("ours"))
    assert child.final_steps == (Exec(("three",)), *ends)
    (folder / "child.yaml").write_text(f"{CHILD}final-steps: [{{exec: [four]}}]\nentrypoint: [ours, run]\n")
    child = declare.read(folder / "child.yaml")
    assert child.final_steps[:3] == (Exec(("three",)), Exec(("four",)), SetEntrypoint(("ours", "run")))


def test_a_failed_check_shows_its_end_without_colors() -> None:
    """The last output is the reason, without colors and titles."""
    output = f"{'noise ' * 500}\n\x1b[31mfatal\x1b[0m: \x1b]0;title\x07it broke\n"
    said = checks.last_words(output)
    assert said.startswith("… ")
    assert said.endswith("noise / fatal: it broke")
    assert len(said) < 700
    assert checks.last_words("") == "nothing"
