"""Manifest-only connectors: a manifest on an image of the framework, built, run and tested."""

from pathlib import Path

import pytest

from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry, directory
from tests.e2e.tiny import NAME, Tiny, derived, own_layers

pytestmark = pytest.mark.slow

CODE = "airbyte/integration_code"
EXAMPLE = Path(__file__).parents[2] / "examples/fleet/airbyte-integrations/connectors/source-lighthouses"
# Starts like the framework's image: what lies in `source_declarative_manifest` decides what it answers.
MAIN = b"""import json, pathlib, sys
place = pathlib.Path(__file__).parent / "source_declarative_manifest"
found = {item.name: item.read_text() for item in sorted(place.iterdir())}
print(json.dumps({"type": "SPEC", "spec": {"connectionSpecification": {"files": found}}}))
"""
MANIFEST = "version: 4.3.0\ntype: DeclarativeSource\nstreams:\n- {requester: {class_name: CLASS}}\n"
CLASS = "source_declarative_manifest.components.Paginator"


@pytest.fixture
def framework(tiny: Tiny, store: Store) -> str:
    """An image that starts what lies where the framework looks for a manifest; its address."""
    return derived(
        store,
        tiny.base,
        directory(CODE),
        Entry(path=f"{CODE}/main.py", content=MAIN),
        tag="framework",
        execution={
            "Entrypoint": ["python", f"/{CODE}/main.py"],
            "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "KEPT=1"],
        },
    )


def _connector(tiny: Tiny, framework: str, manifest: str = MANIFEST, components: str | None = None) -> Path:
    folder = tiny.connector("source-declared")
    folder.mkdir(parents=True)
    (folder / "metadata.yaml").write_text(
        "data:\n  name: Declared\n  dockerRepository: acme/source-declared\n  dockerImageTag: 1.0.0\n"
        f"  tags: [language:manifest-only]\n  connectorBuildOptions: {{baseImage: '{framework}'}}\n"
    )
    (folder / "manifest.yaml").write_text(manifest.replace("CLASS", CLASS))
    (folder / "README.md").write_text("# not part of the image\n")
    if components is not None:
        (folder / "components.py").write_text(components)
    return folder


def test_the_image_has_the_manifest_and_its_components_and_nothing_else(
    tiny: Tiny, framework: str, store: Store
) -> None:
    """One small layer above the base and its bytecode, the base's entrypoint and variables kept, the usual labels."""
    _connector(tiny, framework, components="class Paginator: pass\n")
    built = tiny.build(name="source-declared")
    assert built.code == 0, built.err
    _, layer = own_layers(store, built.json["digest"], framework)
    assert layer
    image = store.image(Digest.parse(built.json["digest"]))
    assert image.config.execution["Entrypoint"] == ["python", f"/{CODE}/main.py"]
    assert image.config.environment["KEPT"] == "1"
    assert image.config.execution["Labels"]["io.airbyte.name"] == "acme/source-declared"
    spec = tiny.run("connectors", "--name=source-declared", "run", "--", "spec")
    assert sorted(spec.json["spec"]["connectionSpecification"]["files"]) == ["components.py", "manifest.yaml"]


def test_only_the_manifest_and_components_change_the_image(tiny: Tiny, framework: str) -> None:
    """Other files of the folder, and modes that a checkout gave, do not show in the digest."""
    folder = _connector(tiny, framework)
    (folder / "source_declared/__pycache__").mkdir(parents=True)  # as a removed package leaves it
    first = tiny.build(name="source-declared").json["digest"]
    (folder / "README.md").write_text("# changed\n")
    (folder / "manifest.yaml").chmod(0o600)
    assert tiny.build(name="source-declared").json["digest"] == first
    (folder / "manifest.yaml").write_text("version: 4.3.1\n")
    assert tiny.build(name="source-declared").json["digest"] != first


def test_a_base_without_an_entrypoint_gets_the_usual_one(tiny: Tiny, store: Store) -> None:
    """Settings that the base lacks are written into the image."""
    plain = derived(store, tiny.base, directory(CODE), Entry(path=f"{CODE}/main.py", content=MAIN), tag="plain")
    _connector(tiny, plain)
    built = tiny.build(name="source-declared")
    assert built.code == 0, built.err
    image = store.image(Digest.parse(built.json["digest"]))
    assert image.config.environment["AIRBYTE_ENTRYPOINT"] == f"python /{CODE}/main.py"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: (folder / "manifest.yaml").unlink(), "source-declared/manifest.yaml does not exist"),
        (
            lambda folder: ((folder / "source_declared").mkdir(), (folder / "source_declared/source.py").touch()),
            "has both manifest.yaml and the package source_declared/",
        ),
        (
            lambda folder: ((folder / "manifest.yaml").unlink(), (folder / "manifest.yaml").symlink_to("/etc/passwd")),
            "source-declared/manifest.yaml is not a regular file",
        ),
    ],
    ids=["no manifest", "two kinds", "link"],
)
def test_bad_input_is_one_line(tiny: Tiny, framework: str, change: object, said: str) -> None:
    """A missing manifest, a package next to it, or a link out of the folder: exit 1 and the file's name."""
    assert callable(change)
    change(_connector(tiny, framework))
    built = tiny.run("connectors", "--name=source-declared", "build")
    assert (built.code, said in built.out + built.err) == (1, True), built.out + built.err


