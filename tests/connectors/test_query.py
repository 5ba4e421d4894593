"""Metadata queries: matches, unknown values, and reported mistakes."""

import datetime
import re
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from simpleeval import InvalidExpression, simple_eval

from airbyte_ci.connectors import query
from airbyte_ci.connectors.evaluator import ExpressionEvaluator
from airbyte_ci.errors import QueryError

CERTIFIED_ON_BASE = "data.connectorBuildOptions.baseImage is not None"
CERTIFIED_TO_GO = "data.supportLevel == 'certified' and 'connectorBuildOptions' not in data.keys()"
DATA: dict[str, Any] = yaml.safe_load("""
    supportLevel: certified
    name: Faker
    dockerImageTag: 1.2.3
    sl: 200
    tags: [language:python, keyword:test]
    ab_internal: {ql: 400, keys: 7, _hidden: 1}
    connectorBuildOptions: {baseImage: "acme/base:1"}
    releaseDate: 2023-01-31
    nothing:
    none_inside: {deep: null}
    enabled: true
    ratio: 1.0
""")


def matches(text: str, data: dict[str, Any] = DATA) -> bool:
    return query.parse(text).matches({"data": data}, "source-x")


def refusal(text: str, data: dict[str, Any] = DATA) -> str:
    with pytest.raises(QueryError) as caught:
        matches(text, data)
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "on_base", "to_go", "bare"),
    [(CERTIFIED_ON_BASE, True, False, False), (CERTIFIED_TO_GO, False, True, False)],
    ids=["migrated", "to-go"],
)
def test_the_guides_queries_mean_what_the_guide_says(text: str, on_base: bool, to_go: bool, bare: bool) -> None:
    """Both queries of the original guide, word for word, on a migrated, an unmigrated and an empty connector."""
    assert matches(text) is on_base
    assert matches(text, {"supportLevel": "certified"}) is to_go
    assert matches(text, {}) is bare


@pytest.mark.parametrize(
    "text",
    [
        "data.missing is None",
        "data['missing'] is None",
        "data.missing.deeper.still is None",
        "data.missing['deeper'][0] is None",
        "data.missing.get('x') is None",
        "data.nothing.deeper is None",
        "data.none_inside.deep.deeper is None",
        "data.get('missing') is None",
        "data.get('missing').get('x') is None",
        "data.tags[99] is None",
        "not (data.missing is not None)",
        "data.missing is None and data.sl == 200",
        "(data.missing or data.sl) == 200",
        "data.missing == 1 or True",
        "not (data.missing == 1 and False)",
        "('x' if data.missing else 'y') == 'y'",
        "data.missing is data.absent",
        "'language:python' in [data.missing, 'language:python']",
    ],
)
def test_a_missing_key_is_none_and_stays_missing(text: str) -> None:
    """A missing key is None for `is None`, its keys are missing too, and does not affect decided expressions."""
    assert matches(text)


@pytest.mark.parametrize(
    "unknown",
    [
        "data.missing",
        "data.missing == 'a'",
        "data.missing != 'a'",
        "data.missing == None",
        "data.missing != None",
        "data.missing == data.missing",
        "data.missing < 1",
        "1 <= data.missing",
        "data.nothing > 1",
        "data.missing in ['a', 'b']",
        "data.missing not in ['a', 'b']",
        "'a' in data.missing",
        "'a' not in data.missing",
        "'a' in data.nothing",
        "'a' in data.missing.keys()",
        "'a' not in data.missing.keys()",
        "'zzz' in [data.missing]",
        "'zzz' not in [data.missing]",
        "data.missing.startswith('a')",
        "data.name.startswith(data.missing)",
        "'a'.split(sep=data.missing)",
        "data.missing.lower() == 'a'",
        "data.missing + 1 == 2",
        "-data.missing == 2",
        "f'{data.missing}' == 'missing'",
        "f'{data.missing}' != 'missing'",
        "data.name[data.missing:] == 'x'",
        "data.tags[data.missing] == 'x'",
        "data[data.missing] == 'x'",
        "int(data.missing) == 1",
        "1 < data.missing < 3",
        "data.missing == 'a' and True",
        "data.missing == 'a' or False",
    ],
)
def test_unknown_never_matches(unknown: str) -> None:
    """Neither an unknown value nor its negation matches, combined with any true and false values."""
    assert not matches(unknown)
    assert not matches(f"not ({unknown})")
    assert not matches(f"({unknown}) and True")
    assert not matches(f"not (({unknown}) or False)")
    assert not matches(f"({unknown}) == ({unknown})")


