"""Writes the bill of materials of airbyte-ci itself: its locked dependencies as CycloneDX 1.6 (`make lock`).

The wheel carries the file in `.dist-info/sboms/` (PEP 770). Dependencies for other systems are listed too, if the lock
has them. The names of requirements come from the installed packages.
"""

import json
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import airbyte_ci

PROJECT = Path(__file__).parents[1]
_EXTRA = re.compile(r"""extra == ["']([^"']+)""")


def sbom(project: Path = PROJECT) -> str:
    """Returns the document; the same lock and version give the same text."""
    declared = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]
    locked = dict(_locked((project / "requirements.txt").read_text("utf-8")))
    edges = _edges(declared["dependencies"], locked)
    root = _purl("airbyte-ci", airbyte_ci.__version__)
    purls = {name: _purl(name, locked[name]) for name in edges if name}
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "lifecycles": [{"phase": "build"}],
            "component": {
                "type": "application",
                "bom-ref": root,
                "name": "airbyte-ci",
                "version": airbyte_ci.__version__,
                "description": declared["description"],
                "licenses": [{"license": {"id": declared["license"]}}],
                "purl": root,
            },
        },
        "components": [
            {"type": "library", "bom-ref": purl, "name": name, "version": locked[name], "purl": purl}
            for name, purl in sorted(purls.items())
        ],
        "dependencies": [
            {"ref": purls[name] if name else root, "dependsOn": sorted(purls[item] for item in needed)}
            for name, needed in sorted(edges.items())
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _locked(text: str) -> Iterator[tuple[str, str]]:
    """Yields the name and version of each locked package."""
    for line in text.splitlines():
        name, separator, rest = line.partition("==")
        if separator and not line.startswith(" "):
            yield canonicalize_name(name.partition("[")[0]), rest.split()[0]


def _edges(direct: Iterable[str], locked: Mapping[str, str]) -> dict[str, set[str]]:
    """Returns what each package needs, by name; the empty name is airbyte-ci."""
    edges: dict[str, set[str]] = {"": set()}
    waiting, done = [("", "")], set[tuple[str, str]]()
    while waiting:
        name, extra = asked = waiting.pop()
        if asked in done:
            continue
        done.add(asked)
        for found in _needed(_requirements(name) if name else direct, extra):
            needed = canonicalize_name(found.name)
            if needed in locked:
                edges.setdefault(name, set()).add(needed)
                edges.setdefault(needed, set())
                waiting += [(needed, ""), *((needed, item) for item in found.extras)]
    return edges


def _requirements(name: str) -> list[str]:
    try:
        return metadata.requires(name) or []
    except metadata.PackageNotFoundError:  # a package for another system
        return []


def _needed(requirements: Iterable[str], extra: str) -> Iterator[Requirement]:
    """Yields the requirements of an extra, or those without one, on any system."""
    for requirement in map(Requirement, requirements):
        marked = _EXTRA.search(str(requirement.marker or ""))
        if (marked[1] if marked else "") == extra:
            yield requirement


def _purl(name: str, version: str) -> str:
    return f"pkg:pypi/{name}@{version}"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(sbom(), "utf-8")
