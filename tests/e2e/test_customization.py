"""build_customization.yaml: from the declaration to the image, its changes, and its Dockerfile."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from airbyte_ci.connectors import customization
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import Store
from tests.e2e import console
from tests.e2e.conftest import PROJECT, Base, Command
from tests.e2e.tiny import Tiny, push

pytestmark = pytest.mark.slow
DECLARED = """\
env: {REGION: eu, QUOTED: 'a "b" $HOME \\ c'}
files:
  /etc/app/app.conf: {content: "a: b\\n", mode: "0640"}
  /opt/tools: {source: tools}
workdir: /opt/tools
postInstall:
  files: {/etc/app/late.conf: {content: ""}}
"""
# The answer to `spec` shows the files and variables of the image.
MAIN = """import json, os, pathlib, shutil, tinydep
files = ["/etc/app/app.conf", "/etc/app/late.conf", "/opt/tools/run.sh", "/opt/tools/deep/raw"]
seen = {name: [oct(os.stat(name).st_mode), pathlib.Path(name).read_bytes().hex()] for name in files}
seen |= {name: os.environ.get(name) for name in ("REGION", "QUOTED", "AIRBYTE_ENTRYPOINT")}
seen |= {"cwd": os.getcwd(), "jq": bool(shutil.which("jq")), "gcc": shutil.which("gcc"), "dep": tinydep.VERSION}
print(json.dumps({"type": "SPEC", "spec": {"connectionSpecification": seen}}))
"""


MODULE = """async def pre_connector_install(c):
    seen = await c.env_variable("REGION"), await c.file("/opt/tools/run.sh").contents()
    assert seen == ("eu", "#!/bin/sh\\n"), seen
    return c

async def post_connector_install(c):
    assert await c.directory("/etc/app").entries() == ["app.conf", "late.conf"]
    return c.with_workdir("deep")
