"""Builds a Dockerfile with this machine's Docker or Podman, to compare its image with one that airbyte-ci builds.

The program's own configuration selects the daemon and its credentials; the image is read back as untrusted data.
"""

import shutil
import subprocess
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airbyte_ci.documents import load_json
from airbyte_ci.errors import ImageError, UsageError
from airbyte_ci.images import read_archive
from airbyte_ci.oci import local
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Image, ImageConfig, Manifest, Platform
from airbyte_ci.oci.store.store import Store, action_key

PROGRAMS = ("docker", "podman")
_SHOWN = 15
_ATTEMPTS = 3
_MISSING = b"no such file"
_FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class DockerfileImage:
    """The image of a Dockerfile, and the part of it that comes from its last FROM, if that is known."""

    image: Image
    base: Image | None


class _MissingFileError(ImageError):
    """A file is missing. Docker 20.10 sometimes misses one of a layer that it just made, and finds it when asked again.

    If the Dockerfile is wrong, building again fails soon: the steps before are in the daemon's cache.
    """


def find_program() -> str | None:
    """Returns the program that builds Dockerfiles, if there is one."""
    return next((name for name in PROGRAMS if shutil.which(name)), None)


def build(store: Store, context: Path, platform: Platform, base: str | None) -> DockerfileImage:
    """Builds the Dockerfile in a folder and adds the image to the store. `base` is the image of its last FROM.

    Raises UsageError without Docker, ImageError if the build fails.
    """
    program = find_program()
    if program is None:
        raise UsageError(
            f"cannot build {context / 'Dockerfile'}: neither docker nor podman is installed",
            advice="name the image of the old version instead",
        )
    for _ in range(_ATTEMPTS - 1):
        with suppress(_MissingFileError):  # if there was an image, it is removed, and its layers are built again
            return _build(store, program, context, platform, base)
    return _build(store, program, context, platform, base)


def _build(store: Store, program: str, context: Path, platform: Platform, base: str | None) -> DockerfileImage:
    name = f"localhost/airbyte-ci/compare:{uuid.uuid4().hex}"
    _run([program, "build", "--tag", name, "--platform", str(platform), str(context)], f"cannot build {context}")
    try:
        image = _take(store, program, name, platform)
        return DockerfileImage(image, _base_of(store, image, _inspect(program, base) if base else None))
    finally:
        subprocess.run([program, "image", "rm", "--force", name], capture_output=True, check=False)


def _take(store: Store, program: str, name: str, platform: Platform) -> Image:
    """Returns the image of the daemon. If it was taken before and is still in the store, it is not saved again."""
    identity = (_inspect(program, name) or {}).get("Id")
    key = action_key("docker-image", _FORMAT_VERSION, {"id": identity, "platform": str(platform)})
    known = store.recall(key) if identity else None
    if known and (image := local.whole(store, Digest.parse(known["manifest"]))):
        return image
    with store.scratch() as folder:
        saved = folder / "image.tar"
        _run([program, "save", "--output", str(saved), name], "cannot save the image of the Dockerfile")
        image = read_archive.read(store, saved, platform)
    if identity:
        store.remember(key, {"manifest": str(image.digest)})
    return image


def _inspect(program: str, name: str) -> dict[str, Any] | None:
    shown = subprocess.run([program, "image", "inspect", name], capture_output=True, check=False)
    if shown.returncode:
        return None  # BuildKit keeps base images in its own cache only
    found: list[dict[str, Any]] = load_json(shown.stdout.decode(errors="replace"))
    return found[0] if found else None


def _base_of(store: Store, image: Image, inspected: dict[str, Any] | None) -> Image | None:
    """Returns the base as an image of the store: its layers are the image's first ones."""
    if inspected is None:
        return None
    layers = inspected.get("RootFS", {}).get("Layers") or []
    own = [str(item) for item in image.config.diff_ids]
    if not layers or own[: len(layers)] != layers:
        return None
    config = ImageConfig.make(
        {
            **image.config.platform.to_json(),
            "config": inspected.get("Config") or {},
            "rootfs": {"type": "layers", "diff_ids": layers},
        }
    )
    manifest = Manifest.make(config.descriptor, image.manifest.layers[: len(layers)], {})
    return store.put_image(manifest, config)


def _run(command: Sequence[str], failing: str) -> None:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        output, _ = process.communicate()
    except BaseException:
        process.kill()
        process.wait()
        raise
    if process.returncode:
        said = output.decode(errors="replace").rstrip().splitlines()[-_SHOWN:]
        shown = "".join(f"\n    {line}" for line in said)
        kind = _MissingFileError if _MISSING in output.lower() else ImageError
        raise kind(f"{failing}: {command[0]} exited with {process.returncode}:{shown}")
