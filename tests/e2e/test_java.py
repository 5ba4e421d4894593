"""Java connectors: a Gradle distribution on a base image with Debian's Java runtime, built, run and tested for real."""

import json
import os
import shutil
import stat
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import ImageConfig, Manifest
from airbyte_ci.oci.layer import layer_of
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry, directory
from tests.campaigns import buildkit
from tests.e2e.command import PROJECT
from tests.e2e.conftest import Base, build_shared_base, make_fleet
from tests.e2e.tiny import NAME as PYTHON
from tests.e2e.tiny import Tiny, as_index, derived, own_layers, push
from tests.images import distributions
from tests.images.distributions import NAME, jar, member

pytestmark = pytest.mark.slow

# Without a Python: nothing of a Java connector's build may need one.
DECLARATION = """repository: localhost/airbyte/java-connector-base
version: 2.0.0
changelog: Debian's Java runtime
root: {{image: "{root}"}}
packages: [default-jre-headless]
user: airbyte
workdir: /airbyte
environment:
  AIRBYTE_ENTRYPOINT: /airbyte/base.sh
  JAVA_OPTS: -XX:TieredStopAtLevel=1 -Xshare:auto
steps:
- exec: [sh, -c, "rm -f /usr/local/bin/python* /usr/bin/python3* && useradd --uid 1000 --create-home airbyte
    && install -d -o airbyte -g airbyte /airbyte"]
- file:
    path: /airbyte/base.sh
    mode: "755"
    contents: |
      #!/bin/bash
      command="$1"
      shift
      exec "/airbyte/bin/$APPLICATION" "--$command" "$@"
checks:
- {{name: Java runs, run: [java, -version], expect: OpenJDK}}
"""


