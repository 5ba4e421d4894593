"""components.py of a manifest-only connector: the modules of custom classes as one module.

One module keeps its bytes. Several are joined, those that others import first, and only where no name means two things.
"""

import ast
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from airbyte_ci.campaigns.changes.change import NotApplicable
from airbyte_ci.campaigns.low_code.package import STARTERS, LowCodePackage, Module
from airbyte_ci.connectors.connector import COMPONENTS, MANIFEST_PACKAGE


@dataclass(frozen=True, slots=True)
class Components:
    """The text of components.py, and the new full name of each class by its present one.

    `modules` are the paths of the modules that the text consists of. `imported` holds the top-level modules that it
    imports, without the standard library and the framework.
    """

    text: str
    renamed: Mapping[str, str]
    modules: tuple[str, ...]
    imported: tuple[str, ...]


def collect(package: LowCodePackage, class_names: Sequence[str]) -> Components | None:
    """Returns the components for the full names of classes; None where the manifest names none of the package.

    Raises NotApplicable where the modules cannot be moved without a change of their meaning.
    """
    wanted = [name for name in class_names if name.startswith(f"{package.name}.")]
    if not wanted:
        return None
    renamed: dict[str, str] = {}
    modules: list[Module] = []
    for name in wanted:
        inner, _, class_name = name.removeprefix(f"{package.name}.").rpartition(".")
        module = package.modules.get(inner)
        if module is None:
            raise NotApplicable(f"{package.manifest} names {name}, and the package has no such module")
        module = _defining(package, module, class_name, name)
        _add(package, module, modules, ())
        renamed[name] = f"{MANIFEST_PACKAGE}.components.{class_name}"
    _refuse_self_reference(package, modules)
    text = modules[0].text if len(modules) == 1 else _joined(package, modules)
    imported = _foreign(modules) - {package.name}
    return Components(text, renamed, tuple(module.path for module in modules), tuple(sorted(imported)))


def _defining(package: LowCodePackage, module: Module, class_name: str, full_name: str) -> Module:
    """Follows imports inside the package to the module that defines a class."""
    for _ in package.modules:
        if any(isinstance(item, ast.ClassDef) and item.name == class_name for item in module.tree.body):
            return module
        origins = (
            origin
            for statement, origin in _internal_imports(package, module)
            if any(alias.name == class_name and alias.asname in (None, class_name) for alias in statement.names)
        )
        module_found = next(origins, None)
        if module_found is None:
            break
        module = module_found
    raise NotApplicable(f"{package.manifest} names {full_name}, which its package does not define")


def _add(package: LowCodePackage, module: Module, modules: list[Module], above: tuple[str, ...]) -> None:
    """Adds a module behind the modules of the package that it imports."""
    if module.name in above:
        raise NotApplicable(f"{module.path} and {above[-1]}.py import each other")
    if module in modules:
        return
    if module.path in STARTERS:
        raise NotApplicable(f"its custom classes import {module.path}, which a manifest does not have")
    for _, origin in _internal_imports(package, module):
        _add(package, origin, modules, (*above, module.name))
    modules.append(module)


def _internal_imports(package: LowCodePackage, module: Module) -> Iterator[tuple[ast.ImportFrom, Module]]:
    """The imports of other modules of the package; raises NotApplicable for those that cannot be left out."""
    top = {id(statement) for statement in module.tree.body}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            if any(alias.name.partition(".")[0] == package.name for alias in node.names):
                raise NotApplicable(f"{module.path}:{node.lineno} imports the package by name")
        elif isinstance(node, ast.ImportFrom) and (name := _origin(package, module, node)) is not None:
            origin = package.modules.get(name)
            is_plain = all(alias.name != "*" and alias.asname in (None, alias.name) for alias in node.names)
            if id(node) not in top or origin is None or not is_plain:
                raise NotApplicable(f"{module.path}:{node.lineno} imports from the package in a way that cannot move")
            yield node, origin


def _origin(package: LowCodePackage, module: Module, node: ast.ImportFrom) -> str | None:
    """The name in the package of the module that an import reads; None for one outside."""
    if node.level == 0:
        top, _, inner = (node.module or "").partition(".")
        return inner if top == package.name else None
    is_package = module.path.endswith("__init__.py")
    parts = module.name.split(".") if module.name else []
    kept = len(parts) - node.level + is_package
    return ".".join([*parts[: max(kept, 0)], *([node.module] if node.module else [])])


def _refuse_self_reference(package: LowCodePackage, modules: Sequence[Module]) -> None:
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and package.name in node.value:
                raise NotApplicable(f"{module.path}:{node.lineno} has the package's name in a text")
            if isinstance(node, ast.Name) and node.id in ("__file__", "__path__", "__package__"):
                raise NotApplicable(f"{module.path}:{node.lineno} uses {node.id}, which changes with its place")


def _joined(package: LowCodePackage, modules: Sequence[Module]) -> str:
    seen: dict[str, tuple[str, Module]] = {}
    future: list[str] = []
    parts: list[str] = []
    for module in modules:
        left_out = {id(statement) for statement, _ in _internal_imports(package, module)}
        lines = [f"{line}\n" for line in module.text.split("\n")]
        for statement in module.tree.body:
            is_future = isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
            if is_future:
                future.append(ast.unparse(statement))
            if is_future or id(statement) in left_out:
                _remove(lines, statement, module)
                continue
            for name, meaning in _bindings(statement):
                known, other = seen.setdefault(name, (meaning, module))
                if known != meaning and other is not module:
                    raise NotApplicable(
                        f"{other.path} and {module.path} both define {name}, so {COMPONENTS} cannot hold both"
                    )
        parts.append("".join(lines).strip("\n") + "\n")
    start = "".join(f"{line}\n" for line in dict.fromkeys(future))
    return (f"{start}\n\n" if start else "") + "\n\n".join(parts)


def _remove(lines: list[str], statement: ast.stmt, module: Module) -> None:
    first, last = statement.lineno - 1, (statement.end_lineno or statement.lineno) - 1
    if statement.col_offset or ";" in lines[last][statement.end_col_offset or 0 :].partition("#")[0]:
        raise NotApplicable(f"{module.path}:{statement.lineno} has several statements on one line")
    for number in range(first, last + 1):
        lines[number] = ""


def _bindings(statement: ast.stmt) -> Iterator[tuple[str, str]]:
    """The names that a statement binds, each with a text that says to what."""
    match statement:
        case ast.Import(names=names):
            yield from ((item.asname or item.name.partition(".")[0], f"import {item.name}") for item in names)
        case ast.ImportFrom(module=module, names=names):
            yield from ((item.asname or item.name, f"from {module} import {item.name}") for item in names)
        case ast.Expr(value=ast.Constant()):
            return
        case _:
            meaning = ast.dump(statement)
            yield from ((name, meaning) for name in _at_module_level(statement))


def _at_module_level(statement: ast.stmt) -> Iterator[str]:
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.alias(name=name, asname=asname):
                yield asname or name.partition(".")[0]
            case ast.Lambda():
                continue
            case _:
                waiting += ast.iter_child_nodes(node)


def _foreign(modules: Sequence[Module]) -> set[str]:
    found: set[str] = set()
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                found.add(node.module.partition(".")[0])
    return {name for name in found if name not in sys.stdlib_module_names and name != "airbyte_cdk"}
