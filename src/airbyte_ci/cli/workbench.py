"""Puts together what commands that build or run need: store, index, registry client, threads, progress."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import click

from airbyte_ci import config
from airbyte_ci.cli.settings import Settings
from airbyte_ci.config import Configuration
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Descriptor, Image, Platform
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.registry.options import RegistryOptions
from airbyte_ci.oci.store import Store

# Fetching waits more than it works, and compression releases the interpreter lock.
_THREADS = 8


def open_store() -> Store:
    return Store(config.home(os.environ))


def environment() -> Mapping[str, str]:
    """This process' environment, read here at the edge and passed on as an argument."""
    return dict(os.environ)


def local_platform() -> Platform:
    """The platform that this machine runs."""
    machine = os.uname().machine
    return Platform("linux", {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine))


@dataclass(frozen=True, slots=True)
class Registry:
    """Pulling and pushing with the user's logins and the repository's configuration. Connects when used."""

    settings: Settings
    configuration: Configuration
    store: Store

    def pull(self, reference: Reference, platform: Platform) -> Image:
        from airbyte_ci.oci.registry.client import (
            client_of_user,
        )  # slow to import, and most builds pull nothing

        with client_of_user(self._options()) as client:
            return client.pull(reference, platform, self.store)

    def push(self, digest: Digest, target: Reference, base: Reference) -> Descriptor:
        from airbyte_ci.oci.registry.client import client_of_user

        with client_of_user(self._options()) as client:
            return client.push(self.store, digest, target, sources=(base,))

    def _options(self) -> RegistryOptions:
        return RegistryOptions(
            offline=self.settings.offline,
            insecure=frozenset(self.configuration.insecure_registries),
            mirrors=self.configuration.mirrors,
        )


@contextlib.contextmanager
def threads() -> Iterator[Executor]:
    """A pool that gives up its waiting work when something fails or the person interrupts."""
    pool = ThreadPoolExecutor(_THREADS)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class Progress:
    """One live line on a terminal's stderr; silent elsewhere and with --quiet."""

    def __init__(self, settings: Settings) -> None:
        self._live = sys.stderr.isatty() and not settings.quiet

    def teller(self, subject: str) -> Callable[[str], None]:
        def say(step: str) -> None:
            if self._live:
                width = max(20, os.get_terminal_size(2).columns - 1)
                click.echo(f"\r\x1b[2K{f'{subject} · {step}'[:width]}", nl=False, err=True)

        return say

    def clear(self) -> None:
        if self._live:
            click.echo("\r\x1b[2K", nl=False, err=True)


def say(settings: Settings, text: str = "") -> None:
    """Talk for people, on stderr when stdout is for a machine."""
    if not settings.quiet or settings.as_json:
        click.echo(text, err=settings.as_json)


def shown_path(path: Path) -> str:
    """A path as short as it can be from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
