"""The configuration: its location, its values, and its errors."""

from dataclasses import fields
from pathlib import Path

import pytest

from airbyte_ci import config
from airbyte_ci.campaigns.migrations.table import MIGRATIONS
from airbyte_ci.config import KEYS, MONOREPO_CONNECTORS, Configuration
from airbyte_ci.errors import ConfigurationError, UsageError

OWN = ".airbyte-ci.toml"


def write(root: Path, path: str, text: str = "") -> Path:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)
    return root / path


def test_the_defaults_are_the_monorepos(tmp_path: Path) -> None:
    """Without a table, the layout of the Airbyte monorepo is assumed, from its root and every folder in it."""
    folder = tmp_path / "airbyte-integrations/connectors/source-x/source_x"
    folder.mkdir(parents=True)
    write(tmp_path, "airbyte-integrations/connectors/source-x/metadata.yaml")
    for start in (tmp_path, folder, tmp_path / "airbyte-integrations"):
        assert config.find(start) == Configuration(root=tmp_path)
    found = Configuration(root=tmp_path)
    assert found.connectors == ("airbyte-integrations/connectors/**",)
    assert found.docs == ()
    assert found.catalog_path == tmp_path / "base-images.yaml"
    assert found.base_image_repositories == tuple(
        f"docker.io/airbyte/{series}"
        for series in ("python-connector-base", "source-declarative-manifest", "java-connector-base")
    )


EVERYTHING = """
connectors = ["a/*", "b/**"]
docs = ["docs/{name}.md"]
pull-request-url = "https://x/{number}"
catalog = "own.yaml"
base_image_repositories = ["acme.example/base"]
hook-environment = ["HTTPS_PROXY"]
customization-owners = "@acme/ops"
insecure-registries = ["localhost:5000"]
mirrors = {"docker.io" = ["mirror.example"]}
"""


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (OWN, EVERYTHING),
        ("pyproject.toml", f"[project]\nname = 'x'\n[tool.airbyte-ci]{EVERYTHING}"),
    ],
    ids=["own file", "pyproject"],
)
def test_every_key_can_be_set_in_either_file(tmp_path: Path, path: str, text: str) -> None:
    """With - or _, in the tool's own file or in pyproject.toml; found from below."""
    write(tmp_path, path, text)
    (tmp_path / "a/source-x").mkdir(parents=True)
    assert config.find(tmp_path / "a/source-x") == Configuration(
        root=tmp_path,
        connectors=("a/*", "b/**"),
        docs=("docs/{name}.md",),
        pull_request_url="https://x/{number}",
        catalog="own.yaml",
        base_image_repositories=("acme.example/base",),
        hook_environment=("HTTPS_PROXY",),
        customization_owners="@acme/ops",
        insecure_registries=("localhost:5000",),
        mirrors={"docker.io": ("mirror.example",)},
    )


@pytest.mark.parametrize("name", ["customization-owners", "customization_owners", "customisation-owners"])
def test_a_former_name_of_a_key_is_accepted(tmp_path: Path, name: str) -> None:
    """A key keeps its meaning under its former name, with - or _."""
    write(tmp_path, OWN, f'{name} = "@acme/ops"')
    assert config.find(tmp_path).customization_owners == "@acme/ops"


def test_a_key_and_its_former_name_exclude_each_other(tmp_path: Path) -> None:
    """A key that is set under both names is an error, because the two may differ."""
    write(tmp_path, OWN, 'customisation-owners = "@acme/a"\ncustomization-owners = "@acme/b"')
    with pytest.raises(ConfigurationError, match="customization-owners is set twice, in different spellings"):
        config.find(tmp_path)


def test_the_own_file_counts_before_pyproject(tmp_path: Path) -> None:
    """If a folder has both, the tool's own file is read and the other's table is not."""
    write(tmp_path, OWN, 'connectors = ["a/*"]')
    write(tmp_path, "pyproject.toml", '[tool.airbyte-ci]\nconnectors = ["b/*"]\nnonsense = 1\n')
    assert config.find(tmp_path).connectors == ("a/*",)


