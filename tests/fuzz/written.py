"""One selection written as the other formats would have it: real-looking locks for every reader.

Every third package has two entries, for newer and for older Pythons; the last two are of a group and an extra.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from airbyte_ci.python.packages.lock import MAIN_ONLY, LockedFile, LockedPackage, Wish

_HOST = "https://files.example/packages"
_INDEX = 'source = { registry = "https://index.example/simple" }'
_ALWAYS, _NEWER, _OLDER = (f"python_full_version {text}" for text in (">= '3.9'", ">= '3.11'", "< '3.11'"))
_EXTRA, _GROUP = "more", "dev"
_FEWEST = 5  # packages, for two of them to be wished for


@dataclass(frozen=True)
class _Entry:
    """One entry of a package: what it is, and when it is meant."""

    package: LockedPackage
    marker: str


def _entries(packages: Sequence[LockedPackage]) -> list[_Entry]:
    found = []
    for number, package in enumerate(packages):
        if number % 3:
            found.append(_Entry(package, _ALWAYS))
        else:
            found += [_Entry(_other(package), _OLDER), _Entry(package, _NEWER)]
    return found


def _other(package: LockedPackage) -> LockedPackage:
    """Another version of a package, with files of its own."""
    version = f"{package.version}+older"
    names = [file.name.replace(f"-{package.version}", f"-{version}") for file in package.files]
    files = tuple(LockedFile(name, hashlib.sha256(name.encode()).hexdigest()) for name in names)
    return replace(package, version=version, files=files)


def poetry(lock: str) -> str:
    """A poetry.lock in which every third package also has a newer entry for newer Pythons, in each possible form."""
    head, *blocks = re.split(r"(?m)^(?=\[\[package\]\])", lock)
    found = [head]
    for number, block in enumerate(blocks):
        found.append(block)
        if number == len(blocks) - 1:
            break  # the rest of the lock is behind the last
        version = re.search(r'(?m)^version = "([^"+]*)"$', block)
        if number % 3 == 0 and version:
            found.append(_newer(block, version[1], number // 3 % 3))
    return "".join(found)


def _newer(block: str, version: str, way: int) -> str:
    later = "python_version >= '3.11'"
    lines = (f'markers = "{later}"', f'markers = {{main = "{later}", dev = "{later}"}}', 'python-versions = ">=3.11"')
    kept = re.sub(r"(?m)^(markers|python-versions|groups) = .*\n", "", block)
    other = re.sub(
        r"sha256:[0-9a-f]{64}", lambda found: f"sha256:{hashlib.sha256(found[0].encode()).hexdigest()}", kept
    )
    return other.replace(f'version = "{version}"\n', f'version = "{version}+newer"\n{lines[way]}\n', 1)


def wishes(packages: Sequence[LockedPackage]) -> tuple[Wish, ...]:
    """The selections that the uv.lock and pylock.toml of these packages support."""
    more = (Wish((), (_EXTRA,)), Wish((_GROUP,), ()), Wish((_GROUP,), (_EXTRA,)))
    return (MAIN_ONLY, *more) if len(packages) >= _FEWEST else (MAIN_ONLY,)


def requirements(packages: Sequence[LockedPackage]) -> str:
    """Hashed requirements, as `uv pip compile --generate-hashes` lays them out."""
    blocks = []
    for entry in _entries(packages):
        package = entry.package
        hashes = " \\\n".join(f"    --hash=sha256:{file.sha256}" for file in package.files)
        blocks.append(f"{package.name}=={package.version} ; {entry.marker} \\\n{hashes}\n    # via {package.name}\n")
    return "# made for a test\n" + "".join(blocks)


def pylock(packages: Sequence[LockedPackage]) -> str:
    """PEP 751."""
    head = 'lock-version = "1.0"\ncreated-by = "tests"\nrequires-python = ">=3.9"\n'
    blocks = [f'{head}extras = ["{_EXTRA}"]\ndependency-groups = ["{_GROUP}"]\ndefault-groups = []\n']
    more = _parts(packages)
    for entry in _entries(packages):
        package = entry.package
        wished = f" and {more[package.name]}" if package.name in more else ""
        lines = ["[[packages]]", *_names(package), f'marker = "{entry.marker}{wished}"']
        blocks.append("\n".join([*lines, *_files(package, 'hashes = {{ sha256 = "{}" }}'), ""]))
    return "\n".join(blocks)


def _parts(packages: Sequence[LockedPackage]) -> dict[str, str]:
    """The packages that only a selection adds, with their marker."""
    markers = (f"'{_GROUP}' in dependency_groups", f"'{_EXTRA}' in extras")
    return (
        dict(zip((package.name for package in packages[-2:]), markers, strict=False))
        if len(packages) >= _FEWEST
        else {}
    )


def uv(packages: Sequence[LockedPackage]) -> tuple[str, str]:
    """uv.lock and the pyproject.toml that it is of."""
    group, extra = (packages[-2].name, packages[-1].name) if len(packages) >= _FEWEST else ("", "")
    entries = _entries(packages)
    roots = [package.name for package in packages if "" in package.required_by and package.name not in (group, extra)]
    asked = ", ".join(f'"{name}"' for name in roots)
    project = f'[project]\nname = "connector"\nversion = "0.1.0"\nrequires-python = ">=3.9"\ndependencies = [{asked}]\n'
    own = ["[[package]]", 'name = "connector"', 'version = "0.1.0"', 'source = { virtual = "." }']
    own += [*_edges("dependencies", roots, entries), ""]
    recorded = [f'    {{ name = "{name}" }},' for name in roots]
    if extra:
        project += (
            f'[project.optional-dependencies]\n{_EXTRA} = ["{extra}"]\n[dependency-groups]\n{_GROUP} = ["{group}"]\n'
        )
        own += ["[package.optional-dependencies]", *_edges(_EXTRA, [extra], entries), ""]
        own += ["[package.dev-dependencies]", *_edges(_GROUP, [group], entries), ""]
        recorded.append(f'    {{ name = "{extra}", marker = "extra == \'{_EXTRA}\'" }},')
    own += ["[package.metadata]", "requires-dist = [", *recorded, "]", ""]
    if extra:
        own += ["[package.metadata.requires-dev]", f'{_GROUP} = [{{ name = "{group}" }}]', ""]
    blocks = ['version = 1\nrevision = 2\nrequires-python = ">=3.9"\n', "\n".join(own)]
    for entry in entries:
        package = entry.package
        needed = [other.name for other in packages if package.name in other.required_by]
        edges = _edges("dependencies", needed, entries) if needed else []
        apart = [] if entry.marker == _ALWAYS else [f'resolution-markers = ["{entry.marker}"]']
        lines = ["[[package]]", *_names(package), _INDEX, *apart, *edges]
        blocks.append("\n".join([*lines, *_files(package, 'hash = "sha256:{}", size = 1'), ""]))
    return "\n".join(blocks), project


def _names(package: LockedPackage) -> list[str]:
    return [f'name = "{package.name}"', f'version = "{package.version}"']


def _edges(key: str, names: Iterable[str], entries: Sequence[_Entry]) -> list[str]:
    """Edges as uv writes them: with the version where there are several entries, each under its marker."""
    lines = []
    for name in names:
        for entry in (item for item in entries if item.package.name == name):
            which = "" if entry.marker == _ALWAYS else f', version = "{entry.package.version}"'
            lines.append(f'    {{ name = "{name}"{which}, marker = "{entry.marker}" }},')
    return [f"{key} = [", *lines, "]"]


def _files(package: LockedPackage, hashed: str) -> list[str]:
    items = {file.name: f'{{ url = "{_HOST}/{file.name}", {hashed.format(file.sha256)} }}' for file in package.files}
    wheels = [f"    {item}," for name, item in items.items() if name.endswith(".whl")]
    sdists = [f"sdist = {item}" for name, item in items.items() if not name.endswith(".whl")]
    return [*sdists[:1], *(["wheels = [", *wheels, "]"] if wheels else [])]
