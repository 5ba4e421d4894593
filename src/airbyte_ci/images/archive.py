"""An image as one tar file that every tool loads: an OCI layout with Docker's manifest.json next to it.

skopeo reads it as `oci-archive:` and as `docker-archive:`; `docker load` and `podman load` accept it.
"""

from collections.abc import Collection, Iterator, Sequence

from airbyte_ci.oci import tar
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import LAYOUT, Descriptor, Image, Index, canonical_json
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import REF_NAME, Store
from airbyte_ci.oci.tar import Entry, Writable


def write(
    store: Store, image: Image, names: Sequence[str], target: Writable, *, left_out: Collection[Digest] = ()
) -> None:
    """Writes the archive. Layers whose diffIDs are in `left_out` are listed but not included: the reader has them."""
    entries = list(_entries(store, image, names, left_out))
    for entry in tar.sorted_entries(entries):
        _write_verified(store, entry, target)
    target.write(tar.END)


def _entries(store: Store, image: Image, names: Sequence[str], left_out: Collection[Digest]) -> Iterator[Entry]:
    yield tar.directory("blobs")
    yield tar.directory("blobs/sha256")
    yield Entry(path="oci-layout", content=LAYOUT)
    named = [
        Descriptor(
            image.manifest.media_type,
            image.digest,
            size=len(image.manifest.raw),
            # containerd looks for the full name, other tools for the short one.
            annotations={REF_NAME: name.rpartition(":")[2], "io.containerd.image.name": str(Reference.parse(name))},
            platform=image.config.platform,
        )
        for name in names
    ]
    yield Entry(path="index.json", content=Index.make(tuple(named), {}).raw)
    docker = {
        "Config": _place(image.manifest.config.digest),
        "RepoTags": list(names),
        "Layers": [_place(layer.digest) for layer, _ in image.layers],
    }
    yield Entry(path="manifest.json", content=canonical_json([docker]))
    blobs = {image.digest, image.manifest.config.digest}
    blobs |= {layer.digest for layer, diff_id in image.layers if diff_id not in left_out}
    for digest in blobs:
        yield Entry(path=_place(digest), mode=0o444, content=store.path(digest))


def _place(digest: Digest) -> str:
    return f"blobs/sha256/{digest.hex}"


def _write_verified(store: Store, entry: Entry, target: Writable) -> None:
    """Writes a blob and verifies its bytes; writes other content unchanged."""
    if isinstance(entry.content, bytes):
        tar.write([entry], target)
        return
    digest = Digest(entry.path.rpartition("/")[2])
    size = store.size(digest)
    target.write(tar.header(entry, size))
    with store.open(digest) as blob:
        while chunk := blob.read(1 << 20):
            target.write(chunk)
    target.write(b"\0" * (-size % tar.BLOCK))
