"""Provenance names every input by digest and nothing of the machine, in the form that others parse."""

import getpass
import json
import re
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import statement_pb2

from airbyte_ci.attest import provenance
from airbyte_ci.attest.statement import PROVENANCE, Statement
from airbyte_ci.attest.subject import SourceState, SubjectFile
from airbyte_ci.dagger import Exec
from airbyte_ci.dagger.operations import Copy, KeptFile
from airbyte_ci.images.plan import BuildPlan, Impure
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import LAYER_GZIP, Descriptor
from airbyte_ci.oci.layer import Layer
from airbyte_ci.python.environment.environment import Choice
from airbyte_ci.python.environment.install import InstallPackages
from airbyte_ci.python.packages.lock import FromArchive, FromDirectory, FromGit, FromIndex, LockedFile
from tests.attest import releases
from tests.attest.conftest import SignedRelease
from tests.images import plans


def _predicate(signed: SignedRelease) -> dict[str, Any]:
    subject = signed.released.subject
    return provenance.make(subject, subject.images)


def test_independent_models_parse_it(signed: SignedRelease) -> None:
    """The protocol buffers of in-toto parse statement and predicate without an unknown field, and keep everything."""
    statement = Statement(signed.released.subject.index.digest, PROVENANCE, _predicate(signed), "acme/x").to_bytes()
    found = json_format.Parse(statement.decode(), statement_pb2.Statement())
    assert found.type == "https://in-toto.io/Statement/v1"
    document = json.loads(statement)
    predicate = json_format.Parse(json.dumps(document["predicate"]), provenance_pb2.Provenance())
    assert json_format.MessageToDict(predicate) == document["predicate"]


def test_it_names_all_platforms_and_few_parameters(signed: SignedRelease) -> None:
    """External parameters are what a user chose: the source, the platforms, and options that change bytes."""
    definition = _predicate(signed)["buildDefinition"]
    assert set(definition["externalParameters"]) == {"source", "platforms", "options"}
    assert definition["externalParameters"]["platforms"] == ["linux/amd64", "linux/arm64"]
    assert set(definition["externalParameters"]).isdisjoint(definition["internalParameters"])
    plans_of = {str(item.platform): str(item.plan.digest) for item in signed.released.subject.images}
    assert definition["internalParameters"]["plans"] == plans_of


def test_equal_releases_have_equal_bytes(signed: SignedRelease) -> None:
    """Neither the time nor the machine is read: writing again gives the same bytes."""
    assert json.dumps(_predicate(signed)) == json.dumps(_predicate(signed))


def test_every_input_has_a_digest(signed: SignedRelease) -> None:
    """Each dependency has a name and a digest; the commit, the base, the connector's files and the jars are there."""
    listed = _predicate(signed)["buildDefinition"]["resolvedDependencies"]
    for entry in listed:
        assert entry["name"]
        assert all(re.fullmatch(r"[0-9a-f]{40,64}", digest) for digest in entry["digest"].values()), entry
    kinds = {entry["annotations"][provenance.KIND] for entry in listed}
    assert kinds == {"source", "source file", "base", "base manifest", "distribution"}
    names = {entry["name"] for entry in listed}
    assert {"lib/guava-33.0-jre.jar", "connectors/source-postal/metadata.yaml"} <= names


def test_nothing_of_the_machine_is_in_it(signed: SignedRelease) -> None:
    """No document of a release contains the user, the host or a folder of this machine."""
    folders = [str(Path.home()) + "/", str(signed.tiny.folder), str(signed.store.root), str(Path.cwd()), "/tmp/"]
    words = [socket.gethostname(), getpass.getuser()]
    readable = [raw for raw in map(releases.readable, signed.contents.bytes.values()) if raw.startswith(b"{")]
    assert len(readable) > 10
    for raw in readable:
        for text in folders:
            assert text.encode() not in raw, text
        for word in words:
            assert not re.search(rf'"{re.escape(word)}"|@{re.escape(word)}\b'.encode(), raw), word


