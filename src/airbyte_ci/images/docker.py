"""Loads an image into this machine's Docker daemon; sends only the layers that the daemon lacks."""

import shutil
import subprocess
from collections.abc import Sequence

from airbyte_ci.documents import load_json
from airbyte_ci.errors import RegistryError
from airbyte_ci.images import archive
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Image
from airbyte_ci.oci.store.store import Store


def load(store: Store, image: Image, names: Sequence[str]) -> None:
    """Loads the image into Docker under its names; raises RegistryError if the daemon is missing or refuses."""
    if shutil.which("docker") is None:
        raise RegistryError("cannot load into Docker: there is no `docker` command", advice="use --output=archive:FILE")
    known = _shared_prefix(image)
    if known and _sent(store, image, names, known) is None:
        return
    # A daemon with containerd's image store wants every layer, even existing ones.
    refused = _sent(store, image, names, frozenset())
    if refused is not None:
        raise RegistryError(f"cannot load {names[0]} into Docker: {refused}", advice="is the Docker daemon running?")


def _sent(store: Store, image: Image, names: Sequence[str], left_out: frozenset[Digest]) -> str | None:
    """Returns the daemon's message if it refused the image, or None."""
    process = subprocess.Popen(
        ["docker", "load", "--quiet"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    try:
        with process.stdin as pipe:
            archive.write(store, image, names, pipe, left_out=left_out)
    except BrokenPipeError:
        pass  # The process ended early; its output contains the reason.
    except BaseException:
        process.kill()
        raise
    finally:
        message = process.stderr.read().decode(errors="replace") if process.stderr else ""
        if process.stderr:
            process.stderr.close()
        process.wait()
    return None if process.returncode == 0 else message.strip().rpartition("\n")[2] or "docker load failed"


def _shared_prefix(image: Image) -> frozenset[Digest]:
    """Returns the layers from the base up that an image in the daemon has in the same order: they need not be sent."""
    ours = [str(item) for item in image.config.diff_ids]
    longest = 0
    for theirs in _daemon_layers():
        shared = next((n for n, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]), None)
        longest = max(longest, min(len(ours), len(theirs)) if shared is None else shared)
    return frozenset(image.config.diff_ids[:longest])


def _daemon_layers() -> list[list[str]]:
    listed = subprocess.run(["docker", "images", "--quiet", "--no-trunc"], capture_output=True, text=True, check=False)
    identities = sorted(set(listed.stdout.split()))
    if not identities:
        return []
    command = ["docker", "image", "inspect", "--format", "{{json .RootFS.Layers}}", *identities]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    layers = [load_json(line) for line in shown.stdout.splitlines() if line.startswith("[")]
    return [[str(item) for item in each] for each in layers]
