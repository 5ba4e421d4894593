"""The in-process registry keeps to the specification: the cases of the OCI distribution conformance suite.

Ported as facts from distribution-spec v1.1 `conformance/` (pull, push, content discovery and management).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urljoin

import pytest
import requests

from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import CONFIG, INDEX, LAYER_TAR, MANIFEST
from airbyte_ci.testing.distribution import Manner
from airbyte_ci.testing.registry import RegistryServer

REPOSITORY = "conformance/one"
OTHER = "conformance/two"
BLOB = b"the first test blob, which is long enough to be cut into pieces"
UNKNOWN = Digest.of(b"nobody pushed this")


@dataclass(frozen=True)
class Registry:
    """The registry under test, accessed only by HTTP."""

    server: RegistryServer
    session: requests.Session

    def ask(self, method: str, path: str, **options: object) -> requests.Response:
        url = urljoin(self.server.url, path)
        return self.session.request(method, url, **options)  # type: ignore[arg-type]  # any option

    def code(self, response: requests.Response) -> str:
        return str(response.json()["errors"][0]["code"])

    def upload(self, repository: str, blob: bytes) -> Digest:
        location = self.ask("POST", f"/v2/{repository}/blobs/uploads/").headers["Location"]
        digest = Digest.of(blob)
        assert self.ask("PUT", f"{location}?digest={digest}", data=blob).status_code == 201
        return digest

    def put(self, name: str, document: dict[str, object], repository: str = REPOSITORY) -> requests.Response:
        headers = {"Content-Type": str(document["mediaType"])}
        return self.ask("PUT", f"/v2/{repository}/manifests/{name}", data=json.dumps(document), headers=headers)

    def manifest(self, **more: object) -> dict[str, object]:
        config, layer = self.upload(REPOSITORY, b"{}"), self.upload(REPOSITORY, BLOB)
        return {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": str(config), "size": 2},
            "layers": [{"mediaType": LAYER_TAR, "digest": str(layer), "size": len(BLOB)}],
            **more,
        }


@pytest.fixture
def registry() -> Iterator[Registry]:
    with RegistryServer() as server, requests.Session() as session:
        session.trust_env = False
        yield Registry(server, session)


def test_version_is_announced(registry: Registry) -> None:
    """`GET /v2/` answers 200 (end-1)."""
    assert registry.ask("GET", "/v2/").status_code == 200


# --- pull ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_unknown_blob_is_404(registry: Registry, method: str) -> None:
    """A blob that does not exist is 404."""
    assert registry.ask(method, f"/v2/{REPOSITORY}/blobs/{UNKNOWN}").status_code == 404


def test_known_blob_comes_back(registry: Registry) -> None:
    """A blob comes back with its bytes, length and digest."""
    digest = registry.upload(REPOSITORY, BLOB)
    head = registry.ask("HEAD", f"/v2/{REPOSITORY}/blobs/{digest}")
    assert (head.status_code, head.headers["Content-Length"]) == (200, str(len(BLOB)))
    assert head.headers["Docker-Content-Digest"] == str(digest)
    assert head.content == b""
    assert registry.ask("GET", f"/v2/{REPOSITORY}/blobs/{digest}").content == BLOB


@pytest.mark.parametrize(
    ("asked", "status", "begin", "end"),
    [
        ("bytes=0-9", 206, 0, 10),
        ("bytes=10-", 206, 10, len(BLOB)),
        ("bytes=10-9999", 206, 10, len(BLOB)),
        ("bytes=-5", 206, len(BLOB) - 5, len(BLOB)),
        ("bytes=9999-", 416, 0, 0),
        ("lines=0-9", 200, 0, len(BLOB)),
    ],
)
def test_ranges_of_blobs(registry: Registry, asked: str, status: int, begin: int, end: int) -> None:
    """A range is answered with 206 and Content-Range, an impossible one with 416, an unknown unit ignored."""
    digest = registry.upload(REPOSITORY, BLOB)
    answer = registry.ask("GET", f"/v2/{REPOSITORY}/blobs/{digest}", headers={"Range": asked})
    assert answer.status_code == status
    if status == 206:
        assert answer.headers["Content-Range"] == f"bytes {begin}-{end - 1}/{len(BLOB)}"
    if status != 416:
        assert answer.content == BLOB[begin:end]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("name", ["nothing", str(UNKNOWN)])
def test_unknown_manifest_is_404(registry: Registry, method: str, name: str) -> None:
    """A manifest that does not exist is 404, by tag and by digest."""
    registry.put("there", registry.manifest())
    assert registry.ask(method, f"/v2/{REPOSITORY}/manifests/{name}").status_code == 404


def test_errors_have_the_form_of_the_specification(registry: Registry) -> None:
    """A 404 names the unknown item: the repository or the manifest."""
    assert registry.code(registry.ask("GET", "/v2/no/such/manifests/x")) == "NAME_UNKNOWN"
    registry.put("there", registry.manifest())
    answer = registry.ask("GET", f"/v2/{REPOSITORY}/manifests/nothing")
    assert registry.code(answer) == "MANIFEST_UNKNOWN"


def test_manifest_comes_back_as_it_was_put(registry: Registry) -> None:
    """A manifest comes back by tag and by digest, with its media type, length and digest."""
    answer = registry.put("latest", registry.manifest())
    digest = answer.headers["Docker-Content-Digest"]
    assert answer.status_code == 201
    for name in ("latest", digest):
        for method in ("HEAD", "GET"):
            found = registry.ask(method, f"/v2/{REPOSITORY}/manifests/{name}")
            assert (found.status_code, found.headers["Content-Type"]) == (200, MANIFEST)
            assert found.headers["Docker-Content-Digest"] == digest
    assert Digest.of(registry.ask("GET", f"/v2/{REPOSITORY}/manifests/latest").content) == Digest.parse(digest)


# --- push ------------------------------------------------------------------------------------------


def test_blob_in_one_post(registry: Registry) -> None:
    """A blob may come with the POST (end-4b); the Location is where it can be pulled."""
    digest = Digest.of(BLOB)
    registry.server.manner = Manner(single_post=True)
    answer = registry.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/?digest={digest}", data=BLOB)
    assert answer.status_code == 201
    assert registry.ask("GET", answer.headers["Location"]).content == BLOB


def test_blob_in_post_and_put(registry: Registry) -> None:
    """A blob may come whole with the PUT (end-4a, end-6)."""
    start = registry.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/")
    assert (start.status_code, start.headers["Range"]) == (202, "0-0")
    answer = registry.ask("PUT", f"{start.headers['Location']}?digest={Digest.of(BLOB)}", data=BLOB)
    assert answer.status_code == 201
    assert registry.ask("GET", answer.headers["Location"]).content == BLOB


def test_blob_in_chunks(registry: Registry) -> None:
    """Chunks in order make the blob; the status reports how much has arrived (end-5, end-13)."""
    location = registry.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/").headers["Location"]
    first = registry.ask("PATCH", location, data=BLOB[:10], headers={"Content-Range": "0-9"})
    assert (first.status_code, first.headers["Range"]) == (202, "0-9")
    status = registry.ask("GET", first.headers["Location"])
    assert (status.status_code, status.headers["Range"]) == (204, "0-9")
    last = f"10-{len(BLOB) - 1}"
    second = registry.ask("PATCH", first.headers["Location"], data=BLOB[10:], headers={"Content-Range": last})
    assert (second.status_code, second.headers["Range"]) == (202, f"0-{len(BLOB) - 1}")
    done = registry.ask("PUT", f"{second.headers['Location']}?digest={Digest.of(BLOB)}")
    assert done.status_code == 201
    assert registry.ask("GET", done.headers["Location"]).content == BLOB


def test_chunk_out_of_order_is_416(registry: Registry) -> None:
    """A chunk that does not begin where the last one ended is refused with 416, and the upload goes on."""
    location = registry.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/").headers["Location"]
    early = registry.ask("PATCH", location, data=BLOB[10:], headers={"Content-Range": f"10-{len(BLOB) - 1}"})
    assert early.status_code == 416
    right = registry.ask("PATCH", location, data=BLOB[:10], headers={"Content-Range": "0-9"})
    again = registry.ask("PATCH", location, data=BLOB[:10], headers={"Content-Range": "0-9"})
    assert (right.status_code, again.status_code) == (202, 416)


def test_last_chunk_may_come_with_the_put(registry: Registry) -> None:
    """The closing PUT may carry the last chunk."""
    location = registry.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/").headers["Location"]
    registry.ask("PATCH", location, data=BLOB[:10], headers={"Content-Range": "0-9"})
    done = registry.ask("PUT", f"{location}?digest={Digest.of(BLOB)}", data=BLOB[10:])
    assert done.status_code == 201


def test_blob_streamed_without_a_length(registry: Registry) -> None:
    """A PATCH may be streamed with Transfer-Encoding: chunked and no range."""
    location = registry.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/").headers["Location"]
    assert registry.ask("PATCH", location, data=iter([BLOB[:7], BLOB[7:]])).status_code == 202
    assert registry.ask("PUT", f"{location}?digest={Digest.of(BLOB)}").status_code == 201


def test_wrong_digest_is_refused(registry: Registry) -> None:
    """A blob that is not its digest's is refused, and not there afterwards."""
    location = registry.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/").headers["Location"]
    answer = registry.ask("PUT", f"{location}?digest={UNKNOWN}", data=BLOB)
    assert (answer.status_code, registry.code(answer)) == (400, "DIGEST_INVALID")
    assert registry.ask("HEAD", f"/v2/{REPOSITORY}/blobs/{UNKNOWN}").status_code == 404


