"""Metadata queries: simpleeval's expression language over a connector's metadata, with SQL's NULL for missing keys.

A missing key is None for `is None`, stays missing when looked into, and a comparison with it is unknown; unknown
never matches, and `and`, `or`, `not` follow SQL's three-valued logic. Mistakes are errors that show their place.
"""

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from simpleeval import EvalWithCompoundTypes, InvalidExpression, NameNotDefined

from airbyte_ci.errors import QueryError

_ORDERINGS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)


class _Null:
    """SQL's NULL: a value that is not there, or a truth that is not known."""

    def __repr__(self) -> str:
        return "missing"


NULL = _Null()


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed expression. `names` are what it may speak of."""

    text: str
    tree: ast.expr

    def matches(self, names: Mapping[str, Any], subject: str) -> bool:
        """Whether it holds for one connector; raises QueryError that names the `subject` and the place."""
        evaluator = _Evaluator(names)
        try:
            result = evaluator.value(self.tree)
        except NameNotDefined as error:
            known = ", ".join(sorted(names))
            raise self._error(evaluator, f"unknown name {error.name!r} (known: {known})") from error
        except (
            InvalidExpression,
            TypeError,
            ValueError,
            ArithmeticError,
            LookupError,
            RecursionError,
        ) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise self._error(evaluator, f"{reason} (for {subject})") from error
        except AttributeError as error:
            raise self._error(evaluator, f"{error} (for {subject})") from error
        return result is not NULL and bool(result)

    def unknown_keys(self, data: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
        """Paths below `data` in the expression that no connector has: most likely misspelt."""
        everyone = list(data)
        paths = {path for node in ast.walk(self.tree) if (path := _path(node)) and len(path) > 1}
        return tuple(sorted(".".join(path) for path in paths if not any(_has(item, path[1:]) for item in everyone)))

    def _error(self, evaluator: "_Evaluator", reason: str) -> QueryError:
        return QueryError(_pointing(self.text, evaluator.place, reason))


def parse(text: str) -> Query:
    """Raises QueryError that shows where the expression is not one."""
    stripped = text.strip()
    try:
        return Query(stripped, ast.parse(stripped, mode="eval").body)
    except SyntaxError as error:
        raise QueryError(_pointing(stripped, (error.offset or 1) - 1, f"not an expression: {error.msg}")) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise QueryError(f"reading the metadata query: {error}") from error


def _pointing(text: str, column: int, reason: str) -> str:
    return f"reading the metadata query: {reason}, at column {column + 1}\n    {text}\n    {' ' * column}^"


def _path(node: ast.AST) -> tuple[str, ...]:
    """`data.a['b']` as ("data", "a", "b"); empty for anything else, methods included."""
    if isinstance(node, ast.Name):
        return ("data",) if node.id == "data" else ()
    if isinstance(node, ast.Attribute):
        inner = _path(node.value)
        return (*inner, node.attr) if inner and not hasattr(dict, node.attr) else ()
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        inner = _path(node.value)
        return (*inner, node.slice.value) if inner and isinstance(node.slice.value, str) else ()
    return ()


def _has(value: Any, path: tuple[str, ...]) -> bool:
    for key in path:
        if not isinstance(value, Mapping):
            return not isinstance(value, (dict, type(None)))  # a method or index of a text or list
        if key not in value:
            return False
        value = value[key]
    return True


class _Evaluator(EvalWithCompoundTypes):  # type: ignore[misc]  # simpleeval is not typed
    """simpleeval with NULL; remembers the place of the innermost node it could not evaluate."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        super().__init__(names=dict(names) | {"True": True, "False": False, "None": None})
        self.place = 0
        self._failed = False

    def value(self, tree: ast.expr) -> Any:
        return self._eval(tree)

    def _check_disallowed_items(self, item: Any) -> None:
        # Metadata comes from YAML and holds no code, so only what is not data needs the check.
        if not isinstance(item, (dict, list)):
            super()._check_disallowed_items(item)

    def _eval(self, node: ast.AST) -> Any:
        try:
            return super()._eval(node)
        except Exception:
            if not self._failed:
                self._failed = True
                self.place = getattr(node, "col_offset", 0)
            raise

    def _eval_attribute(self, node: ast.Attribute) -> Any:
        value = self._eval(node.value)
        if value is NULL or value is None:
            return NULL
        if isinstance(value, dict) and node.attr not in value and not hasattr(value, node.attr):
            return NULL
        return super()._eval_attribute(node)

    def _eval_subscript(self, node: ast.Subscript) -> Any:
        value, key = self._eval(node.value), self._eval(node.slice)
        if value is NULL or value is None or key is NULL:
            return NULL
        try:
            return value[key]
        except LookupError:
            return NULL

    def _eval_call(self, node: ast.Call) -> Any:
        if isinstance(node.func, ast.Attribute) and self._eval(node.func.value) in (NULL, None):
            return NULL
        if any(self._eval(argument) is NULL for argument in node.args):
            return NULL
        return super()._eval_call(node)

    def _eval_binop(self, node: ast.BinOp) -> Any:
        if self._eval(node.left) is NULL or self._eval(node.right) is NULL:
            return NULL
        return super()._eval_binop(node)

    def _eval_unaryop(self, node: ast.UnaryOp) -> Any:
        return NULL if self._eval(node.operand) is NULL else super()._eval_unaryop(node)

    def _eval_boolop(self, node: ast.BoolOp) -> Any:
        decisive = isinstance(node.op, ast.Or)
        result: Any = not decisive
        unknown = False
        for item in node.values:
            result = self._eval(item)
            if result is NULL:
                unknown = True
            elif bool(result) is decisive:
                return result
        return NULL if unknown else result

    def _eval_ifexp(self, node: ast.IfExp) -> Any:
        test = self._eval(node.test)
        return self._eval(node.body if test is not NULL and test else node.orelse)

    def _eval_compare(self, node: ast.Compare) -> Any:
        left = self._eval(node.left)
        unknown = False
        for operation, comparator in zip(node.ops, node.comparators, strict=True):
            right = self._eval(comparator)
            held = self._compare(operation, left, right)
            if held is NULL:
                unknown = True
            elif not held:
                return False
            left = right
        return NULL if unknown else True

    def _compare(self, operation: ast.cmpop, left: Any, right: Any) -> Any:
        if isinstance(operation, (ast.Is, ast.IsNot)):
            same = (None if left is NULL else left) is (None if right is NULL else right)
            return same if isinstance(operation, ast.Is) else not same
        if left is NULL or right is NULL:
            return NULL
        if isinstance(operation, _ORDERINGS) and (left is None or right is None):
            return NULL
        if isinstance(operation, (ast.In, ast.NotIn)) and right is None:
            return NULL
        return self.operators[type(operation)](left, right)
