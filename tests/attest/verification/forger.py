"""Changes a release in a registry as an attacker who may push could: images, documents, tags, and what is listed."""

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import zstandard

from airbyte_ci.attest.attachment import Attachment
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import INDEX, MANIFEST, Descriptor, canonical_json
from airbyte_ci.testing.contents import RegistryContents, Repository

Document = dict[str, Any]
AMD64 = "amd64"


@dataclass
class Forger:
    """A copy of a registry's contents. `root` is the digest of the release's index, which changes with the images."""

    contents: RegistryContents
    name: str
    root: Digest

    @property
    def repository(self) -> Repository:
        return self.contents.repositories[self.name]

    def document(self, digest: Digest) -> Document:
        return self.repository.manifests[digest].document

    def image(self, architecture: str = AMD64) -> Digest:
        """The manifest of a platform."""
        (found,) = (
            item["digest"]
            for item in self.document(self.root)["manifests"]
            if item["platform"]["architecture"] == architecture
        )
        return Digest.parse(found)

    def referrers(self, subject: Digest) -> Iterator[tuple[Digest, Document]]:
        for digest, manifest in list(self.repository.manifests.items()):
            if manifest.subject == subject:
                yield digest, manifest.document

    def blob(self, descriptor: Document) -> bytes:
        return self.contents.bytes[Digest.parse(descriptor["digest"])]

    def put(self, data: bytes, like: Document) -> Document:
        """Adds a blob; its descriptor."""
        digest = self.contents.put_blob(self.name, data)
        return {**like, "digest": str(digest), "size": len(data)}

    def change_image(self, change: Callable[[Document], None], *, keep_documents: bool = True) -> None:
        """Changes the manifest of the image for amd64, puts it into a new index, and attaches the old documents."""
        old, index = self.image(), self.document(self.root)
        manifest = self.document(old)
        change(manifest)
        raw = canonical_json(manifest)
        new = self.contents.put_manifest(self.name, MANIFEST, raw)
        for item in index["manifests"]:
            if item["digest"] == str(old):
                item.update(digest=str(new), size=len(raw))
        root = self.contents.put_manifest(self.name, INDEX, canonical_json(index), "1.0.0")
        if keep_documents:
            self.move(old, new)
            self.move(self.root, root)
        self.root = root

    def move(self, old: Digest, new: Digest) -> None:
        """Attaches all documents about one manifest to another one."""
        for _, document in self.referrers(old):
            document["subject"]["digest"] = str(new)
            self.contents.put_manifest(self.name, MANIFEST, canonical_json(document))

    def change_config(self, change: Callable[[Document], None]) -> None:
        """Changes the configuration of the image for amd64."""

        def apply(manifest: Document) -> None:
            config = json.loads(self.blob(manifest["config"]))
            change(config)
            manifest["config"] = self.put(canonical_json(config), manifest["config"])

        self.change_image(apply)

    def change_file(self, path: str, change: Callable[[bytes], bytes]) -> None:
        """Changes a file in the image for amd64, in its layer, the configuration and the manifest."""

        def apply(manifest: Document) -> None:
            config = json.loads(self.blob(manifest["config"]))
            for number, layer in reversed(list(enumerate(manifest["layers"]))):
                is_zstd = layer["mediaType"].endswith("zstd")
                packed = self.blob(layer)
                plain = zstandard.ZstdDecompressor().decompressobj().decompress(packed) if is_zstd else None
                changed = _with_file(plain or gzip.decompress(packed), path, change)
                if changed is not None:
                    again = zstandard.compress(changed) if is_zstd else gzip.compress(changed, mtime=0)
                    manifest["layers"][number] = self.put(again, layer)
                    config["rootfs"]["diff_ids"][number] = str(Digest.of(changed))
                    break
            manifest["config"] = self.put(canonical_json(config), manifest["config"])

        self.change_image(apply)

    def change_documents(
        self, media_type: str, change: Callable[[bytes], bytes], predicate_type: str = "", subject: Digest | None = None
    ) -> None:
        """Changes the content of documents about the image for amd64; the others stay."""
        about = subject or self.image()
        for digest, document in self.referrers(about):
            kind = (document.get("annotations") or {}).get("dev.sigstore.bundle.predicateType", "")
            if document["artifactType"] == media_type and predicate_type in ("", kind):
                del self.repository.manifests[digest]
                document["layers"][0] = self.put(change(self.blob(document["layers"][0])), document["layers"][0])
                self.contents.put_manifest(self.name, MANIFEST, canonical_json(document))

    def attach(self, attachment: Attachment, subject: Digest) -> None:
        """Attaches one more document."""
        raw = self.repository.manifests[subject].raw
        media_type = self.repository.manifests[subject].media_type
        manifest = attachment.manifest(Descriptor(media_type, subject, len(raw)))
        self.contents.put_blob(self.name, attachment.content)
        self.contents.put_blob(self.name, b"{}")
        self.contents.put_manifest(self.name, MANIFEST, manifest.raw)

    def drop(self, subject: Digest, media_type: str = "") -> None:
        """Removes the documents about a manifest."""
        for digest, document in self.referrers(subject):
            if media_type in ("", document["artifactType"]):
                del self.repository.manifests[digest]


def _with_file(plain: bytes, path: str, change: Callable[[bytes], bytes]) -> bytes | None:
    """A layer's tar with one file changed; None if it does not have the file."""
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        members = [(item, archive.extractfile(item) if item.isreg() else None) for item in archive]
        read = [(item, reader.read() if reader else b"") for item, reader in members]
    if path not in (item.name for item, _ in read):
        return None
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for item, content in read:
            data = change(content) if item.name == path else content
            item.size = len(data)
            archive.addfile(item, io.BytesIO(data) if item.isreg() else None)
    return target.getvalue()


def flipped(data: bytes, place: int = -2) -> bytes:
    """The bytes with one bit changed."""
    changed = bytearray(data)
    changed[place] ^= 1
    return bytes(changed)