@pytest.fixture(scope="module")
def runtime(home: Path, base: Base, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The base image with the Java runtime; its address. The first build downloads 50 MB of Debian packages."""
    folder = make_fleet(tmp_path_factory.mktemp("java") / "fleet")
    (folder / "java.yaml").write_text(DECLARATION.format(root=base.address))
    return build_shared_base(folder, home, "java.yaml")


def bare(store: Store, *, script: bool = True, user: bool = True) -> str:
    """A base image with nothing that runs, for what does not run the connector; its address."""
    accounts = b"airbyte:x:1000:1000::/home/airbyte:/bin/sh\n" if user else b"root:x:0:0::/root:/bin/sh\n"
    entries = [Entry(path="etc/passwd", content=accounts), directory("airbyte"), directory("etc")]
    entries += [Entry(path="airbyte/base.sh", mode=0o755, content=b"#!/bin/sh\n")] if script else []
    layer = layer_of(store, entries)
    rootfs = {"type": "layers", "diff_ids": [str(layer.diff_id)]}
    config = ImageConfig.make({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs})
    image = store.put_image(Manifest.make(config.descriptor, (layer.descriptor,), {}), config)
    return f"localhost/acme/bare-base:1.0.0@{image.digest}"


def a_connector(tiny: Tiny, base: str, name: str = NAME, *, built: bool = True) -> Path:
    """A Java connector, with its distribution where Gradle puts it; its folder."""
    folder = tiny.connector(name)
    (folder / "src/main/java").mkdir(parents=True)
    (folder / "src/main/java/Main.java").write_text("class Main {}\n")
    (folder / "metadata.yaml").write_text(
        f"data:\n  name: Postal\n  connectorType: source\n  dockerRepository: acme/{name}\n  dockerImageTag: 1.0.0\n"
        f"  tags: [language:java]\n  connectorBuildOptions: {{baseImage: '{base}'}}\n"
    )
    if built:
        distributions.distribution(folder / f"build/distributions/{name}.tar", distributions.files(name))
    return folder


def build(tiny: Tiny, *arguments: str) -> tuple[int, str]:
    """`build` of the connector: exit code and all that it printed."""
    result = tiny.run("connectors", f"--name={NAME}", "build", *arguments)
    return result.code, result.out + result.err


def test_a_connector_answers_every_command_from_its_image(
    tiny: Tiny, runtime: str, store: Store, tmp_path: Path
) -> None:
    """Built with `spec` verified, run, and tested by the protocol; Gradle's own tests are skipped with the reason."""
    a_connector(tiny, runtime)
    built = tiny.build(name=NAME)
    assert built.code == 0, built.err
    image = store.image(Digest.parse(built.json["digest"]))
    assert image.config.execution["Entrypoint"] == ["/airbyte/base.sh"]
    assert image.config.execution["User"] == "airbyte"
    assert image.config.execution["WorkingDir"] == "/airbyte"
    assert image.config.environment["APPLICATION"] == NAME
    assert image.config.environment["AIRBYTE_ENTRYPOINT"] == "/airbyte/base.sh"
    assert image.config.execution["Labels"]["io.airbyte.name"] == f"acme/{NAME}"
    assert image.config.execution["Labels"]["io.airbyte.version"] == "1.0.0"
    assert built.json["jars"] == 4
    spec = tiny.run("connectors", f"--name={NAME}", "run", "--", "spec")
    assert spec.json["spec"]["connectionSpecification"]["title"] == "postal"
    (tmp_path / "config.json").write_text("{}")
    tar = distributions.distribution(tmp_path / "given.tar", distributions.files())
    tested = tiny.run(
        *("connectors", f"--name={NAME}", "test", "--json", "--skip-step=rules", f"--dist-tar={tar}"),
        f"--config={tmp_path / 'config.json'}",
    )
    assert tested.code == 0, tested.out + tested.err
    ended = {step["id"]: (step["status"], step.get("reason", "")) for step in tested.json["steps"]}
    assert {ended[step][0] for step in ("build", "spec", "check", "discover", "read")} == {"ok"}, ended
    assert ended["unit"] == ("skipped", "Gradle runs the unit tests of Java connectors")


def test_a_base_without_python_keeps_the_contract_of_other_languages(tiny: Tiny, runtime: str) -> None:
    """`base-images check` asks a base for Java what every base keeps, and nothing that only a Python answers."""
    checked = tiny.run("base-images", "check", runtime)
    assert checked.code == 0, checked.out + checked.err
    assert "the user can write nothing else" in checked.out
    assert "sample connector" not in checked.out


@pytest.mark.parametrize("command", ["environment", "lock", "upgrade_dependencies", "migrate_to_base_image"])
def test_commands_for_python_say_so(tiny: Tiny, store: Store, command: str) -> None:
    """One line, and no question about a Python that the base does not have."""
    a_connector(tiny, bare(store))
    result = tiny.run("connectors", f"--name={NAME}", command)
    said = (result.out + result.err).strip()
    assert result.code == 1
    assert ("has no Python packages" in said) or ("not a Python connector" in said) or ("has no lock" in said), said
    assert len(said.splitlines()) == 1, said


def test_both_architectures_have_the_same_layers(tiny: Tiny, runtime: str, store: Store) -> None:
    """A jar runs on every processor, so an arm64 image has the amd64 image's bytes above its base."""
    both = as_index(store, *(derived(store, runtime, tag=name, architecture=name) for name in ("amd64", "arm64")))
    a_connector(tiny, both)
    built = tiny.run(*("connectors", f"--name={NAME}", "build", "--json"), "-a", "linux/amd64", "-a", "linux/arm64")
    assert built.code == 0, built.out + built.err
    documents = [json.loads(line) for line in built.out.splitlines()]
    one, other = (own_layers(store, item["digest"], runtime) for item in documents)
    assert one == other


def test_a_plan_is_printed_and_built(tiny: Tiny, store: Store, tmp_path: Path) -> None:
    """The plan names each file by hash and no Python; it gives the same image, also after the tar is gone."""
    folder = a_connector(tiny, bare(store))
    first = tiny.build("--no-verify", "--check-reproducible", name=NAME).json["digest"]
    printed = tiny.run("connectors", f"--name={NAME}", "build", "--print-plan")
    plan = json.loads(printed.out)
    assert plan["python"] is None
    assert plan["operations"][0]["operation"] == "AddDistribution"
    (tmp_path / "plan.json").write_text(printed.out)
    (folder / f"build/distributions/{NAME}.tar").unlink()
    again = tiny.build("--no-verify", f"--from-plan={tmp_path / 'plan.json'}", name=NAME)
    assert again.json["digest"] == first, again.out + again.err
    plan["operations"][0]["files"][0]["path"] = "../../etc/passwd"
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    code, said = build(tiny, f"--from-plan={tmp_path / 'plan.json'}")
    assert (code, "a name that leads out of it" in said) == (1, True), said


def test_a_dockerfile_copies_the_distribution(tiny: Tiny, store: Store, tmp_path: Path) -> None:
    """`eject` writes the files next to a Dockerfile that sets what the image has."""
    a_connector(tiny, bare(store), built=False)
    distributions.distribution(tiny.folder / "given.tar", distributions.files())
    ejected = tiny.run("connectors", f"--name={NAME}", "eject", "--dist-tar=given.tar", "-o", str(tmp_path / "out"))
    assert ejected.code == 0, ejected.out + ejected.err
    text = (tmp_path / "out/Dockerfile").read_text()
    assert 'ENV APPLICATION="source-postal"' in text
    assert 'COPY --chown=1000:1000 ["code/", "/airbyte/"]' in text
    assert (tmp_path / "out/code/bin" / NAME).stat().st_mode & stat.S_IXUSR
    assert (tmp_path / "out/code/lib/answers-1.0.jar").read_bytes() == distributions.answers()


def test_docker_builds_the_same_from_the_dockerfile(
    tiny: Tiny, store: Store, registry: str, docker: str, tmp_path: Path
) -> None:
    """Files, modes and configuration of the ejected Dockerfile's image are those of the image that was built here."""
    base = push(store, bare(store), f"{registry}/acme/java-base:1.0.0")
    a_connector(tiny, base)
    built = tiny.build("--no-verify", name=NAME)
    assert built.code == 0, built.out
    assert tiny.run("connectors", f"--name={NAME}", "eject", "-o", str(tmp_path / "out")).code == 0
    theirs = buildkit.build(docker, tmp_path / "out", files=True)
    ours = store.image(Digest.parse(built.json["digest"]))
    assert theirs.config["Entrypoint"] == ours.config.execution["Entrypoint"]
    assert theirs.config["Labels"] == ours.config.execution["Labels"]
    assert (theirs.config["User"], theirs.config["WorkingDir"]) == ("airbyte", "/airbyte")
    variables = dict(item.partition("=")[::2] for item in theirs.config["Env"])
    assert ours.config.environment.items() <= variables.items()
    files: dict[str, tuple[int, bytes]] = {}
    for layer in own_layers(store, built.json["digest"], base):
        with tarfile.open(store.path(layer)) as archive:
            for item in archive:
                content = archive.extractfile(item) if item.isfile() else None
                files |= {f"/{item.name}": (item.mode, content.read())} if content else {}
    assert files.items() <= theirs.files.items()


@pytest.mark.parametrize(("user", "expected"), [(True, ("airbyte", 1000)), (False, (None, 0))])
def test_the_connector_runs_as_airbyte_where_the_base_has_that_user(
    tiny: Tiny, store: Store, user: bool, expected: tuple[str | None, int]
) -> None:
    """Its files belong to the user that runs it: the base's own on a base without `airbyte`."""
    base = bare(store, user=user)
    a_connector(tiny, base)
    built = tiny.build("--no-verify", name=NAME)
    assert built.code == 0, built.out
    image = store.image(Digest.parse(built.json["digest"]))
    layer = own_layers(store, built.json["digest"], base)[-1]
    with tarfile.open(store.path(layer)) as archive:
        owners = {item.uid for item in archive}
    assert (image.config.execution.get("User"), *owners) == expected


def test_a_customization_adds_its_operations(tiny: Tiny, store: Store) -> None:
    """A declaration's files and variables are around the distribution as around Python code."""
    folder = a_connector(tiny, bare(store))
    (folder / "build_customization.yaml").write_text("env: {REGION: eu}\n")
    built = tiny.build("--no-verify", name=NAME)
    assert built.code == 0, built.err
    assert store.image(Digest.parse(built.json["digest"])).config.environment["REGION"] == "eu"


def test_packages_after_the_distribution_are_installed_by_root(tiny: Tiny, runtime: str, store: Store) -> None:
    """The image runs as `airbyte`, before and after them, also where the base itself runs as root."""
    root = derived(store, runtime, tag="root", user="root")
    folder = a_connector(tiny, root)
    (folder / "build_customization.py").write_text(
        "async def post_connector_install(c):\n    return await c.with_exec(['sh', '-c', 'id -un > /tmp/me'])\n"
    )
    (folder / "build_customization.yaml").write_text("postInstall: {systemPackages: [hello]}\n")
    built = tiny.build("--no-verify", name=NAME)
    assert built.code == 0, built.out
    image = store.image(Digest.parse(built.json["digest"]))
    assert image.config.execution["User"] == "airbyte"
    ran = tiny.run("connectors", f"--name={NAME}", "run", "--shell", "--", "-c", "hello; cat /tmp/me")
    assert "Hello, world!" in ran.out, ran.out + ran.err
    assert "airbyte" in ran.out, ran.out


def test_an_unchanged_build_ends_at_once_and_a_new_tar_is_seen(tiny: Tiny, store: Store, tmp_path: Path) -> None:
    """Also where the tar is named with --dist-tar and lies elsewhere."""
    a_connector(tiny, bare(store), built=False)
    tar = distributions.distribution(tmp_path / "given.tar", distributions.files())
    time.sleep(0.1)  # A file that is as new as the build is read again.
    options = ("--no-verify", f"--dist-tar={tar}")
    first = tiny.build(*options, name=NAME)
    assert first.code == 0, first.err
    assert tiny.build(*options, name=NAME).json["unchanged"]
    distributions.distribution(tar, distributions.files(more={"lib/new-1.0.jar": jar({"a": "a"})}))
    assert tiny.build(*options, name=NAME).json["digest"] != first.json["digest"]


@pytest.mark.parametrize("newer", ["src/main/java/Main.java", "src/main/kotlin/a/b.kt", "build.gradle.kts"])
def test_a_tar_that_is_older_than_its_sources_is_a_warning(tiny: Tiny, store: Store, newer: str) -> None:
    """The build names the newest file, each time until the tar is new; tests are no sources of it."""
    folder = a_connector(tiny, bare(store))
    for path in ("src/test/java/Later.java", newer):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("")
    os.utime(folder / "src/main/java/Main.java", (1, 1))
    os.utime(folder / newer, (3, 3))
    os.utime(folder / f"build/distributions/{NAME}.tar", (2, 2))
    for _ in range(2):
        code, said = build(tiny, "--no-verify")
        assert code == 0, said
        assert f"build/distributions/{NAME}.tar is older than connectors/{NAME}/{newer}: build it again" in said
    os.utime(folder / f"build/distributions/{NAME}.tar", (4, 4))
    assert "is older than" not in build(tiny, "--no-verify")[1]


GRADLEW = """#!/bin/sh
echo "> Task $1"
test "$1" = :connectors:source-postal:distTar || exit 9
test -e prepared.tar || exit 7
mkdir -p connectors/source-postal/build/distributions
cp prepared.tar connectors/source-postal/build/distributions/source-postal.tar
"""


def _gradlew(tiny: Tiny, mode: int = 0o755) -> None:
    (tiny.folder / "gradlew").write_text(GRADLEW)
    (tiny.folder / "gradlew").chmod(mode)


def test_gradle_runs_only_if_it_is_asked_for(tiny: Tiny, store: Store) -> None:
    """--gradle runs distTar of the connector's project, shows its output on stderr and honors its exit code."""
    a_connector(tiny, bare(store), built=False)
    _gradlew(tiny)
    code, said = build(tiny, "--no-verify")
    assert code == 1
    assert f"connectors/{NAME}/build/distributions has no tar of a Gradle distribution" in said
    assert "> Task" not in said
    code, said = build(tiny, "--no-verify", "--gradle")
    assert code == 1
    assert f"./gradlew :connectors:{NAME}:distTar failed with exit code 7" in said
    distributions.distribution(tiny.folder / "prepared.tar", distributions.files())
    built = tiny.build("--no-verify", "--gradle", name=NAME)
    assert built.code == 0, built.err
    assert built.json["status"] == "ok"
    assert f"> Task :connectors:{NAME}:distTar" in built.err


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (lambda tiny: None, "has a gradlew"),
        (lambda tiny: _gradlew(tiny, 0o644), "./gradlew cannot be run (Permission denied)"),
    ],
    ids=["none", "not executable"],
)
def test_a_gradle_that_cannot_run_is_one_line(tiny: Tiny, store: Store, prepare: object, said: str) -> None:
    """No wrapper up to the repository's root, or one that is not executable."""
    a_connector(tiny, bare(store), built=False)
    assert callable(prepare)
    prepare(tiny)
    code, shown = build(tiny, "--gradle")
    assert (code, said in shown) == (1, True), shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((f"--name={NAME}", "build", "--dist-tar=missing.tar"), "does not exist"),
        ((f"--name={NAME}", f"--name={PYTHON}", "build", "--dist-tar=x.tar"), "--dist-tar is for one Java connector"),
        ((f"--name={PYTHON}", "build", "--dist-tar=x.tar"), "--dist-tar is for one Java connector"),
        ((f"--name={PYTHON}", "test", "--dist-tar=x.tar"), "--dist-tar is for one Java connector"),
        ((f"--name={PYTHON}", "eject", "--dist-tar=x.tar"), "--dist-tar is for one Java connector"),
        ((f"--name={PYTHON}", "build", "--gradle"), "--gradle is for Java connectors, and none is selected"),
        ((f"--name={NAME}", "build", "--gradle", "--dist-tar=x.tar"), "leave one of them out"),
        ((f"--name={NAME}", "build", "--gradle", "--watch"), "--watch builds what changes"),
    ],
)
def test_wrong_usage(tiny: Tiny, store: Store, arguments: tuple[str, ...], said: str) -> None:
    """Options that do not fit the selection, or each other: exit code 2."""
    a_connector(tiny, bare(store))
    (tiny.folder / "x.tar").write_bytes(b"")
    result = tiny.run("connectors", *arguments)
    assert (result.code, said in result.err) == (2, True), result.err


