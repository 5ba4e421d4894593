"""References: Docker's spelling rules, kept both ways."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_ci.errors import ImageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.reference import Reference, parse_pinned

HEX = "0123456789abcdef" * 4
DIGEST = Digest(HEX)

_WORD = st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True)
_COMPONENT = st.lists(_WORD, min_size=1, max_size=3).flatmap(
    lambda words: st.sampled_from([".", "_", "__", "-", "---"]).map(lambda separator: separator.join(words))
)
_REGISTRY = st.one_of(
    st.sampled_from(["localhost", "docker.io", "registry.example.com", "10.0.0.1:5000", "[::1]:5000", "Local.Host:1"]),
    _WORD.map(lambda word: f"{word}.example"),
    st.tuples(_WORD, st.integers(1, 65535)).map(lambda pair: f"{pair[0]}:{pair[1]}"),
)
_TAG = st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", fullmatch=True)


@given(_REGISTRY, st.lists(_COMPONENT, min_size=2, max_size=4), st.none() | _TAG, st.none() | st.just(DIGEST))
def test_a_reference_is_its_own_spelling(
    registry: str, components: list[str], tag: str | None, digest: Digest | None
) -> None:
    """Every reference that can be written is read back as the same value."""
    reference = Reference(registry, "/".join(components), tag, digest)
    assert Reference.parse(str(reference)) == reference


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("python", "docker.io/library/python"),
        ("python:3.11", "docker.io/library/python:3.11"),
        ("airbyte/source-faker", "docker.io/airbyte/source-faker"),
        ("airbyte/source-faker:dev", "docker.io/airbyte/source-faker:dev"),
        ("docker.io/python", "docker.io/library/python"),
        ("localhost/x", "localhost/x"),
        ("localhost:5000/x/y:1", "localhost:5000/x/y:1"),
        ("registry.example.com/x", "registry.example.com/x"),
        (f"airbyte/base:1.0@sha256:{HEX}", f"docker.io/airbyte/base:1.0@sha256:{HEX}"),
        (f"base@sha256:{HEX}", f"docker.io/library/base@sha256:{HEX}"),
        ("host:80/a", "host:80/a"),
        ("a:80", "docker.io/library/a:80"),
    ],
)
def test_addresses_are_completed_as_docker_does(text: str, expected: str) -> None:
    """A missing registry is docker.io, a missing folder there is library/; everything else stays."""
    assert str(Reference.parse(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "/",
        "a//b",
        "/a",
        "a/",
        "A",
        "docker.io/Airbyte/x",
        "a:",
        "a:b:c/d:e:f",
        "a:-tag",
        f"a:{'t' * 129}",
        "a@",
        "a@sha256:12",
        f"a@md5:{HEX}",
        f"a@sha256:{HEX}@sha256:{HEX}",
        "a b",
        "a\n",
        "ex ample.com/a",
        "exa\0mple.com/a",
        "-x.com/a",
        "x.com:port/a",
        "x.com:123456/a",
        "../../etc/passwd",
        "x.com/../y",
        "https://x.com/a",
        "a___b/c",
        "[::1/a",
    ],
    ids=repr,
)
def test_what_is_not_an_address_is_refused_and_quoted(text: str) -> None:
    """A malformed address is an ImageError, and the message shows it or the part that is wrong."""
    with pytest.raises(ImageError) as caught:
        Reference.parse(text)
    assert repr(text) in caught.value.message or "digest" in caught.value.message


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_an_image_error(text: str) -> None:
    """Parsing has two ends: a reference whose spelling is stable, or our error."""
    try:
        reference = Reference.parse(text)
    except ImageError:
        return
    assert Reference.parse(str(reference)) == reference


def test_a_pinned_reference_needs_its_digest() -> None:
    """An address that may be another image tomorrow is refused, with the spelling that would do."""
    assert parse_pinned(f"a/b:1@{DIGEST}").digest == DIGEST
    with pytest.raises(ImageError, match="@sha256") as caught:
        parse_pinned("a/b:1")
    assert caught.value.advice


def test_changing_one_part_keeps_what_still_holds() -> None:
    """A new tag drops the digest, since it names other bytes; a digest joins the tag."""
    reference = Reference.parse(f"example.com/a/base:1@{DIGEST}")
    assert str(reference.with_tag("2")) == "example.com/a/base:2"
    assert str(reference.with_tag("2").with_digest(DIGEST)) == f"example.com/a/base:2@{DIGEST}"
    assert reference.name == "base"
