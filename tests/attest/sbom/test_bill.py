"""Bills of materials: where each component comes from, its layer, its license, and what requires what."""

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from airbyte_ci.attest.sbom import cyclonedx, image_packages, layer_evidence, layer_roles, spdx
from airbyte_ci.attest.sbom.bill import Component
from airbyte_ci.attest.sbom.layer_roles import LayerRole
from airbyte_ci.errors import BlobNotFound, ImageError
from airbyte_ci.oci import tar
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import LAYER_GZIP, Descriptor, Image, ImageConfig, Manifest
from airbyte_ci.oci.layer import layer_of
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry
from airbyte_ci.rootfs import snapshot
from tests.attest.sbom import sample_images
from tests.attest.sbom.sample_images import SITE, distribution, image, stanza, text
from tests.attest.sbom.test_oracles import FACTS, bill
from tests.rootfs import layers as raw_layers


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("bills") / "store")


@pytest.fixture(scope="module")
def connector(store: Store) -> Image:
    return sample_images.connector(store)


def by_name(store: Store, made: Image) -> dict[str, Component]:
    return {item.name: item for item in bill(store, made).components}


def test_each_component_has_the_origin_of_the_layer_that_added_it(store: Store, connector: Image) -> None:
    """Packages of a hook are the customization's; above the base, the closure of the CDK is the framework's."""
    found = by_name(store, connector)
    origins = {name: item.origin for name, item in found.items()}
    assert origins == {
        "acme/source-x": "connector",
        "registry.example/acme/base": "base",
        "debian": "base",
        "zlib1g": "base",
        "bash": "base",
        "curl": "customization",
        "hooked": "customization",
        "legacy": "base",
        "old-name": "base",
        "airbyte-cdk": "framework",
        "middle": "framework",
        "deep": "framework",
        "inner": "framework",  # a copy inside a package of the framework
        "pip": "connector",
        "own-choice": "connector",
    }


def test_a_replaced_distribution_of_the_base_is_not_in_the_bill(store: Store, connector: Image) -> None:
    """The image has only the version that replaced it, in the layer that installed it."""
    found = [item for item in bill(store, connector).components if item.name == "pip"]
    assert [(item.version, item.layer) for item in found] == [("24.0", str(connector.config.diff_ids[3]))]


def test_a_system_package_belongs_to_the_layer_that_installed_it(store: Store, connector: Image) -> None:
    """A layer that installs one more package writes the list of all packages again."""
    found = by_name(store, connector)
    layers = [str(item) for item in connector.config.diff_ids]
    assert [found[name].layer for name in ("zlib1g", "bash", "curl")] == [layers[0], layers[0], layers[1]]


def test_licenses_are_what_the_metadata_says(store: Store, connector: Image) -> None:
    """Only a field for SPDX expressions is read as one; other texts stay as they are."""
    found = by_name(store, connector)
    said = {name: (found[name].license.expression, found[name].license.names) for name in found}
    assert said["deep"] == ("Apache-2.0 OR MIT", ())
    assert said["middle"] == ("", ("BSD",))
    assert said["old-name"] == ("", ("BSD License",))
    assert said["legacy"] == ("", ())
    assert said["zlib1g"] == ("", ("Zlib",))
    assert said["bash"] == ("", ("GPL-3",))
    assert said["acme/source-x"] == ("", ("MIT",))


def test_requirements_are_edges(store: Store, connector: Image) -> None:
    """Installed requirements whose markers apply, copies inside a package, and the connector's direct ones."""
    found = by_name(store, connector)
    assert found["airbyte-cdk"].depends == (found["middle"].ref,)
    assert set(found["middle"].depends) == {found["deep"].ref, found["inner"].ref}
    assert set(found["acme/source-x"].depends) == {found[name].ref for name in ("airbyte-cdk", "pip", "own-choice")}


def test_an_extra_of_the_framework_counts_if_all_of_it_is_installed(store: Store) -> None:
    """Packages of an extra that the connector requested are the framework's, those of other extras are not."""
    cdk = distribution(
        *("airbyte-cdk", "7.1.0", "Provides-Extra: files", "Provides-Extra: sql"),
        *('Requires-Dist: parquet; extra == "files"', 'Requires-Dist: tables; extra == "files"'),
        *('Requires-Dist: engine; extra == "sql"', 'Requires-Dist: dialect; extra == "sql"'),
    )
    packages = [cdk, *(distribution(name, "1.0") for name in ("parquet", "tables", "engine"))]
    made = image(store, [], packages, history=("", "install Python dependencies"))
    origins = {item.name: item.origin for item in bill(store, made).components if item.package}
    assert origins == {
        "airbyte-cdk": "framework",
        "parquet": "framework",
        "tables": "framework",
        "engine": "connector",
    }


