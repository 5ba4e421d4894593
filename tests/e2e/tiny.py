"""Tiny connectors with tiny wheels on an index of this process: everything that a fleet has, built in a moment."""

import io
import os
import random
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import ImageConfig, Manifest
from airbyte_ci.oci.image import Index as ImageIndex
from airbyte_ci.oci.layer import layer_of
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store import limit
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry
from airbyte_ci.python.index.package_index import PUBLIC, PackageIndex
from airbyte_ci.registry.client import client_of_user
from airbyte_ci.registry.options import RegistryOptions
from airbyte_ci.rootfs import snapshot
from tests.e2e.command import GIT, Result, airbyte_ci
from tests.python import package_index, sample_wheels
from tests.python.package_index import Index

NAME = "source-tiny"
# The answer to `spec` shows which dependency the image really imports.
MAIN = """import json, bigdep, tinydep
print(json.dumps({"type": "SPEC", "spec": {"connectionSpecification": {"tinydep": tinydep.VERSION}}}))
"""
METADATA = """data:
  name: Tiny
  dockerRepository: acme/{name}
  dockerImageTag: 1.0.0
  tags: [language:python]
  connectorBuildOptions: {{baseImage: "{base}"}}
"""


PROJECT = '[project]\nname = "{name}"\nversion = "1.0.0"\ndependencies = ["tinydep"]\n'


