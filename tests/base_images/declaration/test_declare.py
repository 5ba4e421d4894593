"""Declarations of base images: a file of data and what it means."""

from pathlib import Path

import pytest

from airbyte_ci.base_images.declaration import declare
from airbyte_ci.dagger import Exec, SetLabel, SetUser, SetVariable, SetWorkdir, WriteFile
from airbyte_ci.errors import ConfigurationError

DIGEST = f"sha256:{'a' * 64}"
TEXT = f"""
repository: acme.example/base
version: 1.2.3
changelog: First
root:
  image: docker.io/library/python:3.10@{DIGEST}
  debian:
    suite: bookworm
    packages: [python3]
    steps:
    - exec: [python3, -m, venv, /usr/local]
requirements: base.txt
steps:
- env: {{LANG: C.UTF-8}}
- label: {{who: acme}}
- user: root
- workdir: /x
- file: {{path: /etc/x, contents: "text", mode: "755", owner: "1:1"}}
- file: {{path: /etc/y, contents: "text"}}
checks:
- {{name: runs, run: [python, -V], expect: "3.10"}}
- {{name: talks, run: [sh, -c, 1]}}
"""


def parsed(text: str) -> declare.Declaration:
    return declare.parse(text, "x.yaml", lambda name: f"content of {name}")


def test_a_declaration_is_a_value() -> None:
    """Every step is an operation, in order; files next to it are read; checks have a name and an expected output."""
    found = parsed(TEXT)
    assert (found.repository, found.version, found.changelog) == ("acme.example/base", "1.2.3", "First")
    assert str(found.address) == "acme.example/base:1.2.3"
    assert found.requirements == "content of base.txt"
    assert str(found.image_root) == f"docker.io/library/python:3.10@{DIGEST}"
    assert found.debian_root is not None
    assert found.debian_root.suite == "bookworm"
    assert found.debian_root.packages == ("python3",)
    assert found.debian_root.steps == (Exec(("python3", "-m", "venv", "/usr/local")),)
    assert found.steps == (
        SetVariable("LANG", "C.UTF-8"),
        SetLabel("who", "acme"),
        SetUser("root"),
        SetWorkdir("/x"),
        WriteFile("/etc/x", "text", 0o755, "1:1"),
        WriteFile("/etc/y", "text", 0o644, ""),
    )
    assert [(check.name, check.run, check.expect) for check in found.checks] == [
        ("runs", ("python", "-V"), "3.10"),
        ("talks", ("sh", "-c", "1"), ""),
    ]


