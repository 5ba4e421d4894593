"""One selection written as the other formats would have it: real-looking locks for every reader."""

from collections.abc import Iterable, Sequence

from airbyte_ci.python.lock import LockedPackage

_HOST = "https://files.example/packages"
_INDEX = 'source = { registry = "https://index.example/simple" }'


def requirements(packages: Sequence[LockedPackage]) -> str:
    """Hashed requirements, as `uv pip compile --generate-hashes` lays them out."""
    blocks = []
    for package in packages:
        hashes = " \\\n".join(f"    --hash=sha256:{file.sha256}" for file in package.files)
        pin = f"{package.name}=={package.version} ; python_version >= '3.9'"
        blocks.append(f"{pin} \\\n{hashes}\n    # via {package.name}\n")
    return "# made for a test\n" + "".join(blocks)


def pylock(packages: Sequence[LockedPackage]) -> str:
    """PEP 751."""
    blocks = ['lock-version = "1.0"\ncreated-by = "tests"\nrequires-python = ">=3.9"\n']
    for package in packages:
        head = ["[[packages]]", *_names(package), "marker = \"python_version >= '3.9'\""]
        blocks.append("\n".join([*head, *_files(package, 'hashes = {{ sha256 = "{}" }}'), ""]))
    return "\n".join(blocks)


def uv(packages: Sequence[LockedPackage]) -> tuple[str, str]:
    """uv.lock and the pyproject.toml that it is of."""
    roots = [package.name for package in packages if "" in package.required_by]
    asked = ", ".join(f'"{name}"' for name in roots)
    project = f'[project]\nname = "connector"\nversion = "0.1.0"\nrequires-python = ">=3.9"\ndependencies = [{asked}]\n'
    own = ["[[package]]", 'name = "connector"', 'version = "0.1.0"', 'source = { virtual = "." }']
    own += [*_edges("dependencies", roots), "", "[package.metadata]", *_edges("requires-dist", roots), ""]
    blocks = ['version = 1\nrevision = 2\nrequires-python = ">=3.9"\n', "\n".join(own)]
    for package in packages:
        needed = [other.name for other in packages if package.name in other.required_by]
        edges = _edges("dependencies", needed, "marker = \"python_full_version >= '3.9'\"") if needed else []
        head = ["[[package]]", *_names(package), _INDEX, *edges]
        blocks.append("\n".join([*head, *_files(package, 'hash = "sha256:{}", size = 1'), ""]))
    return "\n".join(blocks), project


def _names(package: LockedPackage) -> list[str]:
    return [f'name = "{package.name}"', f'version = "{package.version}"']


def _edges(key: str, names: Iterable[str], more: str = "") -> list[str]:
    return [f"{key} = [", *(f'    {{ name = "{name}"{", " if more else ""}{more} }},' for name in names), "]"]


def _files(package: LockedPackage, hashed: str) -> list[str]:
    items = {file.name: f'{{ url = "{_HOST}/{file.name}", {hashed.format(file.sha256)} }}' for file in package.files}
    wheels = [f"    {item}," for name, item in items.items() if name.endswith(".whl")]
    sdists = [f"sdist = {item}" for name, item in items.items() if not name.endswith(".whl")]
    return [*sdists[:1], *(["wheels = [", *wheels, "]"] if wheels else [])]
