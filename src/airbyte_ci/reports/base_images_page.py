"""Formats the documentation page and the changelog of a base image as Markdown."""

from collections.abc import Sequence

import semver

from airbyte_ci.base_images.catalog.catalog import BaseImageVersion
from airbyte_ci.base_images.inspection.contents import Contents
from airbyte_ci.base_images.inspection.difference import Difference
from airbyte_ci.reports import base_images_diff

_NOTE = "<!-- Written by `airbyte-ci base-images`; edits are lost with the next release. -->\n"
_TITLE = "# Changelog\n"


def page(
    repository: str, versions: Sequence[BaseImageVersion], newest: BaseImageVersion | None, held: Contents | None
) -> str:
    """Returns the page: all versions, newest first, and the contents of the newest usable one, if known."""
    lines = [_NOTE, f"# {repository}", ""]
    lines += ["| version | Python | user | released | supported until | address | changelog |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for item in versions:
        shown = [
            f"~~{item.version}~~" if item.yanked else item.version,
            item.python,
            item.user,
            str(item.released or "–"),
            str(item.supported_until or "–"),
            f"`{item.address}`",
            _changelog(item),
        ]
        lines.append(f"| {' | '.join(shown)} |")
    if newest and held:
        lines += ["", *_contents(newest, held)]
    return "\n".join(lines) + "\n"


def _changelog(item: BaseImageVersion) -> str:
    text = " ".join(item.changelog.split()).replace("|", "\\|")
    if not item.yanked:
        return text
    instead = f"; use {item.replaced_by}" if item.replaced_by else ""
    return f"{text} **Yanked: {item.yanked}{instead}**"


def _contents(newest: BaseImageVersion, held: Contents) -> list[str]:
    system = held.system.get("PRETTY_NAME", "–")
    distributions = ", ".join(f"{name} {version}" for name, version in held.distributions)
    return [
        f"## {newest.version}",
        "",
        f"- {system}, {held.libc}, Python {held.python}, {held.size / 1e6:.0f} MB compressed",
        f"- runs as {newest.user}"
        + (f"; needs the platform {newest.requires_platform}" if newest.requires_platform else ""),
        f"- {len(held.packages)} Debian packages",
        f"- {len(held.distributions)} Python distributions: {distributions}",
        "",
        "```yaml",
        "connectorBuildOptions:",
        f"  baseImage: {newest.address}",
        "```",
    ]


def with_section(text: str, entry: BaseImageVersion, earlier: BaseImageVersion | None, found: Difference | None) -> str:
    """Returns the changelog with a version's section before those of older versions; replaces an existing section."""
    lines = [f"## {entry.version} ({entry.released})", "", " ".join(entry.changelog.split())]
    if found:
        lines += ["", base_images_diff.markdown(found, None).rstrip("\n")]
    elif earlier:
        lines += ["", f"{earlier.version} was not available for a comparison."]
    section = "\n".join(lines) + "\n"
    rest = [part for part in _sections(text) if not part.startswith(f"## {entry.version} (")]
    newer = [part for part in rest if (version := _version(part)) and version > entry.semver]
    return "\n".join([_NOTE + _TITLE, *newer, section, *(part for part in rest if part not in newer)])


def _version(section: str) -> semver.Version | None:
    """Returns the version of a section; None for a section that a person wrote."""
    text = section.removeprefix("## ").partition(" (")[0]
    return semver.Version.parse(text) if semver.Version.is_valid(text) else None


def _sections(text: str) -> list[str]:
    """Returns the sections of a changelog, each with its heading."""
    parts = f"\n{text}".split("\n## ")[1:]
    return [f"## {part.rstrip()}\n" for part in parts]
