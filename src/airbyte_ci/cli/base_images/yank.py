"""`base-images yank`: withdraws a version, and prints how to move the connectors that use it."""

from dataclasses import replace

import click

from airbyte_ci import app
from airbyte_ci.base_images.catalog.catalog import BaseImageVersion
from airbyte_ci.cli import console
from airbyte_ci.cli.base_images import bench as benches
from airbyte_ci.cli.base_images import docs
from airbyte_ci.cli.base_images import users as base_images_users
from airbyte_ci.cli.options import json_option
from airbyte_ci.cli.settings import Settings
from airbyte_ci.errors import UsageError


@click.command("yank")
@click.argument("version")
@click.option("--reason", help="Give the reason in one line, for the users of the version.")
@click.option("--replace-with", "other", metavar="VERSION", help="Name the version to move to.")
@click.option("--undo", is_flag=True, help="Undo the withdrawal.")
@json_option
@click.pass_obj
def yank_base_image(
    settings: Settings, version: str, reason: str | None, other: str | None, *, undo: bool, as_json: bool
) -> int:
    """Withdraw a version: migrations, upgrades and publishing refuse it, and builds print a warning."""
    settings = settings.also(as_json=as_json)
    why = " ".join((reason or "").split())
    if reason is not None and not why:
        raise UsageError("--reason is empty", advice="give the reason in a few words, for the users of the version")
    if undo == bool(why) or (undo and other):
        raise UsageError("yank needs either --reason, or --undo without other options")
    with benches.opened(settings, version) as bench:
        entry = bench.known.named(version, bench.configuration.base_image_repositories)
        target = bench.known.named(f"{entry.repository}:{other}") if other else None
        if undo and not entry.yanked:
            raise UsageError(f"{entry.repository}:{entry.version} is not yanked", advice="airbyte-ci base-images list")
        if target and (objection := _objection(entry, target)):
            raise UsageError(f"{target.version} cannot replace {entry.version}: {objection}")
        changed = replace(entry, yanked=why, replaced_by=target.version if target else "")
        known = bench.known.replacing(changed)
        changes = [benches.recorded(bench, changed)]
        # Only base images that this repository releases have a page here.
        if entry.released and any(item.repository == entry.repository for item in bench.own.versions):
            changes.append(docs.change(bench, entry.repository, known, None))
        files = benches.written(bench, *changes)
    users = base_images_users.of(settings, known, changed)
    if settings.as_json:
        document = {"repository": entry.repository, **changed.to_json(), **users.to_json()}
        console.document(document)
        return 0
    said = "is no longer yanked" if undo else f"is yanked: {changed.yanked}"
    console.line(f"{benches.mark()} {entry.repository}:{entry.version} {said}")
    for path in files:
        console.line(f"  ~ {path}")
    if target and _minor(target.python) != _minor(entry.python):
        console.line(f"  · {target.version} has Python {target.python}, {entry.version} has {entry.python}")
    if users.names and not undo:
        console.line(f"  {len(users.names)} connectors use it: {', '.join(users.names)}")
        for line in users.lines():
            console.line(line)
    return 0


def _objection(entry: BaseImageVersion, target: BaseImageVersion) -> str:
    """Returns why the target cannot replace the version; empty if it can."""
    if target.version == entry.version:
        return "it is the same version"
    if target.yanked:
        return f"it is yanked: {target.yanked}"
    if target.is_prerelease:
        return "it is a pre-release"
    if target.is_expired(app.today()):
        return f"its support ended on {target.supported_until}"
    return "" if target.verified else "its digest was never verified"


def _minor(python: str) -> str:
    return ".".join(python.split(".")[:2])
