"""`connectors test` as CI runs it: in the connector's image, with its secrets kept, and remembered for point 5."""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from airbyte_ci.oci.store.store import Store
from tests.e2e import console
from tests.e2e.command import GIT, PROJECT, Result
from tests.e2e.conftest import Base, Command
from tests.e2e.tiny import NAME, Tiny, with_base

pytestmark = pytest.mark.slow
PAGE = PROJECT / "docs" / "testing.md"
PASSWORD, TOKEN = "correct-horse/battery", "tok-99887766"
NO_CONFIGURATION = "no configuration: neither --config nor secrets/config.json"
LONG = "".join(hashlib.sha256(bytes([number])).hexdigest() for number in range(10))


def steps(result: Result) -> dict[str, dict[str, Any]]:
    """The results of the only connector's steps."""
    return {step["id"]: step for step in json.loads(result.out)["steps"]}


# --- the page --------------------------------------------------------------------------------------


def test_what_the_page_shows_is_what_happens(cataloged: Path, home: Path) -> None:
    """Its commands, run in order on the example fleet, print the documented output, except for times."""
    (binaries := cataloged.parent / "bin").mkdir()
    (binaries / "airbyte-ci").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m airbyte_ci "$@"\n')
    (binaries / "airbyte-ci").chmod(0o755)
    environment = {**os.environ, "AIRBYTE_CI_HOME": str(home), "PATH": f"{binaries}:{os.environ['PATH']}"}
    commands = console.steps(PAGE.read_text())
    assert len(commands) == 7
    for step in commands:
        done = subprocess.run(
            ["bash", "-c", step.command], cwd=cataloged, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{step.command}\n{done.stdout}{done.stderr}"
        assert not step.output or _settled(done.stdout).rstrip() == step.output.rstrip()
    report = ElementTree.parse(cataloged / "reports" / "tests.xml").getroot()
    assert (report.get("failures"), report.get("tests")) == ("0", "14")


def _settled(text: str) -> str:
    text = re.sub(r"^  ✓ build {7}.*$", "  ✓ build       …", text, flags=re.MULTILINE)
    text = re.sub(r"^  ✓ built .* · \d{4}-\d\d-\d\d$", "  ✓ built   … · the day", text, flags=re.MULTILINE)
    text = re.sub(r"\d{4}-\d\d-\d\d$", "the day", text, flags=re.MULTILINE)
    return re.sub(r"\d+\.\d s$", "… s", text, flags=re.MULTILINE)


# --- secrets ---------------------------------------------------------------------------------------

_LEAKS = """
import json, os, pathlib

def test_compares_a_long_one():
    config = json.loads(pathlib.Path("secrets/config.json").read_text())
    assert {"long": config["long"], "header": "x"} == {"long": "y" * 700, "header": "z"}

def test_sees_its_secrets_and_tells():
    config = json.loads(pathlib.Path("secrets/config.json").read_text())
    print("printed", config["password"], os.environ["ARCHIVE_TOKEN"])
    assert (config["password"], os.environ["ARCHIVE_TOKEN"]) == ("other", "other")
"""
_ALONE = """
import os, pathlib, socket
import pytest

def test_sees_no_secret():
    assert not pathlib.Path("secrets").exists() and "ARCHIVE_TOKEN" not in os.environ

def test_has_no_network():
    with pytest.raises(OSError):
        socket.create_connection(("192.0.2.1", 80), timeout=5)
"""
_FORGED = """
import atexit, os

def _forge():
    report = "/.airbyte-ci/reports/pytest.xml"
    os.remove(report)
    os.symlink("/etc/passwd", report)

atexit.register(_forge)
"""


def test_secrets_stay_where_they_are_needed(
    run: Command, cataloged: Path, base: Base, store: Store, tmp_path: Path
) -> None:
    """Integration tests have them, unit tests do not, and no output, report, blob or file of the store has any."""
    folder = cataloged / "airbyte-integrations/connectors/source-exchange-rates-archive"
    (folder / "secrets").mkdir()
    (folder / "secrets/config.json").write_text(json.dumps({"folder": "/nowhere", "password": PASSWORD, "long": LONG}))
    (folder / "secrets/big.bin").write_bytes(bytes((4 << 20) + 1))
    (folder / "integration_tests").mkdir(exist_ok=True)
    (folder / "integration_tests/test_leaks.py").write_text(_LEAKS)
    (folder / "unit_tests/test_alone.py").write_text(_ALONE)
    with (cataloged / ".airbyte-ci.toml").open("a") as file:
        file.write('[test-secrets]\n"source-exchange-*" = ["ARCHIVE_TOKEN"]\n')
    arguments = ("connectors", "--name=source-exchange-rates-archive", "test", f"--base-image={base.address}")
    junit = tmp_path / "junit.xml"
    done = run(
        *(*arguments, "--json", "--skip-step=rules", f"--junit={junit}"), env={"ARCHIVE_TOKEN": TOKEN, "COLUMNS": "500"}
    )
    found = steps(done)
    assert done.code == 1, done.err
    assert found["unit"]["tests"] == {"passed": 5, "failed": 0, "skipped": 0}
    assert found["integration"]["tests"] == {"passed": 0, "failed": 2, "skipped": 0}
    assert found["check"]["status"] == "failed"
    assert "printed *** ***" in "\n".join(found["integration"]["output"])
    assert found["integration"]["output"][0] == "larger than 4 MiB, so left out: secrets/big.bin"
    for text in (done.out, done.err, junit.read_text()):
        assert PASSWORD not in text and TOKEN not in text and "battery" not in text
        assert not [at for at in range(len(LONG) - 7) if LONG[at : at + 8] in text]
    texts = [path for name in ("scratch", "actions") for path in (store.root / name).rglob("*") if path.is_file()]
    assert not [path for path in texts if PASSWORD.encode() in path.read_bytes()]

    (folder / "unit_tests/conftest.py").write_text(_FORGED)
    forged = steps(run(*arguments, "--json", "--only-step=unit"))["unit"]
    assert forged["reason"] == "pytest ended well without a report, so nothing is known"
    assert "root:" not in json.dumps(forged)


# --- what a connector may answer -------------------------------------------------------------------

_MAIN = """import json, sys
import tinydep
SPEC = {"type": "SPEC", "spec": {"connectionSpecification": {"type": "object"}}}
STATUS = {"type": "CONNECTION_STATUS", "connectionStatus": {"status": "SUCCEEDED"}}
STREAM = {"name": "a", "json_schema": {"type": "object"}, "supported_sync_modes": ["full_refresh"]}
CATALOG = {"type": "CATALOG", "catalog": {"streams": [STREAM]}}
RECORD = {"type": "RECORD", "record": {"stream": "a", "data": {"id": 1}, "emitted_at": 1}}
config = json.load(open(sys.argv[3])) if len(sys.argv) > 3 else {}
ANSWERS = {"spec": [SPEC], "check": [STATUS], "discover": [CATALOG], "read": [RECORD]}
ANSWERS.update(config.get("answers", {}))
for message in ANSWERS[sys.argv[1]]:
    print(message if isinstance(message, str) else json.dumps(message))
sys.exit(config.get("codes", {}).get(sys.argv[1], 0))
"""
_RECORD = {"type": "RECORD", "record": {"stream": "b", "data": {"id": 1}, "emitted_at": 1}}
_STATUS = {"type": "CONNECTION_STATUS", "connectionStatus": {"status": "FAILED", "message": "bad password"}}
_CATALOG = {"type": "CATALOG", "catalog": {"streams": []}}
ANSWERS: dict[str, tuple[dict[str, Any], str, str]] = {
    "a refused connection": (
        {"answers": {"check": [_STATUS]}, "codes": {"check": 1}},
        "check",
        "the connection failed",
    ),
    "no status": ({"answers": {"check": []}}, "check", "no CONNECTION_STATUS, and one is expected"),
    "no stream": ({"answers": {"discover": [_CATALOG]}}, "discover", "the catalog has no stream"),
    "a record of another stream": ({"answers": {"read": [_RECORD]}}, "read", "records of b, which"),
    "a message of nobody": (
        {"answers": {"read": ['{"type": "FOO"}']}},
        "read",
        "not of the Airbyte protocol: message 1",
    ),
    "an exit code": ({"codes": {"read": 3}}, "read", "exit code 3"),
}


def test_what_a_connector_answers_is_judged(tiny: Tiny, store: Store, tmp_path: Path) -> None:
    """Each wrong answer fails its step and no other but those that need it, and the result is kept for `check`."""
    tiny.home = with_base(store, tiny.base, tmp_path / "own", unpacked=True)
    (tiny.connector() / "main.py").write_text(_MAIN)
    config = tiny.folder.parent / "config.json"
    name = "--name=source-tiny"
    test = ("connectors", name, "test", f"--config={config}", "--network=none", "--json")

    def tested() -> dict[str, Any]:
        checked = tiny.run("connectors", name, "check", "--only=built", "--only=tested", "--offline", "--json")
        return {item["id"]: item for item in checked.json["checks"]}

    config.write_text("{}")
    assert tested()["tested"]["status"] == "unverified"
    assert tiny.run("connectors", name, "test", "--skip-step=rules").code == 0
    assert tested()["built"]["status"] == "ok"
    assert (tested()["tested"]["status"], tested()["tested"]["reason"]) == (
        "unverified",
        "not tested: unit: no unit_tests; integration: no integration_tests; "
        + "; ".join(f"{step}: {NO_CONFIGURATION}" for step in ("check", "discover", "read")),
    )
    good = tiny.run(*test, "--skip-step=rules")
    assert good.code == 0, good.out + good.err
    assert {step["id"]: step["status"] for step in steps(good).values()} == {
        **dict.fromkeys(("build", "spec", "check", "discover", "read"), "ok"),
        **dict.fromkeys(("unit", "integration"), "skipped"),
    }
    assert [item["status"] for item in tested().values()] == ["ok", "ok"]
    assert re.fullmatch(r"build, spec, check, discover, read · \d{4}-\d\d-\d\d", tested()["tested"]["reason"])
    blobs = sorted((tiny.home / "blobs").rglob("*"))
    for wrong, step, told in ANSWERS.values():
        config.write_text(json.dumps(wrong))
        ended = steps(tiny.run(*test, f"--only-step={step}"))
        assert (ended[step]["status"], list(ended)) == ("failed", ["build", step])
        assert told in ended[step]["reason"]
    # The mounts of a test are in no layer.
    assert sorted((tiny.home / "blobs").rglob("*")) == blobs
    # Partial tests do not decide the result as a whole.
    assert tested()["tested"]["status"] == "ok"

    config.write_text(json.dumps(ANSWERS["a refused connection"][0]))
    failed = tiny.run(*test, "--fail-fast")
    assert failed.code == 1
    ended = steps(failed)
    assert (ended["read"]["status"], ended["rules"]["status"]) == ("skipped", "skipped")
    assert "check: the connection failed" in tested()["tested"]["reason"]
    assert tested()["built"]["status"] == "ok"
    (tiny.connector() / "main.py").write_text("raise SystemExit(1)\n")
    broken = steps(tiny.run(*test, "--skip-step=rules"))
    assert {step["status"] for key, step in broken.items() if key != "build"} == {"skipped"}
    assert "does not answer `spec`" in tested()["built"]["reason"]
    tiny.require(tiny.small())
    (tiny.connector() / "main.py").write_text(_MAIN)
    assert tiny.build().code == 0
    assert tested()["built"]["status"] == "ok"


def test_what_was_red_before_is_not_blamed_on_the_change(tiny: Tiny, tmp_path: Path) -> None:
    """With --baseline, a step that fails at the merge base, too, does not fail the test; one that it broke does."""
    main = tiny.connector() / "main.py"
    config = tiny.folder.parent / "config.json"
    config.write_text("{}")
    only = ("--skip-step=rules", "--only-step=check", "--only-step=discover", "--json", "--network=none")
    test = ("connectors", f"--name={NAME}", "test", *only, f"--config={config}", "--baseline=main")
    red = _MAIN.replace('"status": "SUCCEEDED"', '"status": "FAILED"')
    for branch, text in (("main", red), ("change", f"{red}# one more line\n")):
        if branch != "main":
            subprocess.run([*GIT, "switch", "-qc", branch], cwd=tiny.folder, check=True)
        main.write_text(text)
        subprocess.run([*GIT, "add", "-A"], cwd=tiny.folder, check=True)
        subprocess.run([*GIT, "commit", "-qm", branch], cwd=tiny.folder, check=True)
    excused = tiny.run(*test)
    assert excused.code == 0, excused.out + excused.err
    assert (steps(excused)["check"]["status"], steps(excused)["discover"]["status"]) == ("unverified", "ok")
    assert "failed before this change, at " in steps(excused)["check"]["reason"]
    main.write_text(red.replace('"streams": [STREAM]', '"streams": []'))
    broken = tiny.run(*test)
    assert (broken.code, steps(broken)["check"]["status"]) == (1, "unverified")
    assert steps(broken)["discover"]["reason"] == "the catalog has no stream"
    assert tiny.run(*test[:-1], "--baseline=nowhere").code == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--only-step=acceptance",), "there is no step 'acceptance'"),
        (("--skip-step=build",), "build cannot be left out"),
        (("--config=pyproject.toml",), "it is not a JSON object"),
        (("--catalog=catalog.json",), "it selects no stream"),
        (("--state=main.py",), "it is not a state (not JSON"),
        (("--state=state.json",), "it is not a state (neither an object"),
        (("--architecture=linux/foo",), "linux/foo: there are no base images for this platform"),
        (("--architecture=amd64",), "'amd64' is not a platform"),
    ],
)
def test_wrong_use_is_told(tiny: Tiny, arguments: tuple[str, ...], told: str) -> None:
    """Exit code 2, before anything is built."""
    (tiny.connector() / "catalog.json").write_text('{"streams": []}')
    (tiny.connector() / "state.json").write_text("[1]")
    done = tiny.run("connectors", "test", *arguments, cwd=tiny.connector())
    assert (done.code, told in done.err) == (2, True), done.out + done.err
