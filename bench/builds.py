"""Building and pushing a connector, against BuildKit with a careful Dockerfile (peer.Dockerfile), on one registry.

The rows of the fleet need the real locks of June 2024 next to the project, and are left out without them.
"""

import atexit
import contextlib
import functools
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import docker_daemon
from timing import Measure, Result, peak

from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Image, ImageConfig, Index, Manifest, Platform
from airbyte_ci.oci.layer import layer_of
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry
from airbyte_ci.python.environment import standard_library
from airbyte_ci.python.index.package_index import PackageIndex
from airbyte_ci.python.interpreter import inventory
from airbyte_ci.python.interpreter.base import Base
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.locks import poetry
from airbyte_ci.python.packages.lock import LockedFile, LockedPackage
from airbyte_ci.python.wheels import wheel
from airbyte_ci.registry.client import client_of_user
from airbyte_ci.registry.options import RegistryOptions
from airbyte_ci.testing.docker_registry import docker_registry

PROJECT = Path(__file__).resolve().parents[1]
HERE = Path(__file__).parent
LOCKS = PROJECT.parent / "shared/fleet/locks-2024-06.tar.xz"
EXAMPLE = PROJECT / "examples/fleet/airbyte-integrations/connectors/source-parcels"
CERTIFICATES = Path(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"))
PLATFORM = Platform("linux", "amd64")
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
# The peer's fleet rows take half a minute per connector: measured on this many, and scaled.
PEER_SAMPLE = int(os.environ.get("BENCH_PEERS", "10"))
# A quick try takes fewer rounds, and in the rows of many connectors fewer of them: BENCH_SIZE=3.
SIZE = int(os.environ.get("BENCH_SIZE", "1000"))
UPGRADED = min(SIZE, 200)
MOST_MEMORY = 200  # MB
T = TypeVar("T")


@dataclass(frozen=True)
class Bench:
    """A registry, a daemon that has the base image, a store that has it too, and the example on both sides."""

    folder: Path
    host: str
    docker: dict[str, str]
    base: str
    next_base: str
    last_base: str
    interpreter: Interpreter

    @property
    def home(self) -> Path:
        return self.folder / "home"


@functools.cache
def bench() -> Bench:
    """Created once, and removed when the process ends."""
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
    host = stack.enter_context(docker_registry(folder / "registry"))
    docker = stack.enter_context(docker_daemon.running(folder / "docker"))
    repository = folder / "base"
    shutil.copytree(PROJECT / "examples/fleet", repository)
    run_ours(folder / "home", repository, "base-images", "build", "--root", "debian")
    store = Store(folder / "home")
    name = next(item for item in store.names() if "python-connector-base" in item)
    descriptor = store.resolve(name)
    assert descriptor
    found = store.manifest(descriptor.digest)
    chosen = found.select(PLATFORM, name) if isinstance(found, Index) else descriptor
    image = store.image(chosen.digest)
    places = [Reference.parse(f"{host}/base:{number}") for number in (1, 2, 3)]
    releases = [image, _next(store, image, 2), _next(store, image, 3)]
    with client_of_user(RegistryOptions()) as client:
        addresses = [
            place.with_digest(client.push(store, release.digest, place).digest)
            for place, release in zip(places, releases, strict=True)
        ]
    for address in addresses[:2]:
        run_docker(docker, "pull", "--quiet", str(address))
    for release in releases[:2]:
        inventory.of(store, release)
    base, following, last = map(str, addresses)
    return Bench(folder, host, docker, base, following, last, inventory.of(store, image).interpreter)


def _next(store: Store, image: Image, number: int) -> Image:
    """A later release of the base image: one more file, and the same Python."""
    layer = layer_of(store, [Entry(path="etc/base-image-release", content=f"{number}\n".encode())])
    document = {**image.config.document}
    diff_ids = [*map(str, image.config.diff_ids), str(layer.diff_id)]
    document["rootfs"] = {"type": "layers", "diff_ids": diff_ids}
    document["history"] = [*(document.get("history") or []), {"created_by": f"release {number}"}]
    config = ImageConfig.make(document)
    layers = (*image.manifest.layers, layer.descriptor)
    return store.put_image(Manifest.make(config.descriptor, layers, {}), config)


# --- one connector on both sides -----------------------------------------------------------------


@dataclass(frozen=True)
class Connector:
    """The same connector as we build it and as the peer does: its folder with a lock, and with requirements."""

    name: str
    ours: Path
    peers: Path

    @property
    def package(self) -> str:
        return self.name.replace("-", "_")

    def build_ours(self, *, home: Path | None = None, prefix: str = "ours", verify: bool = False) -> float:
        """Seconds of build and push below a prefix; with `verify`, of build and `spec` without push."""
        made = bench()
        arguments = ["--base-image", made.base]
        arguments += [] if verify else ["--no-verify", "--output", f"registry:{made.host}/{prefix}"]
        started = time.perf_counter()
        run_ours(home or made.home, self.ours.parents[2], "connectors", "--name", self.name, "build", *arguments)
        return time.perf_counter() - started

    def build_peers(self, *, base: str | None = None, verify: bool = False) -> float:
        """Seconds of `docker build` and push; with `verify`, of build and `docker run … spec`."""
        made = bench()
        tag = f"{made.host}/peer/{self.name}:dev"
        started = time.perf_counter()
        run_docker(
            made.docker,
            *("build", "--quiet", "--network=host", "--tag", tag, "--file", str(HERE / "peer.Dockerfile")),
            *("--secret", f"id=certificates,src={CERTIFICATES}"),
            *("--build-arg", f"BASE={base or made.base}", "--build-arg", f"PACKAGE={self.package}", str(self.peers)),
        )
        if verify:
            run_docker(made.docker, "run", "--rm", "--network=none", tag, "spec")
        else:
            run_docker(made.docker, "push", "--quiet", tag)
        return time.perf_counter() - started

    def change_code(self) -> None:
        """One more line, on both sides, as never before."""
        line = f"# {time.time_ns()}\n"
        for folder in (self.ours, self.peers):
            with (folder / self.package / "__init__.py").open("a") as file:
                file.write(line)

    def write_requirements(self) -> None:
        """The lock as the peer reads it."""
        text = (self.ours / "poetry.lock").read_text()
        lock = poetry.select(text, (self.ours / "pyproject.toml").read_text(), bench().interpreter, self.name)
        lines = (
            " ".join([f"{item.name}=={item.version}", *(f"--hash=sha256:{file.sha256}" for file in item.files)])
            for item in lock.packages
        )
        (self.peers / "requirements.txt").write_text("\n".join(lines) + "\n")


@functools.cache
def example() -> Connector:
    """The example connector with `airbyte-cdk`, built once on both sides."""
    made = bench()
    ours = made.folder / "fleet/airbyte-integrations/connectors/source-parcels"
    shutil.copytree(EXAMPLE, ours)
    peers = made.folder / "peer/source-parcels"
    shutil.copytree(EXAMPLE, peers, ignore=shutil.ignore_patterns("Dockerfile", ".dockerignore"))
    connector = Connector("source-parcels", ours, peers)
    connector.write_requirements()
    connector.build_ours()
    connector.build_peers()
    return connector


def nothing_changed() -> Result:
    connector = example()
    return medians(connector.build_ours, connector.build_peers)


def code_changed(*, verify: bool = False) -> Result:
    connector = example()

    def ours() -> float:
        connector.change_code()
        return connector.build_ours(verify=verify)

    return medians(ours, lambda: connector.build_peers(verify=verify))


def watched() -> Result:
    """From a saved line to the image in the registry: `build --watch`, against the peer's build and push."""
    connector, made = example(), bench()
    command = [sys.executable, "-m", "airbyte_ci", "--repo", str(connector.ours.parents[2]), "connectors"]
    command += ["--name", connector.name, "build", "--watch", "--json", "--no-verify", "--base-image", made.base]
    command += ["--output", f"registry:{made.host}/ours"]
    environment = {**os.environ, "AIRBYTE_CI_HOME": str(made.home)}
    with subprocess.Popen(command, env=environment, stdout=-1, stderr=-1, text=True) as process:
        assert process.stdout and process.stderr
        while "watching" not in (line := process.stderr.readline()):
            assert line, "it ended before it watched"
        threading.Thread(target=process.stderr.read, daemon=True).start()
        process.stdout.readline()  # the build before the first edit

        def ours() -> float:
            assert process.stdout
            started = time.perf_counter()
            connector.change_code()
            assert json.loads(process.stdout.readline())["status"] != "failed"
            return time.perf_counter() - started

        try:
            return medians(ours, connector.build_peers)
        finally:
            process.kill()


def bumped() -> Result:
    """`requests` at another version each round, its wheel downloaded before."""
    connector = example()
    made = bench()
    versions = _requests()
    index = PackageIndex.from_environment(dict(os.environ))
    store = Store(made.home)
    for _, file in versions:
        index.fetch(store, "requests", file)
    _prefetch([version for version, _ in versions])
    rounds = iter(versions)

    def ours() -> float:
        version, file = next(rounds)
        lock = connector.ours / "poetry.lock"
        lock.write_text(_relocked(lock.read_text(), version, file.name, file.sha256))
        connector.write_requirements()
        return connector.build_ours()

    return medians(ours, connector.build_peers)


def _requests() -> list[tuple[str, LockedFile]]:
    """Versions of requests that the example's other packages go with, with their wheels."""
    index = PackageIndex.from_environment(dict(os.environ))
    wanted = ("2.33.0", "2.33.1", "2.34.0", "2.34.1", "2.34.2")
    projects = filter(None, (index.project(source, "requests") for source in index.sources()))
    found = {
        str(version): LockedFile(file.filename, file.sha256)
        for project in projects
        for version, files in project.versions.items()
        for file in files
        if str(version) in wanted and not file.is_sdist
    }
    assert len(found) >= ROUNDS, list(found)
    return list(found.items())[:ROUNDS]


def _relocked(text: str, version: str, file: str, sha256: str) -> str:
    """poetry.lock with another requests."""
    start = text.index('[[package]]\nname = "requests"\n')
    end = text.index("[[package]]", start + 1)
    block = re.sub(r'^version = ".*"$', f'version = "{version}"', text[start:end], count=1, flags=re.MULTILINE)
    files = f'files = [\n    {{file = "{file}", hash = "sha256:{sha256}"}},\n]'
    block = re.sub(r"^files = \[.*?^\]$", files, block, count=1, flags=re.MULTILINE | re.DOTALL)
    return text[:start] + block + text[end:]


def _prefetch(versions: Sequence[str]) -> None:
    """Into the cache mount that the peer's builds share."""
    made = bench()
    folder = made.folder / "prefetch"
    folder.mkdir()
    commands = " && ".join(
        f"uv pip install --no-deps --target /tmp/{version} requests=={version}" for version in versions
    )
    mounts = "--mount=type=cache,target=/root/.cache --mount=type=secret,id=certificates,target=/run/certificates.pem"
    (folder / "Dockerfile").write_text(
        f"FROM {made.base}\nRUN {mounts} PIP_CERT=/run/certificates.pem pip install uv && "
        f"export SSL_CERT_FILE=/run/certificates.pem && {commands}\n"
    )
    secret = ("--secret", f"id=certificates,src={CERTIFICATES}")
    run_docker(made.docker, "build", "--quiet", "--network=host", *secret, str(folder))


@functools.cache
def cold(*, compiled: bool = False) -> tuple[float, float]:
    """Everything from scratch except the base image: an empty cache on both sides, including downloads.

    `compiled` is with the bytecode of the base's standard library, which is compiled once for all connectors on it, and
    which the peer's images lack.
    """
    connector = example()
    made = bench()

    def ours() -> float:
        home = with_only_base(made, "cold")
        if compiled:
            store, reference = Store(home), Reference.parse(made.base)
            assert reference.digest
            image = store.image(reference.digest)
            standard_library.compile_library(store, Base(image, lambda: inventory.of(store, image)), print)
        # Under a prefix of its own: the registry's copy of the layers would be found, and nothing would be cold.
        seconds = connector.build_ours(home=home, prefix=f"cold-{time.time_ns()}")
        shutil.rmtree(home)
        return seconds

    def peers() -> float:
        run_docker(made.docker, "builder", "prune", "--all", "--force")
        run_docker(made.docker, "image", "rm", "--force", f"{made.host}/peer/{connector.name}:dev")
        return connector.build_peers()

    return (statistics.median([ours() for _ in range(3)]), cold()[1]) if compiled else medians(ours, peers)


def with_only_base(made: Bench, name: str) -> Path:
    """A store that only has the base image, unpacked and inspected like the peer's daemon."""
    home = made.folder / name
    shutil.rmtree(home, ignore_errors=True)
    full, empty = Store(made.home), Store(home)
    for address in (made.base,):
        reference = Reference.parse(address)
        assert reference.digest
        image = full.image(reference.digest)
        for digest in (image.digest, *image.manifest.blobs):
            if not empty.has(digest):
                empty.path(digest).hardlink_to(full.path(digest))
        inventory.of(empty, image)
    return home


def download() -> Result:
    """Only the download of the cold build's wheels, as the share of it that cannot be saved."""
    connector = example()
    made = bench()
    lock = poetry.select(
        (connector.ours / "poetry.lock").read_text(),
        (connector.ours / "pyproject.toml").read_text(),
        made.interpreter,
        connector.name,
    )
    order = wheel.tag_order(made.interpreter)
    index = PackageIndex.from_environment(dict(os.environ))
    store = Store(made.folder / "download")
    started = time.perf_counter()
    from concurrent.futures import ThreadPoolExecutor

    def fetch(package: LockedPackage) -> None:
        file = wheel.choose(package.files, order)
        if file:
            index.fetch(store, package.name, file)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(fetch, lock.packages))
    taken = time.perf_counter() - started
    return f"{taken:.1f} s for {len(lock.packages)} wheels: {taken / cold()[0]:.0%} of ours"


