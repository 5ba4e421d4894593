"""Layers: valid concatenations, independent of caches, with fixed bytes."""

import gzip
import io
import os
import random
import shutil
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import deflate
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airbyte_ci.errors import DigestMismatch, ImageError
from airbyte_ci.oci import compress, tar
from airbyte_ci.oci.layer import Layer, Segment, assemble, layer_of, make_segment
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry, directory
from tests.oci.golden_entries import ENTRIES, golden_layer

# The promise of reproducibility: these change only together with a format version and a line in the changelog.
GOLDEN_DIFF_ID = "sha256:4cb03b0c4d35dfbbd014913ed04fe95a9bac5c34c22a67a5c3660534ec196d20"
GOLDEN_LAYER = "sha256:9f4e8fefc79d2df2165cc59138b95dadabf9c5a9dfbb36ad2856969db888af1f"

_FILES = st.dictionaries(
    st.from_regex(r"[a-z]{1,3}(/[a-z]{1,3}){0,2}", fullmatch=True), st.binary(max_size=100), max_size=6
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture(scope="module")
def one_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("layers"))


def plain(store: Store, layer: Layer) -> bytes:
    return gzip.decompress(store.read(layer.descriptor.digest))


def test_the_golden_digests_hold(tmp_path: Path) -> None:
    """A fixed set of entries gives the recorded diffID everywhere, and the layer digest with our compressor."""
    layer = golden_layer(tmp_path)
    assert str(layer.diff_id) == GOLDEN_DIFF_ID
    assert compress.identity() == "libdeflate-6"
    assert str(layer.descriptor.digest) == GOLDEN_LAYER


