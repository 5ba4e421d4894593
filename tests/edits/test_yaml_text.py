"""Strings in YAML texts: one is set or inserted where it belongs and all else stays, or it is refused."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_ci.edits.yaml_text import insert_scalar, set_scalar, upsert_scalar
from airbyte_ci.errors import EditRefused

BASE_IMAGE = ["data", "connectorBuildOptions", "baseImage"]


@pytest.fixture(params=["C loader", "Python loader"], autouse=True)
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything holds with either parser of PyYAML: wheels have the one in C, other builds may lack it."""
    if request.param == "Python loader":
        monkeypatch.delattr(yaml, "CBaseLoader")


def value_at(text: str, path: list[str]) -> object:
    found = yaml.safe_load(text.removeprefix("\ufeff"))
    for key in path:
        found = found[key]
    return found


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("a: {b: 1.0.0} # c\n", "1.0.1", "a: {b: 1.0.1} # c\n"),
        ("a:\n  b: 1.0.0", "1.0.1", "a:\n  b: 1.0.1"),
        ("a:\r\n  b:   1.0.0   # é😀\r\n", "1.0.1", "a:\r\n  b:   1.0.1   # é😀\r\n"),
        ("# é😀\na:\n  ü: '😀é'\n  b: 'x' # y\n", "it's", "# é😀\na:\n  ü: '😀é'\n  b: 'it''s' # y\n"),
        ('a:\n  b: "x"\n', 'q"\\', 'a:\n  b: "q\\"\\\\"\n'),
        ("a:\n  b: 'x'\n", "two\nlines", 'a:\n  b: "two\\nlines"\n'),
        ("a:\n  b: x\n", "yes", 'a:\n  b: "yes"\n'),
        ("a:\n  b: x\n", "1.10", 'a:\n  b: "1.10"\n'),
        ("a:\n  b: 1.10\n", "1.10", 'a:\n  b: "1.10"\n'),
        ("a:\n  b: x\n", "1e3", 'a:\n  b: "1e3"\n'),
        ("a:\n  b: x\n", "2023-10-18", 'a:\n  b: "2023-10-18"\n'),
        ("a:\n  b: x\n", "y # z", 'a:\n  b: "y # z"\n'),
        ("a:\n  b: x\n", "y: z", 'a:\n  b: "y: z"\n'),
        ("a:\n  b: x\n", "x\n  c: y", 'a:\n  b: "x\\n  c: y"\n'),
        ("a: {b: x}\n", "y, c: z", 'a: {b: "y, c: z"}\n'),
        ("a:\n  b: x\n", "", 'a:\n  b: ""\n'),
        ("a:\n  b: x\n    y\n\n    z\n  c: d\n", "v", "a:\n  b: v\n  c: d\n"),
        ("a:\n  b: # to do\n  c: d\n", "v", "a:\n  b: v # to do\n  c: d\n"),
        ("a:\n  b: ~\n", "v", "a:\n  b: v\n"),
        ("---\na:\n  b: x  # y\n...\n", "v", "---\na:\n  b: v  # y\n...\n"),
        ("\ufeffa:\n  b: x\n", "v", "\ufeffa:\n  b: v\n"),
        ('{"a": {"b": "x"}}', "v", '{"a": {"b": "v"}}'),
        ("other: &x 1\nagain: *x\na:\n  b: x\n", "v", "other: &x 1\nagain: *x\na:\n  b: v\n"),
    ],
)
def test_set_changes_only_the_scalar(text: str, value: str, expected: str) -> None:
    """Quotes, comments, spaces, line ends and the end of the text stay; a second run changes nothing."""
    assert set_scalar(text, ["a", "b"], value) == expected
    assert set_scalar(expected, ["a", "b"], value) == expected
    assert upsert_scalar(text, ["a", "b"], value) == expected
    assert value_at(expected, ["a", "b"]) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a:\n  c: x\n", r"there is no a\.b"),
        ("c: x\n", "there is no a"),
        ("a: x\n", r"there is no a\.b"),
        ("- a\n", "there is no a"),
        ("a:\n  b: [x]\n", "it is a sequence"),
        ("a:\n  b: {x: y}\n", "it is a mapping"),
        ("a:\n  b: |\n    x\n", "block scalar"),
        ("a:\n  b: >-\n    x\n", "block scalar"),
        ("a:\n  b: &x y\nc: *x\n", "anchor, alias or tag"),
        ("c: &x y\na:\n  b: *x\n", "anchor, alias or tag"),
        ("a: &x\n  b: y\nc: *x\n", "anchor, alias or tag"),
        ("a:\n  b: !!str y\n", "anchor, alias or tag"),
        ("a: !mine\n  b: y\n", "anchor, alias or tag"),
        ("a:\n  &x b: y\n", "anchor or a tag"),
        ("x: &x {b: 1}\na:\n  <<: *x\n  b: y\n", "merge key"),
        ("a:\n  b: 1\n  b: 2\n", "occurs 2 times"),
        ("a:\n  b: 1\n---\na:\n  b: 1\n", "2 YAML documents"),
        ("# nothing\n", "no YAML documents"),
        ("a:\n\tb: 1\n", "not YAML"),
        ("a: [\n", "not YAML"),
        ("a: \x07\n", "not YAML"),
    ],
)
def test_set_refuses_what_it_cannot_do_exactly(text: str, reason: str) -> None:
    """Absent, shared, tagged, ambiguous, multi-line and non-YAML places are refused with the reason."""
    with pytest.raises(EditRefused, match=reason):
        set_scalar(text, ["a", "b"], "v")


