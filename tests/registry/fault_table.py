"""The fault list as a table: each row is one rule of what the client does when a registry fails."""

import threading
from dataclasses import dataclass, field
from typing import Literal

from airbyte_ci.errors import AirbyteCiError, BlobNotFound, DigestMismatch, ImageError, RegistryError
from airbyte_ci.oci.image import INDEX
from airbyte_ci.registry.failures import Absent, Refused, Transient
from airbyte_ci.registry.options import RegistryOptions
from airbyte_ci.testing.distribution import Manner
from airbyte_ci.testing.faults import (
    Body,
    Corrupt,
    Cut,
    ExpireToken,
    Fault,
    FaultEffect,
    HangUp,
    Header,
    IgnoreRange,
    LoseUpload,
    NoLength,
    OnMethod,
    Redirect,
    Refuse,
    RefuseMount,
    Resize,
    Rewrite,
    Succeed,
    Wait,
)
from airbyte_ci.testing.messages import Operation

Do = Literal[
    "pull",  # acme/base:1, of three blobs
    "pull by digest",
    "resolve",
    "tags",
    "push",  # an image of the store as acme/new:1
    "mount",  # an image whose layers are in acme/base only, as acme/new:1
    "stream",  # the same, with the layers at another registry
    "stream out",  # the same, the other way round: the failing registry is read from
    "attach",  # a manifest whose subject is acme/base:1
    "referrers",  # of acme/base:1, which has two
]


@dataclass(frozen=True)
class Ok:
    """It succeeds all the same, with so many requests of an operation, after waits of at least so long."""

    requests: dict[Operation, int] = field(default_factory=dict)
    waits: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Fails:
    """It fails with this kind of error, in words that match."""

    kind: type[AirbyteCiError]
    words: str
    requests: dict[Operation, int] = field(default_factory=dict)
    waits: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Row:
    """One rule: when this goes wrong while that is done, then so."""

    rule: str
    do: Do
    faults: tuple[Fault, ...]
    then: Ok | Fails
    manner: Manner = Manner()  # noqa: RUF009  # frozen
    options: RegistryOptions = field(default_factory=RegistryOptions)


def once(operation: Operation, effect: FaultEffect, after: int = 0) -> tuple[Fault, ...]:
    return (Fault(operation, effect, 1, after),)


def ever(operation: Operation, *effects: FaultEffect) -> tuple[Fault, ...]:
    return tuple(Fault(operation, effect, None) for effect in effects)


def at_each(what: str, do: Do, effect: FaultEffect, *operations: Operation) -> tuple[Row, ...]:
    return tuple(
        Row(f"{what} at '{operation}' is survived", do, once(operation, effect), Ok()) for operation in operations
    )


NOWHERE = Header("Docker-Content-Digest", f"sha256:{'0' * 64}")
CUT = Cut(200_000)  # in a layer: the configuration is the first blob, and shorter
QUICK = RegistryOptions(timeout=0.1)
ONE = RegistryOptions(concurrency=1)
PULL: tuple[Operation, ...] = ("token", "get manifest", "get blob")
PUSH: tuple[Operation, ...] = ("token", "head manifest", "head blob", "start upload", "put upload", "put manifest")
CHALLENGED: tuple[tuple[Do, Operation], ...] = (("pull", "get manifest"), ("push", "head blob"))
LISTED: tuple[tuple[Do, Operation], ...] = (("tags", "list tags"), ("referrers", "list referrers"))
ACTS: tuple[Operation, ...] = ("start upload", "put upload", "put manifest")
SILENT = Wait(1.0, threading.Event())
DATE = "Wed, 21 Oct 2015 07:28:00 GMT"

