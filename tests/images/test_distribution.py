"""A distribution's layers: what does not shape them, and what connectors share."""

import gzip
import io
import random
import tarfile
from pathlib import Path

import pytest

from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import ConnectorError, PlanError
from airbyte_ci.images import distribution
from airbyte_ci.images.distribution import AddDistribution, DistributionReader
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Platform
from airbyte_ci.oci.layer import Layer
from airbyte_ci.oci.store.store import Store
from airbyte_ci.recipe.evaluate import Evaluator
from airbyte_ci.testing.images import random_image
from tests.images import distributions
from tests.images.distributions import NAME, jar, member, write

OWNER = (1000, 1000)


def a_connector(folder: Path, name: str = NAME) -> Connector:
    (folder / name / "src/main/java").mkdir(parents=True, exist_ok=True)
    return Connector(name, folder / name, relative=f"connectors/{name}", data={}, names=frozenset({"src"}))


def planned(path: Path, store: Store, name: str = NAME) -> AddDistribution:
    return DistributionReader(a_connector(path.parent, name), store, path).operation(OWNER, "airbyte")


def made(path: Path, store: Store, name: str = NAME) -> list[tuple[str, Layer]]:
    """The layers with their texts, lowest first."""
    reader = DistributionReader(a_connector(path.parent, name), store, path)
    evaluator = Evaluator(store, random_image(store, seed=1, platform=Platform("linux", "amd64")))
    steps = reader(evaluator, (), reader.operation(OWNER, "airbyte"))
    return [(step.created_by, step.layer) for step in steps if step.layer]


def test_order_times_owners_and_the_top_folder_do_not_show(tmp_path: Path) -> None:
    """Two tars of the same files are the same operation, and so the same layers."""
    contents = distributions.files()
    first = distributions.distribution(tmp_path / "a.tar", contents)
    members = [
        member(f"{NAME}-1.2.3/{path}", contents[path], 0o600 | (0o100 if path.startswith("bin") else 0), mtime=number)
        for number, path in enumerate(reversed(contents))
    ]
    for info, _ in members:
        info.uid, info.gid, info.uname = 501, 20, "somebody"
    second = write(tmp_path / "b.tar", members, "w:gz")
    one, other = Store(tmp_path / "one"), Store(tmp_path / "other")
    assert planned(first, one) == planned(second, other)
    assert made(first, one) == made(second, other)


def test_jars_are_grouped_by_how_often_they_change(tmp_path: Path) -> None:
    """Third-party jars lie lowest, then the framework's, then what the repository makes itself."""
    contents = distributions.files(
        more={
            "lib/io.airbyte.airbyte-cdk.java.airbyte-cdk-airbyte-cdk-db-sources-0.45.1.jar": jar({"a": "1"}),
            "lib/bulk-cdk-core-base-1.0.2.jar": jar({"a": "2"}),
            "lib/helper.jar": jar({"a": "3"}),
            f"lib/{NAME}-3.6.19.jar": jar({"a": "5"}),
            f"lib/com.acme.connectors-{NAME}-3.6.19.jar": jar({"a": "6"}),
            "lib/other-2.0-SNAPSHOT.jar": jar({"a": "4"}),
            "lib/log4j2.xml": b"<x/>",
        }
    )
    kinds: dict[str, set[str]] = {}
    for path in contents:
        kinds.setdefault(distribution.kind_of(path, NAME), set()).add(path.rpartition("/")[2])
    assert kinds["third-party"] == {"answers-1.0.jar", "guava-33.0-jre.jar"}
    assert kinds["framework"] == {
        "airbyte-cdk-core-0.45.1.jar",
        "io.airbyte.airbyte-cdk.java.airbyte-cdk-airbyte-cdk-db-sources-0.45.1.jar",
        "bulk-cdk-core-base-1.0.2.jar",
    }
    texts = [text for text, _ in made(distributions.distribution(tmp_path / "a.tar", contents), Store(tmp_path / "s"))]
    assert texts == sorted(texts, key=["add third-party jars", "add the framework's jars", "add the connector"].index)
    assert texts[-2:] == ["add the framework's jars", "add the connector"]


def test_connectors_share_the_layers_of_the_jars_that_they_share(tmp_path: Path) -> None:
    """Two connectors with other own jars and one other third-party jar have all other layers in common."""
    store = Store(tmp_path / "store")
    large = {f"lib/large-{name}-1.0.jar": jar({"data": random.Random(name).randbytes(600 << 10)}) for name in "abc"}
    first = distributions.distribution(tmp_path / "a.tar", distributions.files(more=large))
    more = {**large, "lib/large-d-1.0.jar": jar({"data": random.Random("d").randbytes(600 << 10)})}
    second = distributions.distribution(tmp_path / "b.tar", distributions.files("source-other", more))
    one, other = (
        {layer.diff_id for _, layer in made(path, store, name)}
        for path, name in ((first, NAME), (second, "source-other"))
    )
    assert len(one & other) == len(one) - 1
    assert len(other - one) == 2


