"""Building a base image: a declaration → an image in the store, checked, under one digest for its platform.

The root is pulled where it can be; otherwise it comes from Debian packages by mmdebstrap, with the same steps on top.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

from airbyte_ci.base_images.catalogue import BaseImageVersion
from airbyte_ci.base_images.declare import DebianRoot, Declaration, SanityCheck
from airbyte_ci.container import diff, evaluate, sandbox
from airbyte_ci.container.api import Operation, SetLabel
from airbyte_ci.container.evaluate import CREATED, Evaluator
from airbyte_ci.container.tree import Tree
from airbyte_ci.errors import AirbyteCiError, BlobNotFound, ImageError, RegistryError, SandboxError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Image, ImageConfig, Index, Manifest, Platform
from airbyte_ci.oci.layer import layer_of
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store import Store, action_key
from airbyte_ci.python import environment, inventory, layers, pinned
from airbyte_ci.python.index import PackageIndex

FORMAT_VERSION = 1
_SOURCE_DATE_EPOCH = "1"
# Bytes that a bootstrap takes at its largest: the packages, what they unpack to, and the layer made of it.
_ROOM = 800 << 20
Pull = Callable[[Reference, Platform], Image]


@dataclass(frozen=True, slots=True)
class BaseImageBuild:
    """What was built: the version as the catalogue records it, its image, and what the sanity checks said."""

    version: BaseImageVersion
    image: Image
    checks: tuple[str, ...]
    root: str
    cached: bool


@dataclass(frozen=True, slots=True)
class Workbench:
    """What building a base image needs beside its declaration."""

    store: Store
    index: PackageIndex
    pull: Pull
    executor: Executor
    progress: Callable[[str], None]


def build(declaration: Declaration, bench: Workbench, platform: Platform, *, root: str = "auto") -> BaseImageBuild:
    """Builds, checks and keeps the base image. `root` is auto, image or debian.

    Raises ImageError when a check fails, SandboxError when a command does, PackageError.
    """
    image, name, cached = _root(declaration, bench, platform, root)
    operations = _operations(declaration, bench, image, name)
    final = Evaluator(bench.store, image).image(operations, {})
    checks = _check(declaration.checks, bench, final)
    python = inventory.of(bench.store, final).interpreter.version
    descriptor = replace(final.manifest.descriptor, platform=platform)
    # Connectors pin the index, so that one address serves every platform that is added to it.
    index = Index.make((descriptor,), {})
    bench.store.put(index.raw)
    address = declaration.address.with_digest(index.digest)
    bench.store.tag(str(declaration.address), index.descriptor)
    version = BaseImageVersion(
        declaration.repository,
        declaration.version,
        address,
        python,
        str(final.config.execution.get("User") or "root"),
        declaration.changelog,
    )
    return BaseImageBuild(version, final, checks, name, cached)


def _operations(declaration: Declaration, bench: Workbench, image: Image, root: str) -> tuple[Operation, ...]:
    debian = declaration.debian_root
    steps: tuple[Operation, ...] = debian.steps if debian and root.startswith("Debian") else ()
    steps += declaration.steps
    if declaration.requirements:
        bench.progress("installing Python packages")
        shaped = Evaluator(bench.store, image).image(steps, {})
        steps += _packages(declaration, bench, shaped)
    labels = {"io.airbyte.version": declaration.version, "io.airbyte.name": declaration.address.repository}
    return (*steps, *(SetLabel(key, value) for key, value in labels.items()))


def _packages(declaration: Declaration, bench: Workbench, image: Image) -> tuple[Operation, ...]:
    base = inventory.of(bench.store, image)
    lock = pinned.lock(
        bench.store,
        bench.index,
        base.interpreter,
        declaration.requirements,
        f"{declaration.repository} requirements",
    )
    evaluator = Evaluator(bench.store, image)
    workshop = environment.Workshop(
        bench.store,
        bench.index,
        lambda: evaluator.tree(evaluator.state(())),
        base.interpreter,
        bench.executor,
        bench.progress,
    )
    return layers.operations(bench.store, environment.prepare(lock, workshop), base)


# --- the root ------------------------------------------------------------------------------------


def _root(declaration: Declaration, bench: Workbench, platform: Platform, wanted: str) -> tuple[Image, str, bool]:
    refused: AirbyteCiError | None = None
    if declaration.image_root and wanted in ("auto", "image"):
        try:
            bench.progress(f"pulling {declaration.image_root}")
            return bench.pull(declaration.image_root, platform), str(declaration.image_root), False
        except (RegistryError, BlobNotFound) as error:
            if wanted == "image" or declaration.debian_root is None:
                raise
            refused = error
    if declaration.debian_root is None or wanted == "image":
        raise ImageError(f"building {declaration.address}: the declaration has no such root ({wanted})")
    if refused:
        bench.progress(f"the root image cannot be pulled ({refused.message}), so Debian packages are the root")
    return _debian(declaration.debian_root, bench, platform)


def _debian(root: DebianRoot, bench: Workbench, platform: Platform) -> tuple[Image, str, bool]:
    """The Debian root, bootstrapped once per store: its packages are an input from then on."""
    name = f"Debian {root.suite} with {', '.join(root.packages)}"
    inputs = {"suite": root.suite, "packages": list(root.packages), "platform": str(platform)}
    key = action_key("debian-root", FORMAT_VERSION, inputs)
    known = bench.store.recall(key)
    if known is not None and bench.store.has(Digest.parse(known["manifest"])):
        return bench.store.image(Digest.parse(known["manifest"])), name, True
    bench.progress(f"bootstrapping {name}")
    image = _bootstrap(root, bench.store, platform)
    bench.store.remember(key, {"manifest": str(image.digest)})
    return image, name, False


def _bootstrap(root: DebianRoot, store: Store, platform: Platform) -> Image:
    if shutil.which("mmdebstrap") is None:
        raise SandboxError("building a Debian root: mmdebstrap is not installed", advice="apt-get install mmdebstrap")
    store.require_space(_ROOM)
    with store.scratch() as scratch:
        folder = scratch / "root"
        finished = subprocess.run(
            [
                *("mmdebstrap", "--variant=minbase", "--mode=root", "--quiet"),
                *("--architectures", platform.architecture, f"--include={','.join(root.packages)}"),
                *(root.suite, str(folder)),
            ],
            env={**os.environ, "SOURCE_DATE_EPOCH": _SOURCE_DATE_EPOCH},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        if finished.returncode:
            last = "\n    ".join(finished.stderr.decode(errors="replace").strip().splitlines()[-5:])
            raise SandboxError(f"building a Debian root with mmdebstrap:\n    {last}")
        layer = layer_of(store, diff.entries(folder, Tree(()), frozenset()))
    document = {
        "architecture": platform.architecture,
        "os": platform.os,
        "created": CREATED,
        "config": {
            "Env": ["PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Cmd": ["bash"],
        },
        "history": [{"created": CREATED, "created_by": f"mmdebstrap {root.suite} {' '.join(root.packages)}"}],
        "rootfs": {"type": "layers", "diff_ids": [str(layer.diff_id)]},
    }
    config = ImageConfig.make(document)
    return store.put_image(Manifest.make(config.descriptor, (layer.descriptor,), {}), config)


# --- sanity checks -------------------------------------------------------------------------------


def _check(checks: Sequence[SanityCheck], bench: Workbench, image: Image) -> tuple[str, ...]:
    """The names of the checks; raises ImageError with all that failed. Checked once per image."""
    names = tuple(check.name for check in checks)
    inputs = {
        "image": str(image.digest),
        "checks": [[item.name, list(item.run), item.expect] for item in checks],
    }
    key = action_key("sanity-checks", FORMAT_VERSION, inputs)
    if bench.store.recall(key):
        return names
    bench.progress("running sanity checks")
    failures = [failure for check in checks if (failure := _failure(check, bench.store, image))]
    if failures:
        said = "".join(f"\n    {failure}" for failure in failures)
        raise ImageError(f"the base image does not pass its sanity checks:{said}")
    bench.store.remember(key, {"passed": list(names)})
    return names


def _failure(check: SanityCheck, store: Store, image: Image) -> str | None:
    tree, command = evaluate.prepare(store, image, check.run)
    finished = sandbox.run(store, tree, replace(command, timeout=120))
    output = finished.stdout.decode(errors="replace") + finished.stderr.decode(errors="replace")
    if finished.returncode or not re.search(check.expect, output, re.MULTILINE):
        return f"{check.name}: {' '.join(check.run)} → {finished.returncode}, {output.strip()[:200]!r}"
    return None
