"""`connectors run`: its files are checked before anything is started, and `spec` takes several connectors."""

import json
from pathlib import Path

import pytest

from tests.e2e.tiny import NAME, Tiny

pytestmark = pytest.mark.slow
ECHO = """import json, sys
if "check" in sys.argv:
    print(open(sys.argv[-1]).read())
else:
    print(json.dumps({"type": "SPEC", "spec": {"connectionSpecification": {}}}))
"""


def test_files_are_checked_first(tiny: Tiny, tmp_path: Path) -> None:
    """A file that is missing, a folder or not JSON is wrong usage before the image is even looked up."""
    (tmp_path / "bad.json").write_text("password: hunter2")
    (tmp_path / "list.json").write_text("[1]")
    run = ("connectors", f"--name={NAME}", "run", "--")
    for words, said in (
        (("check", "--config", "nowhere.json"), "there is no such file"),
        (("check", f"--config={tmp_path}/nowhere.json"), "it does not exist"),
        (("check", "--config", str(tmp_path)), "it is a folder"),
        (("check", "--config", f"{tmp_path}/bad.json"), "not a JSON object"),
        (("read", "--catalog", f"{tmp_path}/list.json"), "--catalog"),
        (("read", "--state", f"{tmp_path}/bad.json"), "--state"),
        (("check", "--config"), "--config needs a file"),
    ):
        refused = tiny.run(*run, *words)
        assert refused.code == 2 and said in refused.err and "hunter2" not in refused.err, (words, refused.err)


def test_files_are_lent_in_both_spellings(tiny: Tiny, tmp_path: Path) -> None:
    """`--config FILE` and `--config=FILE`; a path of the image stays as it is."""
    (tiny.connector() / "main.py").write_text(ECHO)
    assert tiny.build().code == 0
    (tmp_path / "config.json").write_text('{"key": 1}')
    run = ("connectors", f"--name={NAME}", "run", "--", "check")
    for words in (("--config", f"{tmp_path}/config.json"), (f"--config={tmp_path}/config.json",)):
        assert json.loads(tiny.run(*run, *words).out) == {"key": 1}
    assert ECHO in tiny.run(*run, "--config", "/airbyte/integration_code/main.py").out


def test_spec_of_several(tiny: Tiny) -> None:
    """Each runs in turn; the exit code and the last line name failures. Other commands take one connector."""
    second = tiny.add("source-second")
    (second / "main.py").write_text("raise SystemExit(7)\n")
    assert tiny.build().code == 0 and tiny.build("--no-verify", name="source-second").code == 0
    asked = tiny.run("connectors", "--all", "run", "--", "spec")
    assert asked.code == 1 and len(asked.out.splitlines()) == 1
    assert "2 connectors: 1 answered spec · 1 did not: source-second" in asked.err
    refused = tiny.run("connectors", "--all", "run", "--", "check")
    assert refused.code == 2 and "run takes one connector, but 2 are selected" in refused.err
