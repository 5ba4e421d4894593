"""Generated projects locked by uv itself, and what it would install of each: its export, where the markers hold.

A project has extras that name extras of their own package, groups that include groups, default groups, and markers on
each. uv resolves them on an index of generated wheels that a server on this machine has.
"""

import contextlib
import hashlib
import http.server
import json
import os
import random
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from packaging.requirements import Requirement

from tests import loopback
from tests.oracles.projects import NAMES, Release, condition, universe, wanted
from tests.python.interpreters import cpython

UV = str(Path(sys.executable).with_name("uv"))
_SIMPLE = "<!DOCTYPE html><html><body>{}</body></html>"


@dataclass(frozen=True)
class Answer:
    """Returns the packages (`name==version`) that uv would install for a selection and a Python, or that it fails."""

    groups: tuple[str, ...]
    extras: tuple[str, ...]
    python: str
    packages: tuple[str, ...]


@dataclass(frozen=True)
class Locked:
    """A project of a seed with its lock and uv's selections."""

    seed: int
    project: str
    lock: str
    answers: tuple[Answer, ...]


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name in the library
        pass


@contextlib.contextmanager
def _served(folder: Path) -> Iterator[str]:
    handler = partial(_Handler, directory=str(folder))
    with loopback.running(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)) as port:
        yield f"http://127.0.0.1:{port}"


def lock_by_uv(seeds: Sequence[int], pythons: Sequence[str], folder: Path) -> Iterator[Locked]:
    """Yields the projects of these seeds that uv can lock; everything is written to the folder."""
    with _served(folder) as server:
        for seed in seeds:
            if found := _lock(seed, pythons, folder, server):
                yield found


def _lock(seed: int, pythons: Sequence[str], folder: Path, server: str) -> Locked | None:
    chance = random.Random(seed)
    for release in universe(chance):
        _write_wheel(folder / f"{seed}/simple/{release.name}", release)
    place = folder / f"{seed}/project"
    place.mkdir()
    groups, extras, text = _project(chance, f"{server}/{seed}/simple")
    (place / "pyproject.toml").write_text(text)
    if _uv(place, "lock") is None:
        return None
    answers = []
    for _ in range(4):
        wished = tuple(sorted(chance.sample(groups, chance.randrange(len(groups) + 1))))
        asked = tuple(sorted(chance.sample(extras, chance.randrange(len(extras) + 1))))
        options = [*(f"--group={name}" for name in wished), *(f"--extra={name}" for name in asked)]
        exported = _uv(place, "export", "--frozen", "--no-hashes", "--no-annotate", "--no-header", "--no-dev", *options)
        if exported is None:
            continue
        python = chance.choice(pythons)
        answers.append(Answer(wished, asked, python, _holding(exported, python)))
    return Locked(seed, text, (place / "uv.lock").read_text(), tuple(answers))


def _uv(place: Path, *arguments: str) -> str | None:
    """Returns uv's output; None if it refuses."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("UV_")}
    environment |= {
        "UV_CACHE_DIR": str(place.parent.parent / "cache"),
        "UV_NO_CONFIG": "0",
        "UV_PYTHON": sys.executable,
    }
    done = subprocess.run([UV, "--quiet", *arguments], cwd=place, env=environment, capture_output=True, text=True)
    return None if done.returncode else done.stdout


def _holding(exported: str, python: str) -> tuple[str, ...]:
    markers = dict(cpython(python).markers)
    lines = (line for line in exported.splitlines() if line and not line.startswith(("#", "-", ".")))
    found = [item for item in map(Requirement, lines) if item.marker is None or item.marker.evaluate(markers)]
    return tuple(sorted(f"{item.name}{item.specifier}" for item in found))


def _project(chance: random.Random, index: str) -> tuple[list[str], list[str], str]:
    """The names of its groups and extras, and pyproject.toml."""
    extras = ["one", "two", "three"][: chance.randrange(4)]
    groups = ["base", "more", "prod"][: chance.randrange(4)]
    defaults = [name for name in groups if chance.random() < 0.25]
    lines = ["[project]", 'name = "own"', 'version = "1"', 'requires-python = ">=3.9,<4"']
    lines += [f"dependencies = {json.dumps(_wanted(chance))}", "[project.optional-dependencies]"]
    for position, extra in enumerate(extras):
        inner = chance.sample(extras[:position], chance.randrange(position + 1))
        lines.append(
            f"{extra} = {json.dumps([*_wanted(chance), *(f'own[{name}]' + condition(chance) for name in inner)])}"
        )
    lines.append("[dependency-groups]")
    for position, group in enumerate(groups):
        included = chance.sample(groups[:position], chance.randrange(position + 1))
        items = [json.dumps(text) for text in _wanted(chance)]
        items += [f'{{include-group = "{name}"}}' for name in included]
        lines.append(f"{group} = [{', '.join(items)}]")
    lines += ["[tool.uv]", "package = false", f"default-groups = {json.dumps(defaults)}"]
    if len(extras) > 1 and chance.random() < 0.2:
        one, other = chance.sample(extras, 2)
        lines.append(f'conflicts = [[{{extra = "{one}"}}, {{extra = "{other}"}}]]')
    lines += ["[[tool.uv.index]]", f'url = "{index}"', "default = true", ""]
    return groups, extras, "\n".join(lines)


def _wanted(chance: random.Random) -> list[str]:
    return [wanted(chance, name) + condition(chance) for name in chance.sample(NAMES, chance.randrange(1, 3))]


def _write_wheel(folder: Path, release: Release) -> None:
    """The wheel, and the page that lists it."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{release.name}-{release.version}"
    metadata = [f"Metadata-Version: 2.3\nName: {release.name}\nVersion: {release.version}"]
    metadata += [f"Provides-Extra: {extra}" for extra in release.extras]
    metadata += [f"Requires-Dist: {text}" for text in release.requires]
    path = folder / f"{name}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.dist-info/METADATA", "\n".join([*metadata, ""]))
        archive.writestr(f"{name}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{name}.dist-info/RECORD", "")
    links = [
        f'<a href="{item.name}#sha256={hashlib.sha256(item.read_bytes()).hexdigest()}">{item.name}</a>'
        for item in sorted(folder.glob("*.whl"))
    ]
    (folder / "index.html").write_text(_SIMPLE.format("\n".join(links)))