def test_cancelled_upload_is_gone(registry: Registry) -> None:
    """An upload can be cancelled, and is unknown then."""
    location = registry.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/").headers["Location"]
    assert registry.ask("DELETE", location).status_code == 204
    assert registry.code(registry.ask("GET", location)) == "BLOB_UPLOAD_UNKNOWN"


def test_mount_takes_a_blob_over(registry: Registry) -> None:
    """A mount gives 201 and the blob, without a byte sent (end-11)."""
    digest = registry.upload(REPOSITORY, BLOB)
    answer = registry.ask("POST", f"/v2/{OTHER}/blobs/uploads/?mount={digest}&from={REPOSITORY}")
    assert answer.status_code == 201
    assert registry.ask("GET", answer.headers["Location"]).content == BLOB


def test_mount_of_what_is_not_there_begins_an_upload(registry: Registry) -> None:
    """A mount that cannot be done gives 202 and an upload that can be used."""
    answer = registry.ask("POST", f"/v2/{OTHER}/blobs/uploads/?mount={UNKNOWN}&from={REPOSITORY}")
    assert answer.status_code == 202
    location = answer.headers["Location"]
    assert registry.ask("PUT", f"{location}?digest={Digest.of(BLOB)}", data=BLOB).status_code == 201


def test_manifest_of_unknown_blobs_is_refused(registry: Registry) -> None:
    """A manifest whose blobs are not in the repository is refused."""
    document = registry.manifest()
    answer = registry.put("latest", document, OTHER)
    assert (answer.status_code, registry.code(answer)) == (400, "MANIFEST_BLOB_UNKNOWN")


