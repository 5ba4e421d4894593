"""Proposes a configuration from a repository's files. Writes nothing."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from airbyte_ci.config import CATALOG, Configuration, Key
from airbyte_ci.connectors import find
from airbyte_ci.connectors.connector import CONNECTOR_TYPES, METADATA, Connector
from airbyte_ci.connectors.find import Located
from airbyte_ci.errors import ConnectorError
from airbyte_ci.git import forge
from airbyte_ci.text import decode_file

_CHANGELOG = re.compile(r"^#{1,6}[ \t].*change ?log|^\s*\|?\s*Version\s*\|", re.MULTILINE | re.IGNORECASE)
_FROM = re.compile(r"^\s*FROM\s+(?:--\S+\s+)*([^\s@:]+(?::\d+/[^\s@:]+)?)", re.MULTILINE | re.IGNORECASE)
_BASE = "connector-base"
# Of larger files, only the beginning is checked for a Dockerfile.
_DOCKERFILE_LIMIT = 1 << 20
_PUBLISHED = Configuration(root=Path()).base_image_repositories
# More templates than this would match by chance.
_MOST_TEMPLATES = 3
_PACKAGE_FILES = frozenset({"Dockerfile", "setup.py", "pyproject.toml"})


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposed value of a key and its reason; None keeps the default."""

    value: str | bool | tuple[str, ...] | None
    reason: str


@dataclass(frozen=True, slots=True)
class Survey:
    """The proposals by the fields of Configuration, and notes for the user."""

    root: Path
    connectors: int
    proposals: dict[str, Proposal]
    notes: tuple[str, ...]

    def of(self, key: Key) -> Proposal | None:
        return self.proposals.get(key.field)


def survey(root: Path) -> Survey:
    """Inspects every folder below `root` once. Raises ConnectorError if there is no connector."""
    everywhere = Configuration(root=root, connectors=(".",) if (root / METADATA).is_file() else ("**",))
    located = _visible(find.locate(everywhere), root)
    connectors, errors = find.read_located(located, everywhere)
    lost = sorted(_without_metadata(root, set(located.folders)))
    if not located.folders:
        hint = f"; {_some(lost)} could be, but lack {METADATA}" if lost else ""
        raise ConnectorError(
            f"found no connector: no folder below {root} has {METADATA}{hint}",
            advice=f"add {METADATA} to the folder of a connector, or name another repository with --repo",
            error_id="repository-not-found",
        )
    globs = find.globs_for([folder.relative_to(root).as_posix() for folder in located.folders])
    number = len(located.folders)
    counted = f"{number} connector{'s' if number != 1 else ''}"
    proposals = {"connectors": Proposal(globs, f"found {counted} with {METADATA} in {', '.join(globs)}")}
    proposals |= _pages(root, connectors)
    proposals["pull_request_url"] = _pull_requests(root)
    proposals["base_image_repositories"] = _bases(connectors)
    proposals["catalog"] = _catalog(root)
    notes = [f"{error.message}" for error in errors]
    if lost:
        notes.append(f"no connector without {METADATA}: {_some(lost)}")
    return Survey(root, number, proposals, tuple(notes))


def _visible(located: Located, root: Path) -> Located:
    """Returns the connectors except those in hidden folders, which are copies that tools keep."""
    folders = {folder: names for folder, names in located.folders.items() if not _is_hidden(folder.relative_to(root))}
    return Located(folders, located.unmatched)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _pages(root: Path, connectors: Sequence[Connector]) -> dict[str, Proposal]:
    """Returns where the documentation pages are, and whether they have changelogs."""
    default = Configuration(root=root)
    by_url = {item.name for item in connectors if _has_changelog(find.documentation(item, default))}
    # A page with a changelog weighs more than one without.
    with_changelog, without = _templates(root, connectors)
    chosen = tuple(_choose(with_changelog))
    covered = {name for template in chosen for name in with_changelog[template]}
    total = len(connectors)
    if by_url and len(by_url) >= max(len(covered), total / 2):
        reason = f"documentationUrl leads to a page with a changelog for {len(by_url)} of {total} connectors"
        return {"docs": Proposal(None, reason)}
    if len(covered) >= total / 2:
        reason = f"pages with a changelog of {len(covered)} of {total} connectors"
        return {"docs": Proposal(chosen, reason)}
    plain = tuple(_choose(without))
    found = f"pages of {len({name for item in plain for name in without[item]})} of {total} connectors"
    return {
        "docs": Proposal(plain, found) if plain else Proposal(None, "found no documentation pages of connectors"),
        "changelog": Proposal(
            value=False, reason=f"found a page with a changelog for {len(by_url | covered) or 'none'} of {total}"
        ),
    }


