"""`base-images build`: builds an image from a declaration, or from the lock file of a released version."""

import contextlib
from pathlib import Path

import click

from airbyte_ci import app
from airbyte_ci.base_images.making import build, lock
from airbyte_ci.base_images.making.build import BaseImageBuild
from airbyte_ci.base_images.release import inputs, places
from airbyte_ci.cli import console, workbench
from airbyte_ci.cli.base_images import bench as benches
from airbyte_ci.cli.base_images.bench import Bench
from airbyte_ci.cli.options import json_option
from airbyte_ci.cli.settings import Settings
from airbyte_ci.errors import ImageError, UsageError


@click.command("build")
@click.argument("declaration", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@benches.root_option(
    "Choose the root file system. auto pulls the declared root image if possible, else installs Debian packages."
)
@click.option("--fresh", is_flag=True, help="Bootstrap the Debian root from scratch, with the newest packages.")
@json_option
@click.pass_obj
def build_base_image(settings: Settings, declaration: Path | None, kind: str, *, fresh: bool, as_json: bool) -> int:
    """Build a declared base image (default: the shipped one), check it and record it in the catalog.

    Given the lock file of a released version, rebuild that version with the same digest. The last line of the output
    is the address.
    """
    settings = settings.also(as_json=as_json)
    if declaration and declaration.name.endswith(lock.SUFFIX):
        return _again(settings, declaration)
    declared = benches.declared(declaration)
    platform = app.find_platform()
    with benches.opened(settings, str(declared.address)) as bench:
        _refuse_released(bench, declared.repository, declared.version)
        built = build.build(declared, bench.work, platform, kind=kind, fresh=fresh)
        benches.written(bench, benches.recorded(bench, built.version))
    _show(settings, bench, built)
    return 0


def _refuse_released(bench: Bench, repository: str, version: str) -> None:
    """Raises UsageError for a released version: only its lock file can be built again."""
    known = next((item for item in bench.own.of(repository) if item.version == version), None)
    if known and (known.released or known.published):
        place = workbench.shown_path(places.lock(known.address.with_tag(version), bench.configuration.root))
        raise UsageError(
            f"cannot build {repository}:{version}: it was released on {known.released or known.published}",
            advice=f"raise `version` in the declaration, or rebuild the released version from {place}",
        )


def _show(settings: Settings, bench: Bench, built: BaseImageBuild) -> None:
    version = built.version
    if settings.as_json:
        console.document(version.to_json() | {"root": built.root, "checks": list(built.checks)})
        return
    if not settings.quiet:
        shown = workbench.shown_path(bench.configuration.catalog_path)
        checks = f"{len(built.checks)} sanity checks ok"
        python = f" with Python {version.python}" if version.python else ""
        named = f"{version.address.name} {version.version}{python}"
        console.line(f"{benches.mark()} {named} · {checks} · {built.root}")
        console.line(f"  recorded in {shown}")
    console.line(str(version.address))


def _again(settings: Settings, path: Path) -> int:
    from airbyte_ci.base_images.release import rebuild

    locked = lock.read(path)
    assert locked is not None
    platform = app.find_platform()
    address = locked.declaration.address
    with benches.opened(settings, str(address)) as bench:
        image = rebuild.rebuild(locked, bench.work, platform)
        bench.store.put(locked.index.raw)
        bench.store.tag(str(address), locked.index.descriptor)
        part = locked.platforms[platform]
        inputs.keep_root(address, platform, part, bench.store)
        with contextlib.suppress(ImageError):  # the inputs of the root may be gone although the root itself exists
            inputs.keep(address, platform, part, bench.store)
    whole = address.with_digest(locked.index.digest)
    if settings.as_json:
        console.document({"address": str(whole), "platform": str(platform), "manifest": str(image.digest)})
        return 0
    benches.tell(
        settings,
        f"{benches.mark()} {address.name} {address.tag} {platform} {image.digest.short}, rebuilt with the same digest",
    )
    console.line(str(whole))
    return 0
