"""Dockerfiles: the lines of each operation, and the names of those that cannot be expressed."""

from pathlib import Path

import pytest

from airbyte_ci.dagger import (
    Copy,
    Exec,
    FromContainer,
    MakeLink,
    MountCache,
    MountSecret,
    Narrow,
    NewFile,
    Operation,
    Remove,
    SetAnnotation,
    SetDefaultArguments,
    SetEntrypoint,
    SetLabel,
    SetSecretVariable,
    SetUser,
    SetVariable,
    SetWorkdir,
    Unmount,
    UnsetVariable,
    WriteFile,
)
from airbyte_ci.errors import UsageError
from airbyte_ci.images.eject import eject, write
from airbyte_ci.images.eject_steps import Steps
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Image, ImageConfig, Manifest
from airbyte_ci.oci.tar import Entry, directory
from airbyte_ci.python.environment.install import InstallPackages
from airbyte_ci.recipe.contents import Kept
from airbyte_ci.recipe.state import State
from tests.images.plans import a_plan

CODE = [
    directory("airbyte/integration_code"),
    Entry(path="airbyte/integration_code/main.py", content=b"print()\n"),
    Entry(path="airbyte/integration_code/source_x/__init__.py", content=b""),
]


def image(**execution: object) -> Image:
    config = ImageConfig.make(
        {
            "os": "linux",
            "architecture": "amd64",
            "config": {"Env": ["PATH=/bin", "BASE=b"], "WorkingDir": "/base", **execution},
            "rootfs": {"type": "layers", "diff_ids": []},
        }
    )
    return Image(Manifest.make(config.descriptor, (), {}), config)


SAID: list[tuple[Operation, str]] = [
    (Exec(("a", 'b "c"')), 'RUN ["a", "b \\"c\\""]'),
    (Exec(("echo", "$BASE"), expand=True), 'RUN ["echo", "b"]'),
    (Exec(("run",), use_entrypoint=True), 'RUN ["/entry", "run"]'),
    (Exec(("cat",), stdin="it's"), """RUN ["sh", "-c", "printf %s 'it'\\"'\\"'s' | cat"]"""),
    (Exec(("f",), redirect_stdout="out", expect="ANY"), 'RUN ["sh", "-c", "f > /base/out || true"]'),
    (Exec(("f",), expect="FAILURE"), 'RUN ["sh", "-c", "! { f; }"]'),
    (SetVariable("A", '$x "y" \\'), 'ENV A="\\$x \\"y\\" \\\\"'),
    (SetVariable("A", "${BASE}/c", expand=True), 'ENV A="b/c"'),
    (SetLabel("a.b", "c d"), 'LABEL "a.b"="c d"'),
    (SetWorkdir("sub"), "WORKDIR /base/sub"),
    (SetUser(""), "USER root"),
    (SetEntrypoint(("x", "y")), 'ENTRYPOINT ["x", "y"]'),
    (SetDefaultArguments(()), "CMD []"),
    (WriteFile("etc/f", "x", owner="a:b"), 'COPY --chown=a:b ["files/0/f", "/base/etc/f"]'),
    (Copy("/$d", (NewFile("in/f", "x"),)), 'COPY ["files/0/", "/\\\\$d/"]'),
    (Copy("/g", (NewFile("f", "x"), Narrow("f", file=True))), 'COPY ["files/0/g", "/g"]'),
    (MakeLink("/l", "t"), 'USER root\nRUN ["ln", "-sfn", "--", "t", "/l"]\nUSER someone'),
    (Remove(("/a b/*", "c")), 'USER root\nRUN ["sh", "-c", "rm -rf -- /a\' \'b/* /base/c"]\nUSER someone'),
]


@pytest.mark.parametrize(("operation", "said"), SAID, ids=[said[:30] for _, said in SAID])
def test_an_operation_is_said_exactly(operation: Operation, said: str, kept: Kept) -> None:
    """Nothing is expanded by the builder that the image was to have, and root's work is root's."""
    base = image(User="someone", Entrypoint=["/entry"])
    steps = Steps(State(base=base, execution=base.config.execution), kept)
    steps.add([operation])
    assert "\n".join(steps.lines) == said
    assert not steps.lost


