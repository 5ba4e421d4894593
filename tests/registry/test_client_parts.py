"""The client's small parts by themselves: challenges, waits, parallel work, words of strangers."""

import threading

import pytest

from airbyte_ci.registry import challenge
from airbyte_ci.registry.challenge import Challenge
from airbyte_ci.registry.failures import Transient, one_line, refusal, safe_url
from airbyte_ci.registry.parallel import Cancelled, each
from airbyte_ci.registry.retry import Retry
from airbyte_ci.testing.clients import Waits


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", ()),
        ("Basic", (Challenge("basic"),)),
        ('Basic realm="a, b=c"', (Challenge("basic", {"realm": "a, b=c"}),)),
        (
            'Bearer realm="https://a/t",service="a b",scope="repository:x:pull,push"',
            (Challenge("bearer", {"realm": "https://a/t", "service": "a b", "scope": "repository:x:pull,push"}),),
        ),
        (
            'Basic realm="one", Bearer realm="two" , service=three',
            (Challenge("basic", {"realm": "one"}), Challenge("bearer", {"realm": "two", "service": "three"})),
        ),
        ("Negotiate, Basic realm=x", (Challenge("negotiate"), Challenge("basic", {"realm": "x"}))),
        (r'Bearer realm="a\"b\\c"', (Challenge("bearer", {"realm": 'a"b\\c'}),)),
        ('realm="without a scheme"', ()),
        ('Bearer realm="never closed', (Challenge("bearer"), Challenge("never"), Challenge("closed"))),
    ],
)
def test_challenges_are_read_as_written(header: str, expected: tuple[Challenge, ...]) -> None:
    """Quotes, commas in quotes, several schemes and bare tokens are read as RFC 9110 has them."""
    assert challenge.parse(header) == expected


@pytest.mark.parametrize(
    "header", ['"' * 100_000, "a=" * 100_000, "a " * 100_000, ", " * 100_000, 'B r="' + "\\" * 100_000]
)
def test_challenges_made_to_hurt(header: str) -> None:
    """A header of any length and content is read quickly."""
    assert isinstance(challenge.parse(header), tuple)


def test_backoff_grows_to_a_limit() -> None:
    """Waits double, with jitter between half and all, up to thirty seconds."""
    for luck, factor in ((0.0, 0.5), (1.0, 1.0)):
        waits = Waits()
        retry = Retry(10, waits, lambda luck=luck: luck)  # type: ignore[misc]  # mypy does not infer the default
        with pytest.raises(Transient):
            retry.persist(fail)
        expected = [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
        assert waits.seconds == [seconds * factor for seconds in expected]


def fail() -> None:
    raise Transient("it failed")


def test_jitter_is_added_to_the_registrys_wait() -> None:
    """No retry comes before the time that the registry requested, and not all at the same moment."""
    waits = Waits()
    Retry(2, waits, lambda: 0.25).pause(1, Transient("wait", after=7))
    assert waits.seconds == [7.25]


def test_first_failure_stops_the_rest() -> None:
    """When one of many fails, the running ones are stopped, and the failure is raised."""
    begun, told = threading.Event(), threading.Event()

    def action(item: int, stop: threading.Event) -> None:
        if item == 0:
            begun.set()
            assert stop.wait(60)
            told.set()
            raise Cancelled
        if item == 1:
            assert begun.wait(60)
            raise ValueError("the failure")
        raise AssertionError("was to be cancelled before it began")

    with pytest.raises(ValueError, match="the failure"):
        each(range(50), 2, lambda item, stop: action(min(item, 1), stop))
    assert told.is_set()


@pytest.mark.parametrize("width", [1, 3])
def test_everything_is_done_once(width: int) -> None:
    """All items are processed once, with any width."""
    done: list[int] = []
    each(range(20), width, lambda item, _: done.append(item))
    assert sorted(done) == list(range(20))


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b'{"errors": []}', b'{"errors": [5]}', b'{"errors": {"a": 1}}', b"[" * 100_000, b"\xff"],
)
def test_error_bodies_of_any_form(body: bytes) -> None:
    """A body that is not of the specified form leaves the status to speak for itself."""
    assert refusal("host", 418, {}, body).message == "host answered 418"


def test_words_of_strangers_are_shortened_and_printable() -> None:
    """A registry's message cannot fill the terminal or move its cursor."""
    assert one_line("a\n\tb\x1b[31m\u202e" + "c" * 1000) == "a b[31m" + "c" * 293


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:pass@host:5000/a/b?sig=1#x", "https://host:5000/a/b"),
        ("http://[::1", "an address that is not a URL"),
        ("/relative?x=1", ":///relative"),
    ],
)
def test_urls_are_shown_without_secrets(url: str, shown: str) -> None:
    """User, password, query and fragment of a URL are not for errors."""
    assert safe_url(url) == shown