def test_manifest_without_layers_is_taken(registry: Registry) -> None:
    """A registry should take a manifest with no layers."""
    assert registry.put("empty", registry.manifest(layers=[])).status_code == 201


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b"\xff", b'{"config": {"digest": 3}}', b"[" * 100_000])
def test_malformed_manifest_is_refused(registry: Registry, body: bytes) -> None:
    """An invalid manifest is MANIFEST_INVALID."""
    answer = registry.ask("PUT", f"/v2/{REPOSITORY}/manifests/x", data=body, headers={"Content-Type": MANIFEST})
    assert (answer.status_code, registry.code(answer)) == (400, "MANIFEST_INVALID")


def test_manifest_under_another_digest_is_refused(registry: Registry) -> None:
    """A manifest can be put under its own digest only."""
    document = registry.manifest()
    raw = json.dumps(document).encode()
    assert registry.put(str(UNKNOWN), document).status_code == 400
    assert registry.put(str(Digest.of(raw)), document).status_code == 201


def test_index_needs_its_manifests(registry: Registry) -> None:
    """An index is taken when its manifests are there, and not before."""
    image = registry.manifest()
    raw = json.dumps(image).encode()
    entry = {"mediaType": MANIFEST, "digest": str(Digest.of(raw)), "size": len(raw)}
    index: dict[str, object] = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}
    assert registry.put("index", index).status_code == 400
    registry.put(str(Digest.of(raw)), image)
    assert registry.put("index", index).status_code == 201


# --- content discovery -----------------------------------------------------------------------------


def test_tags_are_listed_in_order(registry: Registry) -> None:
    """Tags come in lexical order; `n` and `last` select, and `n=0` gives none."""
    for tag in ("test2", "test0", "test10"):
        registry.put(tag, registry.manifest())
    path = f"/v2/{REPOSITORY}/tags/list"
    assert registry.ask("GET", path).json() == {"name": REPOSITORY, "tags": ["test0", "test10", "test2"]}
    first = registry.ask("GET", f"{path}?n=2")
    assert first.json()["tags"] == ["test0", "test10"]
    following = first.headers["Link"].partition(">")[0].removeprefix("<")
    assert registry.ask("GET", following).json()["tags"] == ["test2"]
    assert registry.ask("GET", f"{path}?last=test10").json()["tags"] == ["test2"]
    assert registry.ask("GET", f"{path}?n=0").json()["tags"] == []


def test_tags_of_an_unknown_repository_are_404(registry: Registry) -> None:
    """A repository that does not exist has no list of tags."""
    assert registry.code(registry.ask("GET", "/v2/no/such/tags/list")) == "NAME_UNKNOWN"