SORTED = """\
data:
  allowedHosts:
    hosts:
      - x

  # about the subtype,
  # in two lines
  connectorSubtype: api # behind
  dockerImageTag: 1.0.0
"""


UNSORTED = """\
data:
  z: 1
  b: 2
  y: 3
  a: # last
    x: |
      text

    # of a
  # of data

# of next
next: 1
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            SORTED,
            SORTED.replace("  # about", "  connectorBuildOptions:\n    baseImage: v\n  # about"),
            id="sorted: before the comment of the key that follows",
        ),
        pytest.param(
            "data:\n  a: x\n  n: y\n  z: 1\n  ab: 2\n  aa: 3\n",
            "data:\n  a: x\n  connectorBuildOptions:\n    baseImage: v\n  n: y\n  z: 1\n  ab: 2\n  aa: 3\n",
            id="mostly sorted: within the sorted run",
        ),
        pytest.param(
            UNSORTED,
            UNSORTED.replace("text\n", "text\n  connectorBuildOptions:\n    baseImage: v\n"),
            id="unsorted: behind the last sibling's text",
        ),
        pytest.param(
            "data:\n  b: 1\n  a: 2 # x\n  # of a\n# next\nx: 1\n",
            "data:\n  b: 1\n  a: 2 # x\n  # of a\n  connectorBuildOptions:\n    baseImage: v\n# next\nx: 1\n",
            id="comments below the last sibling stay with it",
        ),
        pytest.param(
            "# head\ndata:\n    zoo:\n        x: y",
            "# head\ndata:\n    connectorBuildOptions:\n        baseImage: v\n    zoo:\n        x: y",
            id="indentation as in the text",
        ),
        pytest.param(
            "data:\r\n  a: 1\r\n  b: 2",
            "data:\r\n  a: 1\r\n  b: 2\r\n  connectorBuildOptions:\r\n    baseImage: v",
            id="line ends as in the text, and no final newline",
        ),
        pytest.param(
            "data:\n  connectorBuildOptions: # none\n    # to do\n  # of name\n  name: x\n",
            "data:\n  connectorBuildOptions: # none\n    # to do\n    baseImage: v\n  # of name\n  name: x\n",
            id="an empty parent",
        ),
        pytest.param("data:", "data:\n  connectorBuildOptions:\n    baseImage: v", id="an empty root key"),
        pytest.param(
            "data:\n  connectorBuildOptions:\n    a: 1\n    c: 2\n  x: 1\n",
            "data:\n  connectorBuildOptions:\n    a: 1\n    baseImage: v\n    c: 2\n  x: 1\n",
            id="beside other options",
        ),
        pytest.param(
            "data:\n  connectorBuildOptions: {} # none\n",
            "data:\n  connectorBuildOptions: {baseImage: v} # none\n",
            id="empty braces",
        ),
        pytest.param(
            "data: {a: 1, d: é} # x\n",
            "data: {a: 1, connectorBuildOptions: {baseImage: v}, d: é} # x\n",
            id="braces",
        ),
        pytest.param(
            "data: {a: 1,}",
            "data: {a: 1, connectorBuildOptions: {baseImage: v},}",
            id="braces with a comma at the end",
        ),
        pytest.param(
            '{"data": {"x": 1, "d": [1]}}',
            '{"data": {"x": 1, "d": [1], "connectorBuildOptions": {"baseImage": "v"}}}',
            id="JSON",
        ),
        pytest.param(
            "x: &x 1\ny: *x\ndata:\n  a:\n  - 1\n  -\n...\n",
            "x: &x 1\ny: *x\ndata:\n  a:\n  - 1\n  -\n  connectorBuildOptions:\n    baseImage: v\n...\n",
            id="behind a list that ends with nothing; anchors elsewhere do not matter",
        ),
        pytest.param(
            "data:\n  a: |+\n    text\n\n\n",
            "data:\n  a: |+\n    text\n\n\n  connectorBuildOptions:\n    baseImage: v\n",
            id="behind a block scalar that keeps its blank lines",
        ),
        pytest.param(
            "# license\n\nname: x\n",
            "# license\n\ndata:\n  connectorBuildOptions:\n    baseImage: v\nname: x\n",
            id="at the top, behind the head of the file",
        ),
        pytest.param(
            "# license\nname: x\n",
            "# license\ndata:\n  connectorBuildOptions:\n    baseImage: v\nname: x\n",
            id="at the top, behind a head without a blank line",
        ),
    ],
)
def test_insert_adds_lines_only(text: str, expected: str) -> None:
    """The key goes where a careful person would put it; a second run changes nothing."""
    assert insert_scalar(text, BASE_IMAGE, "v") == expected
    assert insert_scalar(expected, BASE_IMAGE, "v") == expected
    assert upsert_scalar(text, BASE_IMAGE, "v") == expected
    assert value_at(expected, BASE_IMAGE) == "v"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("docker.io/airbyte/python-connector-base:1.1.0@sha256:bd98", None),
        ("on", '"on"'),
        ("a: b", '"a: b"'),
        ("x\ny: z", '"x\\ny: z"'),
        ("", '""'),
    ],
)
def test_an_inserted_value_is_quoted_only_when_it_must_be(value: str, written: str | None) -> None:
    """A plain value is written plain if it reads back as the same string, else in double quotes."""
    assert insert_scalar("a:\n  a: 1\n", ["a", "b"], value) == f"a:\n  a: 1\n  b: {written or value}\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("data:\n  connectorBuildOptions:\n    baseImage: other\n", "exists with another value"),
        ("data:\n  connectorBuildOptions: text\n", r"data\.connectorBuildOptions is not a mapping"),
        ("data:\n  connectorBuildOptions: null\n", r"data\.connectorBuildOptions is not a mapping"),
        ("data:\n  - x\n", "data is not a mapping"),
        ("text\n", "the document is not a mapping"),
        ("data: &x\n  a: 1\n", "anchor, alias or tag"),
        ("x: &x {}\ndata: *x\n", "anchor, alias or tag"),
        ("x: &x {}\ndata:\n  <<: *x\n", "merge key"),
        ("data:\n  ? a\n  : 1\n", "data is not a mapping that can take a key"),
        ("data:\n  a: 1\n---\n", "2 YAML documents"),
    ],
)
def test_insert_refuses_what_it_cannot_do_exactly(text: str, reason: str) -> None:
    """Existing values, other types, shared mappings and unusual layouts are not edited."""
    with pytest.raises(EditRefused, match=reason):
        insert_scalar(text, BASE_IMAGE, "v")


words = st.text(st.sampled_from("ab-:#'\"{}[],&*!|>%@`\\ \n\té😀\u2028\x07") | st.characters(), max_size=8)
styles = st.sampled_from(["a:\n  b: x # c\nz: 1\n", "a:\n  b: 'x'\n", 'a: {b: "x"}\n', "a: {c: [{}], b: x, d: e}\r\n"])


@settings(max_examples=40, deadline=None)
@given(styles, words)
def test_there_and_back(text: str, value: str) -> None:
    """Any text can be set; it is read back, and setting the old value gives an equal document."""
    try:
        result = set_scalar(text, ["a", "b"], value)
    except EditRefused:
        # Only what no YAML can hold.
        assert any("\ud800" <= char <= "\udfff" for char in value)
        return
    assert value_at(result, ["a", "b"]) == value
    assert set_scalar(result, ["a", "b"], value) == result
    back = set_scalar(result, ["a", "b"], "x")
    assert yaml.safe_load(back) == yaml.safe_load(text)
    assert set_scalar(text.replace("x", "1.0.0"), ["a", "b"], "x") == text


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Metadata-like documents as PyYAML lays them out, with comments and blank lines between."""
    keys = st.text("abcdxyz", min_size=1, max_size=3)
    leaves = st.text("ab 1:#\n", max_size=6) | st.integers() | st.booleans() | st.none()
    values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=3))
    document = {"data": draw(st.dictionaries(keys, values, min_size=1, max_size=4)), "z": 1}
    lines = yaml.safe_dump(
        document, sort_keys=draw(st.booleans()), default_flow_style=draw(st.sampled_from([None, False]))
    )
    return draw(st.sampled_from(["", "# head\n", "---\n"])) + lines


@settings(max_examples=40, deadline=None)
@given(documents(), words.filter(lambda word: word.isprintable()))
def test_insert_into_any_document(text: str, value: str) -> None:
    """A key can be put into any mapping: text is only added, and the document gains that key and no more."""
    result = insert_scalar(text, BASE_IMAGE, value)
    expected = yaml.safe_load(text)
    expected["data"]["connectorBuildOptions"] = {"baseImage": value}
    assert yaml.safe_load(result) == expected
    assert insert_scalar(result, BASE_IMAGE, value) == result
    remaining = iter(result)
    assert all(char in remaining for char in text), "every character of the old text is there, in its order"