"""


def customize(folder: Path, text: str = DECLARED, main: str = MAIN) -> None:
    (folder / customization.FILE).write_text(text)
    (folder / "main.py").write_text(main)
    (folder / "tools/deep").mkdir(parents=True, exist_ok=True)
    (folder / "tools/run.sh").write_text("#!/bin/sh\n")
    (folder / "tools/run.sh").chmod(0o755)
    (folder / "tools/deep/raw").write_bytes(b"\xff\x00")


def seen(tiny: Tiny) -> dict[str, object]:
    """Returns the answer of the built connector."""
    answer = tiny.run("connectors", "--name=source-tiny", "run", "--", "spec")
    assert answer.code == 0, answer.err
    found: dict[str, object] = json.loads(answer.out.splitlines()[-1])["spec"]["connectionSpecification"]
    return found


def test_a_declaration_shapes_the_image(tiny: Tiny) -> None:
    """Variables as they are, files and folders with their modes; a module sees what came before; a change is seen."""
    customize(tiny.connector())
    (tiny.connector() / customization.MODULE).write_text(MODULE)
    built = tiny.build()
    assert built.code == 0, built.out + built.err
    assert seen(tiny) == {
        "/etc/app/app.conf": ["0o100640", b"a: b\n".hex()],
        "/etc/app/late.conf": ["0o100644", ""],
        "/opt/tools/run.sh": ["0o100755", b"#!/bin/sh\n".hex()],
        "/opt/tools/deep/raw": ["0o100644", "ff00"],
        "REGION": "eu",
        "QUOTED": 'a "b" $HOME \\ c',
        "AIRBYTE_ENTRYPOINT": "python /airbyte/integration_code/main.py",
        "cwd": "/opt/tools/deep",
        "jq": False,
        "gcc": None,
        "dep": "1.0",
    }
    (tiny.connector() / "tools/deep/raw").write_bytes(b"\x01")
    again = tiny.build()
    assert again.json["digest"] != built.json["digest"]


PURE = 'from setuptools import setup\nsetup(name="puredep", version="1.0", py_modules=["puredep"])\n'
SETUP = """from setuptools import Extension, setup
setup(name="cdep", version="1.0", ext_modules=[Extension("cdep", ["cdep.c"])])
"""
C = """#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "cdep", NULL, -1, NULL};
PyMODINIT_FUNC PyInit_cdep(void) {
    PyObject *made = PyModule_Create(&module);
    PyModule_AddIntConstant(made, "ANSWER", 42);
    return made;
}
"""


def test_build_packages_are_there_for_compilers_only(tiny: Tiny, store: Store) -> None:
    """An extension of an sdist is compiled with them, and the image has none; without them, the error advises them."""
    sdist = tiny.sdist("cdep", "1.0", {"setup.py": SETUP, "cdep.c": C})
    tiny.require(tiny.small(), sdist)
    main = MAIN.replace("tinydep\n", "tinydep, cdep\n", 1).replace('"dep": tinydep.VERSION', '"dep": cdep.ANSWER')
    customize(tiny.connector(), DECLARED, main)
    refused = tiny.build()
    assert refused.code == 1 and "buildPackages" in refused.json["advice"], refused.out
    assert refused.json["reason"].startswith("cannot build a wheel of cdep-1.0.tar.gz: error: ")
    assert "\n" not in refused.json["reason"] and len(refused.json["details"]) > 2
    customize(tiny.connector(), f"{DECLARED}buildPackages: [gcc, libc6-dev, python3-dev]\n", main)
    built = tiny.build()
    assert built.code == 0, built.out
    answer = seen(tiny)
    assert (answer["dep"], answer["gcc"]) == (42, None)
    plan = json.loads(store.read(Digest.parse(built.json["plan"])))
    assert [item["operation"] for item in plan["operations"] if "gcc" in json.dumps(item)] == ["InstallPackages"]


def test_what_it_changed_is_shown_and_kept(tiny: Tiny) -> None:
    """Debian packages with versions, variables, settings, files by folder; a second build reports the same."""
    customize(tiny.connector(), f"{DECLARED}systemPackages: [jq]\n")
    built = tiny.build()
    assert built.code == 0, built.out
    found = built.json["customization"]
    assert set(found["packages"]) >= {"jq", "libjq1"} and all(now for _, now in found["packages"].values())
    assert found["variables"]["REGION"] == [None, "eu"]
    assert found["files"]["added"] == {"/etc/app": 2, "/opt/tools": 1, "/opt/tools/deep": 1}
    assert found["files"]["packaged"] > 10 and not found["files"]["changed"] and len(found["impure"]) == 1
    shown = tiny.run("connectors", "--name=source-tiny", "build", "--show-hook")
    assert "package   + jq 1." in shown.out and "variable  + REGION eu" in shown.out, shown.out + shown.err
    assert "setting   ~ WorkingDir /airbyte/integration_code → /opt/tools" in shown.out
    assert tiny.build().json["customization"] == found


def test_a_lock_of_an_earlier_version_is_ignored(tiny: Tiny) -> None:
    """A build_customization.lock, even an unreadable one, changes neither the image nor the result of any check."""
    folder = tiny.connector()
    customize(folder)

    def results() -> tuple[object, ...]:
        checked = tiny.run("connectors", "--name=source-tiny", "check", "--offline", "--json").json["checks"]
        return tiny.build().json["digest"], *((item["id"], item["status"]) for item in checked)

    tiny.build()
    before = results()
    (folder / "build_customization.lock").write_bytes(b"\xff: [")
    tiny.build()
    assert results() == before


def test_eject_is_stable_and_docker_builds_the_same(
    tiny: Tiny, base: Base, store: Store, registry: str, docker: str, tmp_path: Path
) -> None:
    """Twice the same bytes; `docker build` of them answers `spec` as our image does, with the same settings."""
    tiny.base = push(store, base.address, f"{registry}/base:1.0.0")
    tiny.add("source-ejected")
    folder, name = tiny.connector("source-ejected"), ("connectors", "--name=source-ejected")
    customize(folder, f"{DECLARED}buildPackages: [hello]\n".replace("postInstall:", "user: '1234'\npostInstall:"))
    with (folder / "main.py").open("a") as main:
        main.write("import puredep\n")
    pure = tiny.sdist("puredep", "1.0", {"setup.py": PURE, "puredep.py": ""})
    tiny.require(tiny.small(), pure, name="source-ejected")
    built = tiny.build(name="source-ejected")
    assert built.code == 0, built.out
    for target in ("one", "two"):
        ejected = tiny.run(*name, "eject", "-o", str(tmp_path / target))
        assert ejected.code == 0, ejected.out + ejected.err
    texts = [contents(tmp_path / target) for target in ("one", "two")]
    assert texts[0] == texts[1]
    assert tiny.run(*name, "eject").out.encode() == texts[0]["Dockerfile"][1]
    assert tiny.run(*name, "eject", "-o", str(tmp_path / "one")).code == 2
    (tmp_path / "pip.conf").write_text(f"[global]\nindex-url = {tiny.index.url}\n")
    command = ("build", "--network=host", "--secret", f"id=pip.conf,src={tmp_path / 'pip.conf'}", "-t", "ejected:dev")
    built_by_docker = run_docker(docker, *command, str(tmp_path / "one"))
    assert built_by_docker.returncode == 0, built_by_docker.stderr[-3000:]
    answer = run_docker(docker, "run", "--rm", "--network=none", "ejected:dev", "spec").stdout
    ours = tiny.run(*name, "run", "--", "spec").out
    assert json.loads(answer.splitlines()[-1]) == json.loads(ours.splitlines()[-1])
    theirs = json.loads(run_docker(docker, "image", "inspect", "ejected:dev").stdout)[0]["Config"]
    expected = store.image(Digest.parse(built.json["digest"])).config.execution
    for key in ("Entrypoint", "User", "WorkingDir", "Labels"):
        assert theirs[key] == expected.get(key), key
    assert sorted(theirs["Env"]) == sorted(expected["Env"]) and not theirs["Cmd"]


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file of a folder with its mode."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.stat().st_mode, path.read_bytes()) for path in files}


def run_docker(host: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Debian's own client: another one on the path may want plug-ins that are not there."""
    command = ["/usr/bin/docker", "--host", host, *arguments]
    environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


PAGE = PROJECT / "docs" / "customization.md"
ON_THE_PAGE = """\
systemPackages: [jq]
env: {TIDES_REGION: north}
files:
  /etc/tides.conf: {content: "datum: chart\\n"}
"""


def test_the_page_is_true(run: Command, cataloged: Path, home: Path) -> None:
    """Its commands, run in order, print the documented output. With UPDATE_DOCS set, it is written again."""
    assert run("connectors", "--name=source-tides", "migrate_to_base_image", "1").code == 0
    folder = cataloged / "airbyte-integrations/connectors/source-tides"
    (folder / customization.FILE).write_text(ON_THE_PAGE)
    page, outputs = PAGE.read_text(), []
    for step in console.steps(page):
        code, output = console.run(step, cataloged, home)
        assert code == 0, f"{step.command}\n{output}"
        outputs.append(output)
        if not os.environ.get("UPDATE_DOCS"):
            assert console.without_versions(output) == console.without_versions(step.output), step.command
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(console.rewritten(page, outputs))