def test_bad_input_is_one_line(tiny: Tiny, store: Store) -> None:
    """A hostile tar, two tars, another framework, and a base that cannot start Java: exit code 1 and the reason."""
    folder = a_connector(tiny, bare(store))
    tar = folder / f"build/distributions/{NAME}.tar"
    distributions.write(tar, [member(f"{NAME}/lib/a.txt"), member("../../etc/cron.d/x")])
    code, said = build(tiny)
    assert (
        code,
        f"{NAME}.tar: it has an entry with a name that leads out of it" in said,
    ) == (
        1,
        True,
    ), said
    distributions.distribution(tar, distributions.files())
    distributions.distribution(tar.with_name("airbyte-app.tar"), distributions.files())
    code, said = build(tiny)
    assert (code, f"has 2 tars (airbyte-app.tar, {NAME}.tar)" in said) == (1, True), said
    tar.with_name("airbyte-app.tar").unlink()
    cdk = tiny.folder / "cdk"
    cdk.mkdir()
    (cdk / "pyproject.toml").write_text("")
    code, said = build(tiny, f"--use-local-cdk={cdk}")
    assert (code, "its distribution contains the framework" in said) == (1, True), said
    code, said = build(tiny, f"--base-image={bare(store, script=False)}")
    assert (code, "it has no /airbyte/base.sh" in said) == (1, True), said


