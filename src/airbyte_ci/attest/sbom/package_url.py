"""Package URLs of components (https://github.com/package-url/purl-spec)."""

from collections.abc import Mapping
from urllib.parse import quote

from airbyte_ci.attest.sbom.found_package import APK, DEB, MAVEN, RPM, FoundPackage
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Platform

# The distributions of images without an ID in os-release.
_SYSTEMS = {DEB: "debian", APK: "alpine", RPM: "redhat"}


def of_package(package: FoundPackage, system: Mapping[str, str]) -> str:
    """Returns the URL of a package; system packages name the distribution, and the package they were built from."""
    if package.ecosystem in _SYSTEMS:
        distribution = system.get("ID") or _SYSTEMS[package.ecosystem]
        upstream = package.source + (
            f"@{package.source_version}" if package.source_version not in _same(package) else ""
        )
        qualifiers = {
            "arch": package.architecture,
            "distro": f"{distribution}-{system['VERSION_ID']}" if system.get("VERSION_ID") else "",
            "upstream": upstream,
        }
        version = package.version
        if package.ecosystem == RPM and ":" in version:  # Debian's epoch stays in the version
            qualifiers["epoch"], _, version = version.partition(":")
        return assemble(package.ecosystem, package.name, version, namespace=distribution, qualifiers=qualifiers)
    group = package.group.replace("/", ".") if package.ecosystem == MAVEN else ""
    return assemble(package.ecosystem, package.name, package.version, namespace=group)


def _same(package: FoundPackage) -> tuple[str, str]:
    return ("", package.version)


def of_image(repository: str, digest: Digest, platform: Platform | None = None, tag: str = "") -> str:
    """Returns the URL of an image in a repository, `registry/path`, or of one without a registry, `path`."""
    first, slash, _ = repository.partition("/")
    has_registry = slash and ("." in first or ":" in first or first == "localhost")
    named = repository if has_registry else ""
    qualifiers = {"arch": platform.architecture if platform else "", "repository_url": named, "tag": tag}
    name = repository.rpartition("/")[2].lower()
    return assemble("oci", name, str(digest), qualifiers=qualifiers)


def assemble(
    kind: str, name: str, version: str, *, namespace: str = "", qualifiers: Mapping[str, str] | None = None
) -> str:
    """Returns the canonical form: qualifiers are sorted, and empty ones are left out."""
    parts = "/".join(quote(part, safe=":") for part in (*namespace.split("/"), name) if part)
    at = f"@{quote(version, safe=':')}" if version else ""
    pairs = (f"{key}={quote(value, safe=':/')}" for key, value in sorted((qualifiers or {}).items()) if value)
    more = "&".join(pairs)
    return f"pkg:{kind}/{parts}{at}" + (f"?{more}" if more else "")