def test_only_what_is_needed_is_needed() -> None:
    """Requirements, steps and checks may be absent, and one root is enough."""
    found = parsed(f"repository: a/b\nversion: 1.0.0\nchangelog: x\nroot: {{image: 'a/b@{DIGEST}'}}\n")
    assert (found.requirements, found.steps, found.checks, found.debian_root) == ("", (), (), None)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("repository: acme.example/base\n", "", "repository is missing"),
        ("repository: acme.example/base", "repository: acme.example/base:1", "has a tag or a digest"),
        ("version: 1.2.3", "version: 1.2", "is not a semantic version"),
        ("changelog: First", "changelog: First\nchangelgo: x", "unknown key 'changelgo'"),
        ("changelog: First", "changelog: First\nsupported-until: soon", "is not a date"),
        ("changelog: First", "changelog: First\nplatforms: [amd64]", "is not a supported platform"),
        ("- user: root", "- exec: apt-get update", "steps[2].exec must be a list of texts"),
        ("changelog: First\n", "", "changelog is missing"),
        ("suite: bookworm\n    packages", "packages", "root.debian.suite is missing"),
        ("- user: root", "- user: root\n  workdir: /y", "a step must have one key"),
        ("- user: root", "- become: root", "unknown step 'become'"),
        ("- user: root", "- text", "x.yaml is "),
        ("- user: root", "- env: {A: 1, B: 2}", "x.yaml is "),
        ('mode: "755"', 'mode: "8"', "x.yaml is "),
        ("path: /etc/y, ", "", "path is missing"),
        ("name: runs, ", "", "name is missing"),
        ("checks:", "checks: [", "x.yaml is "),
        ("changelog: First", "changelog:", "changelog must be a text that describes the changes, not null"),
        ("changelog: First", "changelog: [First]", "changelog must be a text that describes the changes"),
        ("changelog: First", "changelog: First\nextends: {a: b}", "extends must be a file next to this one"),
        ('expect: "3.10"', 'expct: "3.10"', "unknown key 'expct' in checks[0] (known: name, run, expect)"),
        ('expect: "3.10"', 'expect: "("', "checks[0].expect must be a regular expression; '(' is invalid"),
        ("run: [python, -V]", "run: printenv A", "checks[0].run must be a list of texts"),
        ("run: [python, -V]", "run: []", "checks[0].run must be a list of texts"),
        ('mode: "755"', 'modee: "755"', "unknown key 'modee' in steps[4].file"),
        ('mode: "755"', "mode: rwx", "steps[4].file.mode must be octal digits in quotes"),
        ('mode: "755"', "mode: 0644", "steps[4].file.mode must be octal digits in quotes"),
        ("path: /etc/y", "path: etc/y", "steps[5].file.path must be an absolute path, not 'etc/y'"),
        ("  image: docker", "  imagee: docker", "unknown key 'imagee' in root (known: image, debian)"),
        (
            "changelog: First",
            "changelog: First\npackages: file",
            "packages must be a list of Debian packages, not 'file'",
        ),
        (
            "changelog: First",
            "changelog: First\npackages: [jq, A B]",
            "packages[1] must be the name of a Debian package",
        ),
        (
            "changelog: First",
            "changelog: First\nplatforms: [linux/sparc]",
            "platforms[0]: 'linux/sparc' is not a supported platform",
        ),
        ("changelog: First", "changelog: First\nplatforms: []", "platforms must be a list"),
        ("changelog: First", "changelog: First\nwritable: srv", "writable must be a list of absolute paths, not 'srv'"),
        ("changelog: First", "changelog: First\nwritable: [srv]", "writable[0] must be an absolute path, not 'srv'"),
        (
            "changelog: First",
            "changelog: First\nenvironment: {A: }",
            "environment.A must be a text, in quotes where needed",
        ),
        ("changelog: First", "changelog: First\nenvironment: {A: true}", "environment.A must be a text, in quotes"),
        ("changelog: First", "changelog: First\nenvironment: {A: 1.10}", "environment.A must be a text, in quotes"),
        ("changelog: First", "changelog: First\nenvironment: {NO: a}", "the name false must be a text"),
        ("changelog: First", "changelog: First\nenvironment: [A=b]", "environment must be a map of names to texts"),
        ("changelog: First", "changelog: First\npython: 3.10", 'python must be X.Y in quotes, such as "3.11"'),
        ("changelog: First", "changelog: First\nfiles: [{contents: x}]", "files[0].path is missing"),
        ("changelog: First", "changelog: First\nrequires-platform: new", "requires-platform must be a version"),
        ("changelog: First", "changelog: First\nsupported-until:", "supported-until must be a date"),
        ("- user: root", "- env: {A: 1, B: 2}", "steps[2].env must be one NAME: text, not 2"),
        ("- user: root", "- env: [A, B]", "steps[2].env must be a map of names to texts"),
        ("- user: root", "- workdir: srv", "steps[2].workdir must be an absolute path"),
    ],
)
def test_a_declaration_that_is_not_right_is_told(old: str, new: str, said: str) -> None:
    """The error names the file and the key, in one line."""
    assert old in TEXT
    with pytest.raises(ConfigurationError) as caught:
        parsed(TEXT.replace(old, new))
    assert caught.value.message.startswith("x.yaml is ")
    assert said in caught.value.message
    assert "\n" not in caught.value.message


def test_a_root_that_is_no_map_is_told() -> None:
    """As people write it who know Dockerfiles."""
    with pytest.raises(
        ConfigurationError, match=r"x\.yaml is invalid: root must be a map with image: ADDRESS, .*, not 'python:3\.11'"
    ):
        parsed("repository: a/b\nversion: 1.0.0\nchangelog: x\nroot: python:3.11\n")


@pytest.mark.parametrize("text", ["", "text", "- a\n", "root: text\n"])
def test_what_is_no_declaration_is_told(text: str) -> None:
    """Any invalid document is an error of the configuration."""
    with pytest.raises(ConfigurationError, match=r"x\.yaml is"):
        parsed(text)


def test_files_lie_beside_the_declaration(tmp_path: Path) -> None:
    """A missing file is reported, with the declaration's own path."""
    path = tmp_path / "x.yaml"
    with pytest.raises(ConfigurationError, match=r"x\.yaml"):
        declare.read(path)
    path.write_text(TEXT)
    with pytest.raises(ConfigurationError, match=r"base\.txt"):
        declare.read(path)
    (tmp_path / "base.txt").write_text("hashes")
    assert declare.read(path).requirements == "hashes"


def test_the_shipped_declaration_has_both_roots() -> None:
    """The tool's own base can be built on a pulled root and on Debian's packages, with hashed requirements."""
    found = declare.shipped()
    assert found.image_root is not None
    assert found.debian_root is not None
    assert "--hash=sha256:" in found.requirements
    assert any("poetry" in check.name for check in found.checks)