def _templates(root: Path, connectors: Sequence[Connector]) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Returns templates of Markdown files and the connectors that they match: with a changelog, and without."""
    by_word: dict[str, list[Connector]] = {}
    for item in connectors:
        for word in {item.name, item.short_name}:
            by_word.setdefault(word, []).append(item)
    found: tuple[dict[str, set[str]], dict[str, set[str]]] = {}, {}
    for path in _markdown(root):
        words = {*path.removesuffix(".md").split("/")}
        for item in (item for word in words for item in by_word.get(word, ())):
            template = _template(path, item)
            if find.documentation(item, Configuration(root=root, docs=(template,))) != root / path:
                continue
            has_changelog = _has_changelog(root / path)
            if has_changelog or not path.lower().endswith("readme.md"):
                found[0 if has_changelog else 1].setdefault(template, set()).add(item.name)
    return found


def _template(path: str, connector: Connector) -> str:
    """Returns the path with the connector's words as placeholders."""
    words = {connector.name: "{connector}", connector.short_name: "{name}"}
    kinds = {f"{connector.kind}s": "{type}s", connector.kind: "{type}"}
    parts = path.removesuffix(".md").replace("{", "{{").replace("}", "}}").split("/")
    return "/".join(words.get(part) or kinds.get(part, part) for part in parts) + ".md"


def _choose(templates: dict[str, set[str]]) -> Iterator[str]:
    """Returns the fewest templates that match most connectors, best first; a single match is chance."""
    several = {template: names for template, names in templates.items() if len(names) > 1}
    left = {template: set(names) for template, names in (several or templates).items()}
    for _ in range(_MOST_TEMPLATES):
        best = max(sorted(left), key=lambda item: (len(left[item]), -len(item)), default=None)
        if best is None or not left[best]:
            return
        yield best
        taken = left.pop(best)
        left = {template: names - taken for template, names in left.items()}


def _has_changelog(page: Path | None) -> bool:
    try:
        return page is not None and _CHANGELOG.search(page.read_text("utf-8", errors="replace")) is not None
    except OSError:
        return False


def _pull_requests(root: Path) -> Proposal:
    hosted = forge.of(root)
    if hosted is None:
        return Proposal(None, "there is no git remote that has pages; rows link as the ones next to them")
    if hosted.pull_request_url is None:
        return Proposal(None, f"nothing says which forge {hosted.site} is; set the address, or rows have no links")
    return Proposal(hosted.pull_request_url, f"the git remote is on {hosted.site.removeprefix('https://')}")


def _bases(connectors: Iterable[Connector]) -> Proposal:
    """Returns the base image repositories that connectors name; the published ones come last."""
    named: Counter[str] = Counter()
    for item in connectors:
        images = [item.base_image] if item.base_image else []
        if item.has_dockerfile:
            with (item.folder / "Dockerfile").open("rb") as file:
                text = decode_file(file.read(_DOCKERFILE_LIMIT))
            images += [image for image in _FROM.findall(text) if _BASE in image]
        named.update({_repository(image) for image in images})
    own = [name for name, _ in named.most_common() if name not in _PUBLISHED and _BASE in name]
    counted = ", ".join(f"{name} in {count}" for name, count in named.most_common())
    if not own:
        return Proposal(None, f"connectors name {counted}" if named else "no connector names a base image yet")
    published = [name for name in _PUBLISHED if name in named]
    return Proposal((*own, *published), f"connectors name {counted}")


def _repository(image: str) -> str:
    """Returns an image's address without tag and digest, with its registry."""
    name = image.partition("@")[0]
    head, slash, last = name.rpartition("/")
    name = f"{head}{slash}{last.partition(':')[0]}"
    registry = name.partition("/")[0]
    is_complete = "/" in name and ("." in registry or ":" in registry or registry == "localhost")
    return name if is_complete else f"docker.io/{name}"


def _catalog(root: Path) -> Proposal:
    if (root / CATALOG).is_file():
        return Proposal(None, f"{CATALOG} exists")
    other = next((path for path in _files(root, (CATALOG, CATALOG.replace(".yaml", ".yml")))), None)
    return Proposal(other, "found it") if other else Proposal(None, "found none; the published base images are known")


def _without_metadata(root: Path, folders: set[Path]) -> Iterator[str]:
    """Returns folders that have a connector's name and files but are not connectors."""
    for folder, names, files in os.walk(root):
        inside = (name for name in names if name not in find.SKIPPED and not name.startswith("."))
        names[:] = sorted(name for name in inside if Path(folder, name) not in folders)
        is_named = Path(folder).name.startswith(tuple(f"{kind}-" for kind in CONNECTOR_TYPES))
        if is_named and _PACKAGE_FILES & {*files} and METADATA not in files and "-scaffold-" not in folder:
            yield Path(folder).relative_to(root).as_posix()
            names.clear()


def _markdown(root: Path) -> Iterator[str]:
    return _files(root, (".md",))


def _files(root: Path, endings: tuple[str, ...]) -> Iterator[str]:
    """Returns the paths of files with this suffix in order, except in folders of other tools."""
    for folder, names, files in os.walk(root):
        names[:] = sorted(name for name in names if name not in find.SKIPPED and not name.startswith("."))
        for name in sorted(files):
            if name.endswith(endings):
                yield Path(folder, name).relative_to(root).as_posix()


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
