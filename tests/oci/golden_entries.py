"""A fixed set of entries with everything that shapes a layer's bytes; run as a script it prints the two digests."""

import sys
import tempfile
from pathlib import Path

from airbyte_ci.oci.layer import Layer, layer_of
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import OPAQUE, Entry, directory, symlink, whiteout

ENTRIES = (
    directory("airbyte", uid=1000, gid=1000),
    directory("airbyte/integration_code"),
    directory("tmp", mode=0o1777),
    directory("d" * 90 + "/" + "e" * 60),
    Entry(path="airbyte/integration_code/main.py", mode=0o755, content=b"print('hello')\n"),
    Entry(path="airbyte/ünïcode 名前.txt", content="né\n".encode()),
    Entry(path="bin/su", mode=0o4755, content=bytes(range(256)) * 5000),
    Entry(path="big/numbers", uid=2**31 - 1, gid=3_000_000),
    Entry(path="long/" + "n" * 200, content=b"long"),
    Entry(path="p" * 120 + "/" + "q" * 99, content=b"prefix"),
    Entry(
        path="ping", mode=0o755, content=b"elf", xattrs={"security.capability": b"\x01\0\0\x02\0\x20\0\0" + b"\0" * 12}
    ),
    Entry(path="zero", kind="hardlink", link="bin/su"),
    Entry(path="alias", kind="hardlink", link="long/" + "n" * 200),
    Entry(path="pipe", kind="fifo", mode=0o600),
    Entry(path="dev/null", kind="char", mode=0o666, device=(1, 3)),
    symlink("lib", "usr/lib"),
    symlink("far", "t" * 150),
    whiteout("usr/share/doc"),
    Entry(path=f"usr/share/man/{OPAQUE}", mode=0),
)


def golden_layer(folder: Path) -> Layer:
    """The layer of these entries, made in a new store."""
    return layer_of(Store(folder), ENTRIES)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    with tempfile.TemporaryDirectory() as name:
        layer = golden_layer(Path(name))
        print(layer.descriptor.digest, layer.diff_id, layer.descriptor.size)