TRYING_AGAIN = (
    Row(
        "429 is waited out as long as the registry asks",
        "pull",
        once("get manifest", Refuse(429, "TOOMANYREQUESTS", retry_after="7"), after=1),
        Ok({"get manifest": 3}, (7,)),
    ),
    Row(
        "429 without Retry-After is waited out with backoff",
        "pull",
        (Fault("get manifest", Refuse(429), 3, 1),),
        Ok({"get manifest": 5}, (0.25, 0.5, 1)),
    ),
    Row("Retry-After may be a date", "pull", once("get blob", Refuse(429, retry_after=DATE)), Ok(waits=(0,))),
    Row(
        "a Retry-After of nonsense is passed over",
        "pull",
        once("get blob", Refuse(503, retry_after="soon")),
        Ok(waits=(0.25,)),
    ),
    Row(
        "429 for ever ends with the registry's words",
        "pull",
        ever("get manifest", Refuse(429, "TOOMANYREQUESTS", "slow down")),
        Fails(Transient, r"429 TOOMANYREQUESTS \(slow down\) → wait, docker login", {"get manifest": 5}),
    ),
    Row(
        "a wait of an hour is refused at once",
        "pull",
        ever("get manifest", Refuse(429, retry_after="3600")),
        Fails(Transient, "429", {"get manifest": 1}, ()),
    ),
    Row(
        "503 for ever ends after five attempts",
        "push",
        ever("put manifest", Refuse(503)),
        Fails(Transient, "cannot push .*acme/new:1: .* answered 503", {"put manifest": 5}),
    ),
    *(
        Row(f"{status} is tried again", "pull", once("get blob", Refuse(status)), Ok({"get blob": 4}))
        for status in (408, 500, 502, 503, 504)
    ),
    Row("501 is not tried again", "pull", ever("get blob", Refuse(501)), Fails(Refused, "answered 501"), options=ONE),
    *at_each("500", "pull", Refuse(500), *PULL),
    *at_each("500", "push", Refuse(500), *PUSH),
    *at_each("a lost connection", "pull", HangUp(), *PULL),
    *at_each("a lost connection", "push", HangUp(), *PUSH),
    *at_each("a lost answer to what was done", "push", HangUp(done=True), *ACTS),
    *at_each("a lost answer to what was done", "mount", HangUp(done=True), "mount blob", "put manifest"),
    Row(
        "no connection ever ends with what broke",
        "pull",
        ever("get manifest", HangUp()),
        Fails(Transient, "the connection to .* failed", {"get manifest": 5}),
    ),
    Row("a silent registry is given up and asked again", "pull", once("get blob", SILENT), Ok(), options=QUICK),
    Row("a silent upload is given up and sent again", "push", once("put upload", SILENT), Ok(), options=QUICK),
    Row("a list that fails is asked again", "tags", once("list tags", Refuse(502), after=1), Ok({"list tags": 3})),
)

BLOBS = (
    Row(
        "a cut body is resumed where it was cut",
        "pull",
        once("get blob", CUT, after=1),
        Ok({"get blob": 4}),
        options=ONE,
    ),
    Row(
        "a body that is cut again is resumed again",
        "pull",
        (Fault("get blob", CUT, 3, 1),),
        Ok({"get blob": 5}),
        options=ONE,
    ),
    Row(
        "a server that ignores Range sends all again, and that is used",
        "pull",
        (*once("get blob", CUT, after=1), *once("get blob", IgnoreRange(), after=2)),
        Ok({"get blob": 4}),
        options=ONE,
    ),
    Row(
        "a server that answers 416 is asked for the whole",
        "pull",
        (*once("get blob", CUT, after=1), *once("get blob", Refuse(416), after=2)),
        Ok({"get blob": 5}),
        options=ONE,
    ),
    Row(
        "a part that begins elsewhere is not used",
        "pull",
        (*once("get blob", CUT, after=1), *once("get blob", Header("Content-Range", "bytes 5-9/10"), after=2)),
        Ok({"get blob": 5}),
        options=ONE,
    ),
    Row(
        "a part that does not say where it begins is not used",
        "pull",
        (*once("get blob", CUT, after=1), *once("get blob", Header("Content-Range"), after=2)),
        Ok({"get blob": 5}),
        options=ONE,
    ),
    Row("a part nobody asked for is refused", "pull", ever("get blob", Body(b"x", 206)), Fails(Refused, "206")),
    Row("a body that never comes ends the pull", "pull", ever("get blob", Cut(0)), Fails(Transient, "failed")),
    Row(
        "another byte in a blob is found",
        "pull",
        ever("get blob", Corrupt()),
        Fails(DigestMismatch, r"sent different content for sha256:\w{12} .*do not use it"),
    ),
    Row("a longer blob is found unread", "pull", ever("get blob", Resize(5)), Fails(DigestMismatch, "bytes there")),
    Row("a shorter blob is found unread", "pull", ever("get blob", Resize(-5)), Fails(DigestMismatch, "bytes there")),
    Row("a blob without a length is read", "pull", ever("get blob", NoLength()), Ok({"get blob": 3})),
    Row(
        "a longer blob without a length is found",
        "pull",
        ever("get blob", Resize(5), NoLength()),
        Fails(DigestMismatch, "received more than"),
    ),
    Row(
        "a shorter blob without a length is found",
        "pull",
        ever("get blob", IgnoreRange(), Resize(-5), NoLength()),
        Fails(Transient, r"sent \d+ of \d+ bytes of sha256:"),
    ),
    Row(
        "a blob that is gone is named",
        "pull",
        ever("get blob", Refuse(404, "BLOB_UNKNOWN", "blob unknown")),
        Fails(BlobNotFound, r"404 BLOB_UNKNOWN \(blob unknown\)"),
    ),
)

