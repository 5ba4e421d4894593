"""Metadata queries: simpleeval's expression language over a connector's metadata, with SQL's NULL for missing keys.

A missing key is None for `is None`, its own keys are missing too, and a comparison with it is unknown. Unknown never
matches, and `and`, `or`, `not` follow SQL's three-valued logic. Mistakes are errors that show their place, even if no
connector would trigger them.
"""

import ast
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from simpleeval import DEFAULT_FUNCTIONS, InvalidExpression

from airbyte_ci.connectors.evaluator import METHODS, NULL, ExpressionEvaluator
from airbyte_ci.errors import QueryError

# No person writes a longer query.
_LENGTH_LIMIT = 10_000
_KNOWN: Mapping[str, tuple[str, ...]] = {"data": ()}
_AVAILABLE = (
    *(ast.expr_context, ast.boolop, ast.operator, ast.unaryop, ast.cmpop, ast.keyword),
    *(ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.Compare, ast.IfExp, ast.Call, ast.Constant, ast.Name, ast.Attribute),
    *(ast.Subscript, ast.Slice, ast.JoinedStr, ast.FormattedValue, ast.List, ast.Tuple, ast.Set, ast.Dict),
)
_CALLABLE = frozenset().union(*METHODS.values())


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed expression."""

    text: str
    tree: ast.expr

    def matches(self, names: Mapping[str, Any], subject: str) -> bool:
        """Returns whether the query matches a connector; raises QueryError that names the `subject` and the place."""
        evaluator = ExpressionEvaluator(names)
        try:
            result = evaluator.value(self.tree)
            return result is not NULL and bool(result)
        except (
            InvalidExpression,
            TypeError,
            ValueError,
            ArithmeticError,
            LookupError,
            RecursionError,
        ) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise _error(self.text, evaluator.failed, f"{reason} (for {subject})") from error

    @property
    def names(self) -> frozenset[str]:
        """Returns the names that the query uses: `data`, and facts."""
        return frozenset(node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name))

    def unknown_keys(self, data: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
        """Returns paths below `data` in the expression that no connector has: most likely misspelled."""
        everyone = list(data)
        unknown = {path for path in _paths(self.tree) if not any(_has(item, path[1:]) for item in everyone)}
        # Keys inside a missing key add no information.
        shortest = (path for path in unknown if not any(path[:length] in unknown for length in range(len(path))))
        return tuple(sorted(".".join(path) for path in shortest))


def parse(text: str, known: Mapping[str, tuple[str, ...]] = _KNOWN) -> Query:
    """Parses the expression; raises QueryError that shows where it is invalid or uses an unknown name.

    `known` maps each name to its fields, empty if it has none or they are not known.
    """
    line = " ".join(text.strip().split("\n"))
    if len(line) > _LENGTH_LIMIT:
        raise QueryError(f"the metadata query is invalid: it is longer than {_LENGTH_LIMIT} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's warnings are about programs (an unknown escape, `1if x`)
            tree = ast.parse(line, mode="eval").body
    except SyntaxError as error:
        # At the end of the text the position is missing.
        column = (error.offset or len(line) + 1) - 1
        raise QueryError(_pointing(line, column, f"not an expression: {error.msg}")) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise QueryError(f"the metadata query is invalid: {error}") from error
    _check(tree, line, known)
    return Query(line, tree)


def _check(tree: ast.expr, text: str, known: Mapping[str, tuple[str, ...]]) -> None:
    """Raises QueryError for expressions that are wrong for any metadata."""
    called = {node.func for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if reason := _objection(node, called, known):
            raise _error(text, node, reason)


def _objection(node: ast.AST, called: Collection[ast.expr], known: Mapping[str, tuple[str, ...]]) -> str | None:
    match node:
        case ast.Name(name):
            if node in called:
                return None if name in DEFAULT_FUNCTIONS else f"unknown function {name!r}"
            return None if name in known else f"unknown name {name!r} (known: {', '.join(sorted(known))})"
        case ast.Attribute(attr=name) if name.startswith("_"):
            return f"{name!r} is not available; a key with an underscore in front is written ['{name}']"
        case ast.Attribute(attr=name) if node in called and name not in _CALLABLE:
            return f"{name}() is not available"
        case ast.Attribute(value=ast.Name(fact), attr=name) if known.get(fact) and node not in called:
            fields = known[fact]
            return None if name in fields else f"{fact} has no {name!r} (known: {', '.join(fields)})"
        case ast.Call(func=function) if not isinstance(function, (ast.Name, ast.Attribute)):
            return "this cannot be called"
        case ast.keyword(arg=None):
            return "** is not available"
        case ast.FormattedValue(format_spec=ast.JoinedStr()):
            return "a format is not available"
        case ast.Compare(ops=operations, comparators=others):
            return next(filter(None, map(_identity, operations, others)), None)
        case _ if not isinstance(node, _AVAILABLE):
            return f"{type(node).__name__} is not available"
    return None


def _identity(operation: ast.cmpop, other: ast.expr) -> str | None:
    """Refuses `x is 'a'`, which is never true; Python warns about it too."""
    literal = isinstance(other, ast.Constant) and other.value not in (None, True, False)
    if literal and isinstance(operation, (ast.Is, ast.IsNot)):
        return "`is` is for None, True and False; write == or !="
    return None


def _error(text: str, node: ast.AST | None, reason: str) -> QueryError:
    column = len(text.encode()[: getattr(node, "col_offset", 0)].decode())  # Python counts bytes
    return QueryError(_pointing(text, column, reason))


def _pointing(text: str, column: int, reason: str) -> str:
    return f"the metadata query is invalid: {reason}, at column {column + 1}\n    {text}\n    {' ' * column}^"


def _paths(tree: ast.expr) -> Iterator[tuple[str, ...]]:
    """Yields every `data.a['b']` of the expression as ("data", "a", "b"), and its parts; excludes methods."""
    called = {node.func for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        parts: list[str] = []
        inner = node.value if node in called and isinstance(node, ast.Attribute) else node
        while not isinstance(inner, ast.Name):
            if isinstance(inner, ast.Attribute):
                parts.append(inner.attr)
            elif isinstance(inner, ast.Subscript) and isinstance(key := inner.slice, ast.Constant):
                if not isinstance(key.value, str):
                    break
                parts.append(key.value)
            else:
                break
            inner = inner.value
        if parts and isinstance(inner, ast.Name) and inner.id == "data":
            yield ("data", *reversed(parts))


def _has(value: object, path: tuple[str, ...]) -> bool:
    for key in path:
        if not isinstance(value, Mapping):
            return value is not None  # a part of a date, or a mistake that is reported elsewhere
        if key not in value:
            return False
        value = value[key]
    return True
