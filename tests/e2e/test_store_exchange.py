"""What CI runs keep: a store is exported, imported on another machine, and builds the same there without downloads."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from airbyte_ci.oci.image import Index
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.rootfs import snapshot
from tests.e2e.command import airbyte_ci
from tests.e2e.tiny import Tiny, push, share, with_base

# Compiling the standard library takes most of a build in an empty store.
QUICK = ("--no-bytecode",)


def _files(tiny: Tiny) -> list[str]:
    return [path for path in tiny.index.asked if path.startswith("/files/")]


def _unpacked(source: Store, base: str, home: Path) -> Path:
    """A store that knows the unpacked base image, and has no blob of it: to unpack it again takes long."""
    share(source.root, home, "records", "snapshots")
    digest = Reference.parse(base).digest
    assert digest
    manifest = source.manifest(digest)
    image = source.image(manifest.manifests[0].digest if isinstance(manifest, Index) else digest)
    for key in map(snapshot._ways_key, image.config.diff_ids):
        Store(home).remember(key, source.recall(key) or {})
    return home


@pytest.mark.slow
def test_an_imported_store_builds_the_same_without_downloads(tiny: Tiny, store: Store, tmp_path: Path) -> None:
    """No wheel is requested, and the base image, which no registry has, is there.

    With trusted results, an unchanged connector is not built again, and a changed line only replaces the code. Without,
    all results are made again. The digests are equal. The file has no login of an index.
    """
    first = with_base(store, tiny.base, tmp_path / "first", unpacked=True)
    login = {"PIP_INDEX_URL": tiny.index.url.replace("://", "://ann:hunter2@")}
    built = tiny.build(*QUICK, home=first, env=login)
    assert built.code == 0, built.err
    assert _files(tiny)
    file = str(tmp_path / "cache.tar")
    assert tiny.run("store", "export", file, home=first).code == 0
    assert b"hunter2" not in Path(file).read_bytes()

    trusting, cautious = (_unpacked(store, tiny.base, tmp_path / name) for name in ("trusting", "cautious"))
    assert tiny.run("store", "import", file, "--trust-results", home=trusting).code == 0
    imported = tiny.run("store", "import", file, home=cautious)
    assert "results of builds were left out" in imported.out
    tiny.index.asked.clear()
    for home, is_cached in ((trusting, True), (cautious, False)):
        again = tiny.build(*QUICK, home=home)
        assert again.code == 0, again.err
        assert (again.json["digest"], again.json["cached"]) == (built.json["digest"], is_cached)
    (tiny.connector() / "source_tiny" / "__init__.py").write_text("# changed\n")
    changed = {tiny.build("--no-verify", *QUICK, home=home).json["digest"] for home in (first, trusting, cautious)}
    assert len(changed) == 1
    assert changed != {built.json["digest"]}
    assert not _files(tiny)
    assert tiny.run("store", "check", home=trusting).code == 0


@pytest.mark.slow
def test_an_export_of_selected_connectors_has_what_these_need(tiny: Tiny, store: Store, tmp_path: Path) -> None:
    """After an import, the selected connector is not built again, and its code is replaced without a download.

    The packages, layers and results of the other connector are not in the file.
    """
    tiny.add("source-other")
    own = tiny.wheel("only_other", "1.0", {"only_other/__init__.py": "x = 1\n"})
    tiny.require(tiny.small(), own, name="source-other")
    first = with_base(store, tiny.base, tmp_path / "first", unpacked=True)
    built = {name: tiny.build(*QUICK, name=name, home=first) for name in ("source-tiny", "source-other")}
    assert {item.code for item in built.values()} == {0}, built
    file, whole = tmp_path / "cache.tar", tmp_path / "whole.tar"
    exported = tiny.run("store", "export", str(file), "--name=source-tiny", "--json", home=first)
    assert (exported.code, exported.json["missing"]) == (0, []), exported.err
    assert tiny.run("store", "export", str(whole), home=first).code == 0
    assert file.stat().st_size < whole.stat().st_size
    assert b"only_other" in whole.read_bytes()
    assert b"only_other" not in file.read_bytes()

    second = _unpacked(store, tiny.base, tmp_path / "second")
    assert tiny.run("store", "import", str(file), "--trust-results", home=second).code == 0
    tiny.index.asked.clear()
    again = tiny.build(*QUICK, home=second)
    assert again.code == 0, again.err
    assert (again.json["digest"], again.json["cached"]) == (built["source-tiny"].json["digest"], True)
    (tiny.connector() / "source_tiny" / "__init__.py").write_text("# changed\n")
    changed = {tiny.build("--no-verify", *QUICK, home=home).json["digest"] for home in (first, second)}
    assert len(changed) == 1
    assert not _files(tiny)
    other = tiny.build(*QUICK, name="source-other", home=second)
    assert other.json["digest"] == built["source-other"].json["digest"]
    assert [path for path in _files(tiny) if "only_other" in path]


def test_an_export_reports_connectors_that_were_not_built(tiny: Tiny, tmp_path: Path) -> None:
    """The first job of a matrix may have built nothing: that is a warning, and the file is valid."""
    file = str(tmp_path / "cache.tar")
    done = tiny.run("store", "export", file, "--all", home=tmp_path / "empty")
    assert done.code == 0, done.err
    assert "not built in this store, so left out: source-tiny" in done.err
    assert tiny.run("store", "import", file, home=tmp_path / "empty").code == 0


@pytest.mark.slow
def test_machines_share_a_registry_and_no_store(tiny: Tiny, store: Store, registry: str, tmp_path: Path) -> None:
    """Two machines build and push at once, with the same digest; a third one finds the layers, and fetches no wheel."""
    base = push(store, tiny.base, f"{registry}/shared/base:1.0.0")
    homes = [with_base(store, base, tmp_path / name, unpacked=True) for name in ("one", "two", "three")]
    arguments = ("--no-verify", *QUICK, f"--output=registry:{registry}/shared", f"--base-image={base}")
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda home: tiny.build(*arguments, home=home), homes[:2]))
    assert [result.code for result in both] == [0, 0], both
    assert len(_files(tiny)) >= 2
    tiny.index.asked.clear()
    third = tiny.build(*arguments, home=homes[2])
    assert third.code == 0, third.err
    assert {result.json["digest"] for result in (*both, third)} == {third.json["digest"]}
    assert not _files(tiny)
    place = f"docker://{registry}/shared/acme/source-tiny@{third.json['digest']}"
    subprocess.run(["skopeo", "copy", "-q", "--src-tls-verify=false", place, f"dir:{tmp_path / 'copy'}"], check=True)


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (("import", "missing.tar"), 1, "cannot import missing.tar: No such file or directory"),
        (("import", "text.tar"), 1, "cannot import text.tar: it is not an export of a store"),
        (("import", "."), 1, "cannot import .: Is a directory"),
        (("import",), 2, "Missing argument 'FILE'"),
        (("export", "missing/cache.tar"), 1, "cannot export to missing/cache.tar: No such file or directory"),
        (("export", "cache.tar", "--limit=much"), 2, "'much' is not a size"),
        (("export", "cache.tar", "--name=source-x"), 2, "cannot find connectors"),
        (("export", "cache.tar", "--limit=1kB"), 2, "a limit of 1000 bytes is too small for an archive"),
    ],
)
def test_wrong_usage_is_one_line(arguments: tuple[str, ...], code: int, expected: str, tmp_path: Path) -> None:
    """What failed, why, and no file is left."""
    (tmp_path / "text.tar").write_text("no archive" * 100)
    done = airbyte_ci("store", *arguments, cwd=tmp_path, home=tmp_path / "home")
    assert (done.code, done.out) == (code, "")
    assert expected in done.err
    assert "Traceback" not in done.err
    assert sorted(item.name for item in tmp_path.iterdir() if item.is_file()) == ["text.tar"]


def test_an_export_of_an_empty_store_is_valid(tmp_path: Path) -> None:
    """The first CI run has nothing to keep, and the second one imports it."""
    for arguments in (("export", "cache.tar"), ("import", "cache.tar", "--trust-results")):
        done = airbyte_ci("store", *arguments, "--json", cwd=tmp_path, home=tmp_path / "home")
        assert done.code == 0, done.err
        assert done.json["actions"] == 0
    assert Store(tmp_path / "home").names() == ()