def _choice(name: str, file: str, **fields: Any) -> Choice:
    return Choice(name, "1.0", LockedFile(file, Digest.of(file.encode()).hex), **fields)


def _rich_plan() -> BuildPlan:
    """A plan with packages of every origin, a declared file, and a command that used the network."""
    packages = (
        _choice("plain", "plain-1.0-py3-none-any.whl"),
        _choice("indexed", "indexed-1.0.tar.gz", origin=FromIndex("https://index.example/simple/")),
        _choice("checked", "checked.tree.tar", origin=FromGit("https://git.example/x.git", "a" * 40, "sub")),
        _choice("nearby", "nearby.tree.tar", origin=FromDirectory("../lib")),
        _choice("linked", "linked-1.0.tar.gz", origin=FromArchive("https://files.example/linked-1.0.tar.gz")),
        _choice("kept", "kept-1.0.tar.gz", origin=FromArchive("vendor/kept-1.0.tar.gz")),
    )
    found = plans.a_plan()
    before = (Copy("/opt/data", (KeptFile("data", Digest.of(b"data").hex),)), Exec(("apt-get", "install", "x")))
    layer = Layer(Descriptor(LAYER_GZIP, Digest.of(b"gz"), 2), Digest.of(b"tar"))
    core = tuple(InstallPackages(packages) if isinstance(item, InstallPackages) else item for item in found.operations)
    return replace(found, operations=(*before, *core), impure=(Impure(1, layer),))


def test_each_kind_of_input_is_named(signed: SignedRelease) -> None:
    """Wheels, sdists, commits, folders, archives, declared files and layers of commands each have their form."""
    found = {entry["name"]: entry for entry in provenance.dependencies_of([_rich_plan()])}
    plain = found["plain-1.0-py3-none-any.whl"]
    assert plain["uri"] == "pkg:pypi/plain@1.0" and "downloadLocation" not in plain
    assert found["indexed-1.0.tar.gz"]["downloadLocation"] == "https://index.example/simple/"
    assert found["checked.tree.tar"]["uri"] == f"git+https://git.example/x.git@{'a' * 40}#subdirectory=sub"
    assert found["checked.tree.tar"]["digest"]["gitCommit"] == "a" * 40
    assert found["linked-1.0.tar.gz"]["downloadLocation"] == "https://files.example/linked-1.0.tar.gz"
    for name in ("nearby.tree.tar", "kept-1.0.tar.gz"):
        assert found[name]["annotations"]["io.airbyte.ci.local"] == "true"
    assert found["declared-file"]["digest"] == {"sha256": Digest.of(b"data").hex}
    assert found["layer of 'apt-get install x', uncompressed"]["digest"] == {"sha256": Digest.of(b"tar").hex}


def test_the_state_of_the_repository_is_recorded(signed: SignedRelease) -> None:
    """Uncommitted files are listed, an address is given where there is one, and a release without git has neither."""
    subject = signed.released.subject
    files = (SubjectFile("connectors/x/metadata.yaml", Digest.of(b"m")),)
    state = SourceState(remote="https://github.com/acme/connectors", commit="b" * 40, time=1, changes=("main.py",))
    dirty = replace(subject, source=state, connector=replace(subject.connector, files=files))
    first = provenance.make(dirty, dirty.images)["buildDefinition"]
    assert first["externalParameters"]["source"]["uri"] == "git+https://github.com/acme/connectors"
    commit, file = first["resolvedDependencies"][:2]
    assert commit["uri"] == f"git+https://github.com/acme/connectors@{'b' * 40}"
    assert commit["annotations"]["io.airbyte.ci.uncommitted"] == ["main.py"]
    assert file["name"] == "connectors/x/metadata.yaml"
    bare = replace(subject, source=None)
    assert "uri" not in provenance.make(bare, bare.images)["buildDefinition"]["externalParameters"]["source"]