@dataclass
class Tiny:
    """A repository of tiny connectors, its index, and the store that the command uses in it."""

    folder: Path
    home: Path
    index: Index
    base: str
    env: dict[str, str] = field(default_factory=dict)

    def connector(self, name: str = NAME) -> Path:
        return self.folder / "connectors" / name

    @property
    def environment(self) -> dict[str, str]:
        return {"PIP_INDEX_URL": self.index.url, **self.env}

    def run(
        self, *arguments: str, home: Path | None = None, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> Result:
        """The command in this repository."""
        environment = {**self.environment, **(env or {})}
        return airbyte_ci(*arguments, cwd=cwd or self.folder, home=home or self.home, env=environment, timeout=300)

    def start(self, *arguments: str, home: Path) -> "subprocess.Popen[str]":
        """The command in a process and a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "airbyte_ci", *arguments],
            cwd=self.folder,
            env={**os.environ, **self.environment, "AIRBYTE_CI_HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def build(
        self, *arguments: str, name: str = NAME, home: Path | None = None, env: Mapping[str, str] | None = None
    ) -> Result:
        """`build --json` of one connector."""
        return self.run("connectors", f"--name={name}", "build", "--json", *arguments, home=home, env=env)

    def wheel(self, name: str, version: str, files: Mapping[str, str | bytes]) -> str:
        """Puts a wheel on the index; its line in a requirements file."""
        path = sample_wheels.make(self.folder.parent, name, version, files)
        project = name.replace("_", "-")
        return f"{project}=={version} --hash=sha256:{self.index.add(project, path.name, path.read_bytes())}\n"

    def sdist(self, name: str, version: str, files: Mapping[str, str]) -> str:
        """The same of an sdist."""
        self.with_tools()
        body = sdist(name, version, files)
        return f"{name}=={version} --hash=sha256:{self.index.add(name, f'{name}-{version}.tar.gz', body)}\n"

    def require(self, *lines: str, name: str = NAME) -> None:
        """Makes these the connector's locked requirements, in addition to the large one."""
        (self.connector(name) / "requirements.txt").write_text("".join([self.big, *lines]))

    def with_tools(self) -> None:
        """Builds from source use tools from this machine's package sources."""
        usual = PackageIndex.from_environment(os.environ)
        self.env["PIP_EXTRA_INDEX_URL"] = " ".join([usual.main or PUBLIC.url, *usual.extra])

    @property
    def big(self) -> str:
        """A wheel that is worth a layer of its own."""
        data = random.Random(1).randbytes(600 << 10)
        return self.wheel("bigdep", "1.0", {"bigdep/__init__.py": "", "bigdep/data.bin": data})

    def small(self, version: str = "1.0") -> str:
        return self.wheel("tinydep", version, {"tinydep/__init__.py": f"VERSION = {version!r}\n"})

    def add(self, name: str = NAME) -> Path:
        """One more connector."""
        folder = self.connector(name)
        package = folder / name.replace("-", "_")
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("")
        (folder / "main.py").write_text(MAIN)
        (folder / "metadata.yaml").write_text(METADATA.format(name=name, base=self.base))
        (folder / "pyproject.toml").write_text(PROJECT.format(name=name))
        self.require(self.small(), name=name)
        return folder


def sdist(name: str, version: str, files: Mapping[str, str]) -> bytes:
    """An sdist's bytes."""
    data = io.BytesIO()
    described = {"PKG-INFO": sample_wheels.METADATA.format(name=name, version=version), **files}
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for path, text in described.items():
            item = tarfile.TarInfo(f"{name}-{version}/{path}")
            item.size = len(text.encode())
            archive.addfile(item, io.BytesIO(text.encode()))
    return data.getvalue()


@contextmanager
def tiny_fleet(folder: Path, home: Path, base: str) -> Iterator[Tiny]:
    """The repository, in git, with one connector."""
    with package_index.running(Index()) as index:
        made = Tiny(folder / "tiny", home, index, base)
        made.folder.mkdir(parents=True)
        (made.folder / ".airbyte-ci.toml").write_text('connectors = ["connectors/*"]\n')
        made.add()
        subprocess.run([*GIT, "init", "-q", "-b", "main"], cwd=made.folder, check=True)
        yield made


def with_base(source: Store, base: str, home: Path, *, unpacked: bool = False) -> Path:
    """A store in `home` that has the base image and nothing else: no memory, no snapshot.

    If `unpacked`, it shares the snapshots of the source and knows those of the base image, so that it is not unpacked
    again.
    """
    if unpacked:
        share(source.root, home, "records", "snapshots")
    target = Store(home)
    digest = Reference.parse(base).digest
    assert digest is not None
    manifest = source.manifest(digest)
    images = [item.digest for item in manifest.manifests] if isinstance(manifest, ImageIndex) else []
    wanted = {digest, *images}
    for item in images or [digest]:
        image = source.image(item)
        wanted |= image.manifest.blobs.keys()
        if unpacked:
            snapshot.unpack(source, image.layers)
            for key in map(snapshot._ways_key, image.config.diff_ids):
                target.remember(key, source.recall(key) or {})
    for item in wanted:
        if not target.has(item):
            link(source.path(item), target.path(item))
    return home


def share(source: Path, home: Path, *rooms: str) -> None:
    """Makes a store that has these rooms in common with another one."""
    home.mkdir(exist_ok=True)
    for room in rooms:
        (source / room).mkdir(exist_ok=True)
        if not (home / room).is_symlink():
            shutil.rmtree(home / room, ignore_errors=True)
            (home / room).symlink_to((source / room).resolve())
    limit.record(Store(home), 0)  # to measure it would read every folder of the other one


def link_store(source: Path, target: Path) -> None:
    """Gives a store the blobs of another one, and what that one remembers of them."""
    Store(target)
    for room in ("blobs", "actions", "records"):
        for path in (source / room).rglob("*"):
            there = target / path.relative_to(source)
            if path.is_dir():
                there.mkdir(exist_ok=True)
            elif not there.exists():
                link(path, there)


def link(source: Path, target: Path) -> None:
    """The same file at another place; a copy of it on another disk."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def own_layers(store: Store, digest: str, base: str) -> list[Digest]:
    """The layers of an image above its base's."""
    below = Reference.parse(base).digest
    assert below is not None
    manifest = store.manifest(below)
    count = len(store.image(manifest.manifests[0].digest if isinstance(manifest, ImageIndex) else below).layers)
    return [layer.digest for layer in store.image(Digest.parse(digest)).manifest.layers[count:]]


def derived(
    store: Store,
    base: str,
    *entries: Entry,
    tag: str,
    architecture: str = "amd64",
    user: str | None = None,
    execution: Mapping[str, object] | None = None,
) -> str:
    """A base image on top of another: one more layer, other settings or another architecture's name; its address."""
    reference = Reference.parse(base)
    assert reference.digest is not None
    manifest = store.manifest(reference.digest)
    below = store.image(manifest.manifests[0].digest if isinstance(manifest, ImageIndex) else reference.digest)
    layers = [layer_of(store, entries)] if entries else []
    document = {**below.config.document, "architecture": architecture}
    document["rootfs"] = {
        "type": "layers",
        "diff_ids": [*map(str, below.config.diff_ids), *(str(layer.diff_id) for layer in layers)],
    }
    document["history"] = [{"created_by": tag} for _ in document["rootfs"]["diff_ids"]]
    document["config"] = {**below.config.execution, **(execution or {}), **({} if user is None else {"User": user})}
    config = ImageConfig.make(document)
    descriptors = (*below.manifest.layers, *(layer.descriptor for layer in layers))
    image = store.put_image(Manifest.make(config.descriptor, descriptors, {}), config)
    return f"localhost/acme/derived-base:{tag}@{image.digest}"


def as_index(store: Store, *addresses: str) -> str:
    """An index of several platforms' base images; its address."""
    digests = [Reference.parse(address).digest for address in addresses]
    images = [store.image(digest) for digest in digests if digest]
    entries = tuple(replace(image.manifest.descriptor, platform=image.config.platform) for image in images)
    index = ImageIndex.make(entries, {})
    store.put(index.raw)
    return f"localhost/acme/derived-base:index@{index.digest}"


def push(store: Store, address: str, target: str) -> str:
    """An image or index of the store in a registry, as `target`; its address there."""
    reference = Reference.parse(address)
    assert reference.digest is not None
    with client_of_user(RegistryOptions()) as client:
        pushed = client.push(store, reference.digest, Reference.parse(target))
    return str(Reference.parse(target).with_digest(pushed.digest))