MANIFESTS = (
    Row(
        "a manifest that is not there is named, and asked for once",
        "pull",
        ever("get manifest", Refuse(404, "MANIFEST_UNKNOWN", "manifest unknown")),
        Fails(Absent, "cannot pull .*/acme/base:1: .* answered 404 MANIFEST_UNKNOWN", {"get manifest": 1}),
    ),
    Row(
        "another manifest for a digest is found",
        "pull by digest",
        ever("get manifest", Corrupt()),
        Fails(DigestMismatch, "do not use it"),
    ),
    Row(
        "a manifest that is not what its header says is found",
        "pull",
        ever("get manifest", NOWHERE),
        Fails(DigestMismatch, "do not use it"),
    ),
    Row("a digest header is not needed", "pull", ever("get manifest", Header("Docker-Content-Digest")), Ok()),
    Row("a media type header is not needed", "pull", ever("get manifest", Header("Content-Type")), Ok()),
    Row(
        "a manifest under another media type is refused",
        "pull",
        ever("get manifest", Header("Content-Type", INDEX)),
        Fails(ImageError, "was sent as .*index.* but its media type is .*manifest"),
    ),
    Row(
        "a proxy's page is not a manifest",
        "pull by digest",
        ever("get manifest", Body(b"<html>Sign in</html>", media_type="text/html")),
        Fails(DigestMismatch, "do not use it"),
    ),
    Row(
        "a manifest beyond the limit is not read",
        "pull",
        ever("get manifest", Body(b" " * (5 << 20))),
        Fails(RegistryError, "more than 4194304 bytes"),
    ),
    Row("a cut manifest is asked for again", "pull", once("get manifest", Cut(20), after=1), Ok({"get manifest": 3})),
    *(
        Row(
            f"{name} is not a manifest",
            "pull",
            ever("get manifest", Header("Docker-Content-Digest"), Body(body)),
            Fails(ImageError, words),
        )
        for name, body, words in (
            ("a page", b"<html>", "is not JSON"),
            ("a bomb of nested JSON", b"[" * 1_000_000, "is not JSON"),
            ("a list", b"[]", "is not a JSON object"),
            ("an image that is also an index", b'{"manifests": [], "layers": []}', "ambiguous"),
            ("Docker's schema 1", b'{"schemaVersion": 1, "fsLayers": []}', "schema 1"),
        )
    ),
    Row(
        "an error that is a proxy's page shows its status and not the page",
        "pull",
        ever("get manifest", Body(b"<html>oops</html>", 403)),
        Fails(Refused, "answered 403 → ask"),
    ),
    Row(
        "a registry's words cannot move the cursor",
        "pull",
        ever("get manifest", Refuse(403, "DENIED", "no\x1b[2J\r\nway")),
        Fails(Refused, r"403 DENIED \(no\[2J way\)"),
    ),
    Row(
        "HEAD without a digest is followed by GET",
        "resolve",
        ever("head manifest", Header("Docker-Content-Digest")),
        Ok({"get manifest": 1}),
    ),
    Row(
        "HEAD with a malformed digest is followed by GET",
        "resolve",
        ever("head manifest", Header("Docker-Content-Digest", "sha256:short")),
        Ok({"get manifest": 1}),
    ),
    Row(
        "HEAD that is refused with 405 is followed by GET",
        "resolve",
        ever("head manifest", Refuse(405)),
        Ok({"get manifest": 2}),
    ),
)

