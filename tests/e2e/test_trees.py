"""Folders, commits and files that a lock names: a package of the repository, a git commit, the framework in work."""

import subprocess
from pathlib import Path

import pytest

from tests.e2e.command import GIT
from tests.e2e.tiny import Tiny
from tests.python import sample_wheels

pytestmark = pytest.mark.slow
PROJECT = """[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "{name}"
version = "{version}"
dependencies = [{needs}]
[tool.setuptools]
packages = ["{package}"]
"""


def _project(folder: Path, name: str, version: str, needs: str = "") -> Path:
    """A Python project with one package whose VERSION is its version."""
    package = name.replace("-", "_")
    (folder / package).mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(PROJECT.format(name=name, version=version, package=package, needs=needs))
    (folder / package / "__init__.py").write_text(f"VERSION = {version!r}\n")
    return folder


def _committed(folder: Path, *, tag: str = "") -> str:
    """The folder as a git repository; its commit."""
    if not (folder / ".git").exists():
        subprocess.run([*GIT, "init", "-q", "-b", "main"], cwd=folder, check=True)
    for arguments in (("add", "-A"), ("commit", "-qm", "x"), *([("tag", "-a", "-m", tag, tag)] if tag else [])):
        subprocess.run([*GIT, *arguments], cwd=folder, check=True)
    command = [*GIT, "rev-parse", "HEAD"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def _version(tiny: Tiny, *arguments: str) -> str:
    """Which tinydep the built image imports."""
    built = tiny.build(*arguments)
    assert built.code == 0, built.out
    ran = tiny.run("connectors", "--name=source-tiny", "run", "--", "spec")
    assert ran.code == 0, ran.err
    return ran.out.partition('"tinydep": "')[2].partition('"')[0]


def test_a_folder_has_its_submodules(tiny: Tiny) -> None:
    """The files of a nested repository are installed too; one that is not checked out is an error, not a gap."""
    tiny.with_tools()
    inner = tiny.folder.parent / "inner"
    inner.mkdir()
    (inner / "__init__.py").write_text("VERSION = '9.0 with its submodule'\n")
    _committed(inner)
    library = _project(tiny.folder / "lib", "tinydep", "9.0")
    add = (*GIT, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "lib/tinydep/inner")
    subprocess.run(add, cwd=tiny.folder, check=True, capture_output=True)
    (library / "pyproject.toml").write_text(
        PROJECT.format(name="tinydep", version="9.0", package='tinydep", "tinydep.inner', needs="")
    )
    (library / "tinydep/__init__.py").write_text("from tinydep.inner import VERSION as VERSION\n")
    tiny.require("-e ../../lib\n")
    assert _version(tiny) == "9.0 with its submodule"
    subprocess.run([*GIT, "submodule", "deinit", "-f", "--all"], cwd=tiny.folder, check=True, capture_output=True)
    gone = tiny.build()
    assert gone.code == 1 and "a submodule that is not checked out" in gone.json["reason"], gone.out


def test_a_folder_is_installed_as_it_is_now(tiny: Tiny) -> None:
    """By a requirement or by poetry's lock; an edit is detected, ignored files are not, and the image has no path of
    it.
    """
    tiny.with_tools()
    library = _project(tiny.folder / "lib", "tinydep", "9.0")
    tiny.require("-e ../../lib\n")
    assert _version(tiny) == "9.0"
    first = tiny.build()
    (library / "tinydep/__pycache__").mkdir()
    (library / "tinydep/__pycache__/x.pyc").touch()
    (library / "notes.txt").touch()
    (tiny.folder / ".gitignore").write_text("notes.txt\n")
    assert tiny.build().json["digest"] == first.json["digest"]
    (library / "tinydep/__init__.py").write_text("VERSION = '9.1'\n")
    assert _version(tiny) == "9.1"
    text = "import pathlib, sysconfig; print(*[p.name for p in pathlib.Path(sysconfig.get_paths()['purelib']).glob('*')"
    shown = tiny.run(
        *("connectors", "--name=source-tiny", "run", "--shell", "--", "-c"),
        f"""python -c "{text} if 'tinydep' in p.name], *pathlib.Path(sysconfig.get_paths()['purelib'])"""
        """.glob('tinydep*/direct_url.json'))" """,
    )
    assert sorted(shown.out.split()) == ["tinydep", "tinydep-9.0.dist-info"], shown.err


def test_a_commit_is_installed(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real repository at a commit: later and uncommitted changes have no effect; a lost one is reported."""
    tiny.with_tools()
    library = _project(tiny.folder.parent / "upstream", "tinydep", "7.0")
    commit = _committed(library)
    _project(library, "tinydep", "7.1")
    _committed(library)
    tiny.require(f"tinydep @ git+file://{library}@{commit}\n")
    refused = tiny.build()
    assert refused.code == 1 and "it is a folder of this machine" in refused.json["reason"]
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "file")
    assert _version(tiny) == "7.0"
    tiny.require(f"tinydep @ git+file://{library}@{'0' * 40}\n")
    lost = tiny.build()
    assert lost.code == 1
    assert lost.json["reason"].startswith(f"cannot fetch tinydep from git file://{library} at 000000000000: fatal:")


def test_a_file_of_the_repository_is_what_was_locked(tiny: Tiny) -> None:
    """A wheel by its path and hash; other bytes under its name are refused."""
    folder = tiny.connector() / "wheels"
    folder.mkdir()
    path = sample_wheels.make(folder, "tinydep", "5.0", {"tinydep/__init__.py": "VERSION = '5.0'\n"})
    sha256 = tiny.index.add("elsewhere", path.name, path.read_bytes())
    tiny.require(f"tinydep @ ./wheels/{path.name} --hash=sha256:{sha256}\n")
    assert _version(tiny) == "5.0"
    tiny.require(f"tinydep @ ./wheels/{path.name} --hash=sha256:{'0' * 64}\n")
    refused = tiny.build()
    assert refused.code == 1
    assert "whose content does not match the locked hash" in refused.json["reason"]


def test_the_framework_that_is_being_edited(tiny: Tiny) -> None:
    """airbyte-cdk from a folder and a tag instead of the locked one; its requirements must be in the lock."""
    tiny.with_tools()
    locked = tiny.wheel("airbyte_cdk", "1.0", {"airbyte_cdk/__init__.py": "VERSION = '1.0'\n"})
    tiny.require(tiny.small(), locked)
    main = tiny.connector() / "main.py"
    main.write_text(
        main.read_text().replace("tinydep.VERSION", "airbyte_cdk.VERSION").replace("bigdep,", "airbyte_cdk,")
    )
    assert _version(tiny) == "1.0"
    framework = _project(tiny.folder.parent / "cdk", "airbyte-cdk", "2.0", '"tinydep>=1"')
    _committed(framework, tag="v2.0")
    _project(framework, "airbyte-cdk", "2.2", '"tinydep>=1"')
    for arguments, expected in (
        ((f"--use-local-cdk={framework}",), "2.2"),
        ((f"--use-cdk-ref=file://{framework}@v2.0",), "2.0"),
        ((), "1.0"),
    ):
        assert _version(tiny, *arguments) == expected
    _project(framework, "airbyte-cdk", "2.3", '"tinydep>=2", "newdep"')
    refusals: tuple[tuple[tuple[str, ...], str], ...] = (
        (
            (f"--use-local-cdk={framework}",),
            "airbyte-cdk now requires packages that the lock does not have: tinydep>=2 (1.0), newdep (not in the",
        ),
        ((f"--use-cdk-ref=file://{framework}@nowhere",), "the branch or tag does not exist"),
        ((f"--use-local-cdk={tiny.folder}",), "it has neither pyproject.toml nor setup.py"),
        ((f"--use-local-cdk={framework}", "--use-cdk-ref=main"), "exclude each other"),
    )
    for options, said in refusals:
        refused = tiny.build(*options)
        told = refused.out + refused.err
        assert refused.code in (1, 2)
        assert said in told
        assert "Traceback" not in told
    tiny.require(tiny.small())
    main.write_text("")
    without = tiny.build(f"--use-local-cdk={framework}")
    assert "the lock does not contain airbyte-cdk" in without.out
