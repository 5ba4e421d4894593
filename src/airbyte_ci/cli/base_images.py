"""The `base-images` group: the catalogue, and building."""

import json
from collections.abc import Mapping
from pathlib import Path

import click

from airbyte_ci import config
from airbyte_ci.cli import workbench
from airbyte_ci.cli.lazy import LazyGroup
from airbyte_ci.cli.options import json_option
from airbyte_ci.cli.settings import Settings

_COMMANDS: Mapping[str, tuple[str, str, str]] = {
    "list": ("airbyte_ci.cli.base_images", "list_base_images", "Show the known versions."),
    "build": ("airbyte_ci.cli.base_images", "build_base_image", "Build a base image and record it."),
}


@click.group("base-images", cls=LazyGroup, lazy=_COMMANDS)
def base_images() -> None:
    """List and build base images."""


@click.command("list")
@json_option
@click.pass_obj
def list_base_images(settings: Settings, as_json: bool) -> int:
    """Show the versions of the catalogue, newest first."""
    from airbyte_ci.base_images import catalogue
    from airbyte_ci.reports import base_images as report

    known = catalogue.load(config.find(settings.repo).catalogue_path)
    if settings.also(as_json=as_json).as_json:
        click.echo(json.dumps([{"repository": item.repository, **item.to_json()} for item in known.versions], indent=2))
    else:
        click.echo(report.table(known), nl=False)
    return 0


@click.command("build")
@click.argument("declaration", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@click.option(
    "--root",
    type=click.Choice(["auto", "image", "debian"]),
    default="auto",
    show_default=True,
    help="auto: the declared root image where it can be pulled, else Debian packages.",
)
@json_option
@click.pass_obj
def build_base_image(settings: Settings, declaration: Path | None, root: str, as_json: bool) -> int:
    """Build a declared base image (default: the shipped one), check it and record it in the catalogue.

    The last line is its address.
    """
    from airbyte_ci.base_images import build, catalogue, declare
    from airbyte_ci.python.index import PackageIndex

    settings = settings.also(as_json=as_json)
    configuration = config.find(settings.repo)
    declared = declare.read(declaration) if declaration else declare.shipped()
    store = workbench.open_store()
    index = PackageIndex.from_environment(workbench.environment(), offline=settings.offline)
    progress = workbench.Progress(settings)
    with workbench.threads() as pool:
        bench = build.Workbench(
            store,
            index,
            workbench.Registry(settings, configuration, store).pull,
            pool,
            progress.teller(str(declared.address)),
        )
        built = build.build(declared, bench, workbench.local_platform(), root=root)
    progress.clear()
    own = catalogue.read(configuration.catalogue_path)
    merged = own.merged(catalogue.Catalogue((built.version,)))
    if merged != own:
        configuration.catalogue_path.write_text(catalogue.dump(merged), "utf-8")
    if settings.as_json:
        click.echo(json.dumps(built.version.to_json() | {"root": built.root, "checks": list(built.checks)}))
    else:
        if not settings.quiet:
            shown = workbench.shown_path(configuration.catalogue_path)
            click.echo(
                f"{click.style('✓', fg='green')} {built.version.address.name} {built.version.version}",
                nl=False,
            )
            click.echo(f" with Python {built.version.python} · {len(built.checks)} sanity checks ok · {built.root}")
            click.echo(f"  recorded in {shown}")
        click.echo(str(built.version.address))
    return 0
