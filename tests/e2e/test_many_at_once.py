"""Many builds into one place, by threads and by processes: nothing is lost, for any reader."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.check import check
from airbyte_ci.oci.store.store import Store
from tests.e2e import test_java
from tests.e2e.conftest import Base
from tests.e2e.tiny import NAME, Tiny, tiny_fleet, with_base

pytestmark = pytest.mark.slow
NAMES = tuple(f"source-tiny-{number:02}" for number in range(12))
ALL = ("connectors", "--all", "--concurrency=8")


@pytest.fixture(scope="module")
def fleet(home: Path, base: Base, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiny]:
    """Twelve tiny connectors, and a store that has their base image only."""
    folder = tmp_path_factory.mktemp("many")
    with tiny_fleet(
        folder, with_base(Store(home), base.address, folder / "store", unpacked=True), base.address
    ) as made:
        shutil.rmtree(made.connector())
        for name in NAMES:
            main = made.add(name) / "main.py"
            main.write_text(main.read_text() + f"# {name}\n")
        yield made


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Tiny]:
    """Four connectors on a base image of a few bytes: archives and Docker take a copy of the base image for each."""
    home = tmp_path / "store"
    with tiny_fleet(tmp_path, home, test_java.bare(Store(home))) as made:
        shutil.rmtree(made.connector())
        for name in NAMES[:4]:
            test_java.a_connector(made, made.base, name)
        yield made


def _twice(fleet: Tiny, *commands: Sequence[str], env: dict[str, str] | None = None) -> list[str]:
    """Runs the commands at once, each in its own process; returns their output."""
    environment = {**os.environ, **fleet.environment, "AIRBYTE_CI_HOME": str(fleet.home), **(env or {})}
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "airbyte_ci", *command],
            cwd=fleet.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for command in commands
    ]
    ended = [process.communicate(timeout=600) for process in running]
    assert [process.returncode for process in running] == [0] * len(commands), ended
    return [out for out, _ in ended]


def _skopeo(*arguments: str) -> str:
    return subprocess.run(["skopeo", *arguments], check=True, capture_output=True, text=True).stdout


def _digests(out: str) -> dict[str, str]:
    return {item["name"]: item["digest"] for item in map(json.loads, out.splitlines())}


def test_all_are_in_one_layout(fleet: Tiny, tmp_path: Path) -> None:
    """Two processes with eight threads each write two tags of twelve images: skopeo and umoci find every one."""
    layout = tmp_path / "layout"
    build = (*ALL, "build", "--json", "--no-verify", f"--output=oci:{layout}")
    first, second = _twice(fleet, (*build, "--tag={version}"), (*build, "--tag=dev"))
    found = _digests(first)
    assert sorted(found) == sorted(NAMES) and found == _digests(second)
    for name, digest in found.items():
        for tag in ("1.0.0", "dev"):
            assert json.loads(_skopeo("inspect", f"oci:{layout}:acme/{name}:{tag}"))["Digest"] == digest
    listed = subprocess.run(["umoci", "ls", "--layout", layout], check=True, capture_output=True, text=True).stdout
    assert sorted(listed.split()) == sorted(f"acme/{name}:{tag}" for name in NAMES for tag in ("1.0.0", "dev"))
    assert not [path for path in layout.rglob("*") if path.name.startswith(".")]
    assert Store(fleet.home).names() == tuple(
        sorted(f"acme/{name}:{tag}" for name in NAMES for tag in ("1.0.0", "dev"))
    )
    assert check(Store(fleet.home)).damages == ()


def test_each_archive_is_of_one_connector(bare: Tiny, tmp_path: Path) -> None:
    """One file for all is wrong usage before anything is built; with placeholders each has its own, named fully."""
    images = tmp_path / "images"
    shared = bare.run(*ALL, "build", f"--output=archive:{images}/all.tar")
    assert shared.code == 2 and "an archive holds one image" in shared.err, shared.err
    assert f"archive:{images}/{{name}}-{{version}}.tar" in shared.err
    both = bare.run(*ALL, "build", "-a", "linux/amd64", "-a", "linux/arm64", f"--output=archive:{images}/{{name}}")
    assert both.code == 2 and "an archive holds one platform" in both.err
    assert bare.run(*ALL, "build", f"--output=archive:{images}/{{nome}}.tar").code == 2
    assert not images.exists(), "nothing was built or written"
    place = f"--output=archive:{images}/{{name}}-{{version}}.tar"
    built = bare.run(*ALL, "build", "--json", "--no-verify", place, "--tag={version}", "--tag=latest")
    assert built.code == 0, built.out + built.err
    store = Store(bare.home)
    for name, digest in _digests(built.out).items():
        path = images / f"{name}-1.0.0.tar"
        config = json.loads(_skopeo("inspect", "--config", f"docker-archive:{path}"))
        assert config["rootfs"]["diff_ids"] == [str(item) for item in store.image(Digest.parse(digest)).config.diff_ids]
        with tarfile.open(path) as archive:
            (manifest,) = json.load(archive.extractfile("manifest.json") or pytest.fail("no manifest.json"))
        assert manifest["RepoTags"] == [f"acme/{name}:1.0.0", f"acme/{name}:latest"]


def test_all_are_in_one_registry(fleet: Tiny, registry: str) -> None:
    """Two processes push the same twelve images under two tags each at once."""
    build = (
        *ALL,
        "build",
        "--json",
        "--no-verify",
        f"--output=registry:{registry}/many",
        "-t",
        "{version}",
        "-t",
        "edge",
    )
    first, second = _twice(fleet, build, build)
    for name, digest in _digests(first).items():
        for tag in ("1.0.0", "edge"):
            address = f"docker://{registry}/many/acme/{name}:{tag}"
            assert json.loads(_skopeo("inspect", "--tls-verify=false", address))["Digest"] == digest
    assert _digests(first) == _digests(second)


def test_all_are_in_one_daemon(bare: Tiny, docker: str) -> None:
    """Two processes load the same images into one Docker daemon at once."""
    build = (*ALL, "build", "--json", "--no-verify", "--output=docker")
    out, _ = _twice(bare, build, build, env={"DOCKER_HOST": docker})
    store = Store(bare.home)
    for name, digest in _digests(out).items():
        command = ["docker", "--host", docker, "image", "inspect", "--format", "{{.Id}}", f"acme/{name}:dev"]
        shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        assert shown == str(store.image(Digest.parse(digest)).manifest.config.digest)


def test_images_of_one_name_are_refused(tiny: Tiny) -> None:
    """Two connectors with one dockerRepository would replace each other's image: both fail, others are built."""
    for name in ("source-one", "source-two"):
        metadata = tiny.add(name) / "metadata.yaml"
        metadata.write_text(metadata.read_text().replace(f"acme/{name}", "acme/same"))
    built = tiny.run("connectors", "--all", "build", "--json", "--no-verify")
    ended = {item["name"]: item.get("reason", "") for item in map(json.loads, built.out.splitlines())}
    assert built.code == 1 and ended.pop(NAME) == "", built.out
    assert sorted(ended) == ["source-one", "source-two"]
    assert "source-two has the same dockerRepository" in ended["source-one"]
    assert "source-one has the same dockerRepository" in ended["source-two"]


