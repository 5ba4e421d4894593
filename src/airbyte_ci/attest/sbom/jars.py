"""Reads jars: their Maven coordinates and licenses, and the jars and projects inside of them."""

import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import sha256

from airbyte_ci.attest.sbom import licenses
from airbyte_ci.attest.sbom.found_package import GENERIC, MAVEN, NO_LICENSE, FoundPackage, LicenseText
from airbyte_ci.python.wheels.zip_layout import UNREADABLE

_PROPERTIES = re.compile(r"META-INF/maven/([^/]+)/([^/]+)/pom\.properties\Z")
_POM_NAME = re.compile(r"<name>\s*([^<]+?)\s*</name>")
_VERSIONED = re.compile(r"(?P<name>.+?)-(?P<version>[0-9][^/]*)\Z")
# Jars in jars (Spring Boot); deeper ones are an attack.
_DEEPEST = 3
_LARGEST = 256 << 20
_LARGEST_TEXT = 4 << 20
_LARGEST_NAME, _MOST_LICENSES = 4 << 10, 41


def read(content: bytes, path: str, depth: int = 0) -> tuple[FoundPackage, ...]:
    """Returns the jar as a package, and the packages in it; a damaged one is known by its name only."""
    digest = sha256(content).hexdigest()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return tuple(_packages(archive, path, digest, depth))
    except UNREADABLE:
        return (_by_name(path, {}, digest, is_bundled=depth > 0),)


def _packages(archive: zipfile.ZipFile, path: str, digest: str, depth: int) -> Iterator[FoundPackage]:
    names = archive.namelist()
    stem = path.rpartition("/")[2].removesuffix(".jar")
    manifest = _manifest(archive)
    projects = [found for name in names if (found := _project(archive, name, path))]
    own = next((item for item in projects if stem in (item.name, f"{item.name}-{item.version}")), None)
    if own is None and len(projects) == 1 and _may_be(projects[0], stem):
        own = projects[0]
    found = own or _by_name(path, manifest, digest)
    license_text = found.license if found.license != NO_LICENSE else _of_manifest(manifest)
    yield replace(found, sha256=digest, license=license_text, is_bundled=depth > 0)
    for item in projects:
        if item is not own:
            yield replace(item, is_bundled=True)
    if depth < _DEEPEST:
        for name in names:
            if name.endswith(".jar") and archive.getinfo(name).file_size <= _LARGEST:
                yield from read(archive.read(name), f"{path}:{name}", depth + 1)


def _may_be(project: FoundPackage, stem: str) -> bool:
    """Whether the only project in a jar is the jar: its file name begins or ends with the project's name."""
    return stem.startswith(project.name) or f"-{project.name}-" in f"-{stem}-"


def _project(archive: zipfile.ZipFile, name: str, path: str) -> FoundPackage | None:
    """Returns the coordinates in a pom.properties file."""
    place = _PROPERTIES.fullmatch(name)
    if place is None:
        return None
    lines = (line.partition("=") for line in _text(archive, name).splitlines() if not line.startswith("#"))
    fields = {key.strip(): value.strip() for key, _, value in lines}
    group, artifact = fields.get("groupId") or place[1], fields.get("artifactId") or place[2]
    pom = _text(archive, f"META-INF/maven/{place[1]}/{place[2]}/pom.xml")
    listed = [item.partition("</license>")[0][:_LARGEST_NAME] for item in pom.split("<license>")[1:_MOST_LICENSES]]
    names = [match[1] for item in listed if (match := _POM_NAME.search(item))]
    return FoundPackage(
        ecosystem=MAVEN,
        name=artifact,
        version=fields.get("version", ""),
        path=path,
        group=group,
        license=licenses.of_names(names),
    )


def _by_name(path: str, manifest: Mapping[str, str], digest: str, *, is_bundled: bool = False) -> FoundPackage:
    """Returns a jar without coordinates by its file name, whose version may be in its manifest."""
    stem = path.rpartition("/")[2].removesuffix(".jar")
    split = _VERSIONED.fullmatch(stem)
    version = split["version"] if split else manifest.get("Implementation-Version") or manifest.get("Bundle-Version")
    return FoundPackage(
        ecosystem=GENERIC,
        name=split["name"] if split else stem,
        version=version or "",
        path=path,
        sha256=digest,
        license=_of_manifest(manifest),
        is_bundled=is_bundled,
    )


def _of_manifest(manifest: Mapping[str, str]) -> LicenseText:
    name = manifest.get("Bundle-License", "").partition(";")[0].strip('" ')
    return licenses.of_names([name])


def _manifest(archive: zipfile.ZipFile) -> dict[str, str]:
    """Returns the main section of the manifest; a line that starts with a blank continues the last one."""
    text = re.sub(r"\r?\n ", "", _text(archive, "META-INF/MANIFEST.MF"))
    section = re.split(r"\r?\n\r?\n", text, maxsplit=1)[0]
    pairs = (line.partition(":") for line in section.splitlines())
    return {name.strip(): value.strip() for name, colon, value in pairs if colon}


def _text(archive: zipfile.ZipFile, name: str) -> str:
    """Returns a text file; empty if it is missing or too large."""
    try:
        if archive.getinfo(name).file_size > _LARGEST_TEXT:
            return ""
        return archive.read(name).decode("utf-8", "replace")
    except KeyError:
        return ""