LOST: list[tuple[list[Operation], str]] = [
    ([UnsetVariable("BASE")], "UnsetVariable BASE"),
    ([SetAnnotation("a", "b")], "SetAnnotation a"),
    ([SetVariable("A", "one\ntwo")], "ENV A: its value has more than one line"),
    ([Copy("/x", (FromContainer((), "/etc"),))], "/x: it is copied from an earlier state of the image"),
    ([SetSecretVariable("S", "s", "d"), Exec(("f",))], "the secret variable S, which f receives"),
    ([MountSecret("/s", "s", "d"), Exec(("f",))], "the secret at /s, which f receives"),
]


@pytest.mark.parametrize(("operations", "named"), LOST, ids=[named for _, named in LOST])
def test_what_cannot_be_said_is_named(operations: list[Operation], named: str, kept: Kept) -> None:
    """It is also in the Dockerfile, at the top."""
    base = image()
    found = eject(a_plan(install=InstallPackages(()), before=tuple(operations)), base, "python", CODE, kept)
    assert named in found.lost
    assert f"\n# NOT CARRIED OVER: {named}\n" in found.dockerfile.partition("FROM")[0]


def test_caches_are_lent_to_commands_only(kept: Kept) -> None:
    """While they are mounted."""
    base = image()
    steps = Steps(State(base=base, execution=base.config.execution), kept)
    steps.add([MountCache("/c", "pip"), Exec(("f",)), Unmount("/c"), Exec(("g",))])
    assert not steps.lost
    assert steps.lines[-2:] == ['RUN --mount=type=cache,id=pip,sharing=shared,target=/c ["f"]', 'RUN ["g"]']


def test_every_kind_of_package_has_its_place(tmp_path: Path, kept: Kept) -> None:
    """Wheels and sdists by hash, folders and commits as archives next to it; sources are built in their own stage."""
    found = eject(a_plan(), image(), "/usr/bin/python3", CODE, kept)
    assert not found.lost
    assert set(found.files) == {
        *("code", "code/main.py", "code/source_x/__init__.py"),
        *("requirements.txt", "sources.txt", "sources/lib.tar", "sources/lib2.tar"),
        "wheels/lib3-3-py3-none-any.whl",
    }
    assert _text(found.files["requirements.txt"]) == (
        f"# a-1.0-py3-none-any.whl\na==1.0 --hash=sha256:{'b' * 64}\n"
        f"# lib3-3-py3-none-any.whl\nlib3 @ file:///tmp/wheels/lib3-3-py3-none-any.whl --hash=sha256:{'e' * 64}\n"
    )
    assert _text(found.files["sources.txt"]) == (
        f"--extra-index-url https://index.example/simple/\n# b-1.0.tar.gz\nb==1.0 --hash=sha256:{'c' * 64}\n"
    )
    stages = found.dockerfile.split("\nFROM ")
    assert len(stages) == 4 and stages[2].startswith("base AS built") and stages[3].startswith("base\n")
    assert "gcc" in stages[2] and "gcc" not in stages[1] + stages[3]
    assert '"/tmp/sources/lib/inner"]' in stages[2]
    target = tmp_path / "new" / "folder"
    write(found, target)
    assert (target / "Dockerfile").read_text() == found.dockerfile
    assert (target / "sources/lib.tar").read_bytes() == b"c" * 64
    with pytest.raises(UsageError, match="not empty"):
        write(found, target)


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    """A store in which each file's bytes are its digest."""

    def place(digest: Digest) -> Path:
        path = tmp_path / digest.hex
        path.write_text(digest.hex)
        return path

    return place


def _text(entry: Entry) -> str:
    assert isinstance(entry.content, bytes)
    return entry.content.decode()
