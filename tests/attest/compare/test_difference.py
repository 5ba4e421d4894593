"""The truth table of comparisons: each seeded difference is found as one row, with the right verdict, and no other."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from airbyte_ci.attest.compare.compare import compare_images
from airbyte_ci.attest.compare.comparison import FactRow, ImageComparison
from airbyte_ci.attest.compare.find_image import FoundImage
from airbyte_ci.attest.compare.intended import IntendedChange
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import BASE_DIGEST
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry, directory, symlink
from airbyte_ci.testing import connector_images as samples
from airbyte_ci.testing.connector_images import CODE, SITE, SampleImage

# cap_net_bind_service, effective and permitted (linux/capability.h).
CAPABILITY = {"security.capability": bytes.fromhex("0100000200040000000000000000000000000000")}
SAMPLE = samples.sample_image()
Change = Callable[[SampleImage], SampleImage]


@dataclass(frozen=True)
class Seed:
    """A change of the new image, and the rows that must tell it: `kind name` → verdict."""

    name: str
    change: Change
    rows: dict[str, str]


def _environment(*changed: str, without: str = "") -> Change:
    """Replaces variables of the image, or removes one."""
    names = {item.partition("=")[0] for item in changed} | {without}
    kept = [item for item in samples.SETTINGS["Env"] if item.partition("=")[0] not in names]
    return lambda sample: sample.with_settings(Env=[*kept, *changed])


def _labels(**changed: str | None) -> Change:
    labels = {name: value for name, value in {**samples.SETTINGS["Labels"], **changed}.items() if value is not None}
    return lambda sample: sample.with_settings(Labels=labels)


def _adding(*entries: Entry) -> Change:
    return lambda sample: sample.adding(*entries)


def _removing(*paths: str) -> Change:
    return lambda sample: sample.without(*paths)


def _settings(**settings: object) -> Change:
    return lambda sample: sample.with_settings(**settings)


def _packages(**versions: str) -> Change:
    return _adding(*samples.packages(versions))


def _distribution(sample: SampleImage, *removed: str, added: list[Entry] | None = None) -> SampleImage:
    own = [place for name in removed for place in (f"{SITE}/{name}", f"usr/local/bin/{name}")]
    gone = [path for path in sample.own if any(path.startswith(place) for place in own)]
    return sample.without(*gone).adding(*(added or []))


SEEDS = (
    Seed("a file dropped", _removing("opt/tool/data.bin"), {"file opt/tool/data.bin": "lost"}),
    Seed(
        "a file's content",
        _adding(Entry(path="opt/tool/data.bin", content=b"other")),
        {"file opt/tool/data.bin": "unexplained"},
    ),
    Seed(
        "a file's mode",
        _adding(Entry(path="opt/tool/run.sh", mode=0o644, content=b"run")),
        {"file opt/tool/run.sh": "unexplained"},
    ),
    Seed(
        "a file's owner",
        _adding(Entry(path="opt/tool/data.bin", content=b"data", uid=7)),
        {"file opt/tool/data.bin": "unexplained"},
    ),
    Seed("a folder's owner", _adding(directory("config")), {"file config": "unexplained"}),
    Seed("a folder dropped", _removing("config"), {"file config": "lost"}),
    Seed("a link's target", _adding(symlink("opt/tool/latest", "run.sh")), {"file opt/tool/latest": "unexplained"}),
    Seed(
        "a link becomes a file",
        _adding(Entry(path="opt/tool/latest", content=b"data")),
        {"file opt/tool/latest": "unexplained"},
    ),
    Seed(
        "a set-user-ID file added",
        _adding(Entry(path="usr/local/bin/su", mode=0o4755, content=b"su")),
        {"file usr/local/bin/su": "unexplained"},
    ),
    Seed("a program's capabilities",
         _adding(Entry(path="opt/tool/run.sh", mode=0o755, content=b"run", xattrs=CAPABILITY)),
         {"file opt/tool/run.sh": "unexplained"}),
    Seed("a distribution's script dropped", _removing("usr/local/bin/requests"),
         {"distribution requests": "unexplained"}),
    Seed("a changed line of code", _adding(Entry(path=f"{CODE}/main.py", content=b"new", uid=1000, gid=1000)),
         {f"file {CODE}/main.py": "unexplained"}),
    Seed("a module of the standard library", _adding(Entry(path="usr/local/lib/python3.11/os.py", content=b"new")),
         {"file usr/local/lib/python3.11/os.py": "unexplained"}),
    Seed("a module next to distributions", _adding(Entry(path=f"{SITE}/patch.pth", content=b"import x")),
         {"file usr/local/lib/python3/site-packages/patch.pth": "unexplained"}),
    Seed("a package's configuration file", _adding(Entry(path="etc/openssl.cnf", content=b"level = 1\n")),
         {"file etc/openssl.cnf": "unexplained"}),
    Seed("a program of a package dropped", _removing("bin/sh"), {"file bin/sh": "lost"}),
    Seed("a variable changed", _environment("API_LIMIT=20"), {"variable API_LIMIT": "unexplained"}),
    Seed("a variable removed", _environment(without="API_LIMIT"), {"variable API_LIMIT": "lost"}),
    Seed("a variable added", _environment("DEBUG=1"), {"variable DEBUG": "unexplained"}),
    Seed("a package of another version", _packages(openssl="3.0.15", dash="0.5.12"),
         {"package deb openssl": "unexplained"}),
    Seed("a package removed", _packages(openssl="3.0.11"), {"package deb dash": "lost"}),
    Seed("a package added", _packages(openssl="3.0.11", dash="0.5.12", curl="7.88"),
         {"package deb curl": "unexplained"}),
    Seed("a distribution of another version",
         lambda sample: _distribution(sample, "requests", added=samples.distribution("requests", "2.32.0")),
         {"distribution requests": "unexplained"}),
    Seed("a distribution removed", lambda sample: _distribution(sample, "requests"), {"distribution requests": "lost"}),
    Seed("a patched distribution", _adding(*samples.distribution("requests", "2.31.0", b"patched")),
         {"distribution requests": "unexplained"}),
    Seed("the user", _settings(User="root"), {"setting user": "unexplained"}),
    Seed("the working directory", _settings(WorkingDir="/srv"), {"setting working directory": "unexplained"}),
    Seed("the entrypoint", _settings(Entrypoint=["python", "/srv/main.py"]), {"setting entrypoint": "unexplained"}),
    Seed("a port", _settings(ExposedPorts={"8080/tcp": {}}), {"setting exposed ports": "unexplained"}),
    Seed("a label changed", _labels(team="ops"), {"label team": "unexplained"}),
    Seed("a label removed", _labels(team=None), {"label team": "lost"}),
    Seed("the version's label", _labels(**{"io.airbyte.version": "1.0.1"}), {"label io.airbyte.version": "expected"}),
    Seed("a certificate no longer trusted",
         _adding(Entry(path="etc/ssl/certs/ca-certificates.crt", content=samples.certificate("one"))),
         {"certificate two": "lost"}),
    Seed("a CA file dropped", _removing("usr/local/share/ca-certificates/acme.crt"),
         {"file usr/local/share/ca-certificates/acme.crt": "lost"}),
    Seed("the locale", _environment("LANG=de_DE.UTF-8"),
         {"variable LANG": "unexplained", "locale of processes": "unexplained"}),
    Seed("the time zone", _adding(symlink("etc/localtime", "/usr/share/zoneinfo/Europe/Berlin")),
         {"time zone of processes": "unexplained"}),
    Seed("the interpreter", _environment("PYTHON_VERSION=3.11.10"),
         {"variable PYTHON_VERSION": "unexplained", "interpreter python": "unexplained"}),
    Seed("an account", _adding(Entry(path="etc/passwd", content=samples.PASSWD.replace("1000:", "1001:", 1).encode())),
         {"account user airbyte": "unexplained"}),
)  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("compare") / "store")


def compare(
    store: Store,
    old: SampleImage,
    new: SampleImage,
    *,
    with_old_base: bool = True,
    intended: IntendedChange | None = None,
) -> ImageComparison:
    found = []
    for name, sample, has_base in (("old", old, with_old_base), ("new", new, True)):
        image = samples.put_sample(store, sample)
        base = store.image(Digest.parse(image.manifest.annotations[BASE_DIGEST])) if has_base else None
        found.append(FoundImage(name, image, base, f"{name}-base:1" if has_base else ""))
    one, other = found
    return compare_images(store, one, other, intended)


def verdicts(found: ImageComparison) -> dict[str, str]:
    """The rows that are not the same: kind and name → verdict; certificates by what they are called."""
    return {f"{row.kind} {_name(row)}": row.verdict for row in found.rows if row.verdict != "same"}


def _name(row: FactRow) -> str:
    return row.old or row.new or "" if row.kind == "certificate" else row.name


def test_two_builds_of_the_same_connector_are_the_same(store: Store) -> None:
    """Images with the same content have no row that differs, and rows of every kind."""
    found = compare(store, SAMPLE, SAMPLE)
    assert verdicts(found) == {} and not found.has_failures
    assert {row.kind for row in found.rows} >= {"setting", "variable", "package", "distribution", "certificate", "file"}


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.name)
def test_a_seeded_difference_is_found(store: Store, seed: Seed) -> None:
    """Each difference gives its own rows and no others, and fails the comparison unless it is expected."""
    found = compare(store, SAMPLE, seed.change(SAMPLE))
    assert verdicts(found) == seed.rows
    assert found.has_failures == (set(seed.rows.values()) != {"expected"})


def _on_newer_base(sample: SampleImage) -> SampleImage:
    """The same connector on a base with another Debian, OpenSSL and Python, and with one more tool."""
    newer = [
        Entry(path="etc/os-release", content=b'ID=debian\nVERSION_ID="13"\nPRETTY_NAME="Debian 13"\n'),
        Entry(path="etc/openssl.cnf", content=b"level = 3\n"),
        Entry(path="bin/sh", mode=0o755, content=b"newer shell"),
        Entry(path="usr/bin/tool", mode=0o755, content=b"tool"),
        *samples.packages({"openssl": "3.5", "dash": "0.6"}, b"level = 3\n"),
        *samples.distribution("uv", "0.9"),
    ]
    return replace(sample, base={**sample.base, **{entry.path: entry for entry in newer}})


def test_the_base_explains_its_own_differences(store: Store) -> None:
    """What another base image brings is expected, and names that image; the connector's own loss stays lost."""
    found = compare(store, SAMPLE, _on_newer_base(SAMPLE).without("opt/tool/data.bin"))
    assert verdicts(found) == {
        "system operating system": "expected",
        "package deb openssl": "expected",
        "package deb dash": "expected",
        "distribution uv": "expected",
        "file etc/os-release": "expected",
        "file usr/bin/tool": "expected",
        "file opt/tool/data.bin": "lost",
    }
    reasons = {row.reason for row in found.rows if row.verdict == "expected"}
    assert reasons == {"from the base image new-base:1"}