@pytest.mark.parametrize(
    ("manifest", "components", "said"),
    [
        (MANIFEST, None, "names Paginator, which connectors/source-declared/components.py does not have"),
        (MANIFEST, "class Other: pass\n", "names Paginator"),
        (MANIFEST, "class Paginator(\n", "components.py:1: is not valid Python"),
        ("version: 4.3.0\ntype: Other\n", None, "its type is 'Other', not 'DeclarativeSource'"),
        ("version: soon\n", None, "its version 'soon' is not the version of a framework"),
        ("a: [\n", None, "manifest.yaml:2: is not valid YAML"),
    ],
    ids=["no components", "no class", "syntax", "type", "version", "yaml"],
)
def test_the_manifest_is_checked_without_a_build(
    tiny: Tiny, framework: str, manifest: str, components: str | None, said: str
) -> None:
    """`check` names what is wrong with a manifest and its components, with the file."""
    _connector(tiny, framework, manifest, components)
    checked = tiny.run("connectors", "--name=source-declared", "check", "--offline", "--only=manifest-valid")
    assert said in checked.out, checked.out + checked.err


def test_unit_tests_run_on_the_framework_of_the_base(tiny: Tiny, framework: str) -> None:
    """Tests of a manifest-only connector see its folder, start in unit_tests, and get the packages locked there."""
    folder = _connector(tiny, framework, components="class Paginator: pass\n")
    tests = folder / "unit_tests"
    tests.mkdir()
    (tests / "pyproject.toml").write_text('[project]\nname = "tests"\nversion = "0"\ndependencies = ["pytest"]\n')
    pytest_wheel = tiny.wheel("pytest", "1.0", {"pytest/__init__.py": "", "pytest/__main__.py": _PYTEST})
    (tests / "requirements.txt").write_text(pytest_wheel)
    tested = tiny.run("connectors", "--name=source-declared", "test", "--only-step=unit")
    assert tested.code == 0, tested.out + tested.err
    assert "1 passed" in tested.out, tested.out


# A replacement of pytest that shows where it runs and what it can import.
_PYTEST = """import os, sys
assert os.getcwd().endswith("/integration_code/unit_tests"), os.getcwd()
import components
assert components.Paginator
report = next(item.partition("=")[2] for item in sys.argv if item.startswith("--junitxml="))
open(report, "w").write('<testsuites><testsuite><testcase classname="a" name="b"/></testsuite></testsuites>')
"""


def test_the_example_is_checked_built_and_started(tiny: Tiny, framework: str) -> None:
    """The manifest-only connector of the example fleet passes its check, and its image has its two files."""
    folder = _connector(tiny, framework)
    for name in ("manifest.yaml", "components.py"):
        (folder / name).write_bytes((EXAMPLE / name).read_bytes())
    checked = tiny.run("connectors", "--name=source-declared", "check", "--offline", "--only=manifest-valid")
    assert checked.code == 0, checked.out + checked.err
    assert tiny.build(name="source-declared").code == 0
    spec = tiny.run("connectors", "--name=source-declared", "run", "--", "spec")
    files = spec.json["spec"]["connectionSpecification"]["files"]
    assert files == {name: (EXAMPLE / name).read_text() for name in ("components.py", "manifest.yaml")}


def test_a_manifest_newer_than_its_base_is_one_line(tiny: Tiny) -> None:
    """The check compares the manifest with the framework of the base image, before any build."""
    base = f"docker.io/airbyte/source-declarative-manifest:6.38.3@sha256:{'0' * 64}"
    _connector(tiny, base, "version: 6.39.0\ntype: DeclarativeSource\n")
    checked = tiny.run("connectors", "--name=source-declared", "check", "--offline", "--only=manifest-valid")
    assert "the manifest has version 6.39.0, but the base image contains framework 6.38.3" in checked.out


def test_other_connectors_are_not_touched(tiny: Tiny, framework: str) -> None:
    """A Python connector next to it is built as before."""
    _connector(tiny, framework)
    assert tiny.build(name=NAME).code == 0