@pytest.fixture(params=["3.11", "3.12", "3.13"])
def other_python(request: pytest.FixtureRequest) -> Path:
    """Another CPython of this machine."""
    roots = [os.environ.get("PYENV_ROOT"), str(Path.home() / ".pyenv")]
    places = [place for root in roots if root for place in Path(root, "versions").glob(f"{request.param}.*/bin/python")]
    if on_path := shutil.which(f"python{request.param}"):
        places.append(Path(on_path))
    for place in places:
        asked = subprocess.run(
            [place, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True, text=True
        )
        if asked.stdout.strip() == request.param:
            return place
    pytest.skip(f"no CPython {request.param} on this machine")


def test_every_cpython_gives_the_golden_digests(other_python: Path, tmp_path: Path) -> None:
    """The bytes do not depend on the Python that writes them, its gzip, tarfile or hash seed."""
    import airbyte_ci

    script = Path(__file__).with_name("golden_entries.py")
    libraries = tmp_path / "libraries"  # the one dependency that writes bytes; its extension module serves every Python
    libraries.mkdir()
    (libraries / "deflate").symlink_to(Path(deflate.__file__).parent)
    path = os.pathsep.join(map(str, (Path(airbyte_ci.__file__).parents[1], libraries)))
    environment = {"PYTHONPATH": path, "PYTHONHASHSEED": "7"}
    done = subprocess.run([other_python, "-B", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    digest, diff_id, _ = done.stdout.split()
    assert diff_id == GOLDEN_DIFF_ID
    assert digest == GOLDEN_LAYER


def test_umask_and_time_zone_do_not_show(tmp_path: Path) -> None:
    """Another umask, locale and time zone give the same layer."""
    environment = {**os.environ, "TZ": "Asia/Kathmandu", "LC_ALL": "C"}
    script = Path(__file__).with_name("golden_entries.py")
    command = f"umask 0077; exec {sys.executable} -B {script}"
    done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True)
    assert done.stdout.split()[1] == GOLDEN_DIFF_ID, done.stderr


def test_tarfile_reads_every_golden_entry(tmp_path: Path) -> None:
    """An independent reader finds all entries, directories first and hard links last, none twice."""
    layer = golden_layer(tmp_path)
    with tarfile.open(fileobj=io.BytesIO(plain(Store(tmp_path), layer))) as archive:
        names = archive.getnames()
    assert sorted(names) == sorted(entry.path for entry in ENTRIES)
    assert len(set(names)) == len(names)
    kinds = {entry.path: entry.kind for entry in ENTRIES}
    assert [kinds[name] for name in names][:4] == ["dir"] * 4
    assert [kinds[name] for name in names][-2:] == ["hardlink"] * 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(_FILES, st.randoms())
def test_a_shuffled_layer_is_the_same_layer(one_store: Store, files: dict[str, bytes], chance: random.Random) -> None:
    """The order in which entries are found on a disk does not reach the bytes."""
    entries = [Entry(path=f"f/{path}", content=content) for path, content in files.items()]
    entries += [directory(f"d/{path}") for path in files]
    shuffled = entries.copy()
    chance.shuffle(shuffled)
    assert layer_of(one_store, shuffled) == layer_of(one_store, entries)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(_FILES, _FILES)
def test_joined_segments_are_one_tar(one_store: Store, first: dict[str, bytes], second: dict[str, bytes]) -> None:
    """A layer of segments unpacks to directories, the segments' raw bytes and the end marker; its diffID is theirs."""
    groups = [
        [Entry(path=f"{name}/{path}", content=content) for path, content in files.items()]
        for name, files in (("a", first), ("b", second))
    ]
    folders = [directory("a"), directory("b")]
    segments = [make_segment(one_store, group) for group in groups]
    layer = assemble(one_store, folders, segments)
    whole = io.BytesIO()
    tar.write(folders, whole)
    for group in groups:
        tar.write(tar.sorted_entries(group), whole)
    assert plain(one_store, layer) == whole.getvalue() + tar.END
    assert layer.diff_id == layer.diff_id.of(whole.getvalue() + tar.END)
    assert layer.descriptor.size == one_store.size(layer.descriptor.digest)


def test_large_segments_are_the_same_with_and_without_threads(tmp_path: Path) -> None:
    """One that finds the cores busy with another is the same as the other, which has them all."""
    content = random.Random(1).randbytes(1000) * 30_000
    with ThreadPoolExecutor(2) as executor:
        one, other = executor.map(
            lambda name: make_segment(Store(tmp_path / name), [Entry(path="f", content=content)]), ("a", "b")
        )
    assert one == other


def test_a_segment_holds_no_directories(store: Store) -> None:
    """Directories belong to the layer, so that none occurs twice."""
    with pytest.raises(ImageError, match="directories"):
        make_segment(store, [directory("a")])


def test_an_empty_layer_is_legal(store: Store) -> None:
    """No entries at all still give an archive: the end marker."""
    assert plain(store, layer_of(store, [])) == tar.END


def test_a_known_layer_is_not_made_again(store: Store) -> None:
    """The second time nothing is read, even if the segments' bytes are gone."""
    segment = make_segment(store, [Entry(path="f", content=b"x")])
    layer = assemble(store, [], [segment])
    store.path(segment.raw).unlink()
    store.path(segment.compressed).unlink()
    assert assemble(store, [], [segment]) == layer


def test_a_layer_whose_blob_is_gone_is_made_again(store: Store) -> None:
    """A stored digest is used only if its blob exists."""
    layer = layer_of(store, [Entry(path="f", content=b"x")])
    store.path(layer.descriptor.digest).unlink()
    assert layer_of(store, [Entry(path="f", content=b"x")]) == layer
    assert store.has(layer.descriptor.digest)


@pytest.mark.parametrize("part", ["raw", "compressed"])
def test_a_damaged_segment_never_becomes_a_layer(store: Store, part: str) -> None:
    """Segments are verified before they are copied, unless nothing changed since they were written."""
    segment = make_segment(store, [Entry(path="f", content=b"x" * 5000)])
    damaged = store.path(getattr(segment, part))
    damaged.chmod(0o644)
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"!")
    before = sorted((store.root / "blobs/sha256").iterdir())
    with pytest.raises(DigestMismatch):
        assemble(store, [], [segment])
    assert sorted((store.root / "blobs/sha256").iterdir()) == before


def test_segments_and_layers_read_back_as_themselves(store: Store) -> None:
    """to_json and from_json are inverse; in_store returns whether both parts exist or can be made."""
    segment = make_segment(store, [Entry(path="f", content=b"x")])
    layer = assemble(store, [], [segment])
    assert Segment.from_json(segment.to_json()) == segment
    assert Layer.from_json(layer.to_json()) == layer
    assert segment.in_store(store)
    store.path(segment.raw).unlink()
    assert segment.in_store(store)
    assert store.has(segment.raw)
    store.path(segment.compressed).unlink()
    assert not segment.in_store(store)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_layer_of_its_own_has_the_bytes_of_a_shared_one(store: Store, count: int) -> None:
    """Whether a layer is made at once or from a stored segment does not show; only the layer is stored."""
    files = [
        Entry(path=f"code/{number}.py", content=random.Random(number).randbytes(3 << 20)) for number in range(count)
    ]
    folder = tar.directory("code")
    made = layer_of(store, [*files, folder])
    assert [path.name for path in (store.root / "blobs/sha256").iterdir()] == [made.descriptor.digest.hex]
    assert not list((store.root / "ingest").iterdir())
    assert made == assemble(store, [folder], [make_segment(store, files)] if files else [])
