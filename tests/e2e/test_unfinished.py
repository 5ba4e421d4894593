"""A run that is stopped or takes too long shows and writes the finished results, and the connectors' last output."""

import json
import signal
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.e2e.tiny import MAIN, NAME, Tiny
from tests.processes import Pause

pytestmark = pytest.mark.slow
HANGS = """import os, sys
print("waiting for the moon", file=sys.stderr, flush=True)
os.execvp("sleep", {argv})
"""


def _hanging(tiny: Tiny) -> Pause:
    """A fleet of three: one that is done at once, one that never ends, one behind it; where it hangs."""
    pause = Pause()
    (tiny.connector() / "main.py").write_text(MAIN)
    for name in ("source-hangs", "source-waits"):
        (tiny.add(name) / "main.py").write_text(HANGS.format(argv=pause.argv))
    return pause


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_an_interrupted_test_reports_what_was_done(
    tiny: Tiny, tmp_path: Path, number: signal.Signals, as_json: bool
) -> None:
    """Exit code 130; the finished connector is reported as usual, the others as interrupted, on stdout and in JUnit."""
    pause, junit = _hanging(tiny), tmp_path / "junit.xml"
    names = (f"--name={NAME}", "--name=source-hangs", "--name=source-waits")
    options = ("-k", "spec", "--junit", str(junit), *(["--json"] if as_json else []))
    process = tiny.start("connectors", *names, "--concurrency=1", "test", *options, home=tiny.home)
    pause.wait()
    process.send_signal(number)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 130, out + err
    suites = {
        suite.get("name"): [case.find("skipped") is not None for case in suite.iter("testcase")]
        for suite in ElementTree.parse(junit).getroot().iter("testsuite")
    }
    assert "waiting for the moon" in junit.read_text()
    done = [name for name, skipped in suites.items() if not any(skipped)]
    stopped = [name for name, skipped in suites.items() if any(skipped)]
    assert "source-waits.build" in stopped or "source-hangs.build" in stopped
    if as_json:
        status = {item["name"]: item["status"] for item in map(json.loads, out.splitlines())}
        assert set(status) == {NAME, "source-hangs", "source-waits"}
        assert "skipped" in status.values() and "failed" not in status.values()
    else:
        assert "waiting for the moon" in out
    assert "of 3 connectors tested; not tested: " in err and "Traceback" not in err
    assert not done or f"{NAME}.spec" in done


def test_an_interrupted_build_names_what_was_not_built(tiny: Tiny) -> None:
    """Finished builds are printed as usual; the rest is named, also in JSON."""
    pause = _hanging(tiny)
    process = tiny.start("connectors", "--all", "--concurrency=1", "build", "--json", home=tiny.home)
    pause.wait()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 130, out + err
    reasons = {item["name"]: item.get("reason") for item in map(json.loads, out.splitlines())}
    assert set(reasons) == {NAME, "source-hangs", "source-waits"}
    assert [name for name, reason in reasons.items() if reason == "interrupted"][-1] == "source-waits"
    assert "interrupted: " in err and "not built: " in err


def test_a_step_that_takes_too_long_shows_its_last_words(tiny: Tiny) -> None:
    """Stopped after --timeout, with what the connector printed last."""
    folder = tiny.connector()
    (folder / "main.py").write_text(MAIN)
    tests = folder / "unit_tests"
    tests.mkdir()
    hook = 'import sys\nif sys.argv[1] == "check":\n    print("waiting for the moon", file=sys.stderr, flush=True)\n'
    (folder / "main.py").write_text(f"{hook}    import time; time.sleep(600)\n{MAIN}")
    config = folder.parent.parent.parent / "config.json"
    config.write_text("{}")
    tested = tiny.run("connectors", f"--name={NAME}", "test", "-k", "check", "--timeout=3", f"--config={config}")
    assert tested.code == 1
    assert "did not finish in 3 s" in tested.out and "waiting for the moon" in tested.out, tested.out