def test_every_file_is_in_one_layer_as_the_user_that_runs_it(tmp_path: Path) -> None:
    """Jars of one name, large and small, too; all owned by the user, with the time of all layers."""
    large = jar({"data": random.Random(1).randbytes(600 << 10)})
    contents = distributions.files(more={"lib/netty-4.1.jar": large, "lib/netty-4.1-linux.jar": jar({})})
    store = Store(tmp_path / "store")
    paths: list[str] = []
    for _, layer in made(distributions.distribution(tmp_path / "a.tar", contents), store):
        raw = gzip.decompress(store.read(layer.descriptor.digest))
        with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
            found = archive.getmembers()
        assert {(item.uid, item.gid, item.mtime) for item in found} == {(1000, 1000, 1)}
        paths += [item.name for item in found if item.isfile()]
    assert sorted(paths) == sorted(f"airbyte/{path}" for path in contents)


@pytest.mark.parametrize(
    ("scripts", "expected"),
    [
        ((NAME, f"{NAME}.bat"), NAME),
        (("airbyte-app", "airbyte-app.bat"), "airbyte-app"),
        (("helper", NAME), NAME),
    ],
)
def test_the_start_script_is_the_connectors_or_the_only_one(
    tmp_path: Path, scripts: tuple[str, ...], expected: str
) -> None:
    """`APPLICATION` is the script that has the connector's name, else the only one."""
    contents = {**{f"bin/{name}": b"#!/bin/sh\n" for name in scripts}, "lib/a-1.0.jar": jar({})}
    found = planned(distributions.distribution(tmp_path / "a.tar", contents), Store(tmp_path / "store"))
    assert found.application == expected


@pytest.mark.parametrize(
    ("contents", "said"),
    [
        ({"lib/a-1.0.jar": jar({})}, "it has no start script in bin/"),
        ({"bin/x.bat": b"", "lib/a-1.0.jar": jar({})}, "it has no start script in bin/"),
        ({"bin/one": b"", "bin/two": b"", "lib/a-1.0.jar": jar({})}, r"several start scripts in bin/ \(one, two\)"),
        ({"bin/one": b""}, "it has no jar in lib/"),
    ],
)
def test_a_tar_that_is_no_application_is_refused(tmp_path: Path, contents: dict[str, bytes], said: str) -> None:
    """It needs a start script and a jar."""
    with pytest.raises(ConnectorError, match=said):
        planned(distributions.distribution(tmp_path / "a.tar", contents), Store(tmp_path / "store"))


def test_only_one_tar_may_be_in_the_folder(tmp_path: Path) -> None:
    """None and several are refused, with the option that names one."""
    connector, store = a_connector(tmp_path), Store(tmp_path / "store")
    reader = DistributionReader(connector, store)
    with pytest.raises(ConnectorError, match=r"build/distributions has no tar of a Gradle distribution"):
        reader.operation(OWNER, "")
    folder = connector.folder / "build/distributions"
    distributions.distribution(folder / f"{NAME}.tar", distributions.files())
    assert reader.operation(OWNER, "").application == NAME
    distributions.distribution(folder / "airbyte-app.tar", distributions.files())
    with pytest.raises(ConnectorError, match=rf"has 2 tars \(airbyte-app.tar, {NAME}.tar\)") as caught:
        reader.operation(OWNER, "")
    assert "--dist-tar" in str(caught.value.advice)


def test_a_plan_needs_the_tar_only_while_the_store_lacks_its_files(tmp_path: Path) -> None:
    """Files are named by hash: another tar builds the plan while the store has them, and is refused otherwise."""
    store = Store(tmp_path / "store")
    path = distributions.distribution(tmp_path / "a.tar", distributions.files())
    operation = planned(path, store)
    distributions.distribution(path, distributions.files(more={"lib/new-1.0.jar": jar({"a": "b"})}))
    reader = DistributionReader(a_connector(tmp_path), store, path)
    reader.confirm(operation)
    guava = next(item for item in operation.files if "guava" in item.path)
    store.path(Digest(guava.sha256)).unlink()
    reader.confirm(operation)  # the new tar has the same one
    distributions.distribution(path, {**distributions.files(), "lib/guava-33.0-jre.jar": jar({"other": "jar"})})
    store.path(Digest(guava.sha256)).unlink()
    with pytest.raises(PlanError, match=r"differs from the plan: it lacks the planned lib/guava-33.0-jre.jar"):
        reader.confirm(operation)
