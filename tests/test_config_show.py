"""`config show`: each effective value and where it comes from."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import airbyte_ci
from airbyte_ci import config
from airbyte_ci.cli.main import cli
from airbyte_ci.config import KEYS, VARIABLES
from airbyte_ci.oci.store import limit

OWN = '# layout\nconnectors = ["a/*"]\n\n[mirrors]\n"docker.io" = ["m"]\n'
PROJECT = (
    '[project]\nname = "x"\n[tool.airbyte-ci]\nconnectors = ["a/*"]\n[tool.airbyte-ci.mirrors]\n"docker.io" = ["m"]\n'
)


def _show(root: Path, *options: str, environment: dict[str, str | None] | None = None) -> dict[str, tuple[object, ...]]:
    run = CliRunner().invoke(cli, ["--repo", str(root), *options, "config", "show", "--json"], env=environment)
    assert run.exit_code == 0, run.output
    found = json.loads(run.stdout)
    return {item["name"]: (item["value"], item["origin"], item.get("place", "")) for item in found["settings"]}


@pytest.mark.parametrize(
    ("file", "text", "lines"), [(config.FILE, OWN, (2, 4)), ("pyproject.toml", PROJECT, (4, 5))], ids=["own", "project"]
)
def test_a_value_of_the_file_has_its_line(tmp_path: Path, file: str, text: str, lines: tuple[int, int]) -> None:
    """Each key that a file sets is shown with the line that sets it; all others are defaults."""
    (tmp_path / file).write_text(text)
    shown = _show(tmp_path)
    assert shown["connectors"] == (["a/*"], "file", f"{file}:{lines[0]}")
    assert shown["mirrors"] == ({"docker.io": ["m"]}, "file", f"{file}:{lines[1]}")
    assert shown["catalog"] == ("base-images.yaml", "default", "")
    assert {key.name for key in KEYS} <= shown.keys()


def test_a_former_name_is_shown_under_the_current_one(tmp_path: Path) -> None:
    """The line is found under each accepted spelling."""
    (tmp_path / config.FILE).write_text('catalogue = "own.yaml"\npull_request_url = "https://x/{number}"\n')
    shown = _show(tmp_path)
    assert shown["catalog"] == ("own.yaml", "file", f"{config.FILE}:1")
    assert shown["pull-request-url"][2] == f"{config.FILE}:2"


def test_environment_options_and_layout_are_named(tmp_path: Path) -> None:
    """A value that no file sets names what sets it."""
    (tmp_path / "metadata.yaml").write_text("")
    environment: dict[str, str | None] = {
        "AIRBYTE_CI_STORE_LIMIT": "1GB",
        "AIRBYTE_CI_HOME": None,
        "XDG_CACHE_HOME": "/c",
    }
    shown = _show(tmp_path, "--offline", environment=environment)
    assert shown["connectors"] == (["."], "layout", "")
    assert shown["AIRBYTE_CI_STORE_LIMIT"] == ("1GB", "environment", "")
    assert shown["AIRBYTE_CI_HOME"] == ("/c/airbyte-ci", "environment", "")
    assert shown["--offline"] == (True, "option", "")
    assert shown["--diffed-branch"] == (None, "default", "")


def test_every_kind_of_value_is_shown(tmp_path: Path) -> None:
    """Values that the code holds as records are shown as a file has them."""
    lines = (
        "changelog = { bump-version = false }",
        '[trust."acme.example/base"]',
        'key = "a.pub"',
        "[checks]",
        "off = ['built']",
    )
    (tmp_path / config.FILE).write_text("\n".join(lines))
    shown = _show(tmp_path)
    assert shown["changelog"][0] == {"default": True, "bump_version": False}
    assert shown["checks"][0] == {"off": ["built"]}
    trust = shown["trust"][0]
    assert isinstance(trust, dict)
    assert "key" in trust["acme.example/base"]


def test_a_secret_is_not_shown(tmp_path: Path) -> None:
    """A variable that holds a secret is reported as set, without its value."""
    (tmp_path / config.FILE).write_text("")
    run = CliRunner().invoke(
        cli, ["--repo", str(tmp_path), "config", "show"], env={"AIRBYTE_CI_SIGN_PASSPHRASE": "hunter2"}
    )
    assert ("(hidden)" in run.output, "hunter2" in run.output) == (True, False)


def test_every_variable_is_listed() -> None:
    """Each variable of airbyte-ci that the code reads from the user's environment is in the table, with its default."""
    package = Path(airbyte_ci.__file__).parent
    # From airbyte-ci to its own processes, and a level of verification, which is no variable.
    internal = {"AIRBYTE_CI_BUILD_TOOLS", "AIRBYTE_CI_STANDARD_LIBRARY", "AIRBYTE_CI_REBUILT"}
    read = {
        name for path in package.rglob("*.py") for name in re.findall(r"(?<!_)AIRBYTE_CI_[A-Z_]+", path.read_text())
    }
    named = {variable.name: variable.default for variable in VARIABLES}
    assert read - internal <= named.keys()
    assert named[limit.VARIABLE] == limit.DEFAULT


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("docs = []\n\nconectors = []\n", "line 3: unknown key 'conectors', did you mean connectors?"),
        ("docs = []\ncatalog = 1\n", "line 2: catalog must be a string, not 1"),
        ("docs = []\ncheck-pages = 'x'\n", "line 2: check-pages must contain {id}"),
        ("docs = []\n[changelog]\nbump = false\n", "line 2: changelog must be true, false"),
        ("docs = []\n'plat form' = 1\n", "line 2: unknown key 'plat form', did you mean platform-version"),
    ],
)
def test_a_mistake_has_a_line(tmp_path: Path, text: str, said: str) -> None:
    """Errors of keys name the line; `config show` reports them as every command does."""
    (tmp_path / config.FILE).write_text(text)
    run = CliRunner().invoke(cli, ["--repo", str(tmp_path), "config", "show"])
    assert said in str(run.exception)