def test_a_pushed_version_is_not_overwritten(tiny: Tiny, registry: str) -> None:
    """Another image under the tag of a version is refused before anything is pushed, unless forced; other tags move."""
    push = ("--no-verify", f"--output=registry:{registry}/once")
    one = tiny.build(*push, "-t", "{version}", "-t", "edge")
    assert one.code == 0, one.out + one.err
    assert tiny.build(*push, "-t", "{version}").code == 0, "the same image may be pushed again"
    main = tiny.connector() / "main.py"
    main.write_text(main.read_text() + "# changed\n")
    two = tiny.build(*push, "-t", "edge", "-t", "1.0.0")
    assert two.code == 1 and "already points to another image" in two.out and "--force" in two.json["advice"], two.out

    def stands(tag: str) -> str:
        address = f"docker://{registry}/once/acme/{NAME}:{tag}"
        digest: str = json.loads(_skopeo("inspect", "--tls-verify=false", address))["Digest"]
        return digest

    assert stands("1.0.0") == stands("edge") == one.json["digest"], "neither tag was moved"
    moved = tiny.build(*push, "-t", "edge")
    assert moved.code == 0 and stands("edge") == moved.json["digest"] != one.json["digest"]
    forced = tiny.build(*push, "-t", "{version}", "--force")
    assert forced.code == 0 and stands("1.0.0") == forced.json["digest"] == stands("edge")


def test_tags_are_filled_in(tiny: Tiny) -> None:
    """The commit that was built is in the tag, and marked when the files differ from it; bad tags build nothing."""
    git = ("git", "-c", "user.name=test", "-c", "user.email=test@example.com", "-C", str(tiny.folder))
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", "fleet"], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout[:12]
    assert tiny.build("--no-verify", "-t", "{version}-{commit}").json["outputs"] == [f"acme/{NAME}:1.0.0-{commit}"]
    main = tiny.connector() / "main.py"
    main.write_text(main.read_text() + "# changed\n")
    assert tiny.build("--no-verify", "-t", "{commit}").json["outputs"] == [f"acme/{NAME}:{commit}-dirty"]
    for bad in ("", "a/b", "{what}", "-x", "a" * 129):
        refused = tiny.build(f"--tag={bad}")
        assert refused.code == 2 and "--tag" in refused.err, (bad, refused.err)
    metadata = tiny.connector() / "metadata.yaml"
    metadata.write_text(metadata.read_text().replace("dockerImageTag: 1.0.0", "dockerImageTag: 1.0.0+build"))
    refused = tiny.build("-t", "{version}")
    assert refused.code == 1 and "'1.0.0+build' is not a valid tag" in refused.json["reason"]