def test_the_nearest_file_counts(tmp_path: Path) -> None:
    """A connector with a table of its own inside a larger repository is a repository of its own."""
    write(tmp_path, OWN, 'connectors = ["*"]')
    write(tmp_path, "source-x/pyproject.toml", '[tool.airbyte-ci]\nconnectors = ["."]\n')
    assert config.find(tmp_path / "source-x/package") == Configuration(root=tmp_path / "source-x", connectors=(".",))


def test_a_pyproject_without_the_table_is_passed(tmp_path: Path) -> None:
    """Connectors' own pyproject.toml files, even broken ones, do not configure the repository."""
    write(tmp_path, OWN, 'connectors = ["*"]')
    for text in ("[project]\n", "[tool.airbyte]\n", "# tool.airbyte-ci was here\n", "[broken\n"):
        write(tmp_path, "source-x/pyproject.toml", text)
        assert config.find(tmp_path / "source-x").root == tmp_path


def test_a_table_with_nothing_in_it_is_one(tmp_path: Path) -> None:
    """An empty file marks the root of a repository, and every key has its default."""
    write(tmp_path, OWN)
    (tmp_path / MONOREPO_CONNECTORS).mkdir(parents=True)
    assert config.find(tmp_path / "anywhere") == Configuration(root=tmp_path)


@pytest.mark.parametrize("path", [OWN, "pyproject.toml"])
@pytest.mark.parametrize("text", ["", 'pull-request-url = "https://x/{number}"', "changelog = false", "[mirrors]"])
@pytest.mark.parametrize("layout", ["monorepo", "one connector", "anywhere"])
def test_defaults_hold_per_key(tmp_path: Path, path: str, text: str, layout: str) -> None:
    """A file that does not set `connectors` selects the same connectors as no file at all."""
    (tmp_path / ".git").mkdir()
    if layout == "monorepo":
        (tmp_path / MONOREPO_CONNECTORS).mkdir(parents=True)
    elif layout == "one connector":
        write(tmp_path, "metadata.yaml")
    without = config.find(tmp_path)
    write(tmp_path, path, text if path == OWN else f"[tool.airbyte-ci]\n{text.replace('[mirrors]', 'mirrors = {}')}")
    found = config.find(tmp_path)
    assert found.connectors == without.connectors
    assert (found.docs, found.catalog, found.check_pages) == (without.docs, without.catalog, without.check_pages)


def test_a_value_knows_where_it_comes_from(tmp_path: Path) -> None:
    """Messages can name the file and the key of a value, and mark default values."""
    file = write(tmp_path, OWN, 'connectors = ["a/*"]')
    found = config.find(tmp_path)
    places = {key.name: found.place_of(key) for key in KEYS}
    assert places["connectors"] == f"connectors in {file}"
    assert places["docs"] == f"the default of docs ({file} does not set it)"
    assert {key.field for key in KEYS} == {item.name for item in fields(Configuration)} - {"root", "file", "given"}


@pytest.mark.parametrize(
    "text", ["[tool.airbyte-ci]\n", "[tool.'airbyte-ci']\n", '[tool]\nairbyte-ci."', "[ tool . airbyte-ci ]\n"]
)
def test_every_spelling_of_the_table_is_read(tmp_path: Path, text: str) -> None:
    """TOML has several spellings of one table, and a byte order mark before the text changes nothing."""
    key = 'connectors"' if text.endswith('"') else "connectors"
    write(tmp_path, "pyproject.toml", f'\ufeff{text}{key} = ["x/*"]\n')
    assert config.find(tmp_path).connectors == ("x/*",)


@pytest.mark.parametrize(
    ("text", "bump", "upgrade"),
    [
        ("", True, True),
        ("changelog = true", True, True),
        ("changelog = false", False, False),
        ("changelog = { upgrade-base-image = false }", True, False),
        ("[changelog]\ndefault = false\nbump_version = true", True, False),
    ],
)
def test_changelogs_can_be_off_in_general_and_by_command(tmp_path: Path, text: str, bump: bool, upgrade: bool) -> None:
    """`changelog` is a switch, or a table of switches by command."""
    write(tmp_path, OWN, text)
    found = config.find(tmp_path).changelog
    assert (found.of("bump_version"), found.of("upgrade_base_image")) == (bump, upgrade)


