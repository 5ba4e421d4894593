"""Images for tests of bills: layers of files that describe packages, of each kind that an image can have."""

import functools
import io
import subprocess
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from airbyte_ci.oci import tar
from airbyte_ci.oci.image import Image, ImageConfig, Manifest, Platform
from airbyte_ci.oci.layer import layer_of
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry
from airbyte_ci.python.environment import layer_texts
from airbyte_ci.python.environment import layers as layers_of

SITE = "usr/local/lib/python3.11/site-packages"
AMD64 = Platform("linux", "amd64")


def image(
    store: Store,
    *layers: Sequence[Entry],
    history: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
    platform: Platform = AMD64,
    is_annotated: bool = True,
) -> Image:
    """An image with these layers; a history is that of layers which airbyte-ci made, empty for the base's."""
    made = [layer_of(store, [*_folders(entries), *entries]) for entries in layers]
    document = {
        **platform.to_json(),
        "created": "2024-01-02T03:04:05Z",
        "config": {"Labels": dict(labels or {})},
        "rootfs": {"type": "layers", "diff_ids": [str(layer.diff_id) for layer in made]},
        "history": [
            {"created_by": text, "comment": "airbyte-ci"} if text else {"created_by": "base"} for text in history
        ],
    }
    config = ImageConfig.make(document)
    descriptors = [layer.descriptor for layer in made]
    for number, done in enumerate(history):
        if done == layer_texts.INSTALLED and is_annotated:
            descriptors[number] = replace(descriptors[number], annotations={layers_of.PART: "key 1/1"})
    return store.put_image(Manifest.make(config.descriptor, tuple(descriptors), {}), config)


def _folders(entries: Sequence[Entry]) -> list[Entry]:
    """The folders of a layer: scanners find files by their folders."""
    return [tar.directory(path) for path in sorted({path for entry in entries for path in tar.parents(entry.path)})]


def text(path: str, content: str) -> Entry:
    return Entry(path=path, content=content.encode())


def distribution(name: str, version: str, *headers: str, site: str = SITE) -> Entry:
    """The METADATA of a Python distribution."""
    lines = ["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", *headers, "", "A long text.", ""]
    return text(f"{site}/{name.replace('-', '_')}-{version}.dist-info/METADATA", "\n".join(lines))


def stanza(name: str, version: str, source: str = "", architecture: str = "amd64") -> str:
    """A package of Debian's status file."""
    lines = [f"Package: {name}", "Status: install ok installed", f"Architecture: {architecture}"]
    lines += [f"Source: {source}"] if source else []
    return "\n".join([*lines, f"Version: {version}", "Description: text", ""])


