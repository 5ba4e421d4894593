"""The standard library's bytecode: complete, valid, shared by images, and never older than its sources."""

import gzip
import importlib.util
import io
import marshal
import tarfile
from collections.abc import Mapping

import pytest

from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Descriptor, Image
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry
from tests.e2e.tiny import Tiny, derived

pytestmark = pytest.mark.slow
HISTORY = "compile the standard library"
LIBRARY = "usr/lib/python3.11/"
# Its import fails with the base's own source or bytecode of `this`.
EDITED = (
    'import json, this\nprint(json.dumps({"type": "SPEC", "spec": {"connectionSpecification": {"x": this.EDITED}}}))\n'
)
HOOK = """
async def post_connector_install(container):
    return await container.with_user("root").with_exec(["sh", "-c", "echo EDITED = 1 > /usr/lib/python3.11/this.py"])
"""


def _image(tiny: Tiny, store: Store, *arguments: str) -> Image:
    said = tiny.build(*arguments)
    assert said.code == 0, said.err
    manifest = store.resolve("acme/source-tiny:dev")
    assert manifest
    return store.image(manifest.digest)


def _compiled(image: Image) -> list[Descriptor]:
    """The layers of bytecode of the standard library."""
    filled = [item["created_by"] for item in image.config.document["history"] if not item.get("empty_layer")]
    return [layer for layer, name in zip(image.manifest.layers, filled, strict=True) if HISTORY in name]


def _files(store: Store, layer: Descriptor) -> Mapping[str, bytes]:
    data = gzip.decompress(store.read(layer.digest))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {item.name: archive.extractfile(item).read() for item in archive if item.isreg() or item.islnk()}  # type: ignore[union-attr]  # these members have contents


def test_every_source_has_bytecode_that_fits_it(tiny: Tiny, store: Store) -> None:
    """Of each module that a connector may import: compiled, and bound to its source by hash (PEP 552)."""
    base = store.image(Reference.parse(derived(store, tiny.base, tag="same")).digest or Digest(""))
    (layer,) = _compiled(_image(tiny, store, "--no-verify"))
    found = _files(store, layer)
    sources = {path: data for item in base.manifest.layers for path, data in _files(store, item).items()}
    for module in ("os", "json/__init__", "asyncio/base_events", "encodings/utf_8", "collections/abc"):
        folder, _, name = f"{LIBRARY}{module}".rpartition("/")
        assert f"{folder}/__pycache__/{name}.cpython-311.pyc" in found
    for path, code in found.items():
        folder, _, name = path.rpartition("/__pycache__/")
        source = sources[f"{folder}/{name.removesuffix('.cpython-311.pyc')}.py"]
        assert code[:8] == importlib.util.MAGIC_NUMBER + (3).to_bytes(4, "little")
        assert code[8:16] == importlib.util.source_hash(source)
        marshal.loads(code[16:])
    assert not [path for path in found if "/test/" in path or "site-packages" in path]


def test_bases_with_one_standard_library_share_its_bytecode(tiny: Tiny, store: Store) -> None:
    """Another release of the base gives the same layer; --no-bytecode leaves it out."""
    first = _compiled(_image(tiny, store, "--no-verify"))
    other = derived(store, tiny.base, Entry(path="etc/release", content=b"2\n"), tag="2")
    assert _compiled(_image(tiny, store, "--no-verify", f"--base-image={other}")) == first
    assert len(first) == 1
    assert not _compiled(_image(tiny, store, "--no-verify", "--no-bytecode"))


def test_an_edited_module_of_the_library_runs(tiny: Tiny, store: Store) -> None:
    """A customization that changes a source is not undone by bytecode of the old one."""
    (tiny.connector() / "main.py").write_text(EDITED)
    (tiny.connector() / "build_customization.py").write_text(HOOK)
    assert tiny.build().code == 0