def test_a_change_of_the_old_image_is_not_explained_by_the_base(store: Store) -> None:
    """A value that the old image set itself is reported, even if the new one has the base's; of any old base."""
    edited = SAMPLE.adding(Entry(path="etc/openssl.cnf", content=b"level = 1\n"))
    for with_base in (True, False):
        found = verdicts(compare(store, edited, _on_newer_base(SAMPLE), with_old_base=with_base))
        assert found["file etc/openssl.cnf"] == "unexplained"


def test_the_connectors_own_package_is_its_code(store: Store) -> None:
    """A Dockerfile's `pip install .` is no lost distribution if the same files are in the new image's code."""
    own = samples.distribution("source_sample", "1.0.0", b"")
    code = Entry(path=f"{CODE}/source_sample/__init__.py", content=b"", uid=1000, gid=1000)
    installed = SAMPLE.adding(*own, code)
    assert verdicts(compare(store, installed, SAMPLE.adding(code))) == {"distribution source-sample": "expected"}
    other = Entry(path=code.path, content=b"other", uid=1000, gid=1000)
    assert verdicts(compare(store, installed, SAMPLE.adding(other)))["distribution source-sample"] == "lost"


def test_mode_and_owner_of_code_are_the_builds(store: Store) -> None:
    """Code that only has the mode and owner of airbyte-ci's builds is expected, but not a lost executable bit."""
    plain = SAMPLE.adding(Entry(path=f"{CODE}/main.py", content=b"main", mode=0o664))
    assert verdicts(compare(store, plain, SAMPLE)) == {f"file {CODE}/main.py": "expected"}
    program = SAMPLE.adding(Entry(path=f"{CODE}/main.py", content=b"main", mode=0o755))
    assert verdicts(compare(store, program, SAMPLE)) == {f"file {CODE}/main.py": "unexplained"}