def test_jars_have_the_coordinates_that_they_say(store: Store) -> None:
    """Maven's file in the jar decides, then its name; shaded projects and jars in jars are parts of the outer one."""
    found = bill(store, sample_images.java(store)).components
    purls = {item.name: (item.purl, item.origin) for item in found if item.path.startswith("airbyte/")}
    assert purls == {
        "guava": ("pkg:maven/com.google.guava/guava@33.0", "connector"),
        "plain": ("pkg:generic/plain@2.1", "connector"),
        "shaded": ("pkg:maven/org.acme/shaded@1.0", "connector"),
        "slf4j-api": ("pkg:maven/org.slf4j/slf4j-api@2.0.9", "connector"),
        "nested": ("pkg:maven/org.acme/nested@4.0", "connector"),
        "broken": ("pkg:generic/broken@1.0", "connector"),
        "bulk-cdk-core-base": ("pkg:generic/bulk-cdk-core-base@0.1.5", "framework"),
        "source-postal": ("pkg:generic/source-postal@1.0.0", "connector"),
    }
    outer = next(item for item in found if item.name == "shaded")
    assert len(outer.depends) == 2
    assert outer.license.names == ("License of shaded",)


def test_an_image_of_another_tool_has_components_of_unknown_origin(store: Store) -> None:
    """Without a base image, nobody knows; with one, system packages above it are a customization."""
    layers = (sample_images.BASE_LAYER, sample_images.CUSTOMIZED_LAYER, sample_images.PACKAGES_LAYER)
    made = image(store, *layers)
    unknown = bill(store, made, replace(FACTS, base=None, base_layers=None))
    assert {item.origin for item in unknown.components} == {"unknown"}
    known = {item.name: item.origin for item in bill(store, made).components}
    assert (known["bash"], known["curl"], known["hooked"]) == ("base", "customization", "connector")
    assert known["middle"] == "framework"


def test_the_layers_of_the_base_are_found_without_it(store: Store, connector: Image) -> None:
    """An archive of a connector's image tells the base's layers from those of packages and code.

    Only the layers of a hook below the packages cannot be told from the base's.
    """
    history = ("", "install Python dependencies", "compile the standard library", *sample_images.HISTORY[2:])
    layers: tuple[list[Entry], ...] = (
        sample_images.BASE_LAYER,
        [],
        [],
        sample_images.REMOVED_LAYER,
        sample_images.PACKAGES_LAYER,
        [],
    )
    compiled = image(store, *layers, history=history, is_annotated=False)
    assert layer_roles.of_image(compiled, None) == layer_roles.of_image(compiled, 2)
    for made in (connector, sample_images.connector(store, is_annotated=False), sample_images.java(store)):
        known = layer_roles.of_image(made, 1)
        assert layer_roles.of_image(made, None) == tuple(
            LayerRole.BASE if item is LayerRole.HOOK else item for item in known
        )


def test_documents_are_functions_of_the_image(store: Store, connector: Image, tmp_path: Path) -> None:
    """Another store and another run give the same bytes; another time gives another serial number."""
    other = Store(tmp_path / "store")
    sample_images.connector(other)
    for document in (cyclonedx.document, spdx.document):
        first = document(bill(store, connector))
        assert document(bill(store, connector)) == first == document(bill(other, connector))
        assert document(bill(store, connector, replace(FACTS, created="2025-01-01T00:00:00Z"))) != first
        assert b"/" + str(tmp_path).encode() not in first


def test_an_unread_list_of_packages_is_named(store: Store) -> None:
    """An old or damaged database of RPM packages is not read, and both documents say so."""
    damaged = "usr/lib/sysimage/rpm/rpmdb.sqlite"
    assert bill(store, image(store, [text(damaged, "SQLite format 3\0")])).unread == (damaged,)
    made = bill(store, image(store, [text("var/lib/rpm/Packages", "Berkeley")]))
    assert made.unread == ("var/lib/rpm/Packages",)
    document = json.loads(cyclonedx.document(made))
    assert document["compositions"] == [{"aggregate": "incomplete", "assemblies": [made.root.ref]}]
    assert "/var/lib/rpm/Packages" in json.loads(spdx.document(made))["comment"]


# --- layers --------------------------------------------------------------------------------------

_PATHS = [f"{SITE}/{name}-1.dist-info/METADATA" for name in "abc"] + [
    *("var/lib/dpkg/status", "opt/app/lib/x-1.0.jar", "opt/app/y-2.0.jar", f"{SITE}/a/_vendor/z-3.dist-info/METADATA"),
]


