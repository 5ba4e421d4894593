"""`base-images yank`: a version is withdrawn; nothing may move to it, and who is on it is told how to leave."""

import json
from dataclasses import replace

import click

from airbyte_ci.base_images import standing, usage
from airbyte_ci.cli import base_images_bench as benches
from airbyte_ci.cli import base_images_docs as docs
from airbyte_ci.cli import fleet as fleets
from airbyte_ci.cli.options import Asked, json_option
from airbyte_ci.cli.settings import Settings
from airbyte_ci.errors import UsageError
from airbyte_ci.reports import base_images as report


@click.command("yank")
@click.argument("version")
@click.option("--reason", help="Why, in one line: people who are on it will read it.")
@click.option("--replace-with", "other", metavar="VERSION", help="The version to move to.")
@click.option("--undo", is_flag=True, help="Take the withdrawal back.")
@json_option
@click.pass_obj
def yank_base_image(
    settings: Settings, version: str, reason: str | None, other: str | None, undo: bool, as_json: bool
) -> int:
    """Withdraw a version: migrations, upgrades and publishing refuse it from now on, and building warns."""
    settings = settings.also(as_json=as_json)
    if undo == bool(reason):
        raise UsageError("a version is yanked with --reason, or its withdrawal is taken back with --undo")
    with benches.opened(settings, version) as bench:
        entry = bench.known.named(version, bench.configuration.base_image_repositories)
        target = bench.known.named(f"{entry.repository}:{other}") if other else None
        if target and (target.yanked or target.version == entry.version or target.is_prerelease):
            raise UsageError(f"{other} cannot replace {version}: it is yanked, a pre-release, or the same version")
        changed = replace(entry, yanked=" ".join((reason or "").split()), replaced_by=target.version if target else "")
        known = bench.known.replacing(changed)
        changes = [benches.recorded(bench, changed)]
        if entry.released:
            changes.append(docs.change(bench, entry.repository, known, None))
        files = benches.written(bench, *changes)
    fleet = fleets.load(settings, Asked(everything=True))
    users = usage.users(known, ((item.name, item.base_image) for item in fleet.connectors))
    names = users.get((entry.repository, entry.version), [])
    command = report.moving(names, standing.replacement(known, changed))
    if settings.as_json:
        document = {"repository": entry.repository, **changed.to_json(), "connectors": names}
        click.echo(json.dumps(document | ({"next": command} if names else {}), ensure_ascii=False))
        return 0
    said = "is no longer yanked" if undo else f"is yanked: {changed.yanked}"
    click.echo(f"{benches.mark()} {entry.repository}:{entry.version} {said}")
    for path in files:
        click.echo(f"  ~ {path}")
    if names and not undo:
        click.echo(f"  {len(names)} on it: {', '.join(names)}")
        click.echo(f"  next: {command}")
    return 0
