"""`connectors publish`: releases in a real registry, refusals, and what a second run does."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Index
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry, directory
from airbyte_ci.testing.clients import quick_client
from tests.e2e.conftest import Base
from tests.e2e.tiny import NAME, Tiny, as_index, derived
from tests.publish.releasing import Releasing

pytestmark = pytest.mark.slow
LIBC = b"GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\n"


@pytest.fixture
def releasing(tiny: Tiny, store: Store, base: Base, registry: str, tmp_path: Path) -> Releasing:
    folder = "usr/lib/aarch64-linux-gnu"
    library = Entry(path=f"{folder}/libc.so.6", content=LIBC)
    arm = derived(store, base.address, directory(folder), library, tag="arm64", architecture="arm64")
    tiny.base = as_index(store, derived(store, base.address, tag="amd64"), arm)
    releasing = Releasing(tiny, f"{registry}/{tmp_path.name.replace('_', '-').lower()}")
    releasing.describe(base.address)
    releasing.commit("first")
    return releasing


def test_a_release_has_all_platforms_and_documents(releasing: Releasing) -> None:
    """A pre-release is one index of the base's platforms, named by the commit, each part with its documents."""
    commit = releasing.git("rev-parse", "HEAD").strip()
    done = releasing.publish("--json")
    assert done.code == 0, done.out + done.err
    record = done.json
    assert record["tag"] == f"1.0.0-dev.{commit[:10]}"
    assert (record["commit"], record["already"], record["pushed"]) == (commit, False, True)
    assert [item["platform"] for item in record["platforms"]] == ["linux/amd64", "linux/arm64"]
    assert releasing.tags() == {record["tag"]: Digest.parse(record["digest"])}
    with quick_client() as client:
        index = client.manifest(Reference.parse(record["address"]))
        assert isinstance(index, Index)
        found = [client.referrers(releasing.repository.with_digest(index.digest))]
        found += [client.referrers(releasing.repository.with_digest(item.digest)) for item in index.manifests]
        assert sum(map(len, found)) == len(record["attachments"]) > 0
        assert all(found)
    # The same commit again, and as a main release: nothing new but the tags.
    again = releasing.publish("--json").json
    assert (again["already"], again["pushed"], again["digest"]) == (True, False, record["digest"])
    main = releasing.publish("--main-release", "--json").json
    assert (main["tag"], main["digest"], main["latest"]) == ("1.0.0", record["digest"], "1.0.0")
    assert set(releasing.tags()) == {record["tag"], "1.0.0", "latest"}


def test_a_dry_run_pushes_nothing(releasing: Releasing) -> None:
    """A dry run names the release and leaves the registry alone."""
    done = releasing.publish("--dry-run", "--main-release")
    assert done.code == 0, done.err
    assert "1.0.0 would be published · linux/amd64, linux/arm64" in done.out
    assert releasing.tags() == {}


Change = Callable[[Releasing], object]


def _file(name: str, text: str) -> Change:
    return lambda releasing: (releasing.tiny.connector() / name).write_text(text)


def _committed(change: Change) -> Change:
    def act(releasing: Releasing) -> None:
        change(releasing)
        releasing.commit()

    return act


def _ignored(releasing: Releasing) -> None:
    """A file of the package that git ignores, but that the image would have."""
    (releasing.tiny.folder / ".gitignore").write_text("*.bin\n")
    releasing.commit()
    (releasing.tiny.connector() / "source_tiny/data.bin").write_text("1")


def _ignored_lock(releasing: Releasing) -> None:
    """A file that chooses packages, which git ignores."""
    (releasing.tiny.folder / ".gitignore").write_text("requirements.txt\n")
    releasing.git("rm", "-q", "--cached", "connectors/source-tiny/requirements.txt")
    releasing.commit()