def jar(files: Mapping[str, str | bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return data.getvalue()


def maven_jar(group: str, artifact: str, version: str, more: Mapping[str, str | bytes] | None = None) -> bytes:
    """A jar as Maven makes it."""
    folder = f"META-INF/maven/{group}/{artifact}"
    pom = f"<project><licenses><license><name>License of {artifact}</name></license></licenses></project>"
    properties = f"#Generated\nversion={version}\ngroupId={group}\nartifactId={artifact}\n"
    manifest = f"Manifest-Version: 1.0\nImplementation-Title: {artifact}\nImplementation-Version: {version}\n"
    return jar(
        {
            "META-INF/MANIFEST.MF": manifest,
            f"{folder}/pom.properties": properties,
            f"{folder}/pom.xml": pom,
            **(more or {}),
        }
    )


DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian"\nID=debian\nVERSION_ID="12"\n'
ALPINE = 'NAME="Alpine Linux"\nID=alpine\nVERSION_ID=3.20.3\nPRETTY_NAME="Alpine Linux v3.20"\n'
ZLIB = stanza("zlib1g", "1:1.2.13.dfsg-1", "zlib")
BASH = stanza("bash", "5.2.15-2+b2", "bash (5.2.15-2)")
CURL = stanza("curl", "7.88.1-10+deb12u8")
COPYRIGHT = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: Zlib\n"

BASE_LAYER = [
    text("usr/lib/os-release", DEBIAN),
    text("etc/os-release", DEBIAN),
    text("var/lib/dpkg/status", f"{ZLIB}\n{BASH}"),
    text("usr/share/doc/zlib1g/copyright", COPYRIGHT),
    text("usr/share/doc/bash/copyright", "It is licensed as in /usr/share/common-licenses/GPL-3.\n"),
    distribution("pip", "23.0.1", "License: MIT"),
    distribution("Old_Name", "1.0", "Classifier: License :: OSI Approved :: BSD License"),
    text(
        f"{SITE}/legacy-0.9.egg-info/PKG-INFO", "Metadata-Version: 1.1\nName: legacy\nVersion: 0.9\nLicense: UNKNOWN\n"
    ),
]
CUSTOMIZED_LAYER = [
    text("var/lib/dpkg/status", f"{ZLIB}\n{BASH}\n{CURL}"),
    distribution("hooked", "1.0"),
]
REMOVED_LAYER = [tar.whiteout(f"{SITE}/pip-23.0.1.dist-info")]
PACKAGES_LAYER = [
    distribution("airbyte-cdk", "7.1.0", "License-Expression: MIT", "Requires-Dist: middle>=1"),
    distribution(
        "middle", "1.2", "License: BSD", 'Requires-Dist: never; sys_platform == "win32"', "Requires-Dist: deep"
    ),
    distribution("deep", "3.0", "License-Expression: apache-2.0 or mit"),
    distribution("pip", "24.0", "License-Expression: MIT"),
    distribution("inner", "5.0", site=f"{SITE}/middle/_vendor"),
    distribution("own-choice", "0.1"),
]
CODE_LAYER = [text("airbyte/integration_code/main.py", "print()\n")]
HISTORY = (
    *("", "with_exec apt-get install curl", "remove replaced Python distributions", "install Python dependencies"),
    "copy the connector's code",
)
LABELS = {"io.airbyte.name": "acme/source-x", "io.airbyte.version": "1.2.3"}


def connector(store: Store, *, is_annotated: bool = True) -> Image:
    """A connector's image on a Debian base of one layer, with a hook that installs a system package."""
    layers = (BASE_LAYER, CUSTOMIZED_LAYER, REMOVED_LAYER, PACKAGES_LAYER, CODE_LAYER)
    return image(store, *layers, history=HISTORY, labels=LABELS, is_annotated=is_annotated)


JAVA_LAYER = [
    Entry(path="airbyte/lib/guava-33.0.jar", content=maven_jar("com.google.guava", "guava", "33.0")),
    Entry(path="airbyte/lib/plain-2.1.jar", content=jar({"META-INF/MANIFEST.MF": "Manifest-Version: 1.0\n"})),
    Entry(
        path="airbyte/lib/shaded-1.0.jar",
        content=maven_jar(
            *("org.acme", "shaded", "1.0"),
            {
                "META-INF/maven/org.slf4j/slf4j-api/pom.properties": "version=2.0.9\ngroupId=org.slf4j\n"
                "artifactId=slf4j-api\n",
                "BOOT-INF/lib/nested-4.0.jar": maven_jar("org.acme", "nested", "4.0"),
            },
        ),
    ),
    Entry(path="airbyte/lib/broken-1.0.jar", content=b"PK\x03\x04 damaged"),
]
FRAMEWORK_LAYER = [
    Entry(
        path="airbyte/lib/bulk-cdk-core-base-0.1.5.jar", content=jar({"META-INF/MANIFEST.MF": "Bundle-License: MIT\n"})
    )
]
OWN_LAYER = [Entry(path="airbyte/lib/source-postal-1.0.0.jar", content=jar({"a.properties": "b"}))]


def java(store: Store) -> Image:
    """A Java connector's image on the same base."""
    history = ("", "add third-party jars", "add the framework's jars", "add the connector")
    return image(store, BASE_LAYER, JAVA_LAYER, FRAMEWORK_LAYER, OWN_LAYER, history=history, labels=LABELS)


APK = """C:Q1mGkCMyMLqrBIVMnRnt5fkVk0HUQ=
P:musl
V:1.2.5-r0
A:x86_64
o:musl
L:MIT

C:Q1abcdefghijklmnopqrstuvwxyz012=
P:libcrypto3
V:3.3.2-r0
A:x86_64
o:openssl
L:Apache-2.0

"""


def alpine(store: Store) -> Image:
    layer = [text("etc/os-release", ALPINE), text("lib/apk/db/installed", APK), text("etc/alpine-release", "3.20.3\n")]
    return image(store, layer)


_SPEC = """Name: {name}
{epoch}
Version: 1.5
Release: 3.amzn2023
Summary: a package
License: GPLv3+ and MIT
BuildArch: noarch
%description
A package.
%files
"""


@functools.cache
def rpm_database() -> bytes:
    """The database that rpm itself writes when it installs two packages, one of them with an epoch."""
    with tempfile.TemporaryDirectory() as folder:
        top = ("--define", f"_topdir {folder}/build")
        place = ("--root", f"{folder}/root", "--dbpath", "/var/lib/rpm", "--define", "_db_backend sqlite")
        Path(folder, "root").mkdir()
        for name, epoch in (("bash", "Epoch: 2"), ("java-headless", "")):
            spec = Path(folder, f"{name}.spec")
            spec.write_text(_SPEC.format(name=name, epoch=epoch))
            subprocess.run(["rpmbuild", *top, "-bb", str(spec)], check=True, capture_output=True)
        built = sorted(map(str, Path(folder, "build/RPMS").rglob("*.rpm")))
        subprocess.run(["rpm", *place, "--install", "--justdb", "--nodeps", *built], check=True, capture_output=True)
        return Path(folder, "root/var/lib/rpm/rpmdb.sqlite").read_bytes()


AMAZON = 'NAME="Amazon Linux"\nVERSION="2023"\nID="amzn"\nID_LIKE="fedora"\nVERSION_ID="2023"\n'


def amazon(store: Store) -> Image:
    """An image of the system that Airbyte's Java images are built on."""
    database = Entry(path="var/lib/rpm/rpmdb.sqlite", content=rpm_database())
    return image(store, [text("etc/os-release", AMAZON), database])


def distroless(store: Store) -> Image:
    """An image without a package manager: a file for each package, next to checksums that are none."""
    folder = "var/lib/dpkg/status.d"
    layer = [
        text("etc/os-release", DEBIAN),
        text(f"{folder}/libssl3", ZLIB.replace("zlib1g", "libssl3").replace("Source: zlib", "Source: openssl")),
        text(f"{folder}/libssl3.md5sums", "d41d8cd98f00b204e9800998ecf8427e  usr/lib/libssl.so.3\n"),
        text(f"{folder}/tzdata", stanza("tzdata", "2024a-0+deb12u1", architecture="all")),
    ]
    return image(store, layer)
