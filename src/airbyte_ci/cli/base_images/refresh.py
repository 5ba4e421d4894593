"""`base-images refresh`: updates the catalog's file from registries."""

import click

from airbyte_ci.base_images.catalog import catalog
from airbyte_ci.base_images.catalog.catalog import BaseImageVersion
from airbyte_ci.base_images.release import refresh
from airbyte_ci.base_images.release.refresh import Refreshed
from airbyte_ci.cli import console
from airbyte_ci.cli.base_images import bench as benches
from airbyte_ci.cli.options import json_option
from airbyte_ci.cli.settings import Settings
from airbyte_ci.errors import AirbyteCiError, ImageError, UsageError
from airbyte_ci.oci.reference import Reference


@click.command("refresh")
@click.argument("repositories", nargs=-1, metavar="[REPOSITORY]...")
@click.option("--accept", is_flag=True, help="Record the new digest of tags that were overwritten.")
@json_option
@click.pass_obj
def refresh_catalog(settings: Settings, repositories: tuple[str, ...], *, accept: bool, as_json: bool) -> int:
    """Update tags, digests and image configurations in the catalog's file from registries.

    The default is the configured repositories. The exit code is 1 if a registry contradicts the catalog.
    """
    settings = settings.also(as_json=as_json)
    entries: list[BaseImageVersion] = []
    complaints: list[str] = []
    lines: list[str] = []
    with benches.opened(settings, "refresh") as bench:
        here_only = refresh.unpublished(bench.own, catalog.shipped())
        for name in repositories or bench.configuration.base_image_repositories:
            place = _repository(name)
            repository = f"{place.registry}/{place.repository}"
            try:
                found = refresh.refresh(
                    repository,
                    bench.known,
                    bench.registries,
                    bench.store,
                    bench.work.executor,
                    bench.work.say,
                    accept=accept,
                    here_only=here_only,
                )
            except AirbyteCiError as error:
                complaints.append(str(error))
                continue
            entries += found.entries
            complaints += found.complaints
            lines.append(f"{benches.mark()} {repository}: {_summarize(found)}")
        files = benches.written(bench, benches.recorded(bench, *entries)) if entries else []
    if settings.as_json:
        documents = [{"repository": item.repository, **item.to_json()} for item in entries]
        console.document({"entries": documents, "complaints": complaints, "files": files})
        return int(bool(complaints))
    benches.tell(settings, *lines, *(f"  ~ {path}" for path in files))
    for complaint in complaints:
        console.line(f"{benches.mark(good=False)} {complaint}", err=True)
    return int(bool(complaints))


def _repository(name: str) -> Reference:
    try:
        return Reference.parse(name)
    except ImageError as error:
        raise UsageError(f"{name!r} is not a valid repository: {error.message}") from error


def _summarize(found: Refreshed) -> str:
    better = len(found.entries) - found.new
    return f"{found.new} added, {better} updated, {len(found.complaints)} conflicting"
