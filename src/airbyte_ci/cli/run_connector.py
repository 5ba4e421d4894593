"""`connectors run`: a built image, as the platform would run it."""

import sys
from pathlib import Path

import click

from airbyte_ci.build import base, naming, run, source
from airbyte_ci.build.run import RunSettings
from airbyte_ci.cli import fleet as fleets
from airbyte_ci.cli import workbench
from airbyte_ci.cli.options import Asked, with_selection
from airbyte_ci.cli.settings import Settings
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.container.command import LENT, Mount, Network
from airbyte_ci.errors import BlobNotFound, UsageError
from airbyte_ci.oci.image import BASE_NAME, Image, Index
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store import Store

_FILE_OPTIONS = ("--config", "--catalog", "--state")


@click.command("run", context_settings={"ignore_unknown_options": True})
@click.option("-t", "--tag", default="dev", show_default=True, help="Run the local image with this tag.")
@click.option("--shell", is_flag=True, help="A shell in the image instead of the connector.")
@click.option("--mount", "mounts", multiple=True, metavar="DIR:DIR", help="A folder of this machine; repeatable.")
@click.option("--mount-code", is_flag=True, help="The connector's code as it is now, with no build.")
@click.option(
    "--network",
    type=click.Choice(["private", "host", "none"]),
    default="private",
    show_default=True,
    help="private: the outside, but not this machine's loopback.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@with_selection
def run_connector(
    settings: Settings,
    asked: Asked,
    arguments: tuple[str, ...],
    tag: str,
    shell: bool,
    mounts: tuple[str, ...],
    mount_code: bool,
    network: Network,
) -> int:
    """Run a built image: `run -- spec`, `run -- check --config FILE`. Its exit code is the connector's.

    Files of this machine that --config, --catalog and --state name are lent to it; folders need --mount.
    """
    fleet = fleets.load_for_change(settings, asked, "run")
    if len(fleet.connectors) != 1:
        raise UsageError(
            f"run takes one connector, and {len(fleet.connectors)} are selected", advice="select one with --name"
        )
    connector = fleet.connectors[0]
    store = workbench.open_store()
    image = _image(store, connector, tag)
    with workbench.registries(settings, fleet.configuration) as registry:
        base.complete(store, image, _sources(image), registry)
    lent = [mount(text) for text in mounts] + (_code(connector, image) if mount_code else [])
    if not arguments and not shell:
        raise UsageError("run what?", advice=f"airbyte-ci connectors --name={connector.name} run -- spec")
    arguments, files = _files(arguments, connector)
    lent += files
    terminal = shell and sys.stdin.isatty() and sys.stdout.isatty()
    return run.run(store, image, arguments, RunSettings(tuple(lent), network, terminal, shell))


def _image(store: Store, connector: Connector, tag: str) -> Image:
    name = f"{connector.image_repository}:{naming.tag(tag, connector)}"
    build = f"airbyte-ci connectors --name={connector.name} build"
    descriptor = store.resolve(name)
    if descriptor is None:
        raise BlobNotFound(f"running {connector.name}: {name} is not built yet", advice=f"`{build}`")
    found = store.manifest(descriptor.digest)
    if isinstance(found, Index):
        descriptor = found.select(workbench.local_platform(), name)
    return store.image(descriptor.digest)


def _sources(image: Image) -> tuple[Reference, ...]:
    """Where the base's layers can be had, should the store lack them."""
    name = image.manifest.annotations.get(BASE_NAME)
    return (Reference.parse(name),) if name else ()


def _files(arguments: tuple[str, ...], connector: Connector) -> tuple[tuple[str, ...], list[Mount]]:
    """Files of this machine after --config, --catalog and --state, lent to the image under names of their own.

    Looked for from here and from the connector's folder; any other path is one in the image, left as it is.
    """
    result, mounts = list(arguments), []
    for position, option in enumerate(arguments[:-1]):
        if option in _FILE_OPTIONS:
            for folder in (Path.cwd(), connector.folder):
                path = folder / arguments[position + 1]
                if path.is_file():
                    target = f"/.airbyte-ci/files/{option.lstrip('-')}-{path.name}"
                    mounts.append(Mount(path.resolve(), target, purpose=LENT))
                    result[position + 1] = target
                    break
    return tuple(result), mounts


def mount(text: str) -> Mount:
    """What `--mount DIR:DIR[:ro]` lends; raises UsageError."""
    source_text, colon, rest = text.partition(":")
    target, _, mode = rest.partition(":")
    path = Path(source_text).expanduser().absolute()
    if not colon or not target.startswith("/") or mode not in ("", "ro", "rw"):
        raise UsageError(f"--mount {text!r} is not understood", advice="--mount ./data:/data, or …:/data:ro")
    if not path.exists():
        raise UsageError(f"--mount {text!r}: {path} does not exist")
    return Mount(path, target, writable=mode != "ro", purpose=LENT)


def _code(connector: Connector, image: Image) -> list[Mount]:
    """The main file that the image starts, and the package, from the working tree."""
    entrypoint = image.config.execution.get("Entrypoint") or []
    main = str(entrypoint[-1]) if entrypoint else f"/{source.CODE}/{source.DEFAULT_MAIN}"
    places = {main: Path(main).name, f"/{source.CODE}/{connector.package}": connector.package}
    return [Mount(connector.folder / name, target, purpose=LENT) for target, name in places.items()]
