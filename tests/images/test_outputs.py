"""Destinations of built images: their syntax, and folders and files that other tools read."""

import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from airbyte_ci.errors import AirbyteCiError, StoreError, UsageError
from airbyte_ci.images import outputs
from airbyte_ci.images.outputs import ImageDestination, Result
from airbyte_ci.oci.image import Image, Index, Platform
from airbyte_ci.oci.reference import parse_pinned
from airbyte_ci.oci.store.store import Store
from airbyte_ci.testing.images import random_image
from tests.images.registries import Deaf, Shelf

NAME = "acme/source-x:dev"
BASE = parse_pinned(f"acme.example/base:1.0.0@sha256:{'a' * 64}")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def skopeo(*arguments: str) -> str:
    return subprocess.run(["skopeo", *arguments], check=True, capture_output=True, text=True).stdout


AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")


def deliver(kind: str, place: Path | str, store: Store, *images: Image, registries: Deaf | None = None) -> str:
    """Puts it there as NAME; the address."""
    result = outputs.together(store, images)
    destination = ImageDestination(kind, str(place))
    (found,) = outputs.deliver(
        destination, store, result=result, names=[NAME], sources=(BASE,), registries=registries or Deaf(), native=AMD64
    )
    return found


@pytest.mark.parametrize(
    ("text", "kind", "place"),
    [
        ("oci:out", "oci", "out"),
        ("oci:/a:b/c", "oci", "/a:b/c"),
        ("archive:x.tar", "archive", "x.tar"),
        ("docker", "docker", ""),
        ("registry", "registry", ""),
        ("registry:localhost:5000/acme", "registry", "localhost:5000/acme"),
    ],
)
def test_a_destination_is_parsed(text: str, kind: str, place: str) -> None:
    """Kind, and place after the first colon; it is shown as it was written."""
    found = ImageDestination.parse(text)
    assert (found.kind, found.place, str(found)) == (kind, place, text)


@pytest.mark.parametrize("text", ["", "oci", "oci:", "archive:", "docker:x", "dockr", "OCI:x", "ftp:x", ":x"])
def test_a_destination_that_is_not_known_is_refused(text: str) -> None:
    """The error lists the valid ones."""
    with pytest.raises(UsageError, match="is not a valid destination") as caught:
        ImageDestination.parse(text)
    assert "oci:DIR" in str(caught.value)


def test_a_folder_is_an_image_layout(store: Store, tmp_path: Path) -> None:
    """skopeo finds the image by its name, with the reported digest, and can copy all of it."""
    image = random_image(store)
    place = deliver("oci", tmp_path / "out", store, image)
    assert place == f"oci:{tmp_path / 'out'}:{NAME}"
    told = json.loads(skopeo("inspect", place))
    assert told["Digest"] == str(image.digest)
    assert told["Layers"] == [str(layer.digest) for layer in image.manifest.layers]
    assert told["Architecture"] == "amd64"
    skopeo("copy", place, f"dir:{tmp_path / 'copy'}")


def test_a_folder_holds_several_images(store: Store, tmp_path: Path) -> None:
    """Others stay under their names; the same name is replaced; writing again changes nothing."""
    one, two, three = (random_image(store, seed=seed) for seed in (1, 2, 3))
    folder = tmp_path / "out"
    outputs.write_layout(store, Result((one,)), folder, ["acme/one:dev"])
    outputs.write_layout(store, Result((two,)), folder, ["acme/two:dev"])
    outputs.write_layout(store, Result((three,)), folder, ["acme/one:dev"])
    index = (folder / "index.json").read_bytes()
    outputs.write_layout(store, Result((three,)), folder, ["acme/one:dev"])
    for name, image in (("acme/one:dev", three), ("acme/two:dev", two)):
        assert json.loads(skopeo("inspect", f"oci:{folder}:{name}"))["Digest"] == str(image.digest)
    assert len(json.loads(index)["manifests"]) == 2
    assert {item["digest"] for item in json.loads(index)["manifests"]} == {str(two.digest), str(three.digest)}
    assert not [path for path in folder.rglob("*") if "partial" in path.name]


@pytest.mark.parametrize("transport", ["oci-archive", "docker-archive"])
def test_an_archive_is_read_by_everybody(store: Store, tmp_path: Path, transport: str) -> None:
    """One file that is an OCI archive and Docker's at once; the same bytes whenever it is written."""
    image = random_image(store)
    path = tmp_path / "deep" / "x.tar"
    for attempt in (path, tmp_path / "again.tar"):
        place = deliver("archive", attempt, store, image)
        assert place == f"archive:{attempt}"
    assert path.read_bytes() == (tmp_path / "again.tar").read_bytes()
    config = json.loads(skopeo("inspect", "--config", f"{transport}:{path}"))
    assert config["rootfs"]["diff_ids"] == [str(item) for item in image.config.diff_ids]
    with tarfile.open(path) as archive:
        names = archive.getnames()
    assert names == sorted(set(names))