TRUTHS = {"True": True, "False": False, "data.missing": None}


@pytest.mark.parametrize("left", TRUTHS)
@pytest.mark.parametrize("right", TRUTHS)
def test_and_or_not_are_three_valued(left: str, right: str) -> None:
    """`and`, `or` and `not` follow SQL: unknown unless the known side decides."""
    one, other = TRUTHS[left], TRUTHS[right]
    both = False if False in (one, other) else None if None in (one, other) else True
    either = True if True in (one, other) else None if None in (one, other) else False
    for text, truth in ((f"{left} and {right}", both), (f"{left} or {right}", either)):
        assert matches(text) is (truth is True)
        assert matches(f"not ({text})") is (truth is False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("data.nothing is None", True),
        ("data.nothing == None", True),
        ("data.nothing != 'a'", True),
        ("data.nothing == 'a'", False),
        ("data.nothing in [None]", True),
        ("'nothing' in data.keys()", True),
        ("data.nothing", False),
        ("not data.nothing", True),
    ],
)
def test_an_explicit_null_is_a_value(text: str, expected: bool) -> None:
    """`key: null` exists and is None: it can be compared, and only its keys are missing."""
    assert matches(text) is expected


@pytest.mark.parametrize(
    "text",
    [
        "data['supportLevel'] == 'certified'",
        "data.supportLevel in ['certified', 'community']",
        "data.supportLevel in ('certified',)",
        "data.supportLevel not in {'community'}",
        "{'certified': 1}[data.supportLevel] == 1",
        "'language:python' in data.tags",
        "data.tags[0] == 'language:python'",
        "data.tags[-1].startswith('keyword')",
        "data.tags[:1] == ['language:python']",
        "'keys' in data.ab_internal.keys()",
        "data.ab_internal['keys'] == 7",
        "data.ab_internal.keys == 7",
        "data.ab_internal['_hidden'] == 1",
        "('sl', 200) in data.items()",
        "data.get('x', 'y') == 'y'",
        "data.name.lower() == 'faker'",
        "data.name.replace('F', 'm').upper() == 'MAKER'",
        "data.dockerImageTag.split('.')[0] == '1'",
        "int(data.dockerImageTag.split('.')[1]) + 1 == 3",
        "f'{data.name}!' == 'Faker!'",
        "data.name[0] == 'F' if data.sl > 100 else False",
        "100 < data.sl <= 200 < data.ab_internal.ql",
        "data.sl % 100 == 0 and data.sl // 100 == 2 and 2 ** 3 == 8",
        "data.enabled is True",
        "data.ratio.is_integer()",
        "data.releaseDate.year == 2023",
        "data.releaseDate.isoformat() < '2023-02'",
        "'a' in\n ['a']",
    ],
)
def test_the_language_that_users_know(text: str) -> None:
    """Attributes, subscripts, methods, literals, arithmetic and conditionals of simpleeval hold here."""
    assert matches(text)


def pointed(message: str) -> tuple[int, str]:
    """The column that an error names, and the character that its mark is under."""
    _, line, mark = message.split("\n")
    found = re.search(r"at column (\d+)$", message.split("\n")[0])
    assert found
    column = int(found[1])
    assert mark.index("^") == column - 1 + 4
    return column, line[mark.index("^") :][:1]