def test_an_unknown_base_excuses_no_setting(store: Store) -> None:
    """Without the old base, the new base explains newer packages, and no time zone, account or variable."""
    old = SAMPLE.adding(
        symlink("etc/localtime", "/usr/share/zoneinfo/Europe/Berlin"),
        Entry(path="etc/passwd", content=samples.PASSWD.replace("1000:", "1001:", 1).encode()),
    ).with_settings(User="root", Env=[*samples.SETTINGS["Env"][:-1], "API_LIMIT=11"])
    found = verdicts(compare(store, old, _on_newer_base(SAMPLE), with_old_base=False))
    assert {name for name, verdict in found.items() if verdict == "unexplained"} == {
        "setting user",
        "variable API_LIMIT",
        "account user airbyte",
        "time zone of processes",
    }
    assert found["package deb openssl"] == "expected"


def test_only_what_a_migration_intends_is_expected(store: Store) -> None:
    """Code that is replaced, and packages that the base replaces, are expected; other files, packages that the new code
    needs, and those of neither base nor lock are not."""
    package = Entry(path=f"{CODE}/source_old/source.py", content=b"", uid=1000, gid=1000)
    old = SAMPLE.adding(package, Entry(path=f"{CODE}/data.csv", content=b""), *samples.distribution("pendulum", "2.1"))
    base = {**SAMPLE.base, **{entry.path: entry for entry in samples.distribution("requests", "2.32.0")}}
    own = {path: entry for path, entry in SAMPLE.own.items() if "/requests" not in path}
    new = replace(SAMPLE, base=base, own=own).adding(
        Entry(path=f"{CODE}/source_declarative_manifest/manifest.yaml", content=b""),
        *samples.distribution("extra", "1.0"),
    )
    code = frozenset({"source_old/source.py", "source_declarative_manifest/manifest.yaml"})
    folder = "source_declarative_manifest"
    expected = {
        f"file {CODE}/source_old": "expected",
        f"file {CODE}/source_old/source.py": "expected",
        f"file {CODE}/{folder}": "expected",
        f"file {CODE}/{folder}/manifest.yaml": "expected",
        f"file {CODE}/data.csv": "lost",
        "distribution requests": "expected",
        "distribution pendulum": "expected",
        "distribution extra": "unexplained",
    }
    assert verdicts(compare(store, old, new, intended=IntendedChange(code=code))) == expected
    required = IntendedChange(code=code, required=frozenset({"pendulum", "requests"}))
    expected |= {"distribution requests": "unexplained", "distribution pendulum": "lost"}
    assert verdicts(compare(store, old, new, intended=required)) == expected
