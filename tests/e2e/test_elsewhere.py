"""A base upgrade with an empty store: an environment's layers are found where they were pushed, and mounted."""

import subprocess
import urllib.request
from pathlib import Path

import pytest

from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry
from tests.e2e.tiny import Tiny, derived, own_layers, push, with_base

pytestmark = pytest.mark.slow


def _manifest(address: str) -> str:
    command = ["skopeo", "inspect", "--tls-verify=false", "--raw", f"docker://{address}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_layers_are_mounted_and_made_again_where_they_are_lost(
    tiny: Tiny, store: Store, registry: str, tmp_path: Path
) -> None:
    """The store never has them, the index is not queried, and the image is the same as with a warm store.

    If the registry lost them meanwhile, they are built here without a message.
    """
    old = push(store, tiny.base, f"{registry}/mount/base:1.0.0")
    local = derived(store, tiny.base, Entry(path="etc/upgraded", content=b"yes\n"), tag="1.0.1")
    new = push(store, local, f"{registry}/mount/base:1.0.1")
    away = ("--no-verify", f"--output=registry:{registry}/mount")
    assert tiny.build(*away, f"--base-image={old}").code == 0
    warm = tiny.build(f"--output=registry:{registry}/warm", f"--base-image={new}")
    assert warm.code == 0, warm.out

    empty = with_base(store, new, tmp_path / "empty", unpacked=True)
    tiny.index.asked.clear()
    found = tiny.build(*away, f"--base-image={new}", home=empty)
    assert found.code == 0, found.out
    assert found.json["digest"] == warm.json["digest"]
    assert not [path for path in tiny.index.asked if path.startswith("/files/")]
    layers = own_layers(store, warm.json["digest"], new)
    dependencies = [item for item in layers if f"{item}" in _manifest(f"{registry}/mount/acme/source-tiny:dev")][-3:-1]
    assert len(dependencies) == 2
    assert not any(Store(empty).has(item) for item in dependencies)

    # A gzip layer in the registry is not used for zstd, in any order of requests.
    for kind, expected in (("zstd", ""), ("gzip", warm.json["digest"]), ("zstd", "")):
        built = tiny.build(*away, f"--base-image={new}", f"--compression={kind}", home=empty)
        assert built.code == 0, built.out
        image = Store(empty).image(Digest.parse(built.json["digest"]))
        own = image.manifest.layers[-len(layers) :]
        assert {layer.media_type.rpartition("+")[2] for layer in own} == {kind}
        assert expected in ("", built.json["digest"])

    for digest in dependencies:
        url = f"http://{registry}/v2/mount/acme/source-tiny/blobs/{digest}"
        with urllib.request.urlopen(urllib.request.Request(url, method="DELETE")) as answer:
            assert answer.status == 202
    code = tiny.connector() / "source_tiny" / "__init__.py"
    code.write_text("# changed\n")
    again = tiny.build(*away, f"--base-image={new}", home=empty)
    assert again.code == 0, again.out
    code.write_text("")
    assert tiny.build(*away, f"--base-image={new}", home=empty).json["digest"] == warm.json["digest"]
    assert all(Store(empty).has(item) for item in dependencies)
    place = f"docker://{registry}/mount/acme/source-tiny@{warm.json['digest']}"
    subprocess.run(["skopeo", "copy", "-q", "--src-tls-verify=false", place, f"dir:{tmp_path / 'copy'}"], check=True)
