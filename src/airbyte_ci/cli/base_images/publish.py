"""`base-images publish`: pushes a released version to its registry, once."""

import click

from airbyte_ci import app
from airbyte_ci.base_images.catalog.catalog import BaseImageVersion
from airbyte_ci.base_images.making import lock
from airbyte_ci.base_images.release import places, publish
from airbyte_ci.cli import console
from airbyte_ci.cli.base_images import bench as benches
from airbyte_ci.cli.base_images import docs
from airbyte_ci.cli.base_images.bench import Bench
from airbyte_ci.cli.options import json_option
from airbyte_ci.cli.settings import Settings
from airbyte_ci.cli.signing_options import read_signing, with_signing
from airbyte_ci.errors import ImageError, UsageError
from airbyte_ci.publish import base_image, release
from airbyte_ci.publish.attachments import Signing


@click.command("publish")
@click.argument("version")
@with_signing
@json_option
@click.pass_obj
def publish_base_image(
    settings: Settings, version: str, sign_key: str | None, *, legacy_signatures: bool, as_json: bool
) -> int:
    """Push a released version for all its platforms with its inputs and documents, and confirm its digest.

    The documents are the lock, the provenance, and an SBOM of each platform's image. A version that is published
    already receives those that it lacks, such as a signature.

    A version that still lacks a platform is pushed by digest only, for the machine that completes the release.
    """
    settings = settings.also(as_json=as_json)
    signing = read_signing(sign_key, app.read_environment(), is_legacy=legacy_signatures)
    with benches.opened(settings, version) as bench:
        if (waiting := _unfinished(bench, version)) is not None:
            return _stage(bench, waiting)
        entry = bench.own.named(
            version, bench.configuration.base_image_repositories
        )  # only the repository's own versions are published
        locked = benches.lock_of(bench, entry.address.with_tag(entry.version))
        if locked is None:
            raise ImageError(
                f"cannot publish {entry.repository}:{entry.version}: it has no lock file",
                advice="airbyte-ci base-images release FILE",
            )
        done = publish.publish(
            bench.known,
            entry,
            lock=locked,
            store=bench.store,
            registries=bench.registries,
            today=app.today(),
            progress=bench.work.say,
            attach=lambda *, is_tagged: _attach(bench, entry, locked, signing, is_tagged=is_tagged),
        )
        known = bench.known.replacing(done.entry)
        changes = [benches.recorded(bench, done.entry), docs.change(bench, entry.repository, known, None)]
        files = benches.written(bench, *changes)
    if settings.as_json:
        document = done.entry.to_json() | {"repository": entry.repository, "already": done.already, "files": files}
        console.document(document)
        return 0
    how = "was already published" if done.already else f"published, with {done.inputs} inputs"
    benches.tell(settings, f"{benches.mark()} {entry.address.name} {entry.version} {how} · digest confirmed")
    benches.tell(settings, *(f"  ~ {path}" for path in files))
    console.line(str(done.entry.address))
    return 0


def _attach(
    bench: Bench, entry: BaseImageVersion, locked: lock.VersionLock, signing: Signing, *, is_tagged: bool
) -> None:
    """Attaches the documents to each platform's image and to the index, signed if there is a key."""
    bench.work.say("attaching documents")
    created = f"{entry.released or app.today()}T00:00:00Z"
    target = bench.registries.target(entry.address)
    for part in base_image.write(locked, entry.address, created, signing, bench.work):
        release.attach(part, target, bench.store, (), is_tagged=is_tagged)


def _unfinished(bench: Bench, text: str) -> lock.VersionLock | None:
    """Returns the lock of a version that is not in the catalog because a platform is missing.

    Raises UsageError if the version is ambiguous.
    """
    name, colon, version = text.partition("@")[0].rpartition(":")
    found = [lock.read(path) for path in places.locks(bench.configuration.root, version)]
    waiting = [
        item
        for item in found
        if item and item.missing and (not colon or f"/{item.declaration.repository}".endswith(f"/{name}"))
    ]
    names = {str(item.declaration.address) for item in waiting}
    if waiting and not colon:
        names |= {f"{item.repository}:{version}" for item in bench.own.versions if item.version == version}
    if len(names) > 1:
        raise UsageError(
            f"{text!r} is ambiguous: {len(names)} base images match", advice=f"use {' or '.join(sorted(names))}"
        )
    return waiting[0] if waiting else None


def _stage(bench: Bench, locked: lock.VersionLock) -> int:
    here = app.find_platform()
    if here not in locked.platforms:
        raise UsageError(
            f"cannot publish {locked.declaration.address}: it is not released, and its lock file lacks {here}",
            advice="airbyte-ci base-images release FILE",
        )
    publish.stage(locked, here, store=bench.store, registries=bench.registries, progress=bench.work.say)
    missing = ", ".join(map(str, locked.missing))
    console.line(
        f"{benches.mark(good=False)} {locked.declaration.address}: pushed {here} by digest; {missing} is missing",
        err=True,
    )
    console.line(f"  → on a machine of {missing}: airbyte-ci base-images release FILE", err=True)
    return 1
