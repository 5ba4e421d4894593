"""`store export`: writes what other machines need to build the same connectors quickly."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from airbyte_ci import app
from airbyte_ci.cli import console
from airbyte_ci.cli import fleet as fleets
from airbyte_ci.cli.options import SelectionOptions, with_selection, with_shard
from airbyte_ci.cli.settings import Settings
from airbyte_ci.cli.size_types import DurationType, SizeType
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.images.result_kinds import PORTABLE
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.exchange import save
from airbyte_ci.oci.store.size import format_size
from airbyte_ci.oci.store.store import Store


@click.command("export")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--limit", type=SizeType(), default="2GB", help="Write at most this many bytes (default: 2GB).")
@click.option(
    "--used-within",
    type=DurationType(),
    help="Leave out what was not used for this long, such as 12h or 7d (default: export data of any age).",
)
@click.option(
    "--downloads-only", is_flag=True, help="Leave out results of builds: write only packages and base images."
)
@with_shard
@with_selection
def export(
    settings: Settings,
    asked: SelectionOptions,
    file: Path,
    limit: int,
    used_within: float | None,
    *,
    downloads_only: bool,
) -> int:
    """Write what other machines need to build the same connectors quickly to FILE, an OCI image layout in a tar.

    The most valuable data comes first: stored results, base images, layers, packages; and of these, what was used last.
    With a filter, FILE has only what builds of the selected connectors need; without one, all that the store has for
    any connector. Connectors that were not built in this store are reported.

    FILE has the code of connectors and the output of their hooks' commands: only people who may read these should read
    it. Builds can use the store meanwhile.
    """
    store = app.open_store()
    images: list[Digest] | None = None
    missing: tuple[str, ...] = ()
    if asked.selection or asked.everything or asked.shard:
        fleet = fleets.load_for_change(settings, asked, "export")
        images, missing = _images(store, fleet.connectors)
        if missing:
            fleets.warn(f"not built in this store, so left out: {', '.join(missing)}")
    since = 0.0 if used_within is None else time.time() - used_within
    made = save.export(store, file, PORTABLE, limit=limit, with_results=not downloads_only, since=since, images=images)
    if settings.as_json:
        selected = {} if images is None else {"missing": list(missing), **asked.facts}
        console.document({"file": str(file), **asdict(made), **selected})
        return 0
    counted = f"{made.downloads:,} downloads, {made.results:,} layers and other results, {made.actions:,} actions"
    console.line(f"{counted} · {format_size(made.size)} in {file}")
    if made.left_out:
        left = f"{made.left_out:,} entries, {format_size(made.left_out_size)}, did not fit"
        console.line(f"! {left}; the limit is {format_size(limit)}: --limit")
    return 0


def _images(store: Store, connectors: Sequence[Connector]) -> tuple[list[Digest], tuple[str, ...]]:
    """Returns the images that the store has of these connectors under any tag, and the names of those without one."""
    named: dict[str, list[str]] = {}
    for name in store.names():
        named.setdefault(name.rpartition(":")[0], []).append(name)
    images: list[Digest] = []
    missing: list[str] = []
    for connector in connectors:
        wanted = connector.image_repository
        # An output can be another registry's name.
        tags = [tag for place, found in named.items() if f"/{place}".endswith(f"/{wanted}") for tag in found]
        images += [found.digest for tag in tags if (found := store.resolve(tag))]
        missing += [] if tags else [connector.name]
    return images, tuple(missing)