def memory(large: str = "") -> tuple[float, float]:
    """The largest resident set of a cold build's own process, in MB.

    `large` puts a file of 300 MB into the connector's code, or into `files` of its declaration.
    """
    ours = example().ours
    repository = _with_large(ours, large) if large else ours.parents[2]
    home = with_only_base(bench(), "memory")
    command = [sys.executable, "-m", "airbyte_ci", "--repo", str(repository)]
    command += ["connectors", "--name", ours.name, "build", "--no-verify", "--base-image", bench().base]
    return peak(command, {"AIRBYTE_CI_HOME": str(home)}), MOST_MEMORY


def _with_large(ours: Path, large: str) -> Path:
    """A copy of the connector's repository in which it has a large file; its root."""
    root = bench().folder / f"large-{large}"
    folder = root / ours.relative_to(ours.parents[2])
    shutil.copytree(ours, folder)
    package = folder / ours.name.replace("-", "_")
    place = package / "large.bin" if large == "code" else folder / "large.bin"
    with place.open("wb") as file:
        for _ in range(300):
            file.write(os.urandom(1 << 20))
    if large == "files":
        (folder / "build_customization.yaml").write_text("files: {/opt/large.bin: {source: large.bin}}\n")
    return root


# --- the fleet -----------------------------------------------------------------------------------