LINKS = tuple(
    Row(f"of the links {links!r} the next one is followed", do, ever(at, Rewrite("Link", links)), Ok(), Manner(page=1))
    for do, at in LISTED
    for links in (
        '</v2/acme/base/x?n=1>; rel="first", {value}',
        '{value}, </v2/acme/base/x?last=zzz>; rel="last"',
        '</v2/acme/base/x>; rel="prev"\n{value}',
        "{value}\n</v2/acme/base/x>; rel=last",
        '</v2/acme/base/x>; title="the, next"; rel="up", {value}',
    )
)

REDIRECTS = (
    *(
        Row(
            f"{status} to another port is followed, without our login",
            "pull",
            ever("get blob", Redirect("http://ELSEWHERE{path}?sig=s3cret", status)),
            Ok(),
        )
        for status in (301, 302, 303, 307, 308)
    ),
    Row(
        "endless redirects fail",
        "pull",
        ever("get blob", Redirect("{path}")),
        Fails(RegistryError, "more than 5 redirects"),
    ),
    *(
        Row(
            f"a redirect to {what} is not followed",
            "pull",
            ever("get blob", Redirect(location)),
            Fails(RegistryError, f"{shown}, which does not use TLS"),
        )
        for what, location, shown in (
            ("plain HTTP", "http://me:hunter2@cdn.invalid/x?sig=s3cret", "http://cdn.invalid/x"),
            ("a file", "file:///etc/passwd", "file:///etc/passwd"),
            ("nonsense", "http://[::1", "not a URL"),
        )
    ),
    Row(
        "a manifest is sent on to another port of the same host, without our login",
        "push",
        once("put manifest", Redirect("http://ELSEWHERE{path}")),
        Ok(),
    ),
    Row(
        "a manifest is not sent on to a stranger",
        "push",
        ever("put manifest", Redirect("https://stranger.invalid/x")),
        Fails(RegistryError, "to another host, https://stranger.invalid/x"),
    ),
)

AUTHORIZATION = (
    *at_each("a token that expires", "push", ExpireToken(), "head blob", "start upload", "put upload", "put manifest"),
    *at_each("a token that expires", "pull", ExpireToken(), "get manifest", "get blob"),
    *at_each("a token that expires", "mount", ExpireToken(), "mount blob"),
    Row(
        "a token that is never good ends it",
        "pull",
        ever("get blob", ExpireToken()),
        Fails(Refused, "401 UNAUTHORIZED .*→ docker login"),
    ),
    Row(
        "a login that is refused says what to do",
        "pull",
        ever("token", Refuse(401, "UNAUTHORIZED", "incorrect username or password")),
        Fails(Refused, r"401 UNAUTHORIZED \(incorrect username or password\).*→ docker login 127.0.0.1:\d+"),
    ),
    *(
        Row(
            f"a token answer of {body!r} is none",
            "pull",
            ever("token", Body(body)),
            Fails(RegistryError, "no valid token"),
        )
        for body in (b"[]", b"{", b"{}", b'{"token": 5}', b'{"token": "a\\r\\nEvil: 1"}')
    ),
    Row(
        "a token service without TLS gets no login",
        "pull",
        ever("get manifest", Header("WWW-Authenticate", 'Bearer realm="http://tokens.invalid/t"')),
        Fails(RegistryError, "requires a token from tokens.invalid without TLS"),
    ),
    Row(
        "a challenge we do not know is told as a refusal",
        "pull",
        ever("get manifest", Header("WWW-Authenticate", "Negotiate")),
        Fails(Refused, "401 UNAUTHORIZED .*→ docker login"),
    ),
    *(
        Row(f"{challenges!r} is answered with a token", do, ever(at, Rewrite("WWW-Authenticate", challenges)), Ok())
        for do, at in CHALLENGED
        for challenges in (
            'Basic realm="x", {value}',
            'Basic realm="x"\n{value}',
            '{value}\nBasic realm="x"',
            "Negotiate\n{value}",
            'Negotiate, Basic realm="x, y", {value}',
        )
    ),
    Row(
        "a token service without GET is asked by POST",
        "push",
        ever("token", OnMethod("GET", Refuse(405))),
        Ok(),
    ),
    *(
        Row(f"HEAD of a blob that is refused with {status} is GET", "push", ever("head blob", Refuse(status)), Ok())
        for status in (400, 403, 405, 501)
    ),
    Row(
        "403 says who may help",
        "push",
        ever("start upload", Refuse(403, "DENIED", "requested access is denied")),
        Fails(Refused, r"cannot push .*403 DENIED \(requested access is denied\) → ask for access"),
    ),
)

