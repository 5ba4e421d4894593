"""The `store` group: inspects, verifies, prunes, exports and imports the local image store."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import click

from airbyte_ci import app
from airbyte_ci.cli import console
from airbyte_ci.cli.lazy import LazyGroup
from airbyte_ci.cli.options import json_option
from airbyte_ci.cli.settings import Settings
from airbyte_ci.cli.size_types import DurationType, SizeType
from airbyte_ci.oci.store.size import format_size
from airbyte_ci.reports import next_step

_COMMANDS: Mapping[str, tuple[str, str, str]] = {
    "stats": ("airbyte_ci.cli.store", "stats", "Show the size and contents of the store."),
    "check": ("airbyte_ci.cli.store", "check", "Verify everything in the store."),
    "gc": ("airbyte_ci.cli.store", "gc", "Remove data that was not used recently."),
    "export": ("airbyte_ci.cli.store_export", "export", "Write the most valuable part of the store to a file."),
    "import": ("airbyte_ci.cli.store", "import_", "Add the contents of an exported file to the store."),
}


@click.group("store", cls=LazyGroup, lazy=_COMMANDS)
def store() -> None:
    """Inspect, verify, prune and move the local image store in AIRBYTE_CI_HOME."""


@click.command("stats")
@json_option
@click.pass_obj
def stats(settings: Settings, *, as_json: bool) -> int:
    """Show the size and contents of the store, and how much its images share."""
    from airbyte_ci.oci.store import stats as counting

    opened = app.open_store()
    counted = counting.stats(opened)
    if settings.also(as_json=as_json).as_json:
        console.document({"root": str(opened.root), **asdict(counted)})
        return 0
    console.line(f"store      {opened.root}")
    console.line(f"blobs      {counted.blobs:,} · {format_size(counted.blob_bytes)}")
    console.line(f"snapshots  {counted.snapshots:,} · {format_size(counted.snapshot_bytes)}")
    console.line(f"caches     {counted.caches:,} · {format_size(counted.cache_bytes)} shared by commands")
    console.line(f"actions    {counted.actions:,}")
    shared = f" ({format_size(counted.shared_bytes)} saved by shared layers)" if counted.shared_bytes else ""
    console.line(f"images     {counted.names:,} with a name · {format_size(counted.named_bytes)}{shared}")
    return 0


@click.command("check")
@click.option("--drop", is_flag=True, help="Remove damaged entries; they are built or fetched again when needed.")
@click.option("--deep", is_flag=True, help="Also unpack every layer and compare it with its snapshot.")
@json_option
@click.pass_obj
def check(settings: Settings, *, drop: bool, deep: bool, as_json: bool) -> int:
    """Verify every blob, action, snapshot and named image. The exit code is 1 if damaged entries remain."""
    from airbyte_ci.oci.store import check as checking
    from airbyte_ci.rootfs import snapshot_check

    opened = app.open_store()
    checked = checking.check(opened, snapshot_check.check(opened, deep=deep, drop=drop), drop=drop)
    if settings.also(as_json=as_json).as_json:
        damages = [{"subject": item.subject, "reason": item.reason} for item in checked.damages]
        console.document(
            {
                "blobs": checked.blobs,
                "actions": checked.actions,
                "snapshots": checked.snapshots,
                "damages": damages,
            }
        )
    else:
        for item in checked.damages:
            mark = click.style("✗", fg="red")
            console.line(f"{mark} {item.subject}: {item.reason}{' (dropped)' if drop else ''}")
        counted = f"{checked.blobs:,} blobs, {checked.actions:,} actions, {checked.snapshots:,} snapshots"
        counted += f", {checked.names:,} named images"
        console.line(f"{counted} · {len(checked.damages)} damaged")
        if checked.damages and not drop:
            console.line(f"  {next_step.line('airbyte-ci store check --drop')}")
    return 1 if checked.damages and not drop else 0


@click.command("gc")
@click.option(
    "--older-than", type=DurationType(), help="Remove data that was not used for this long, such as 12h, 30d or 2w."
)
@click.option(
    "--max-size",
    type=SizeType(),
    help="Remove the least recently used data until the store is this small (default: AIRBYTE_CI_STORE_LIMIT or 20GB).",
)
@json_option
@click.pass_obj
def gc(settings: Settings, older_than: float | None, max_size: int | None, *, as_json: bool) -> int:
    """Remove files of killed processes and data that was not used recently.

    Without an option, prune the store to its limit. Named images and data that running commands use are kept.
    """
    from airbyte_ci.oci.store import collect, limit

    opened = app.open_store()
    bound = limit.of(app.read_environment()) if older_than is None and max_size is None else max_size
    collected = collect.collect(opened, collect.Policy(older_than, bound))
    limit.record(opened, collected.size)
    if settings.also(as_json=as_json).as_json:
        console.document(asdict(collected))
    else:
        freed, size = format_size(collected.freed), format_size(collected.size)
        console.line(f"{collected.removed:,} entries removed, {freed} · {collected.kept:,} kept, {size}")
        if older_than is None and max_size is None and bound is not None:
            reason = f"the limit is {format_size(bound)}; use --older-than or --max-size to remove more"
            console.line(f"  {reason}")
    return 0


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--trust-results",
    is_flag=True,
    help="Also import results of builds. Whoever can write FILE then decides what images contain.",
)
@json_option
@click.pass_obj
def import_(settings: Settings, file: Path, *, trust_results: bool, as_json: bool) -> int:
    """Add the contents of FILE, written by `store export`, to the store.

    Everything is stored under the digest of its bytes. Packages and base images are safe from any FILE, because builds
    request them by digest. Results of builds cannot be verified, and are left out without --trust-results.
    """
    from airbyte_ci.images.result_kinds import PORTABLE
    from airbyte_ci.oci.exchange import load

    found = load.load(app.open_store(), file, PORTABLE, with_results=trust_results)
    if settings.also(as_json=as_json).as_json:
        console.document({"file": str(file), **asdict(found)})
        return 0
    known = f" · {found.known:,} already in the store" if found.known else ""
    console.line(f"{found.blobs:,} files, {format_size(found.size)}, and {found.actions:,} actions added{known}")
    if found.ignored:
        console.line(f"! {found.ignored:,} results of builds were left out; if you trust the file: --trust-results")
    return 0