def test_referrers_of_what_has_none(registry: Registry) -> None:
    """A digest that nothing refers to has an empty index, whether it exists or not."""
    answer = registry.ask("GET", f"/v2/{REPOSITORY}/referrers/{UNKNOWN}")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, INDEX)
    assert answer.json()["manifests"] == []


def test_referrers_of_a_malformed_digest(registry: Registry) -> None:
    """An invalid digest is a 400."""
    assert registry.ask("GET", f"/v2/{REPOSITORY}/referrers/sha256:nothing").status_code == 400


def test_referrers_are_listed_with_type_and_annotations(registry: Registry) -> None:
    """A manifest with a subject is listed; its type is artifactType, else its configuration's media type."""
    subject = {"mediaType": MANIFEST, "digest": str(UNKNOWN), "size": 3}  # which need not exist
    typed = registry.manifest(subject=subject, artifactType="test/a", annotations={"k": "v"})
    put = registry.put("sig", typed)
    assert (put.status_code, put.headers["OCI-Subject"]) == (201, str(UNKNOWN))
    registry.put("sbom", registry.manifest(subject=subject))
    entries = registry.ask("GET", f"/v2/{REPOSITORY}/referrers/{UNKNOWN}").json()["manifests"]
    assert {entry["artifactType"] for entry in entries} == {"test/a", CONFIG}
    assert [entry.get("annotations") for entry in entries if entry["artifactType"] == "test/a"] == [{"k": "v"}]


def test_referrers_can_be_filtered(registry: Registry) -> None:
    """A filter by type is applied, and the answer reports it."""
    subject = {"mediaType": MANIFEST, "digest": str(UNKNOWN), "size": 3}
    for kind in ("test/a", "test/b"):
        registry.put(kind[-1], registry.manifest(subject=subject, artifactType=kind))
    answer = registry.ask("GET", f"/v2/{REPOSITORY}/referrers/{UNKNOWN}?artifactType=test/b")
    assert answer.headers["OCI-Filters-Applied"] == "artifactType"
    assert [entry["artifactType"] for entry in answer.json()["manifests"]] == ["test/b"]


def test_lists_are_paged() -> None:
    """A registry may answer with less than requested; `Link` has the address of the rest."""
    with RegistryServer(manner=Manner(page=1)) as server, requests.Session() as session:
        registry = Registry(server, session)
        subject = {"mediaType": MANIFEST, "digest": str(UNKNOWN), "size": 3}
        for kind in ("test/a", "test/b"):
            registry.put(kind[-1], registry.manifest(subject=subject, artifactType=kind))
        for path in (f"/v2/{REPOSITORY}/tags/list", f"/v2/{REPOSITORY}/referrers/{UNKNOWN}"):
            first = registry.ask("GET", path)
            second = registry.ask("GET", first.headers["Link"].partition(">")[0].removeprefix("<"))
            assert first.content != second.content
            assert "Link" not in second.headers


# --- content management ----------------------------------------------------------------------------


def test_deleted_tag_leaves_the_manifest(registry: Registry) -> None:
    """Deleting a tag leaves its manifest; deleting the manifest leaves nothing."""
    digest = registry.put("gone", registry.manifest()).headers["Docker-Content-Digest"]
    assert registry.ask("DELETE", f"/v2/{REPOSITORY}/manifests/gone").status_code == 202
    assert registry.ask("GET", f"/v2/{REPOSITORY}/manifests/gone").status_code == 404
    assert registry.ask("GET", f"/v2/{REPOSITORY}/manifests/{digest}").status_code == 200
    assert registry.ask("DELETE", f"/v2/{REPOSITORY}/manifests/{digest}").status_code == 202
    assert registry.ask("DELETE", f"/v2/{REPOSITORY}/manifests/{digest}").status_code == 404


def test_deleted_blob_is_gone(registry: Registry) -> None:
    """A deleted blob is 404."""
    digest = registry.upload(REPOSITORY, BLOB)
    assert registry.ask("DELETE", f"/v2/{REPOSITORY}/blobs/{digest}").status_code == 202
    assert registry.ask("GET", f"/v2/{REPOSITORY}/blobs/{digest}").status_code == 404
    assert registry.ask("DELETE", f"/v2/{REPOSITORY}/blobs/{digest}").status_code == 404


def test_unknown_end_point_is_404(registry: Registry) -> None:
    """Unspecified requests are refused."""
    assert registry.ask("GET", "/v2/conformance/one/nothing").status_code == 404
    assert registry.ask("PUT", "/v2/").status_code == 404
