"""Writes the files that a registry of connectors serves: the layout of Airbyte's own, so that its tools read it.

    metadata/REPOSITORY/TAG/   metadata.yaml, doc.md, icon.svg, spec.json, manifest.yaml, components.zip, release.json
    metadata/REPOSITORY/latest or release_candidate/   the same files of the newest main release
    sbom/REPOSITORY/TAG.spdx.json, TAG.cdx.json        one for each platform; others than the first name theirs

Equal releases give equal files.
"""

import io
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from airbyte_ci import disk
from airbyte_ci.attest.sbom.attachments import CYCLONEDX, SPDX
from airbyte_ci.attest.subject import Subject
from airbyte_ci.config import Configuration
from airbyte_ci.connectors import find
from airbyte_ci.connectors.connector import COMPONENTS, MANIFEST, MANIFEST_ONLY, METADATA, Connector
from airbyte_ci.errors import ConnectorError, StoreError
from airbyte_ci.images import verification
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import canonical_json
from airbyte_ci.oci.store.store import Store
from airbyte_ci.publish.release import ConnectorRelease

_ENDINGS = {SPDX.media_type: "spdx.json", CYCLONEDX.media_type: "cdx.json"}
# The folder of the newest main release, by whether it is a release candidate.
_COPIES = {False: "latest", True: "release_candidate"}
# The earliest time that zip files can hold.
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def write(
    folder: Path,
    connector: Connector,
    configuration: Configuration,
    subject: Subject,
    release: ConnectorRelease,
    record: Mapping[str, Any],
    store: Store,
) -> tuple[Path, ...]:
    """Writes the files of a release; returns the folder and the SBOMs. Raises StoreError and ConnectorError."""
    repository = connector.image_repository
    place = folder / "metadata" / repository / subject.tag
    files = dict(_files(connector, configuration, subject, record, store))
    try:
        _replace(place, files)
        if release.is_version and (release.moves_latest or "-rc" in subject.tag):
            _replace(place.with_name(_COPIES[not release.moves_latest]), files)
        sboms = tuple(_write_sboms(folder / "sbom" / repository, subject, release))
    except OSError as error:
        raise StoreError(f"cannot write the artifacts of {connector.name} to {folder}: {error.strerror}") from error
    return (place, *sboms)


def _files(
    connector: Connector, configuration: Configuration, subject: Subject, record: Mapping[str, Any], store: Store
) -> Iterator[tuple[str, bytes]]:
    yield "metadata.yaml", (connector.folder / METADATA).read_bytes()
    page = find.documentation(connector, configuration)
    if page:
        yield "doc.md", page.read_bytes()
    if "icon.svg" in connector.names:
        yield "icon.svg", (connector.folder / "icon.svg").read_bytes()
    known = (verification.known(store, item.image) for item in subject.images)
    spec = next((item for item in known if item is not None), None)
    if spec is None:
        platforms = ", ".join(str(item.platform) for item in subject.images)
        raise ConnectorError(
            f"cannot write spec.json of {connector.name}: `spec` runs on none of its platforms here ({platforms})",
            advice="publish on a machine that runs one of the platforms",
        )
    yield "spec.json", canonical_json(spec)
    if connector.language == MANIFEST_ONLY:
        manifest = (connector.folder / MANIFEST).read_bytes()
        yield MANIFEST, manifest
        if COMPONENTS in connector.names:
            archive = _zip({COMPONENTS: (connector.folder / COMPONENTS).read_bytes(), MANIFEST: manifest})
            yield "components.zip", archive
            yield "components.zip.sha256", Digest.of(archive).hex.encode()
    yield "release.json", canonical_json(record)


def _zip(files: Mapping[str, bytes]) -> bytes:
    """Returns a zip file of the contents, the same bytes for the same files."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name, _ZIP_TIME), content)
    return data.getvalue()


def _replace(place: Path, files: Mapping[str, bytes]) -> None:
    """Makes the folder have exactly these files."""
    place.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        disk.write_file(place / name, content)
    for other in place.iterdir():
        if other.name not in files:
            shutil.rmtree(other) if other.is_dir() and not other.is_symlink() else other.unlink()


def _write_sboms(folder: Path, subject: Subject, release: ConnectorRelease) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for number, (image, part) in enumerate(zip(subject.images, release.images, strict=True)):
        platform = f".{str(image.platform).replace('/', '-')}" if number else ""
        for item in part.attachments:
            if ending := _ENDINGS.get(item.media_type):
                path = folder / f"{subject.tag}{platform}.{ending}"
                disk.write_file(path, item.content)
                yield path
