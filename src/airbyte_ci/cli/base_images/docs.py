"""`base-images docs`: writes the page of a base image from the catalog and the newest version's inventory."""

import click

from airbyte_ci import app
from airbyte_ci.base_images.catalog import catalog
from airbyte_ci.base_images.catalog.catalog import Catalog
from airbyte_ci.base_images.inspection import contents
from airbyte_ci.base_images.inspection.contents import Contents
from airbyte_ci.base_images.making import root
from airbyte_ci.base_images.release import places
from airbyte_ci.cli.base_images import bench as benches
from airbyte_ci.cli.base_images.bench import Bench
from airbyte_ci.cli.settings import Settings
from airbyte_ci.edits.edit import FileChange
from airbyte_ci.errors import UsageError
from airbyte_ci.reports import base_images_page as page


@click.command("docs")
@click.argument("repositories", nargs=-1, metavar="[REPOSITORY]...")
@click.pass_obj
def write_page(settings: Settings, repositories: tuple[str, ...]) -> int:
    """Write the page of each base image of this repository: its versions and the contents of the newest one."""
    with benches.opened(settings, "docs") as bench:
        own = sorted({item.repository for item in bench.own.versions if item.released})
        wanted = [name for name in own if not repositories or any(f"/{name}".endswith(f"/{r}") for r in repositories)]
        if not wanted:
            raise UsageError(
                "no base image of this repository is released", advice="airbyte-ci base-images release FILE"
            )
        files = benches.written(bench, *(change(bench, name, bench.known, None) for name in wanted))
    benches.tell(settings, *(f"  ~ {path}" for path in files), f"{len(files)} of {len(wanted)} pages changed")
    return 0


def change(bench: Bench, repository: str, known: Catalog, held: Contents | None) -> FileChange:
    """Returns the change of the page's file. `held` is the contents of the newest release; None reads the store."""
    path = places.page(repository, bench.configuration.root)
    versions = known.of(repository)
    newest = next((item for item in versions if item.released and not catalog.objections(item, app.today())), None)
    if newest and held is None:
        image = root.in_store(bench.store, newest.address, app.find_platform())
        held = contents.of(bench.store, image) if image else None
    return benches.changed(bench.configuration, path, page.page(repository, versions, newest, held))
