"""The package of a low-code Python connector: its files, and whether its Python does more than start the manifest.

Look here for the reasons why a connector cannot become manifest-only. The code is read as syntax; nothing is run.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from airbyte_ci.campaigns.changes.change import NotApplicable
from airbyte_ci.campaigns.changes.findings import shorten
from airbyte_ci.connectors.connector import MANIFEST, Connector
from airbyte_ci.connectors.folder_files import walk
from airbyte_ci.errors import ConnectorError

_SPECS = ("spec.json", "spec.yaml", "spec.yml")
_SCHEMAS = "schemas/"
_BASE_CLASS = "YamlDeclarativeSource"
# Files of a package that no image needs.
_UNUSED = (".gitkeep", "py.typed", ".md", ".txt")
# Modules that only start the connector.
STARTERS = ("source.py", "run.py", "__init__.py")


@dataclass(frozen=True, slots=True)
class Module:
    """A module of the package: its dotted name in it (empty: `__init__`), its path, text and syntax tree."""

    name: str
    path: str
    text: str
    tree: ast.Module


@dataclass(frozen=True, slots=True, kw_only=True)
class LowCodePackage:
    """What a package consists of; `files` are all its paths below the connector's folder, with a slash.

    `spec` is the path of its spec file (None: the manifest holds it), `schemas` those of the JSON schemas of streams.
    """

    name: str
    files: tuple[str, ...]
    modules: Mapping[str, Module]
    spec: str | None
    schemas: tuple[str, ...]

    @property
    def manifest(self) -> str:
        return f"{self.name}/{MANIFEST}"


def read(connector: Connector) -> LowCodePackage:
    """Raises NotApplicable with the reason where Python code or another file does what a manifest cannot do.

    Raises ConnectorError for a module that is not valid Python.
    """
    package = connector.package
    folder = connector.folder / package
    found = [item for item in walk(folder) if not item.is_folder]
    if link := next((item for item in found if item.is_link), None):
        raise NotApplicable(f"{package}/{link.path} is a symbolic link")
    paths = [item.path for item in found]
    specs = [path for path in paths if path in _SPECS]
    schemas = tuple(path for path in paths if path.startswith(_SCHEMAS) and path.endswith(".json"))
    modules = [path for path in paths if path.endswith(".py")]
    others = {*paths} - {*specs, *schemas, *modules, MANIFEST}
    if unknown := sorted(path for path in others if not path.endswith(_UNUSED)):
        raise NotApplicable(f"its package has {_some(unknown)}, which the image of a manifest does not have")
    if len(specs) > 1:
        raise NotApplicable(f"its package has two specifications: {' and '.join(specs)}")
    parsed = [_parse(folder, path, f"{connector.relative}/{package}/{path}") for path in modules]
    by_name = {module.name: module for module in parsed}
    _refuse_code(connector, by_name)
    return LowCodePackage(
        name=package,
        files=tuple(f"{package}/{path}" for path in paths),
        modules=by_name,
        spec=f"{package}/{specs[0]}" if specs else None,
        schemas=schemas,
    )


def _parse(folder: Path, path: str, place: str) -> Module:
    name = path.removesuffix(".py").replace("/", ".").removesuffix("__init__").removesuffix(".")
    try:
        content = (folder / path).read_bytes()
        return Module(name, path, content.decode(), ast.parse(content))
    except (SyntaxError, ValueError, RecursionError) as error:
        line = f":{error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise ConnectorError(f"{place}{line}: is not valid Python ({reason})") from error


def _some(paths: list[str]) -> str:
    return ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")


def _refuse_code(connector: Connector, modules: Mapping[str, Module]) -> None:
    """Raises NotApplicable where starting the connector does more than read its manifest."""
    source = modules.get("source")
    if source is None:
        raise NotApplicable(f"its package has no source.py that starts {MANIFEST} with {_BASE_CLASS}")
    classes = [item for item in source.tree.body if isinstance(item, ast.ClassDef)]
    sources = [item for item in classes if [ast.unparse(base) for base in item.bases] == [_BASE_CLASS]]
    if not sources:
        raise NotApplicable(f"source.py has no class that is a plain {_BASE_CLASS}")
    own = sources[0]
    for line, what in _deviations(source.tree, own):
        raise NotApplicable(f"source.py:{line} {what}, which a manifest cannot do")
    starters = [module for name in ("run", "") if (module := modules.get(name))]
    main = connector.folder / "main.py"
    if main.is_file():
        starters.append(_parse(connector.folder, "main.py", f"{connector.relative}/main.py"))
    for module in starters:
        for line, what in _starts_more(module.tree, own.name):
            raise NotApplicable(f"{module.path}:{line} {what}, which a manifest cannot do")


def _deviations(tree: ast.Module, own: ast.ClassDef) -> Iterator[tuple[int, str]]:
    for statement in tree.body:
        match statement:
            case ast.ImportFrom() | ast.Import() | ast.Expr(value=ast.Constant()):
                continue
            case ast.If(test=test) if ast.unparse(test) == "TYPE_CHECKING":
                continue
            case ast.ClassDef(name=name) if name == own.name:
                continue
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield statement.lineno, f"defines {name}"
            case _:
                yield statement.lineno, f"runs {_shown(statement)}"
    for statement in own.body:
        match statement:
            case ast.Expr(value=ast.Constant()) | ast.Pass():
                continue
            case ast.FunctionDef(name="__init__"):
                yield from _of_init(statement)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield statement.lineno, f"defines {name}"
            case _:
                yield statement.lineno, f"sets {_shown(statement)}"


def _of_init(function: ast.FunctionDef) -> Iterator[tuple[int, str]]:
    """The only statement of `__init__` may be the call of its parent with the manifest's path and its own arguments."""
    for statement in function.body:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            continue
        if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)):
            yield statement.lineno, f"runs {_shown(statement)}"
            continue
        call = statement.value
        if ast.unparse(call.func) != "super().__init__":
            yield statement.lineno, f"calls {ast.unparse(call.func)}"
        elif _manifest_path(call) != MANIFEST:
            yield statement.lineno, f"starts {_manifest_path(call) or 'another manifest'}"


def _manifest_path(call: ast.Call) -> str | None:
    given: dict[str, ast.expr] = {}
    for keyword in call.keywords:
        if keyword.arg is not None:
            given[keyword.arg] = keyword.value
        elif isinstance(keyword.value, ast.Dict):
            names = (key.value for key in keyword.value.keys if isinstance(key, ast.Constant))
            given |= {str(name): item for name, item in zip(names, keyword.value.values, strict=False)}
    found = given.get("path_to_yaml")
    return str(found.value) if isinstance(found, ast.Constant) else None


# Helpers of the framework that pass command line arguments on to a source.
_FRAMEWORK_CALLS = frozenset(
    {"launch", "run", "init_logger"} | {f"AirbyteEntrypoint.extract_{name}" for name in ("catalog", "config", "state")}
)
# Inherited by the source: they load the files of these arguments.
_READERS = ("read_catalog", "read_config", "read_state")


def _starts_more(tree: ast.Module, source: str) -> Iterator[tuple[int, str]]:
    known = _FRAMEWORK_CALLS | {f"{source}.{reader}" for reader in _READERS}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield node.lineno, f"defines {node.name}"
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name not in known and name.rpartition(".")[2] != source:
                yield node.lineno, f"calls {name}"


def _shown(statement: ast.stmt) -> str:
    return shorten(ast.unparse(statement).partition("\n")[0], 60)