@functools.cache
def fleet() -> list[Connector]:
    """The connectors of real locks, with code of the example's shape; their wheels are in both caches."""
    if not LOCKS.exists():
        return []
    made = bench()
    places = made.folder / "real"
    with tarfile.open(LOCKS) as archive:
        archive.extractall(places, filter="data")
    found = []
    for lock in sorted(places.rglob("poetry.lock"))[:SIZE]:
        name = lock.parent.name
        ours = made.folder / "locks/airbyte-integrations/connectors" / name
        peers = made.folder / "locks-peer" / name
        package = name.replace("-", "_")
        for folder in (ours, peers):
            (folder / package).mkdir(parents=True)
            (folder / package / "__init__.py").write_text(f"# {name}\n")
            (folder / "main.py").write_text("print('{}')\n")
        for file in ("poetry.lock", "pyproject.toml", "metadata.yaml"):
            shutil.copy(lock.parent / file, ours / file)
        connector = Connector(name, ours, peers)
        try:
            connector.write_requirements()
        except Exception as error:  # noqa: BLE001  # a lock that was edited by hand is nobody's to build
            print(f"  {name} is left out: {error}", file=sys.stderr)
            shutil.rmtree(ours)
            continue
        found.append(connector)
    # Downloads are not measured: missing files are fetched before.
    index, store, order = (
        PackageIndex.from_environment(dict(os.environ)),
        Store(made.home),
        wheel.tag_order(made.interpreter),
    )
    for connector in found:
        text = (connector.ours / "poetry.lock").read_text()
        project = (connector.ours / "pyproject.toml").read_text()
        for locked in poetry.select(text, project, made.interpreter, connector.name).packages:
            best = wheel.choose(locked.files, order) or next(
                item for item in locked.files if item.name.endswith((".tar.gz", ".zip"))
            )
            index.fetch(store, locked.name, best)
    return found