@pytest.mark.parametrize(
    ("text", "said", "column", "at"),
    [
        ("data.a == b", "unknown name 'b' (known: data)", 11, "b"),
        ("False and b", "unknown name 'b'", 11, "b"),
        ("data.éé == b", "unknown name 'b'", 12, "b"),
        ("len(data.tags) > 1", "unknown function 'len'", 1, "l"),
        ("data.a ==", "not an expression", 10, ""),
        ("data.a = 1", "not an expression", 8, "="),
        ("data[", "not an expression", 5, "["),
        ("", "not an expression", 1, ""),
        ("data.sl == 200 and data.name > 1", "'>' not supported between instances of 'str' and 'int'", 20, "d"),
        ("'a' in data.sl", "not iterable", 1, "'"),
        ("data.name.first == 1", "there is no 'first' in a text", 1, "d"),
        ("data.name.keys()", "there is no keys() of a text", 1, "d"),
        ("data.sl == 1 or data.name is 'x'", "`is` is for None, True and False", 17, "d"),
        ("1 / 0", "division by zero", 1, "1"),
    ],
)
def test_a_mistake_is_an_error_that_shows_its_place(text: str, said: str, column: int, at: str) -> None:
    """Unknown names, syntax and type errors never look like a query that matches nothing."""
    message = refusal(text)
    assert said in message
    assert pointed(message) == (column, at)


def test_a_type_error_names_the_connector() -> None:
    """An error that depends on one connector's metadata names the connector."""
    assert "(for source-x)" in refusal("data.name > 1")


@pytest.mark.parametrize("text", ["b", "False and b", "data.missing and b()", "'' if data else b"])
def test_a_name_is_checked_before_any_connector(text: str) -> None:
    """An unknown name is an error although no connector's evaluation would come to it."""
    with pytest.raises(QueryError, match="unknown"):
        query.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "data.__class__",
        "data.__class__.__mro__[1].__subclasses__()",
        "data.keys.__self__",
        "().__class__",
        "data.name.format(1)",
        "data.name.ljust(10 ** 9)",
        "'%1000000000d' % 1",
        "f'{1:>1000000000}'",
        "f'{data.name!r:>9}'",
        "'a' * 10 ** 9",
        "('a' * 100000).replace('a', 'b' * 100000)",
        "('a' * 99999 + 'b') + ('a' * 99999)",
        "9 ** 9 ** 9",
        "3999999 ** 3999999",
        "2 ** -10 ** 9",
        "1 << 10 ** 9",
        "int('9' * 100000)",
        "randint(10 ** 400)",
        "[x for x in data]",
        "{x: 1 for x in data}",
        "lambda: 1",
        "(lambda: 1)()",
        "(a := 1)",
        "[*data]",
        "data.get(**data)",
        "eval('1')",
        "data()",
        "data.pop('name')",
        "data.clear()",
        "data.update({'name': 1})",
        "data.tags.append(1)",
        "data.tags.sort()",
        "(" * 500 + "1" + ")" * 500,
        "not " * 2000 + "1",
        "-" * 9000 + "1",
        "data" + ".a" * 2400,
        "data" + "['a']" * 1900,
        " + ".join(["1"] * 2400),
        "1" + "0" * 20000,
        "'" + "a" * 20000 + "'",
        "data.a\x00",
    ],
    ids=lambda text: text[:40],
)
def test_a_hostile_expression_is_refused(text: str) -> None:
    """Access to Python, changes of the metadata and endless expressions are a QueryError."""
    before = dict(DATA)
    refusal(text)
    assert before == DATA


