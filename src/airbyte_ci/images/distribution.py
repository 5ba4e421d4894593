"""`AddDistribution`: a Java connector's Gradle distribution as an operation, and the handler that evaluates it.

Jars are grouped in layers by how often they change, as Jib does: third-party jars, the framework, the connector itself.
Layers name no time, order or owner of the tar, so two distributions of the same jars have the same layers.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from airbyte_ci.connectors.connector import Connector
from airbyte_ci.dagger.operations import Operation
from airbyte_ci.dagger.record import value
from airbyte_ci.errors import ConnectorError, PlanError
from airbyte_ci.images import distribution_tar
from airbyte_ci.images.distribution_tar import DistributionFile
from airbyte_ci.images.layer_origins import FRAMEWORK, OWN, THIRD_PARTY
from airbyte_ci.oci import compress, tar
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.layer import Layer, Segment, assemble, make_segment
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry
from airbyte_ci.python.environment import layers
from airbyte_ci.recipe.evaluate import Evaluator
from airbyte_ci.recipe.state import AddedLayer

# Where the base images' scripts look for `bin/$APPLICATION`.
FOLDER = "airbyte"
_DISTRIBUTIONS = "build/distributions"
_VERSIONED = re.compile(r"(?P<name>.+?)-(?P<version>[0-9].*)\.jar")
# The jars of the connector development kit for Java. Airbyte's repository prefixes names with the project's group.
_FRAMEWORK = re.compile(r"(?:^|-)(?:airbyte|bulk)-cdk-")
_CONNECTORS = "io.airbyte.airbyte-integrations."
_SNAPSHOT = "-SNAPSHOT"


@value
class AddDistribution(Operation):
    """Add a Java application from its Gradle distribution.

    `files` are below `folder` and belong to `owner`. `application` is the start script in `bin`, and `user` is who runs
    it in the image (empty: the base image's user).
    """

    files: tuple[DistributionFile, ...]
    application: str
    folder: str
    owner: tuple[int, ...]
    user: str = ""


@dataclass(frozen=True, slots=True)
class DistributionReader:
    """Handles `AddDistribution`: reads the connector's distribution, `given` or the one in `build/distributions`."""

    connector: Connector
    store: Store
    given: Path | None = None

    def operation(self, owner: tuple[int, int], user: str) -> AddDistribution:
        """Returns the operation that adds the distribution as it is now; raises ConnectorError."""
        files = self._read()
        return AddDistribution(files, _application(files, self.connector, self.shown), FOLDER, owner, user)

    def __call__(self, _: Evaluator, _before: Sequence[Operation], operation: Operation) -> tuple[AddedLayer, ...]:
        """Returns the layers; raises PlanError if the store and the distribution lack a file of the operation."""
        assert isinstance(operation, AddDistribution)
        self.confirm(operation)
        return add_layers(self.store, operation)

    def confirm(self, operation: AddDistribution) -> None:
        """Puts the operation's files into the store; raises PlanError if the distribution has others."""
        if all(self.store.has(Digest(item.sha256)) for item in operation.files):
            return
        here = {item.sha256 for item in self._read()}
        missing = [item.path for item in operation.files if item.sha256 not in here]
        if missing:
            raise PlanError(
                f"cannot build the plan of {self.connector.name}: {self.shown} differs from the plan: it "
                f"lacks the planned {missing[0]}",
                advice="use the distribution for which the plan was created, with --dist-tar FILE",
                error_id="plan-differs",
            )

    @property
    def path(self) -> Path:
        """Returns the distribution's tar; raises ConnectorError if there is none, or more than one."""
        return self.given or _find(self.connector)

    @property
    def shown(self) -> str:
        """Returns the tar's path for messages."""
        return str(self.given) if self.given else self.connector.path_of(f"{_DISTRIBUTIONS}/{self.path.name}")

    def _read(self) -> tuple[DistributionFile, ...]:
        return distribution_tar.read(self.path, self.store, self.shown)


def _find(connector: Connector) -> Path:
    found = sorted((connector.folder / _DISTRIBUTIONS).glob("*.tar"))
    if len(found) == 1:
        return found[0]
    place = connector.path_of(_DISTRIBUTIONS)
    if not found:
        raise ConnectorError(
            f"cannot build {connector.name}: {place} has no tar of a Gradle distribution",
            advice="build it with --gradle, or name a tar with --dist-tar FILE",
        )
    names = ", ".join(path.name for path in found[:3]) + (", …" if len(found) > 3 else "")
    raise ConnectorError(
        f"cannot build {connector.name}: {place} has {len(found)} tars ({names}), and only one can be built",
        advice="remove the others, or name one with --dist-tar FILE",
    )


def find_newer_source(connector: Connector, path: Path) -> str:
    """Returns the newest source file that is newer than the tar; empty if there is none."""
    made = path.stat().st_mtime_ns
    newest = max(((file.lstat().st_mtime_ns, file) for file in _sources(connector.folder)), default=None)
    if newest is None or newest[0] <= made:
        return ""
    return connector.path_of(newest[1].relative_to(connector.folder).as_posix())


def _sources(folder: Path) -> Iterator[Path]:
    for name in ("build.gradle", "build.gradle.kts", "gradle.properties"):
        if (folder / name).is_file():
            yield folder / name
    yield from (path for path in (folder / "src/main").rglob("*") if path.is_file() and not path.is_symlink())


def _application(files: Sequence[DistributionFile], connector: Connector, shown: str) -> str:
    """Returns the start script of the distribution; raises ConnectorError if there is none."""
    if not any(item.path.startswith("lib/") and item.path.endswith(".jar") for item in files):
        raise ConnectorError(f"cannot read {shown}: it has no jar in lib/")
    inside = (item.path.removeprefix("bin/") for item in files if item.path.startswith("bin/"))
    scripts = [name for name in inside if "/" not in name and not name.endswith(".bat")]
    if connector.name in scripts:
        return connector.name
    if len(scripts) == 1:
        return scripts[0]
    if not scripts:
        raise ConnectorError(f"cannot read {shown}: it has no start script in bin/")
    raise ConnectorError(
        f"cannot read {shown}: it has several start scripts in bin/ ({', '.join(scripts[:3])}), and none is called "
        f"{connector.name}",
        advice="set applicationName in build.gradle",
    )


# --- layers --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Piece:
    """A file as a segment; `name` has no version, so that all versions of a jar are grouped alike."""

    name: str
    path: str
    segment: Segment

    @property
    def size(self) -> int:
        return self.segment.size


def add_layers(store: Store, operation: AddDistribution) -> tuple[AddedLayer, ...]:
    """Returns the layers of an operation whose files are all in the store."""
    return tuple(AddedLayer(layer, text) for text, layer in _layers(store, operation))


def _layers(store: Store, operation: AddDistribution) -> Iterator[tuple[str, Layer]]:
    """Yields the layers, lowest first, each with its text for the history."""
    groups: dict[str, list[_Piece]] = {"third-party": [], "framework": [], "own": []}
    for file in operation.files:
        piece = _Piece(_artifact(file.path), file.path, _segment(store, operation, file))
        groups[kind_of(file.path, operation.application)].append(piece)
    for pieces in layers.grouped(groups["third-party"]):
        yield THIRD_PARTY, _layer(store, operation, pieces)
    for kind, text in (("framework", FRAMEWORK), ("own", OWN)):
        if groups[kind]:
            yield text, _layer(store, operation, groups[kind])


def kind_of(path: str, application: str) -> str:
    """Returns third-party, framework or own.

    Jars of the application's name, without a version, and snapshots come from the repository's own projects.
    """
    folder, _, name = path.rpartition("/")
    if folder != "lib" or not name.endswith(".jar"):
        return "own"
    if _FRAMEWORK.search(name):
        return "framework"
    artifact = _artifact(path)
    is_own = f"-{artifact}".endswith(f"-{application}") or name.startswith(_CONNECTORS) or _SNAPSHOT in name
    return "own" if is_own or artifact == name else "third-party"


def _artifact(path: str) -> str:
    name = path.rpartition("/")[2]
    found = _VERSIONED.fullmatch(name)
    return found["name"] if found else name


def entries(store: Store, operation: AddDistribution) -> list[Entry]:
    """Returns the operation's files as entries of an image."""
    return [_entry(store, operation, file) for file in operation.files]


def _entry(store: Store, operation: AddDistribution, file: DistributionFile) -> Entry:
    uid, gid = operation.owner
    mode = 0o755 if file.executable else 0o644
    content = store.verified(Digest(file.sha256))
    return Entry(path=f"{operation.folder}/{file.path}", mode=mode, content=content, uid=uid, gid=gid)


def _segment(store: Store, operation: AddDistribution, file: DistributionFile) -> Segment:
    """Returns the file as a segment, compressed once for all connectors that have it."""
    place = {"folder": operation.folder, "owner": list(operation.owner)}
    inputs = {**file.to_json(), **place, "by": compress.identity()}

    def make() -> dict[str, object]:
        return make_segment(store, [_entry(store, operation, file)]).to_json()

    known = store.reuse(
        "file segment",
        tar.FORMAT_VERSION,
        inputs=inputs,
        make=make,
        is_whole=lambda found: Segment.from_json(found).in_store(store),
    )
    return Segment.from_json(known)


def _layer(store: Store, operation: AddDistribution, pieces: Sequence[_Piece]) -> Layer:
    """Returns one layer of these files and the folders that they need below the base image's own."""
    uid, gid = operation.owner
    folders = tar.folders(piece.path for piece in pieces)
    directories = [tar.directory(f"{operation.folder}/{folder}", uid=uid, gid=gid) for folder in folders]
    ordered = sorted(pieces, key=lambda piece: piece.path)
    return assemble(store, directories, [piece.segment for piece in ordered])