def test_the_fleet_shows_what_is_to_do(tiny: Tiny, store: Store) -> None:
    """`list` has its language and base; one without a base image gets one from upgrade_base_image."""
    folder = a_connector(tiny, bare(store))
    text = (folder / "metadata.yaml").read_text()
    (folder / "metadata.yaml").write_text(text.partition("  connectorBuildOptions")[0])
    subprocess.run(["git", "add", "-A"], cwd=tiny.folder, check=True)
    listed = tiny.run("connectors", f"--name={NAME}", "list", "--json")
    assert (listed.json[0]["language"], listed.json[0]["state"]) == ("java", "no base image")
    code, said = build(tiny)
    assert (code, f"--name={NAME} upgrade_base_image --set-if-not-exists=true" in said) == (1, True), said
    upgraded = tiny.run(
        "connectors", f"--name={NAME}", "upgrade_base_image", "--set-if-not-exists=true", "--no-changelog"
    )
    assert upgraded.code == 0, upgraded.out + upgraded.err
    assert "docker.io/airbyte/java-connector-base:2.0" in (folder / "metadata.yaml").read_text()


def test_the_example_is_built_from_a_distribution(tiny: Tiny, store: Store, tmp_path: Path) -> None:
    """The Java connector of the example fleet needs a base image and a tar, and nothing of Gradle or a JDK."""
    folder = tiny.connector("source-ledger")
    shutil.copytree(PROJECT / "examples/fleet/airbyte-integrations/connectors/source-ledger", folder)
    files = distributions.files("source-ledger")
    tar = distributions.distribution(tmp_path / "source-ledger.tar", files, top="source-ledger-1.2.0")
    built = tiny.build("--no-verify", f"--dist-tar={tar}", f"--base-image={bare(store)}", name="source-ledger")
    assert built.code == 0, built.out + built.err
    execution = store.image(Digest.parse(built.json["digest"])).config.execution
    assert (execution["Entrypoint"], execution["User"]) == (["/airbyte/base.sh"], "airbyte")
    assert execution["Labels"]["io.airbyte.version"] == "1.2.0"