UPLOADS = (
    Row("a lost session is begun again", "push", once("put upload", LoseUpload()), Ok({"start upload": 4})),
    Row(
        "a session lost between chunks is begun again",
        "push",
        once("patch upload", LoseUpload()),
        Ok(),
        Manner(body_most=100_000),
        ONE,
    ),
    Row(
        "416 for a chunk begins again",
        "push",
        once("patch upload", Refuse(416, "BLOB_UPLOAD_INVALID")),
        Ok(),
        Manner(body_most=100_000),
        ONE,
    ),
    Row(
        "a server that wants chunks gets chunks",
        "push",
        (),
        Ok({"patch upload": 6}),
        Manner(body_most=399_000, chunk_least=300_000),
        ONE,
    ),
    *(
        Row(
            f"a small blob that is refused with {status} in one request is sent in two",
            "push",
            once("start upload", Refuse(status)),
            Ok({"put upload": 3}),
            options=ONE,
        )
        for status in (400, 404, 405, 413, 500, 501)
    ),
    Row("relative Locations are resolved", "push", (), Ok()),
    Row("absolute Locations are used", "push", (), Ok(), Manner(locations="http://SELF")),
    Row(
        "Locations at another host get no login",
        "push",
        (),
        Ok({"put upload": 0}),
        Manner(locations="http://ELSEWHERE"),
    ),
    Row("a Location's query is kept", "push", (), Ok(), Manner(location_query="_state=a=b")),
    *(
        Row(f"an upload begun with {status} goes on", "push", ever("start upload", Succeed(status)), Ok())
        for status in (200, 201)
    ),
    *(
        Row(
            f"chunks answered with {status} and without a Location go on",
            "push",
            ever("patch upload", Succeed(status, ("Location",))),
            Ok(),
            Manner(body_most=100_000),
            ONE,
        )
        for status in (200, 201, 202, 204)
    ),
    *(
        Row(f"an upload ended with {status} is done", "push", ever("put upload", Succeed(status)), Ok())
        for status in (200, 202, 204)
    ),
    *(
        Row(f"a manifest put with {status} is there", "push", ever("put manifest", Succeed(status)), Ok())
        for status in (200, 202, 204)
    ),
    Row(
        "a missing Location is asked for again",
        "push",
        once("start upload", Header("Location")),
        Ok({"start upload": 4}),
    ),
    Row(
        "a Location that never comes ends the push",
        "push",
        ever("start upload", Header("Location")),
        Fails(Transient, "no Location"),
    ),
    Row(
        "a Location off TLS is not used",
        "push",
        ever("start upload", Header("Location", "http://cdn.invalid/u?sig=s3cret")),
        Fails(RegistryError, "http://cdn.invalid/u, which does not use TLS"),
    ),
    Row(
        "a blob that arrived as another is told in the registry's words",
        "push",
        ever("put upload", Refuse(400, "DIGEST_INVALID", "wrong")),
        Fails(Refused, r"400 DIGEST_INVALID \(wrong\)", {"patch upload": 0}),
    ),
    Row(
        "a registry that doubts a blob once is sent it once more",
        "push",
        once("put upload", Refuse(400, "DIGEST_INVALID", "wrong")),
        Ok(),
    ),
    Row(
        "a manifest that a registry always doubts fails in the registry's words",
        "push",
        ever("put manifest", Refuse(400, "DIGEST_INVALID", "wrong")),
        Fails(Refused, r"400 DIGEST_INVALID \(wrong\)", {"put manifest": 4}),
    ),
    Row(
        "a registry that doubts a manifest once is sent it once more",
        "push",
        once("put manifest", Refuse(400, "DIGEST_INVALID", "wrong")),
        Ok(),
    ),
    Row(
        "a repository that may not be made is told at once",
        "push",
        ever("start upload", Refuse(404, "NAME_UNKNOWN", "no such repository")),
        Fails(Absent, r"404 NAME_UNKNOWN \(no such repository\)", waits=()),
    ),
    Row("429 while uploading is waited out", "push", once("put upload", Refuse(429, retry_after="3")), Ok(waits=(3,))),
    Row(
        "an upload that breaks twice goes on in chunks",
        "push",
        (Fault("put upload", HangUp(), 2),),
        Ok({"patch upload": 1}),
        options=ONE,
    ),
)

