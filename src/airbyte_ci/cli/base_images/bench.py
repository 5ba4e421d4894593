"""Shared by the `base-images` commands: their tools, the catalog and its file, and how they find an image."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from airbyte_ci import config
from airbyte_ci.base_images.catalog import catalog
from airbyte_ci.base_images.catalog.catalog import BaseImageVersion, Catalog
from airbyte_ci.base_images.declaration import declare
from airbyte_ci.base_images.declaration.declare import Declaration
from airbyte_ci.base_images.making import build, lock, root
from airbyte_ci.base_images.release import places
from airbyte_ci.cli import workbench
from airbyte_ci.cli.settings import Settings
from airbyte_ci.config import Configuration
from airbyte_ci.edits.edit import Edit, FileChange
from airbyte_ci.errors import UsageError
from airbyte_ci.oci.image import Image, Platform
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.environment.tools import Tools
from airbyte_ci.registry.client import RegistryClient

F = TypeVar("F", bound=Callable[..., Any])


def root_option(auto: str) -> Callable[[F], F]:
    """Adds `--root`, for commands that build a declaration; `auto` is its help text."""
    return click.option("--root", "kind", type=click.Choice(root.KINDS), default="auto", show_default=True, help=auto)


@dataclass(frozen=True, slots=True)
class Bench:
    """One command's tools. `own` is the repository's catalog; `known` adds the shipped versions to it."""

    configuration: Configuration
    own: Catalog
    known: Catalog
    work: Tools

    @property
    def store(self) -> Store:
        return self.work.store

    @property
    def registries(self) -> RegistryClient:
        return self.work.registries


@contextlib.contextmanager
def opened(settings: Settings, subject: str) -> Iterator[Bench]:
    """Opens the tools for the duration of the block; they report progress for the subject."""
    configuration = config.find(settings.repo)
    own = catalog.read(configuration.catalog_path)
    with workbench.open_app(settings, configuration) as (app, _):
        tools = app.tools(subject)
        yield Bench(configuration, own, catalog.shipped().merged(own), tools)


def declared(path: Path | None) -> Declaration:
    """Returns the declaration in a file (default: the shipped one); raises ConfigurationError."""
    return declare.read(path) if path else declare.shipped()


def recorded(bench: Bench, *entries: BaseImageVersion) -> FileChange:
    """Returns the change that writes these entries to the catalog's file."""
    return changed(bench.configuration, bench.configuration.catalog_path, catalog.dump(bench.own.replacing(*entries)))


def changed(configuration: Configuration, path: Path, text: str) -> FileChange:
    """Returns the change that writes this text to a file; raises UsageError for a file outside the repository."""
    try:
        relative = path.absolute().relative_to(configuration.root.absolute())
    except ValueError as error:
        raise UsageError(f"{path} is not in the repository at {configuration.root}") from error
    return FileChange(relative.as_posix(), path.read_bytes() if path.exists() else None, text.encode())


def written(bench: Bench, *changes: FileChange) -> list[str]:
    """Writes all files or none, and returns the paths of those that changed, for display."""
    edit = Edit.of(changes)
    edit.apply(bench.configuration.root)
    return [workbench.shown_path(bench.configuration.root.absolute() / item.path) for item in edit.changes]


def lock_of(bench: Bench, address: Reference) -> lock.VersionLock | None:
    """Returns the lock of a version, or None; `address` has the version as its tag."""
    return lock.read(places.lock(address, bench.configuration.root))


def image_of(bench: Bench, text: str, platform: Platform) -> tuple[str, Reference, Image]:
    """Finds an image by a declaration's file, a version, an address or a name in the store.

    Builds or pulls it if the store lacks it. Returns its display name, its address and the image.
    """
    path = Path(text)
    if path.suffix in (".yaml", ".yml"):
        made = build.build(declare.read(path), bench.work, platform)
        return f"{made.version.address.name} {made.version.version}", made.version.address, made.image
    reference = _meant(bench, text)
    found = root.in_store(bench.store, reference, platform)
    if found is None:
        bench.work.say(f"pulling {reference}")
        found = bench.registries.pull(reference, platform, bench.store)
    version = reference.tag or (reference.digest.short if reference.digest else "")
    return f"{reference.name} {version}", reference, found


def _meant(bench: Bench, text: str) -> Reference:
    if "/" in text and "@sha256:" in text:
        return Reference.parse(text)
    try:
        return bench.known.named(text, bench.configuration.base_image_repositories).address
    except UsageError:
        if named := bench.store.resolve(text):
            return Reference.parse(text).with_digest(named.digest)
        raise


def tell(settings: Settings, *lines: str) -> None:
    """Prints lines for people; with --json they go to stderr."""
    for line in lines:
        workbench.say(settings, line)


def mark(*, good: bool = True) -> str:
    return click.style("✓", fg="green") if good else click.style("✗", fg="red")
