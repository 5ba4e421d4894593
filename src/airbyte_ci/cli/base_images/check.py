"""`base-images check`: runs sanity checks and contract checks, and builds a sample of the fleet on a base image."""

from dataclasses import dataclass
from pathlib import Path

import click

from airbyte_ci import app
from airbyte_ci.base_images.catalog.entry import JAVA_SERIES
from airbyte_ci.base_images.declaration.declare import SanityCheck
from airbyte_ci.base_images.inspection import checks, contents
from airbyte_ci.base_images.inspection.checks import CheckResult
from airbyte_ci.base_images.making import build
from airbyte_ci.cli import console
from airbyte_ci.cli.base_images import bench as benches
from airbyte_ci.cli.base_images import sample
from airbyte_ci.cli.base_images.bench import Bench
from airbyte_ci.cli.options import json_option
from airbyte_ci.cli.settings import Settings
from airbyte_ci.oci.image import Image
from airbyte_ci.oci.reference import Reference


@click.command("check")
@click.argument("base_image", metavar="FILE|VERSION", required=False)
@click.option(
    "--connectors",
    "count",
    type=click.IntRange(min=0),
    metavar="N",
    default=0,
    help="Also build N connectors of the fleet on it (default: 0).",
)
@json_option
@click.pass_obj
def check_base_image(settings: Settings, base_image: str | None, count: int, *, as_json: bool) -> int:
    """Check the image of a declaration (default: the shipped one) or a version in the catalog.

    The exit code is 1 if a check fails.
    """
    settings = settings.also(as_json=as_json)
    with benches.opened(settings, base_image or "the shipped declaration") as bench:
        subject = _subject(bench, base_image)
        results = [
            *checks.sanity(bench.store, subject.image, subject.declared, bench.work.say),
            *checks.kept(bench.store, subject.image, subject.writable, bench.work.say, has_python=subject.has_python),
        ]
        if count:
            python = contents.of(bench.store, subject.image).python
            results += sample.built_on(settings, bench, address=subject.address, python=python, count=count)
    _show(settings, subject.name, results)
    return int(not all(item.passed for item in results))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """The checked image: its display name, address and image, and the relevant part of its declaration if known."""

    name: str
    address: Reference
    image: Image
    declared: tuple[SanityCheck, ...] = ()
    writable: tuple[str, ...] = ()
    has_python: bool = True


def _subject(bench: Bench, text: str | None) -> _Subject:
    platform = app.find_platform()
    path = Path(text) if text else None
    if path is None or path.suffix in (".yaml", ".yml"):
        declared = benches.declared(path)
        # The build must not stop at a failed check, because all results are shown.
        made = build.build(declared, bench.work, platform, checked=False)
        name = f"{declared.address.name} {declared.version}"
        return _Subject(
            name=name,
            address=made.version.address,
            image=made.image,
            declared=declared.checks,
            writable=declared.writable,
            has_python=bool(made.version.python),
        )
    name, address, image = benches.image_of(bench, text or "", platform)
    locked = benches.lock_of(bench, address) if address.tag else None
    if locked is None or locked.platforms.get(platform) is None:
        return _Subject(name=name, address=address, image=image, has_python=address.name != JAVA_SERIES)
    declared, has_python = locked.declaration, bool(locked.platforms[platform].python)
    return _Subject(
        name=name,
        address=address,
        image=image,
        declared=declared.checks,
        writable=declared.writable,
        has_python=has_python,
    )


def _show(settings: Settings, name: str, results: list[CheckResult]) -> None:
    if settings.as_json:
        for item in results:
            document = {"name": item.name, "status": "ok" if item.passed else "failed"}
            console.document(document | ({"reason": item.said} if item.said else {}))
        return
    for item in results:
        console.line(f"{benches.mark(good=item.passed)} {item.name}{f': {item.said}' if item.said else ''}")
    failed = sum(not item.passed for item in results)
    console.line(f"{name}: {len(results) - failed} of {len(results)} checks passed")