BLOCK = "reason: the API is down\nblocked_by: operations\nblocked_at: 2026-05-01\n"
REFUSALS: dict[str, tuple[Change, tuple[str, ...], str]] = {
    "an edited file": (_file("main.py", "print(1)\n"), (), "main.py differs from the commit"),
    "an untracked file": (_file("source_tiny/new.py", ""), (), "new.py differs from the commit"),
    "an ignored file in the image": (_ignored, (), "source_tiny/data.bin differs from the commit"),
    "an ignored lock": (_ignored_lock, (), "requirements.txt differs from the commit"),
    "no version": (
        _committed(lambda it: it.edit("metadata.yaml", "  dockerImageTag: 1.0.0\n", "")),
        (),
        "data.dockerImageTag is missing",
    ),
    "no semantic version": (
        _committed(lambda it: it.edit("metadata.yaml", "dockerImageTag: 1.0.0", "dockerImageTag: v1")),
        (),
        "'v1' is not a semantic version",
    ),
    "build metadata": (
        _committed(lambda it: it.edit("metadata.yaml", "dockerImageTag: 1.0.0", "dockerImageTag: 1.0.0+1")),
        (),
        "has build metadata, which no tag can hold",
    ),
    "a block": (
        _committed(_file("block-release.yaml", BLOCK)),
        (),
        "blocks its releases: the API is down (by operations on 2026-05-01)",
    ),
    "a broken block": (
        _committed(_file("block-release.yaml", "{")),
        (),
        "blocks its releases: the file cannot be read",
    ),
    "a candidate of a major": (
        lambda it: it.release("2.0.0-rc.1"),
        ("--main-release",),
        "is a release candidate of a major version",
    ),
    "a pre-release as a version": (
        lambda it: it.release("1.0.0-dev.0123456789"),
        ("--main-release",),
        "version 1.0.0-dev.0123456789 is a pre-release of a commit",
    ),
    "an error of check": (
        _committed(lambda it: it.edit("metadata.yaml", "supportLevel: community", "supportLevel: certified")),
        (),
        "check found an error: ",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_must_not_be_published_is_refused(releasing: Releasing, name: str) -> None:
    """Each reason is one line with advice; nothing is built or pushed."""
    change, options, message = REFUSALS[name]
    change(releasing)
    done = releasing.publish(*options)
    assert done.code == 1, done.out + done.err
    lines = done.out.splitlines()
    assert message in lines[0], done.out
    assert "cannot publish source-tiny: " in lines[0]
    assert len(lines) == 2 and lines[1].startswith(("  → ", "  next: ")), done.out
    assert releasing.tags() == {}


def test_a_yanked_base_is_refused(releasing: Releasing) -> None:
    """A connector on a yanked base image is not published."""
    address = Reference.parse(releasing.tiny.base)
    entry = {"version": "1.0.0", "address": releasing.tiny.base, "python": "3.11", "yanked": "it leaks"}
    catalog = {f"{address.registry}/{address.repository}": [entry]}
    (releasing.tiny.folder / "base-images.yaml").write_text(json.dumps(catalog))
    releasing.commit()
    done = releasing.publish()
    assert done.code == 1
    assert "was yanked: it leaks" in done.out, done.out


def test_what_is_dirty_or_blocked_is_recorded(releasing: Releasing) -> None:
    """A release of uncommitted changes, or despite a block, says so in its record and in its lines."""
    _committed(_file("block-release.yaml", BLOCK))(releasing)
    _file("main.py", (releasing.tiny.connector() / "main.py").read_text() + "# more\n")(releasing)
    done = releasing.publish("--allow-dirty", "--ignore-block=tested by hand")
    assert done.code == 0, done.out
    assert "! published with uncommitted changes: connectors/source-tiny/main.py" in done.out
    assert "! published although block-release.yaml says: the API is down" in done.out
    record = releasing.publish("--allow-dirty", "--ignore-block=tested by hand", "--json").json
    assert record["uncommitted"] == ["connectors/source-tiny/main.py"]
    assert record["ignoredBlock"].startswith("the API is down")


def test_versions_are_not_overwritten_and_do_not_go_back(releasing: Releasing) -> None:
    """Other content under a version, and a version below the newest, are refused; candidates leave `latest` alone."""
    assert releasing.publish("--main-release").code == 0
    releasing.release("1.1.0-rc.1")
    assert releasing.publish("--main-release").code == 0
    before = releasing.tags()
    assert before["latest"] == before["1.0.0"]
    releasing.edit("main.py", "import json", "import json  # changed\nimport sys")
    releasing.commit()
    taken = releasing.publish("--main-release")
    assert taken.code == 1
    assert "1.1.0-rc.1 is already published with other content" in taken.out.splitlines()[0]
    releasing.release("0.9.0")
    below = releasing.publish("--main-release")
    assert below.code == 1
    assert "version 0.9.0 is below 1.0.0" in below.out
    assert releasing.tags() == before


def test_an_unchanged_image_is_skipped(releasing: Releasing) -> None:
    """With --skip-unchanged, a commit that changes nothing in the image publishes nothing."""
    assert releasing.publish("--main-release").code == 0
    (releasing.tiny.connector() / "README.md").write_text("More words.\n")
    releasing.commit()
    done = releasing.publish("--skip-unchanged")
    assert done.code == 0
    assert "is the same as 1.0.0, which is published; nothing was pushed" in done.out
    releasing.edit("main.py", "import json", "import json, sys")
    commit = releasing.commit()
    assert releasing.publish("--skip-unchanged").code == 0
    assert set(releasing.tags()) == {"1.0.0", "latest", f"1.0.0-dev.{commit[:10]}"}


def test_wrong_options_are_usage_errors(releasing: Releasing) -> None:
    """A main release has all platforms, and publishing needs a registry."""
    narrowed = releasing.publish("--main-release", "--platform=linux/amd64")
    assert (narrowed.code, narrowed.out) == (2, "")
    assert "--platform narrows pre-releases only" in narrowed.err
    for wrong in ("not a host", "https://localhost:5000", "localhost:5000:1"):
        refused = releasing.tiny.run("connectors", f"--name={NAME}", "publish", f"--registry={wrong}")
        assert refused.code == 2
        assert f"--registry {wrong!r} is not a registry" in refused.err
    offline = releasing.tiny.run("--offline", "connectors", f"--name={NAME}", "publish")
    assert offline.code == 2
    assert "--offline excludes publishing" in offline.err


def test_the_form_of_pre_releases_is_configured(releasing: Releasing) -> None:
    """`pre-release-form` chooses Airbyte's later form; --platform narrows the index."""
    config = releasing.tiny.folder / ".airbyte-ci.toml"
    config.write_text(config.read_text() + f'pre-release-form = "preview"\nregistry = "{releasing.prefix}"\n')
    commit = releasing.commit()
    done = releasing.tiny.run("connectors", f"--name={NAME}", "publish", "--platform=linux/amd64", "--json")
    assert done.code == 0, done.out + done.err
    assert done.json["tag"] == f"1.0.0-preview.{commit[:7]}"
    assert [item["platform"] for item in done.json["platforms"]] == ["linux/amd64"]


def test_artifacts_are_what_a_connector_registry_serves(releasing: Releasing, tmp_path: Path) -> None:
    """--artifacts writes the files of a release in Airbyte's layout; equal releases give equal files."""
    folder = releasing.tiny.connector()
    (folder / "icon.svg").write_text("<svg/>")
    releasing.commit()
    made = releasing.publish("--main-release", f"--artifacts={tmp_path / 'one'}", "--json")
    assert made.code == 0, made.out
    place = tmp_path / "one/metadata/acme/source-tiny"
    names = {path.name for path in (place / "1.0.0").iterdir()}
    assert names == {"metadata.yaml", "icon.svg", "spec.json", "release.json"}
    assert {path.name for path in place.iterdir()} == {"1.0.0", "latest"}
    assert json.loads((place / "1.0.0/spec.json").read_text()) == {"connectionSpecification": {"tinydep": "1.0"}}
    record = json.loads((place / "1.0.0/release.json").read_text())
    assert (record["address"], record["digest"]) == (made.json["address"], made.json["digest"])
    assert {path.name for path in (tmp_path / "one/sbom/acme/source-tiny").iterdir()} == {
        f"1.0.0{platform}.{kind}.json" for platform in ("", ".linux-arm64") for kind in ("spdx", "cdx")
    }
    assert releasing.publish("--main-release", f"--artifacts={tmp_path / 'two'}").code == 0
    subprocess.run(["diff", "-r", str(tmp_path / "one"), str(tmp_path / "two")], check=True)


def test_reports_name_every_connector(releasing: Releasing, tmp_path: Path) -> None:
    """Several connectors are published by one command; a refused one does not stop the others."""
    releasing.tiny.add("source-other")
    releasing.describe("", "source-other")
    releasing.commit()
    _file("main.py", "print(1)\n")(releasing)
    files = (f"--junit={tmp_path / 'junit.xml'}", f"--html={tmp_path / 'page.html'}")
    done = releasing.tiny.run("connectors", "--all", "publish", f"--registry={releasing.prefix}", *files)
    assert done.code == 1, done.out
    assert "✗ cannot publish source-tiny: connectors/source-tiny/main.py differs from the commit" in done.out
    assert "2 connectors: 1 published · 1 failed" in done.out
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    page = (tmp_path / "page.html").read_text()
    assert "Publications of connectors" in page
    assert f"{releasing.prefix}/acme/source-other:1.0.0-dev." in page