@pytest.mark.parametrize(
    ("place", "repository", "expected"),
    [
        ("", "acme/source-x", "docker.io/acme/source-x:dev"),
        ("localhost:5000", "acme/source-x", "localhost:5000/acme/source-x:dev"),
        ("localhost:5000/", "acme/source-x", "localhost:5000/acme/source-x:dev"),
        ("ghcr.io/mirror", "acme/source-x", "ghcr.io/mirror/acme/source-x:dev"),
    ],
)
def test_a_registry_gets_it_under_the_prefix(store: Store, place: str, repository: str, expected: str) -> None:
    """The repository's own name after the prefix, pushed with the base as a source of layers, and the digest."""
    image = random_image(store)
    registries = Shelf(whole=image)
    (address,) = outputs.deliver(
        *(
            ImageDestination("registry", place),
            store,
            Result((image,)),
            [f"{repository}:dev"],
            (BASE,),
            registries,
            AMD64,
        )
    )
    assert registries.asked == [("push", str(image.digest), expected, str(BASE))]
    assert address == f"{expected}@{image.digest}"


def _damaged(store: Store, image: Image) -> None:
    path = store.path(image.manifest.layers[0].digest)
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("kind", ["oci", "archive"])
def test_a_damaged_blob_is_not_delivered(store: Store, tmp_path: Path, kind: str) -> None:
    """Bytes are verified while they are written: the image is not there under its name afterwards."""
    image = random_image(store)
    _damaged(store, image)
    with pytest.raises(AirbyteCiError, match="its content was changed on disk"):
        deliver(kind, tmp_path / "out", store, image)
    assert not (tmp_path / "out/index.json").exists()
    assert not (tmp_path / "out").is_file()


def test_a_damaged_blob_leaves_nothing_behind(store: Store, tmp_path: Path) -> None:
    """A failed delivery leaves no half-written blobs in the folder."""
    image = random_image(store)
    _damaged(store, image)
    with pytest.raises(AirbyteCiError):
        outputs.write_layout(store, Result((image,)), tmp_path / "out", [NAME])
    assert not [path for path in (tmp_path / "out").rglob("*") if "partial" in path.name]


@pytest.mark.parametrize("kind", ["oci", "archive"])
def test_a_place_that_cannot_be_written_is_told(store: Store, tmp_path: Path, kind: str) -> None:
    """The path is named; it is not an internal error."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot write the image to .*file/out: "):
        deliver(kind, tmp_path / "file/out", store, random_image(store))


def test_a_folder_that_is_something_else_is_not_overwritten(store: Store, tmp_path: Path) -> None:
    """An invalid index.json is reported, and stays."""
    (tmp_path / "index.json").write_text("<html>")
    with pytest.raises(AirbyteCiError, match="is not JSON"):
        outputs.write_layout(store, Result((random_image(store),)), tmp_path, [NAME])
    assert (tmp_path / "index.json").read_text() == "<html>"


def test_several_platforms_are_one_index(store: Store, tmp_path: Path) -> None:
    """An index with each platform's image under the one name; skopeo finds both, and the Docker archive is refused."""
    images = [random_image(store, seed=number, platform=item) for number, item in enumerate((AMD64, ARM64))]
    place = deliver("oci", tmp_path / "out", store, *images)
    index = Index.parse(skopeo("inspect", "--raw", place).encode(), place)
    assert [(item.digest, item.platform) for item in index.manifests] == [
        (image.digest, image.config.platform) for image in images
    ]
    for image, architecture in zip(images, ("amd64", "arm64"), strict=True):
        told = json.loads(skopeo("inspect", f"--override-arch={architecture}", place))
        assert (told["Architecture"], told["Layers"]) == (
            architecture,
            [str(layer.digest) for layer in image.manifest.layers],
        )
    skopeo("copy", "--all", place, f"dir:{tmp_path / 'copy'}")
    with pytest.raises(UsageError, match=r"accepts one platform, but 2 are built → use --output=oci:DIR"):
        deliver("archive", tmp_path / "x.tar", store, *images)
    with pytest.raises(UsageError, match=r"none of the platforms matches this machine \(linux/amd64\)"):
        deliver("docker", "", store, images[1])