@pytest.mark.parametrize(
    ("files", "start", "root", "connectors"),
    [
        (["x/metadata.yaml", "x/.git/HEAD"], "x", "x", (".",)),
        (["x/metadata.yaml", "x/.git/HEAD"], "x/source_x/deep", "x", (".",)),
        (["x/.git/HEAD", "x/connectors/source-a/metadata.yaml"], "x", "x", ("**",)),
        (["x/.git/HEAD", "x/docs/y"], "x/docs", "x", ("**",)),
        (["x/.git"], "x", "x", ("**",)),
    ],
    ids=["one connector", "inside of it", "some connectors", "beside them", "a work tree"],
)
def test_without_a_table_the_files_tell(
    tmp_path: Path, files: list[str], start: str, root: str, connectors: tuple[str, ...]
) -> None:
    """One connector alone, or a git repository with connectors somewhere in it."""
    for path in files:
        write(tmp_path, path)
    (tmp_path / start).mkdir(parents=True, exist_ok=True)
    assert config.find(tmp_path / start) == Configuration(root=tmp_path / root, connectors=connectors)


def test_nowhere_is_told(tmp_path: Path) -> None:
    """Outside of any repository: what was searched, from where, and advice."""
    with pytest.raises(UsageError, match=f"cannot find connectors from {tmp_path}") as caught:
        config.find(tmp_path)
    assert "--repo" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "conectors = []",
            "unknown key 'conectors', did you mean connectors? → use one of connectors, docs, changelog",
        ),
        ("root = '/'", "unknown key 'root'"),
        ("connectors = 'a/*'", "connectors must be a list of strings, not 'a/*'"),
        ("connectors = ['a', 1]", "connectors must be a list of strings, not ['a', 1]"),
        ("platform-version = 'new'", "platform-version must be numbers such as 0.63.0, not 'new'"),
        ("catalog = ['a']", "catalog must be a string, not ['a']"),
        ("pull_request_url = 1", "pull_request_url must be a string, not 1"),
        ("mirrors = ['a']", "mirrors must be a table of lists of strings"),
        ("mirrors = {a = 'b'}", "mirrors must be a table of lists of strings"),
        ("mirrors = {a = [1]}", "mirrors must be a table of lists of strings"),
        ("pull-request = 'x'", "unknown key 'pull-request', did you mean pull-request-url?"),
        ("pull-request-url = 'https://x/1'", "pull-request-url must contain {number}"),
        ("changelog = 'no'", "changelog must be true, false, or a table of commands with true or false, not 'no'"),
        ("changelog = {bump = false}", "'bump' is not one of default, bump_version, migrate_to_base_image"),
        ("base-image-repositories = []\nbase_image_repositories = []", "is set twice, in different spellings"),
        ("connectors = [", "Invalid value (at "),
        ("connectors = []\nconnectors = []", "Cannot overwrite a value (at "),
    ],
)
@pytest.mark.parametrize("path", [OWN, "pyproject.toml"])
def test_a_mistake_names_the_file_and_the_key(tmp_path: Path, path: str, text: str, said: str) -> None:
    """Unknown keys, wrong types and broken TOML are all reported; no key is ignored silently."""
    file = write(tmp_path, path, text if path == OWN else f"[tool.airbyte-ci]\n{text}")
    with pytest.raises(ConfigurationError) as caught:
        config.find(tmp_path, MIGRATIONS)
    assert caught.value.message.startswith(f"cannot read {file}: ")
    assert said in str(caught.value)


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are an error of that file."""
    (tmp_path / OWN).write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match=r"cannot read .*airbyte-ci\.toml: "):
        config.find(tmp_path)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"AIRBYTE_CI_HOME": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/a"),
        ({"AIRBYTE_CI_HOME": "", "XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/b/airbyte-ci"),
        ({"HOME": "/c"}, "/c/.cache/airbyte-ci"),
    ],
    ids=["own", "XDG", "home"],
)
def test_where_the_store_is(environment: dict[str, str], expected: str) -> None:
    """AIRBYTE_CI_HOME, else the user's cache folder; the environment is an argument."""
    assert config.home(environment) == Path(expected)


def test_a_relative_home_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands may change folders; the store does not move."""
    monkeypatch.chdir(tmp_path)
    assert config.home({"AIRBYTE_CI_HOME": "store"}) == tmp_path / "store"
