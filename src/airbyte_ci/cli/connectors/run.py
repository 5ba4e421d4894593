"""`connectors run`: runs a built image as the Airbyte platform does."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from airbyte_ci import app
from airbyte_ci.cli import console
from airbyte_ci.cli import fleet as fleets
from airbyte_ci.cli.options import SelectionOptions, with_selection
from airbyte_ci.cli.settings import Settings
from airbyte_ci.connector_tests import secrets
from airbyte_ci.connector_tests.protocol import problem_of_catalog, problem_of_state
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import AirbyteCiError, BlobNotFound, UsageError
from airbyte_ci.images import base, naming, run, source
from airbyte_ci.images.code_places import DEFAULT_MAIN
from airbyte_ci.images.run import RunSettings
from airbyte_ci.oci import local
from airbyte_ci.oci.image import Image
from airbyte_ci.oci.store.store import Store
from airbyte_ci.sandbox.command import LENT, Mount, Network

_FILE_OPTIONS = ("--config", "--catalog", "--state")


@click.command("run", context_settings={"ignore_unknown_options": True})
@click.option("-t", "--tag", default="dev", show_default=True, help="Run the local image with this tag.")
@click.option("--shell", is_flag=True, help="Open a shell in the image instead of running the connector.")
@click.option("--mount", "mounts", multiple=True, metavar="DIR:DIR", help="Mount a folder of this machine; repeatable.")
@click.option("--mount-code", is_flag=True, help="Use the connector's code in the working tree, without a build.")
@click.option(
    "--network",
    type=click.Choice(["private", "host", "none"]),
    default="private",
    show_default=True,
    help="Set the network. private reaches other machines, but not this machine's loopback.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@with_selection
def run_connector(
    settings: Settings,
    asked: SelectionOptions,
    arguments: tuple[str, ...],
    tag: str,
    *,
    shell: bool,
    mounts: tuple[str, ...],
    mount_code: bool,
    network: Network,
) -> int:
    """Run a built image: `run -- spec`, `run -- check --config FILE`. The exit code is the connector's.

    The files of --config, --catalog and --state are validated and mounted; folders need --mount. `run -- spec` accepts
    several connectors.
    """
    fleet = fleets.load_for_change(settings, asked, "run")
    connectors = fleet.connectors
    if len(connectors) != 1 and (shell or arguments != ("spec",)):
        raise UsageError(
            f"run takes one connector, but {len(connectors)} are selected", advice="select one with --name"
        )
    if not arguments and not shell:
        raise UsageError(
            "run needs a command of the connector",
            advice=f"airbyte-ci connectors --name={connectors[0].name} run -- spec",
        )
    lent = [mount(text) for text in mounts]
    arguments, files = _files(arguments, connectors[0], lent)
    store = app.open_store()
    terminal = shell and sys.stdin.isatty() and sys.stdout.isatty()
    failed = []
    with app.open_registries(fleet.configuration, offline=settings.offline) as registry:
        for connector in connectors:
            try:
                image = _image(store, connector, tag)
                below = base.annotated(image)
                base.complete(store, image, (below,) if below else (), registry)
                code = _code(connector, image) if mount_code else []
                run_settings = RunSettings((*lent, *code, *files), network, terminal, shell)
                ended = run.run(store, image, arguments, run_settings)
            except AirbyteCiError as error:
                if len(connectors) == 1:
                    raise
                console.failure(error)
                ended = error.exit_code
            if len(connectors) == 1:
                return ended
            if ended:
                failed.append(connector.name)
    summary = f"{len(connectors)} connectors: {len(connectors) - len(failed)} answered {arguments[0]}"
    console.line(summary + (f" · {len(failed)} did not: {', '.join(failed)}" if failed else ""), err=True)
    return int(bool(failed))


def _image(store: Store, connector: Connector, tag: str) -> Image:
    name = f"{connector.image_repository}:{naming.tag(tag, connector)}"
    build = f"airbyte-ci connectors --name={connector.name} build"
    found = local.find_named(store, name, app.find_platform())
    if found is None:
        raise BlobNotFound(f"cannot run {connector.name}: {name} is not built yet", advice=build)
    return found


def _files(
    arguments: tuple[str, ...], connector: Connector, lent: Sequence[Mount]
) -> tuple[tuple[str, ...], list[Mount]]:
    """Returns the arguments and the mounts of the files that --config, --catalog and --state name.

    Relative paths are searched in the current folder and the connector's folder. An absolute path that does not exist
    here is one in the image or in a mount (`lent`). Raises UsageError for a missing or invalid file.
    """
    result: list[str] = []
    mounts: list[Mount] = []
    words = iter(arguments)
    for word in words:
        option, equals, value = word.partition("=")
        result.append(option if equals and option in _FILE_OPTIONS else word)
        if option not in _FILE_OPTIONS:
            continue
        value = value if equals else next(words, "")
        if not value:
            raise UsageError(f"{option} needs a file", advice=f"{option} FILE")
        path = _find(option, value, connector, lent)
        if path is None:
            result.append(value)
            continue
        _refuse_unfit(option, path)
        target = f"/.airbyte-ci/files/{option.lstrip('-')}-{path.name}"
        mounts.append(Mount(source=path.resolve(), target=target, purpose=LENT))
        result.append(target)
    return tuple(result), mounts


def _find(option: str, value: str, connector: Connector, lent: Sequence[Mount]) -> Path | None:
    """Returns the file on this machine, or None for a file in the image. Raises UsageError if it can be neither."""
    places = [folder / value for folder in (Path.cwd(), connector.folder)]
    if path := next((place for place in places if place.is_file()), None):
        return path
    if not value.startswith("/"):
        where = " or ".join(dict.fromkeys(str(place.parent) for place in places))
        raise UsageError(f"{option} {value}: there is no such file in {where}")
    here = places[0]
    if any(value.startswith(f"{item.target.rstrip('/')}/") for item in lent) or not here.parent.is_dir():
        return None
    raise UsageError(f"{option} {value}: {'it is a folder' if here.is_dir() else 'it does not exist'}")


def _refuse_unfit(option: str, path: Path) -> None:
    """Raises UsageError for a file that is invalid for the option, without quoting its contents."""
    if option == "--config":
        secrets.configuration_in(path)
        return
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{option} {path}: {error.strerror}") from error
    problem = problem_of_state(text) if option == "--state" else problem_of_catalog(text)
    if problem:
        raise UsageError(f"{option} {path}: {problem}")


def mount(text: str) -> Mount:
    """Returns the mount of `--mount DIR:DIR[:ro]`; raises UsageError."""
    source_text, colon, rest = text.partition(":")
    target, _, mode = rest.partition(":")
    path = Path(source_text).expanduser().absolute()
    if not colon or not target.startswith("/") or mode not in ("", "ro", "rw"):
        raise UsageError(f"--mount {text!r} is invalid", advice="use the form ./data:/data, or ./data:/data:ro")
    if not path.exists():
        raise UsageError(f"--mount {text!r}: {path} does not exist")
    return Mount(source=path, target=target, writable=mode != "ro", purpose=LENT)


def _code(connector: Connector, image: Image) -> list[Mount]:
    """Returns the mounts of the main file and the package from the working tree."""
    entrypoint = image.config.execution.get("Entrypoint") or []
    main = str(entrypoint[-1]) if entrypoint else f"/{source.CODE}/{DEFAULT_MAIN}"
    places = {main: Path(main).name, f"/{source.CODE}/{connector.package}": connector.package}
    return [Mount(source=connector.folder / name, target=target, purpose=LENT) for target, name in places.items()]