def _random_layer(chance: random.Random) -> list[Entry]:
    found: dict[str, Entry] = {}
    for path in chance.sample(_PATHS, chance.randint(0, 4)):
        kind = chance.random()
        if kind < 0.2:
            found[f"{path} gone"] = tar.whiteout(path)
        elif kind < 0.35:
            found[f"{path} gone"] = tar.whiteout(path.rpartition("/")[0])
        elif kind < 0.5:
            folder = path.rpartition("/")[0]
            found[f"{folder} opaque"] = Entry(path=f"{folder}/{tar.OPAQUE}", mode=0o644)
        elif kind < 0.6:
            found[path] = tar.symlink(path, "elsewhere")
        elif kind < 0.7:
            found[path] = text(path, "")
        else:
            found[path] = _content(path, str(chance.randint(1, 3)))
    # A path is removed or added by a layer, not both.
    gone = {entry.path.replace(tar.WHITEOUT, "", 1) for key, entry in found.items() if key.endswith(" gone")}
    kept = [
        entry
        for key, entry in found.items()
        if " " in key or not any(path == entry.path or entry.path.startswith(f"{path}/") for path in gone)
    ]
    return [entry for number, entry in enumerate(kept) if entry.path not in {item.path for item in kept[:number]}]


def _content(path: str, version: str) -> Entry:
    if path.endswith("METADATA"):
        return text(path, f"Metadata-Version: 2.1\nName: {path.rsplit('/', 2)[-2][0]}\nVersion: {version}\n\n")
    if path.endswith(".jar"):
        return Entry(path=path, content=sample_images.maven_jar("g", "x", version))
    return text(path, "\n".join(stanza(f"p{number}", version) for number in range(int(version))))


@pytest.mark.parametrize("seed", range(40))
def test_layers_are_merged_as_the_unpacked_image_shows_them(seed: int, store: Store) -> None:
    """The packages of the layers are those of one layer with all files of the unpacked image."""
    chance = random.Random(seed)
    made = image(store, *(_random_layer(chance) for _ in range(chance.randint(1, 5))))
    merged = image_packages.of_image(store, made, lambda: None)
    tree = snapshot.unpack(store, made.layers).tree
    files = [Entry(path=node.path, content=node.disk) for node in tree.walk("") if not node.is_dir and not node.is_link]
    squashed = image_packages.of_image(store, image(store, files), lambda: None)
    assert [item.package for item in merged.placed] == [item.package for item in squashed.placed]


def test_hard_links_and_other_kinds_of_files(store: Store) -> None:
    """A hard link has the content of its target; a link in place of a file hides the lower one."""
    metadata = f"{SITE}/a-1.dist-info/METADATA"
    body = b"Name: a\nVersion: 1\n\n"
    blob = raw_layers.archive(
        [raw_layers.file(metadata, body), raw_layers.hard(f"opt/{SITE}/a-1.dist-info/METADATA", metadata)]
    )
    evidence = layer_evidence.read(store, Descriptor(LAYER_GZIP, store.put(blob), len(blob)), Digest.of(blob))
    assert [[item.name for item in found] for found in evidence.packages.values()] == [["a"], ["a"]]


def test_hostile_metadata_is_read_as_text(tmp_path: Path) -> None:
    """Endless markers, names of any bytes, forged lines and tags without an end: a bill, valid and in time."""
    store = Store(tmp_path / "store")
    deep = f"Requires-Dist: b; {'(' * 3000}python_version > '3'{')' * 3000}"
    pom = {"META-INF/maven/g/a/pom.xml": "<license>" * 400_000}
    strange = "a\x1b[2J\u202e<script>\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    body = f"Name: {strange}\nVersion: 1\n ::error::\nLicense: x\x07y\n{deep}\n\n".encode()
    blob = raw_layers.archive(
        [
            raw_layers.file(f"{SITE}/caf\udce9-1.dist-info/METADATA", body),
            raw_layers.file("opt/a-1.jar", sample_images.maven_jar("g", "a", "1", pom)),
            raw_layers.file("var/lib/dpkg/status", stanza("p?x=1#y@2", "1:%2B").encode()),
        ]
    )
    layer = Descriptor(LAYER_GZIP, store.put(blob), len(blob))
    config = ImageConfig.make({"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": [str(Digest.of(blob))]}})
    made = bill(store, store.put_image(Manifest.make(config.descriptor, (layer,), {}), config))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(cyclonedx.document(made).decode()) is None
    assert json.loads(spdx.document(made))["packages"]
    assert "pkg:deb/debian/p%3Fx%3D1%23y%402@1:%252B?arch=amd64" in {item.purl for item in made.components}
    assert [item.license.names for item in made.components if item.path.endswith("METADATA")] == [("x y",)]


def test_a_damaged_layer_is_an_error(store: Store, tmp_path: Path) -> None:
    """Wrong bytes, a wrong diffID and a layer that is nowhere are each one clear error."""
    layer = layer_of(store, [text("a", "b")])
    with pytest.raises(ImageError, match="does not match its diffID"):
        layer_evidence.read(store, layer.descriptor, Digest.of(b"other"))
    broken = store.put(b"\x1f\x8b broken")
    with pytest.raises(ImageError, match="is not a readable archive"):
        layer_evidence.read(store, Descriptor(LAYER_GZIP, broken, 9), layer.diff_id)
    with pytest.raises(BlobNotFound):
        layer_evidence.of_layer(Store(tmp_path / "empty"), layer.descriptor, layer.diff_id, lambda: None)
