"""`base-images release`: builds and checks a version, locks its inputs and records it in the repository."""

from pathlib import Path

import click

from airbyte_ci import app
from airbyte_ci.base_images.catalog.catalog import BaseImageVersion
from airbyte_ci.base_images.inspection import contents, difference
from airbyte_ci.base_images.inspection.difference import Difference, Side
from airbyte_ci.base_images.making import lock
from airbyte_ci.base_images.making.lock import VersionLock
from airbyte_ci.base_images.release import places, release
from airbyte_ci.cli import console
from airbyte_ci.cli.base_images import bench as benches
from airbyte_ci.cli.base_images import docs
from airbyte_ci.cli.base_images.bench import Bench
from airbyte_ci.cli.options import json_option
from airbyte_ci.cli.settings import Settings
from airbyte_ci.edits.edit import FileChange
from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.oci.image import Image, Platform
from airbyte_ci.reports import base_images_page as page
from airbyte_ci.reports import next_step


@click.command("release")
@click.argument("declaration", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@benches.root_option(
    "Choose the root file system. auto uses the declared root image, or Debian packages if none is declared."
)
@click.option(
    "--keep-root", is_flag=True, help="Release on the declared root even if its tag was overwritten upstream."
)
@json_option
@click.pass_obj
def release_base_image(
    settings: Settings, declaration: Path | None, kind: str, *, keep_root: bool, as_json: bool
) -> int:
    """Build, check and lock a declared version, and write its lock file, catalog entry, changelog and page.

    Run it on one machine per platform. The version is released when its lock file has all platforms.
    """
    settings = settings.also(as_json=as_json)
    declared = benches.declared(declaration)
    platform = app.find_platform()
    with benches.opened(settings, str(declared.address)) as bench:
        release.refuse_unfit(declared, bench.known, app.today())
        built = release.built(declared, bench.work, platform, kind)
        results = release.checked(declared, bench.work, built)
        bench.work.say("verifying the root image")
        release.verify_root(declared, built, bench.registries, keep=keep_root)
        place = places.lock(declared.address, bench.configuration.root)
        locked = release.locked(declared, built, results, platform, lock.read(place), bench.store)
        entry = release.finished(locked, built, bench.work, app.today())
        changes = [benches.changed(bench.configuration, place, locked.dump())]
        if entry:
            changes += _record(bench, entry, built.image, platform)
        files = benches.written(bench, *changes)
    _show(settings, locked, entry, len(results), files)
    return 0 if entry else 1


def _record(bench: Bench, entry: BaseImageVersion, image: Image, platform: Platform) -> list[FileChange]:
    """Returns the changes that add the version to the catalog, the page and the changelog."""
    held = contents.of(bench.store, image)
    here = Side(f"{entry.address.name} {entry.version}", image, held, contents.files(bench.store, held))
    earlier = _before(bench, entry)
    found = _difference(bench, earlier, here, platform) if earlier else None
    changelog = places.changelog(entry.repository, bench.configuration.root)
    text = changelog.read_text("utf-8") if changelog.exists() else ""
    return [
        benches.recorded(bench, entry),
        benches.changed(bench.configuration, changelog, page.with_section(text, entry, earlier, found)),
        docs.change(bench, entry.repository, bench.known.replacing(entry), held),
    ]


def _before(bench: Bench, entry: BaseImageVersion) -> BaseImageVersion | None:
    """Returns the previous version; for a release, the previous release, yanked or not."""
    older = (item for item in bench.own.of(entry.repository) if item.semver < entry.semver and item.released)
    return next((item for item in older if entry.is_prerelease or not item.is_prerelease), None)


def _difference(bench: Bench, earlier: BaseImageVersion, here: Side, platform: Platform) -> Difference | None:
    """Returns None if the earlier image is no longer available, which must not stop a release."""
    try:
        name, _, image = benches.image_of(bench, str(earlier.address), platform)
        held = contents.of(bench.store, image)
    except AirbyteCiError as error:
        bench.work.say(f"cannot compare with {earlier.version}: {error.message}")
        return None
    return difference.between(Side(name, image, held, contents.files(bench.store, held)), here)


def _show(
    settings: Settings, locked: VersionLock, entry: BaseImageVersion | None, count: int, files: list[str]
) -> None:
    declared = locked.declaration
    name = f"{declared.address.name} {declared.version}"
    missing = ", ".join(map(str, locked.missing))
    if settings.as_json:
        document = {
            "repository": declared.repository,
            "files": files,
            "missing": [str(item) for item in locked.missing],
        }
        console.document(document | (entry.to_json() if entry else {"version": declared.version}))
        return
    if entry is None:
        console.line(
            f"{benches.mark(good=False)} {name} is not released yet: {missing} must also be built and checked", err=True
        )
        console.line(f"  → commit the lock file, and run this command on a machine of {missing}", err=True)
        return
    inputs = sum(
        len(part.wheels) + len(part.commands) + len(part.debian.debs if part.debian else "r")
        for part in locked.platforms.values()
    )
    python = f" with Python {entry.python}" if entry.python else ""
    console.line(f"{benches.mark()} {name}{python} · {count} checks passed · {inputs} inputs locked")
    for path in files:
        console.line(f"  ~ {path}")
    step = f"git add --all && git commit && airbyte-ci base-images publish {entry.repository}:{entry.version}"
    console.line(f"  {next_step.line(step)}")
    console.line(str(entry.address))