def peer_sample(items: Sequence[T]) -> Sequence[T]:
    """The items that the peer builds, spread over all."""
    return items[:: max(1, len(items) // PEER_SAMPLE)][:PEER_SAMPLE]


def _all_ours(home: Path, base: str, prefix: str = "ours", *options: str) -> float:
    started = time.perf_counter()
    run_ours(home, fleet()[0].ours.parents[2], *_building_all(base, prefix), *options)
    return time.perf_counter() - started


def _building_all(base: str, prefix: str) -> tuple[str, ...]:
    """The arguments that build every connector of a repository and push the images below a prefix."""
    output = f"registry:{bench().host}/{prefix}"
    return ("connectors", "--all", "build", "--base-image", base, "--no-verify", "--output", output, "--concurrency=1")


@functools.cache
def _first() -> tuple[float, float]:
    """The whole fleet's first build: airbyte-ci's, and the peer's scaled from a sample whose wheels are downloaded."""
    sample = peer_sample(fleet())
    ours = _all_ours(bench().home, bench().base)
    for connector in sample:  # fills the peer's cache of wheels; only the second run is measured
        connector.build_peers()
    for connector in sample:
        requirements = connector.peers / "requirements.txt"
        requirements.write_text(requirements.read_text() + f"# {time.time_ns()}\n")
    peers = sum(connector.build_peers() for connector in sample) / len(sample) * len(fleet())
    return ours, peers


def whole_fleet() -> Result:
    return _first() if fleet() else f"left out: {LOCKS.name} is not here"


@functools.cache
def _upgraded_peers() -> float:
    _first()
    sample = peer_sample(fleet())
    return sum(item.build_peers(base=bench().next_base) for item in sample) / len(sample) * len(fleet())


def upgraded(*, empty: bool) -> Result:
    if not fleet():
        return whole_fleet()
    peers = _upgraded_peers()
    # Another release for the empty store: the registry must not have the result already.
    made = bench()
    return _all_ours(made.folder / "empty", made.last_base) if empty else _all_ours(made.home, made.next_base), peers


def registry_bytes(compression: str) -> Result:
    """Distinct layers beyond the base that the registry keeps for the fleet; the peer compresses with gzip."""
    if not fleet():
        return whole_fleet()
    _first()
    made = bench()
    if compression != "gzip":
        _all_ours(made.home, made.base, compression, "--compression", compression)
    sample = peer_sample(fleet())
    prefix = "ours" if compression == "gzip" else compression
    ours = kept(f"{made.host}/{prefix}/{_repository(item)}:dev" for item in fleet())
    peers = kept(f"{made.host}/peer/{item.name}:dev" for item in sample) / len(sample) * len(fleet())
    return ours / 1e6, peers / 1e6


def fleet_memory() -> Result:
    """The largest resident set of one command that builds and pushes the whole fleet, with only the base, in MB."""
    if not fleet():
        return whole_fleet()
    made = bench()
    home = with_only_base(made, "fleet-memory")
    command = [sys.executable, "-m", "airbyte_ci", "--repo", str(fleet()[0].ours.parents[2])]
    command += _building_all(made.base, "memory")
    return peak(command, {"AIRBYTE_CI_HOME": str(home)}), MOST_MEMORY


def pushed_again() -> Result:
    """Seconds for each image that a base upgrade changed, if only its configuration and manifest are new: the bar."""
    made = bench()
    root = made.folder / "upgraded"
    for number in range(UPGRADED):
        _copy_of_example(root, number)
    home = made.home
    run_ours(home, root, *_building_all(made.base, "upgraded"))
    # The upgraded images are built, and not pushed yet.
    arguments = _building_all(made.next_base, "upgraded")
    run_ours(home, root, *arguments[: arguments.index("--output")])
    started = time.perf_counter()
    run_ours(home, root, *arguments)
    return (time.perf_counter() - started) / UPGRADED, 0.15


def _copy_of_example(root: Path, number: int) -> None:
    """The example connector under another name, with the same packages."""
    name = f"source-copy-{number:03}"
    folder = root / "airbyte-integrations/connectors" / name
    shutil.copytree(EXAMPLE, folder)
    (folder / "source_parcels").rename(folder / name.replace("-", "_"))
    for path in (folder / "metadata.yaml", folder / "pyproject.toml"):
        text = path.read_text().replace("source-parcels", name).replace("source_parcels", name.replace("-", "_"))
        path.write_text(text)


def _repository(connector: Connector) -> str:
    import yaml

    return str(yaml.safe_load((connector.ours / "metadata.yaml").read_text())["data"]["dockerRepository"])


def kept(addresses: Iterable[str]) -> float:
    made = bench()
    addresses_of_bases = (made.base, made.next_base, made.last_base)
    digests = (Reference.parse(address).digest for address in addresses_of_bases)
    bases = [Store(made.home).image(digest) for digest in digests if digest]
    below = {layer.digest for base in bases for layer in base.manifest.layers}
    sizes: dict[Digest, int] = {}
    with client_of_user(RegistryOptions()) as client:
        for address in addresses:
            manifest = client.manifest(Reference.parse(address))
            assert isinstance(manifest, Manifest)
            sizes |= {layer.digest: layer.size for layer in manifest.layers if layer.digest not in below}
    return float(sum(sizes.values()))


# --- running -------------------------------------------------------------------------------------


def run_ours(home: Path, repository: Path, *arguments: str) -> str:
    finished = subprocess.run(
        [sys.executable, "-m", "airbyte_ci", "--repo", str(repository), *arguments],
        env={**os.environ, "AIRBYTE_CI_HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode:
        raise RuntimeError(finished.stdout[-2000:] + finished.stderr[-2000:])
    return finished.stdout


def run_docker(variables: dict[str, str], *arguments: str) -> None:
    finished = subprocess.run(
        [docker_daemon.DOCKER, *arguments],
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode:
        raise RuntimeError(f"docker {arguments[0]}: {finished.stderr[-2000:]}")


def medians(ours: Callable[[], float], peer: Callable[[], float]) -> tuple[float, float]:
    pairs = [(ours(), peer()) for _ in range(ROUNDS)]
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)


warm_upgrade = functools.partial(upgraded, empty=False)
cold_upgrade = functools.partial(upgraded, empty=True)
# One run each: they take minutes.
SCALED = f"(peer: {PEER_SAMPLE} connectors, scaled)"

MEASURES = (
    Measure("build+push, nothing changed", 1.5, nothing_changed, at_least=True),
    Measure("build+push, one line of code changed", 1.3, code_changed, at_least=True),
    Measure("build+push, one line of code changed, --watch", 3, watched, at_least=True),
    Measure("build+push, one dependency bumped, its wheel at hand", 40, bumped, at_least=True),
    Measure("build+push, everything cold but the base image", 3, cold, at_least=True),
    Measure("  the standard library's bytecode made before", 3, functools.partial(cold, compiled=True), at_least=True),
    Measure("  the download of the wheels, included above", 0, download),
    Measure("build+spec, one line of code changed", 1.3, functools.partial(code_changed, verify=True), at_least=True),
    Measure(f"build+push of the fleet, wheels downloaded {SCALED}", 10, whole_fleet, at_least=True),
    Measure(
        f"the same after a base upgrade, warm store {SCALED}",
        120,
        functools.partial(upgraded, empty=False),
        at_least=True,
    ),
    Measure(
        f"the same after a base upgrade, empty store {SCALED}",
        40,
        functools.partial(upgraded, empty=True),
        at_least=True,
    ),
    Measure(f"{UPGRADED} upgraded images pushed again, each ÷ 150 ms", 1, pushed_again),
    Measure(
        f"registry bytes of the fleet beyond the base {SCALED}",
        0.215,
        functools.partial(registry_bytes, "gzip"),
        unit="MB",
    ),
    Measure(
        f"  with --compression zstd {SCALED}",
        0.19,
        functools.partial(registry_bytes, "zstd"),
        unit="MB",
    ),
    Measure("peak memory of building and pushing the fleet, everything cold", 1, fleet_memory, unit="MB"),
    Measure("peak memory of a cold build", 1, memory, unit="MB"),
    Measure("  with 300 MB in the connector's code", 1, functools.partial(memory, "code"), unit="MB"),
    Measure("  with 300 MB in `files` of its declaration", 1, functools.partial(memory, "files"), unit="MB"),
)
