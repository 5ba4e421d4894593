"""Builds a Debian root from a suite and packages, and builds the same image again from stored packages.

apt verifies downloads by the suite's signature. After that, each package is identified by its sha256. This module knows
mmdebstrap and apt, but not the images that are built on the root.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from airbyte_ci.base_images.declaration.declare import DebianRoot
from airbyte_ci.base_images.making.debian_inputs import Deb, DebianInputs
from airbyte_ci.errors import SandboxError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Image, ImageConfig, Manifest, Platform
from airbyte_ci.oci.store.store import Store, action_key

FORMAT_VERSION = 2
_SOURCE_DATE_EPOCH = "1"
# Maximum bytes that a bootstrap needs: the packages, their unpacked files, and the layer.
_ROOM = 800 << 20
_SOURCES = "etc/apt/sources.list"
# apt's messages about packages or versions that the archive does not have.
_UNKNOWN = re.compile(
    r"Unable to locate package (\S+)|Version '(.+?)' for '(.+?)' was not found|Package '(.+?)' has no"
)
# The fields that apt needs; the other fields and continuation lines of a stanza are for people.
_FIELDS = frozenset(
    (
        *("Package", "Version", "Architecture", "Multi-Arch", "Essential", "Important", "Protected", "Priority"),
        *("Pre-Depends", "Depends", "Provides", "Conflicts", "Breaks", "Replaces", "Filename", "Size", "SHA256"),
    )
)
# mmdebstrap runs this after installing all packages, while apt's lists still exist; $1 is the new root.
_KEEP = r"""
cp "$1"/var/cache/apt/archives/*.deb "$KEPT"/ &&
APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-cache show $(
    dpkg-query --admindir="$1/var/lib/dpkg" --show --showformat '${Package}:${Architecture}=${Version} '
) > "$KEPT/stanzas"
"""


@dataclass(frozen=True, slots=True)
class DebianImage:
    """A bootstrapped root and its inputs. `cached` if an earlier build made it."""

    image: Image
    inputs: DebianInputs
    cached: bool


def title(root: DebianRoot, packages: Sequence[str]) -> str:
    """Returns a description of the root for messages."""
    return f"Debian {root.suite} with {', '.join(packages)}"


def bootstrap(
    root: DebianRoot,
    packages: Sequence[str],
    store: Store,
    platform: Platform,
    progress: Callable[[str], None],
    *,
    fresh: bool = False,
) -> DebianImage:
    """Returns the root, bootstrapped once per store: later builds reuse its packages, unless `fresh` is set.

    Raises SandboxError when mmdebstrap is not installed or fails.
    """
    inputs = {"suite": root.suite, "packages": list(packages), "platform": str(platform)}
    key = action_key("debian-root", FORMAT_VERSION, inputs)
    known = None if fresh else store.recall(key)
    if known is not None and store.has(Digest.parse(known["manifest"])):
        image = store.image(Digest.parse(known["manifest"]))
        if store.holds(image):
            return DebianImage(image, DebianInputs.from_json(known["inputs"]), cached=True)
    progress(f"bootstrapping {title(root, packages)}")
    with store.scratch() as scratch:
        folder, kept = scratch / "root", scratch / "kept"
        kept.mkdir()
        hook = ["--skip=essential/unlink", f"--customize-hook={_KEEP}"]
        _mmdebstrap(
            root.suite,
            packages,
            platform=platform,
            folder=folder,
            options=[*hook],
            sources=[],
            variables={"KEPT": str(kept)},
            store=store,
        )
        found = DebianInputs(root.suite, tuple(packages), _keep(store, kept), (folder / _SOURCES).read_text("utf-8"))
        image = _image(store, folder, platform, root.suite, packages)
    store.remember(key, {"manifest": str(image.digest), "inputs": found.to_json()})
    return DebianImage(image, found, cached=False)


def again(inputs: DebianInputs, store: Store, platform: Platform) -> Image:
    """Returns the root from packages that are all in the store, without network. Raises SandboxError."""
    with store.scratch() as scratch:
        folder, archive = scratch / "root", scratch / "archive"
        _write_archive(inputs, store, platform, archive)
        source = f"deb [trusted=yes] copy:{archive} {inputs.suite} main"  # each file was verified by its sha256
        _mmdebstrap(
            inputs.suite,
            inputs.packages,
            platform=platform,
            folder=folder,
            options=[],
            sources=[source],
            variables={},
            store=store,
        )
        (folder / _SOURCES).write_text(inputs.sources, "utf-8")
        return _image(store, folder, platform, inputs.suite, inputs.packages)


def fetch(inputs: DebianInputs, missing: Sequence[Deb], store: Store) -> tuple[Deb, ...]:
    """Downloads packages that the store lacks from the root's archives; returns those that no archive has."""
    with store.scratch() as scratch:
        settings = _apt_settings(scratch, inputs.sources)
        if not _succeeds(["apt-get", *settings, "update"], scratch):
            return tuple(missing)
        names = [_apt_name(deb) for deb in missing]
        # All at once, then one by one: apt downloads nothing when one package is missing.
        if not _succeeds(["apt-get", *settings, "download", *names], scratch):
            for name in names:
                _succeeds(["apt-get", *settings, "download", name], scratch)
        for path in scratch.glob("*.deb"):
            store.put(path.read_bytes())
    # Packages are compared by their bytes, so another build of the same version is not accepted.
    return tuple(deb for deb in missing if not store.has(deb.digest))


def _apt_name(deb: Deb) -> str:
    architecture = "" if deb.architecture == "all" else f":{deb.architecture}"
    return f"{deb.package}{architecture}={deb.version}"


# Variables that would change the output of apt, dpkg, tar, compressors and interpreters.
_SHAPING = ("APT_", "DPKG_", "DEB_", "DEBCONF_", "TAR_", "GZIP", "XZ_", "ZSTD_", "PERL", "PYTHON", "POSIXLY_", "LD_")


def _environment() -> dict[str, str]:
    """Returns the environment of Debian's tools: the user's proxies and PATH, but nothing that affects the output."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith((*_SHAPING, "LC_", "LANG"))}
    return {**kept, "LC_ALL": "C.UTF-8"}


def _mmdebstrap(
    suite: str,
    packages: Sequence[str],
    platform: Platform,
    folder: Path,
    options: Sequence[str],
    sources: Sequence[str],
    variables: Mapping[str, str],
    store: Store,
) -> None:
    if shutil.which("mmdebstrap") is None:
        raise SandboxError(
            "cannot build a Debian root: mmdebstrap is not installed", advice="apt-get install mmdebstrap"
        )
    store.require_space(_ROOM)
    finished = subprocess.run(
        [
            *("mmdebstrap", "--variant=minbase", "--mode=root", "--format=directory"),
            *("--architectures", platform.architecture, f"--include={','.join(packages)}"),
            *options,
            *(suite, str(folder)),
            *sources,
        ],
        # dpkg would wait for the disk after each file. A build that a crash interrupts is removed anyway.
        env={**_environment(), "SOURCE_DATE_EPOCH": _SOURCE_DATE_EPOCH, "DPKG_FORCE": "unsafe-io", **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if finished.returncode:
        said = finished.stderr.decode(errors="replace")
        if unknown := sorted({_wanted(found) for found in _UNKNOWN.finditer(said)}):
            raise SandboxError(
                f"cannot build a Debian root: Debian {suite} has no package {', '.join(unknown)}",
                advice="correct `packages` in the declaration",
            )
        last = "\n    ".join(finished.stderr.decode(errors="replace").strip().splitlines()[-5:])
        raise SandboxError(f"cannot build a Debian root with mmdebstrap:\n    {last}")


def _wanted(found: re.Match[str]) -> str:
    """Returns the package as it was requested."""
    name, version, of_version, virtual = found.groups()
    return name or virtual or f"{of_version}={version}"


def _keep(store: Store, folder: Path) -> tuple[Deb, ...]:
    """Stores the packages that apt downloaded; returns each with its entry in the archive's index."""
    files = {Digest.of(path.read_bytes()).hex: path for path in folder.glob("*.deb")}
    debs = {}
    for stanza in (folder / "stanzas").read_text("utf-8").strip().split("\n\n"):
        sha256 = _field(stanza, "SHA256")
        if sha256 in files:
            store.put(files[sha256].read_bytes())
            package, version, architecture = (_field(stanza, name) for name in ("Package", "Version", "Architecture"))
            size = int(_field(stanza, "Size"))
            debs[sha256] = Deb(
                package=package,
                version=version,
                architecture=architecture,
                sha256=sha256,
                size=size,
                stanza=_needed(stanza),
            )
    if unknown := sorted(path.name for sha256, path in files.items() if sha256 not in debs):
        raise SandboxError(f"cannot build a Debian root: the archive's index does not list {', '.join(unknown)}")
    return tuple(sorted(debs.values(), key=lambda item: (item.package, item.architecture)))


def _needed(stanza: str) -> str:
    """Returns the stanza without fields for people, which keeps locks small."""
    lines = [line for line in stanza.splitlines() if line.partition(":")[0] in _FIELDS]
    return "\n".join(lines)


def _field(stanza: str, name: str) -> str:
    found = re.search(rf"^{name}: (.*)$", stanza, re.MULTILINE)
    return found[1].strip() if found else ""


def _write_archive(inputs: DebianInputs, store: Store, platform: Platform, folder: Path) -> None:
    """Creates an archive of only these packages with their original index entries, which tell apt what is essential."""
    place = folder / "dists" / inputs.suite / "main" / f"binary-{platform.architecture}"
    place.mkdir(parents=True)
    stanzas = []
    for deb in inputs.debs:
        with store.open(deb.digest) as source, (folder / f"{deb.sha256}.deb").open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
            source.read(1)  # reading to the end verifies the bytes
        stanzas.append(re.sub(r"^Filename: .*$", f"Filename: {deb.sha256}.deb", deb.stanza, flags=re.MULTILINE))
    index = "\n\n".join(stanzas).encode() + b"\n"
    (place / "Packages").write_bytes(index)
    (folder / "dists" / inputs.suite / "Release").write_text(
        f"Suite: {inputs.suite}\nCodename: {inputs.suite}\nComponents: main\n"
        f"Architectures: {platform.architecture}\nDate: Thu, 01 Jan 1970 00:00:01 UTC\nSHA256:\n"
        f" {Digest.of(index).hex} {len(index)} main/binary-{platform.architecture}/Packages\n"
    )


def _apt_settings(folder: Path, sources: str) -> list[str]:
    """Returns an apt command with its own folders and sources, and this machine's keys."""
    for name in ("state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "sources.list").write_text(sources)
    (folder / "status").touch()
    values = {
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State": folder / "state",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        "APT::Sandbox::User": "root",
        "Acquire::Check-Valid-Until": "false",
    }
    return ["-qq", *(part for name, value in values.items() for part in ("-o", f"{name}={value}"))]


def _succeeds(command: Sequence[str], folder: Path) -> bool:
    finished = subprocess.run(
        command, cwd=folder, env=_environment(), stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    return finished.returncode == 0


def _image(store: Store, folder: Path, platform: Platform, suite: str, packages: Sequence[str]) -> Image:
    from airbyte_ci.oci.layer import layer_of
    from airbyte_ci.recipe.evaluate import CREATED
    from airbyte_ci.rootfs import diff  # slow to import, and most builds reuse a stored root
    from airbyte_ci.rootfs.tree import Tree

    layer = layer_of(store, diff.entries(folder, Tree(()), frozenset()))
    document = {
        "architecture": platform.architecture,
        "os": platform.os,
        "created": CREATED,
        "config": {
            "Env": ["PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Cmd": ["bash"],
        },
        "history": [{"created": CREATED, "created_by": f"mmdebstrap {suite} {' '.join(packages)}"}],
        "rootfs": {"type": "layers", "diff_ids": [str(layer.diff_id)]},
    }
    config = ImageConfig.make(document)
    return store.put_image(Manifest.make(config.descriptor, (layer.descriptor,), {}), config)