MOUNTS = (
    Row("a mount sends nothing", "mount", (), Ok({"mount blob": 3, "put upload": 0})),
    Row(
        "a refused mount is used as the upload that it began",
        "mount",
        ever("mount blob", RefuseMount()),
        Ok({"put upload": 3, "start upload": 0}),
    ),
    *(
        Row(
            f"a mount refused with {status} becomes an upload",
            "mount",
            ever("mount blob", Refuse(status)),
            Ok({"put upload": 3, "start upload": 3}),
        )
        for status in (400, 401, 403, 404, 405, 501)
    ),
    *(
        Row(
            f"mounts that fail with {status} time after time become uploads",
            "mount",
            ever("mount blob", Refuse(status)),
            Ok({"put upload": 3, "start upload": 3}),
            options=ONE,
        )
        for status in (500, 503)
    ),
)

AFTERWARDS = (
    Row(
        "a missing digest header after the push is made up for",
        "push",
        ever("put manifest", Header("Docker-Content-Digest")),
        # The first one is refused, as it comes without a token.
        Ok({"get manifest": 3}),
    ),
    Row(
        "another digest after the push is found",
        "push",
        ever("put manifest", NOWHERE),
        Fails(DigestMismatch, "push again"),
    ),
    Row(
        "a refused manifest is told in the registry's words",
        "push",
        ever("put manifest", Refuse(400, "MANIFEST_INVALID", "no")),
        Fails(Refused, r"400 MANIFEST_INVALID \(no\)"),
    ),
)

STREAMS = (
    Row("blobs are streamed from another registry", "stream", (), Ok({"put upload": 3})),
    Row(
        "a lost session makes the stream begin again", "stream", once("put upload", LoseUpload()), Ok({"put upload": 4})
    ),
    Row("a stream is sent in chunks where that is wanted", "stream", (), Ok(), Manner(body_most=100_000), ONE),
    Row(
        "a stream that is cut is resumed",
        "stream out",
        once("get blob", CUT, after=2),
        Ok({"get blob": 5}),
        options=ONE,
    ),
    Row(
        "a stream of another byte is found",
        "stream out",
        ever("get blob", Corrupt()),
        Fails(DigestMismatch, "different content"),
    ),
    Row(
        "a stream that never comes ends the push",
        "stream out",
        ever("get blob", Cut(0)),
        Fails(RegistryError, "the connection to .* failed"),
    ),
    Row(
        "a blob that is nowhere is named",
        "stream out",
        ever("get blob", Refuse(404)),
        Fails(BlobNotFound, "neither in the store nor in a source repository"),
    ),
)

REFERRERS = (
    Row("a registry with referrers needs no tag for them", "attach", (), Ok({"put manifest": 1})),
    Row("a registry without referrers gets the tag", "attach", (), Ok({"put manifest": 2}), Manner(referrers=False)),
    Row("referrers are found by the tag", "referrers", (), Ok({"get manifest": 1}), Manner(referrers=False)),
    Row("referrers are found on many pages", "referrers", (), Ok({"list referrers": 3}), Manner(page=1)),
    Row(
        "a page in place of referrers is no answer",
        "referrers",
        ever("list referrers", Body(b"{}", media_type="text/html")),
        Ok({"get manifest": 2}),
    ),
)

ROWS = (
    *TRYING_AGAIN,
    *BLOBS,
    *MANIFESTS,
    *LINKS,
    *REDIRECTS,
    *AUTHORIZATION,
    *UPLOADS,
    *MOUNTS,
    *AFTERWARDS,
    *STREAMS,
    *REFERRERS,
)
