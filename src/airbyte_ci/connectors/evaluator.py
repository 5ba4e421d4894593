"""Evaluates a query for one connector: simpleeval's operators, SQL's NULL, and limits on work.

Knows values and operations on them; `query` decides which expressions are allowed.
"""

import ast
import datetime
from collections.abc import Callable, Mapping
from typing import Any

from simpleeval import DEFAULT_OPERATORS, MAX_STRING_LENGTH, EvalWithCompoundTypes

_TEXT_METHODS = (
    "capitalize casefold count endswith find index isalnum isalpha isascii isdecimal isdigit islower isnumeric isspace "
    "istitle isupper lower lstrip partition removeprefix removesuffix replace rfind rindex rpartition rsplit rstrip "
    "split splitlines startswith strip swapcase title upper"
)
# Methods that a query may call, by type. None changes a value, because later readers share it.
METHODS: dict[type, frozenset[str]] = {
    dict: frozenset({"get", "items", "keys", "values"}),
    list: frozenset({"count", "index"}),
    str: frozenset(_TEXT_METHODS.split()),
    float: frozenset({"is_integer"}),
    datetime.date: frozenset({"isoformat", "weekday"}),
}
# An unquoted date in YAML is a date.
_DATE_PARTS = frozenset({"year", "month", "day"})
# Larger numbers do not occur in metadata, and take too long to compute.
_POWER_BITS = 4096
_ORDERINGS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)


class _Null:
    """SQL's NULL: a missing value, or an unknown truth value."""

    def __repr__(self) -> str:
        return "missing"


NULL = _Null()


class ExpressionEvaluator(EvalWithCompoundTypes):  # type: ignore[misc]  # simpleeval is not typed
    """One evaluation, each node at most once; records the innermost node that could not be evaluated."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        super().__init__(operators=_OPERATORS, names=dict(names))
        self.failed: ast.AST | None = None

    def value(self, tree: ast.expr) -> Any:
        return self._eval(tree)

    def _check_disallowed_items(self, item: Any) -> None:
        """Allows everything: metadata is data, and `query` has refused all other names and attributes."""

    def _eval(self, node: ast.AST) -> Any:
        try:
            return super()._eval(node)
        except Exception:
            self.failed = self.failed or node
            raise

    # --- looking into values ---------------------------------------------------------------------

    def _eval_attribute(self, node: ast.Attribute) -> Any:
        value = self._eval(node.value)
        if value is NULL or value is None:
            return NULL
        if isinstance(value, dict):
            return value.get(node.attr, NULL)
        if isinstance(value, datetime.date) and node.attr in _DATE_PARTS:
            return getattr(value, node.attr)
        raise TypeError(f"there is no {node.attr!r} in {_shown(value)}")

    def _eval_subscript(self, node: ast.Subscript) -> Any:
        value, key = self._eval(node.value), self._eval(node.slice)
        if value is NULL or value is None or key is NULL:
            return NULL
        try:
            return value[key]
        except LookupError:
            return NULL

    def _eval_slice(self, node: ast.Slice) -> Any:
        bounds = [None if part is None else self._eval(part) for part in (node.lower, node.upper, node.step)]
        return NULL if _has_null(bounds) else slice(*bounds)

    def _eval_call(self, node: ast.Call) -> Any:
        function = self._function(node.func)
        arguments = [self._eval(argument) for argument in node.args]
        named = {str(keyword.arg): self._eval(keyword.value) for keyword in node.keywords}
        if function is None or _has_null([*arguments, *named.values()]):
            return NULL
        return function(*arguments, **named)

    def _function(self, node: ast.expr) -> Callable[..., Any] | None:
        """Returns the called function; None for a method of a missing value."""
        if not isinstance(node, ast.Attribute):
            function: Callable[..., Any] = self.functions[node.id]  # type: ignore[attr-defined]  # `query` checked it
            return function
        value = self._eval(node.value)
        if value is NULL or value is None:
            return None
        if isinstance(value, str) and node.attr == "replace":
            return _replace(value)
        if not any(isinstance(value, kind) and node.attr in methods for kind, methods in METHODS.items()):
            raise TypeError(f"there is no {node.attr}() of {_shown(value)}")
        method: Callable[..., Any] = getattr(value, node.attr)
        return method

    def _eval_joinedstr(self, node: ast.JoinedStr) -> Any:
        parts = [self._eval(value) for value in node.values]
        return NULL if _has_null(parts) else _bounded("".join(map(str, parts)))

    # --- operators -------------------------------------------------------------------------------

    def _eval_binop(self, node: ast.BinOp) -> Any:
        left, right = self._eval(node.left), self._eval(node.right)
        return NULL if _has_null((left, right)) else self.operators[type(node.op)](left, right)

    def _eval_unaryop(self, node: ast.UnaryOp) -> Any:
        value = self._eval(node.operand)
        return NULL if value is NULL else self.operators[type(node.op)](value)

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
        if isinstance(operation, (ast.In, ast.NotIn)):
            if right is None:
                return NULL
            if left not in right and isinstance(right, (list, tuple, set)) and _has_null(right):
                return NULL  # the missing value may be this one
        return self.operators[type(operation)](left, right)


def _has_null(values: Any) -> bool:
    return any(value is NULL for value in values)


def _shown(value: Any) -> str:
    names = {str: "a text", list: "a list", dict: "a mapping", bool: "a truth value", int: "a number"}
    return names.get(type(value), f"a {type(value).__name__}")


# --- limits --------------------------------------------------------------------------------------


def _bounded(text: str) -> str:
    if len(text) > MAX_STRING_LENGTH:
        raise ValueError("the text would be too long")
    return text


def _replace(text: str) -> Callable[..., str]:
    def replace(old: str, new: str, count: int = -1) -> str:
        if len(new) > len(old) and (len(text) + 1) * len(new) > 10 * MAX_STRING_LENGTH:
            raise ValueError("the text would be too long")
        return text.replace(old, new, count)

    return replace


def _power(base: Any, exponent: Any) -> Any:
    whole = isinstance(base, int) and isinstance(exponent, int)
    if whole and base.bit_length() * abs(exponent) > _POWER_BITS:
        raise ValueError("the number would be too large")
    return base**exponent


def _modulo(left: Any, right: Any) -> Any:
    if isinstance(left, (str, bytes)):
        raise TypeError("texts cannot be formatted here")
    return left % right


_OPERATORS = {**DEFAULT_OPERATORS, ast.Pow: _power, ast.Mod: _modulo}