@pytest.mark.parametrize(
    "text",
    [
        "+".join(["1"] * 100),
        "not " * 100 + "data.missing",
        "data.name" + ".lower()" * 100 + " == 'faker'",
        "(" * 60 + "data.name" + ".lower())" * 60 + " == 'faker'",
        "data" + ".a" * 100 + " is None",
        " or ".join(["data.a == 1"] * 500),
    ],
    ids=lambda text: text[:20],
)
def test_the_work_grows_with_the_expression_only(text: str) -> None:
    """Each node is evaluated once, however deep: a hundred levels are as quick as they look."""
    calls = 0

    class Counting(ExpressionEvaluator):
        def _eval(self, node: Any) -> Any:
            nonlocal calls
            calls += 1
            return super()._eval(node)

    Counting({"data": DATA}).value(query.parse(text).tree)
    assert calls <= 2 * len(text)


FLEET: list[dict[str, Any]] = [{"a": {"b": 1}}, {"a": "text", "c": None, "d": [1], "e": datetime.date(2023, 1, 1)}]


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("data.a.b == 1", ()),
        ("data.a['b'] == 1", ()),
        ("data.z == 1", ("data.z",)),
        ("data.z.y.x is None", ("data.z",)),
        ("data['z']['y'] is None", ("data.z",)),
        ("data.a.y is None", ()),  # if `a` is a text, that is reported as an error
        ("data.z.get('b') and data.z.keys()", ("data.z",)),
        ("data.c.y is None", ("data.c.y",)),
        ("data.keys() and data.a.items()", ()),
        ("data.keys is None", ("data.keys",)),
        ("data.d[0] == 1 and data.e.year == 2023", ()),
        ("data.z == 1 or data.y == 1", ("data.y", "data.z")),
    ],
)
def test_a_key_that_no_connector_has_is_reported(text: str, unknown: tuple[str, ...]) -> None:
    """A path that exists nowhere is most likely misspelled; it is reported once, at its first unknown part."""
    fleet = FLEET if "a.y" not in text else [*FLEET, {"a": {"y": 1}}]
    assert query.parse(text).unknown_keys(fleet) == unknown


# --- against simpleeval itself ---------------------------------------------------------------------

_ATOMS = st.sampled_from(
    [
        "data.sl",
        "data.name",
        "data.tags",
        "data.ab_internal.ql",
        "data['supportLevel']",
        "data.get('name')",
        "data.keys()",
        "data.name.lower()",
        "data.enabled",
        "1",
        "200",
        "'certified'",
        "'sl'",
        "True",
        "int('3')",
        "data.tags[0]",
        "data.name[1:]",
    ]
)
_INFIX = st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "in", "not in", "+", "-", "*", "and", "or"])


def _compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, _INFIX, inner).map(lambda parts: f"({' '.join(parts)})"),
        inner.map(lambda text: f"(not {text})"),
        st.tuples(inner, inner, inner).map(lambda parts: f"({parts[0]} if {parts[1]} else {parts[2]})"),
        inner.map(lambda text: f"str({text})"),
    )


@settings(max_examples=400)
@given(st.recursive(_ATOMS, _compound, max_leaves=8))
def test_on_keys_that_are_there_it_is_simpleeval(text: str) -> None:
    """If nothing is missing or null, the answer is simpleeval's, and if simpleeval fails it is an error."""
    expected: bool | None
    try:
        expected = bool(simple_eval(text, names={"data": DATA}))
    except (InvalidExpression, TypeError, ValueError, ArithmeticError, LookupError, AttributeError):
        expected = None
    found: bool | None
    try:
        found = matches(text)
    except QueryError:
        found = None
    assert found is expected


_WORDS = "data . a name [ ] ( ) ' 'x' 1 == in not and or is None , : * ** + - % { } if else \\ f''"
_TEXTS = st.text(max_size=60) | st.lists(st.sampled_from(_WORDS.split()), max_size=14).map(" ".join)


@given(_TEXTS)
def test_any_text_is_a_query_or_a_query_error(text: str) -> None:
    """Any input ends in an answer or a QueryError."""
    try:
        matches(text)
    except QueryError as error:
        assert error.message.startswith("the metadata query is invalid: ")
