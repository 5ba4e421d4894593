"""The configuration: where it is found, what it may say, and how mistakes in it are told."""

from pathlib import Path

import pytest

from airbyte_ci import config
from airbyte_ci.config import Configuration
from airbyte_ci.errors import ConfigurationError, UsageError

OWN = ".airbyte-ci.toml"


def write(root: Path, path: str, text: str = "") -> Path:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)
    return root / path


def test_the_defaults_are_the_monorepos(tmp_path: Path) -> None:
    """Without a table the layout of the Airbyte monorepo counts, from its root and from every folder in it."""
    folder = tmp_path / "airbyte-integrations/connectors/source-x/source_x"
    folder.mkdir(parents=True)
    write(tmp_path, "airbyte-integrations/connectors/source-x/metadata.yaml")
    for start in (tmp_path, folder, tmp_path / "airbyte-integrations"):
        assert config.find(start) == Configuration(tmp_path)
    found = Configuration(tmp_path)
    assert found.connectors == ("airbyte-integrations/connectors/**",)
    assert found.docs == ()
    assert found.catalogue_path == tmp_path / "base-images.yaml"
    assert found.base_image_repositories == ("docker.io/airbyte/python-connector-base",)


EVERYTHING = """
connectors = ["a/*", "b/**"]
docs = ["docs/{name}.md"]
pull-request-url = "https://x/{number}"
catalogue = "own.yaml"
base_image_repositories = ["acme.example/base"]
hook-environment = ["HTTPS_PROXY"]
customisation-owners = "@acme/ops"
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
        tmp_path,
        connectors=("a/*", "b/**"),
        docs=("docs/{name}.md",),
        pull_request_url="https://x/{number}",
        catalogue="own.yaml",
        base_image_repositories=("acme.example/base",),
        hook_environment=("HTTPS_PROXY",),
        customisation_owners="@acme/ops",
        insecure_registries=("localhost:5000",),
        mirrors={"docker.io": ("mirror.example",)},
    )


def test_the_own_file_counts_before_pyproject(tmp_path: Path) -> None:
    """Where both are in a folder, the tool's own one is read and the other's table is not."""
    write(tmp_path, OWN, 'connectors = ["a/*"]')
    write(tmp_path, "pyproject.toml", '[tool.airbyte-ci]\nconnectors = ["b/*"]\nnonsense = 1\n')
    assert config.find(tmp_path).connectors == ("a/*",)


def test_the_nearest_file_counts(tmp_path: Path) -> None:
    """A connector with a table of its own inside a larger repository is a repository of its own."""
    write(tmp_path, OWN, 'connectors = ["*"]')
    write(tmp_path, "source-x/pyproject.toml", '[tool.airbyte-ci]\nconnectors = ["."]\n')
    assert config.find(tmp_path / "source-x/package") == Configuration(tmp_path / "source-x", connectors=(".",))


def test_a_pyproject_without_the_table_is_passed(tmp_path: Path) -> None:
    """Connectors' own pyproject.toml files are everywhere, broken ones too; they say nothing of the repository."""
    write(tmp_path, OWN, 'connectors = ["*"]')
    for text in ("[project]\n", "[tool.airbyte]\n", "# tool.airbyte-ci was here\n", "[broken\n"):
        write(tmp_path, "source-x/pyproject.toml", text)
        assert config.find(tmp_path / "source-x").root == tmp_path


def test_a_table_with_nothing_in_it_is_one(tmp_path: Path) -> None:
    """An empty file marks the root of a repository in the default layout."""
    write(tmp_path, OWN)
    assert config.find(tmp_path / "anywhere") == Configuration(tmp_path)


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
    assert config.find(tmp_path / start) == Configuration(tmp_path / root, connectors=connectors)


def test_nowhere_is_told(tmp_path: Path) -> None:
    """Outside of everything: what was looked for, from where, and what to do."""
    with pytest.raises(UsageError, match=f"looking for connectors from {tmp_path}") as caught:
        config.find(tmp_path)
    assert "--repo" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("conectors = []", "unknown key 'conectors' → known: connectors, docs, pull-request-url"),
        ("root = '/'", "unknown key 'root'"),
        ("connectors = 'a/*'", "connectors must be a list of texts, not 'a/*'"),
        ("connectors = ['a', 1]", "connectors must be a list of texts, not ['a', 1]"),
        ("platform-version = 'new'", "platform-version must be numbers such as 0.63.0, not 'new'"),
        ("catalogue = ['a']", "catalogue must be a text, not ['a']"),
        ("pull_request_url = 1", "pull_request_url must be a text, not 1"),
        ("mirrors = ['a']", "mirrors must be a table of lists of texts"),
        ("mirrors = {a = 'b'}", "mirrors must be a table of lists of texts"),
        ("mirrors = {a = [1]}", "mirrors must be a table of lists of texts"),
        ("connectors = [", "Invalid value (at "),
        ("connectors = []\nconnectors = []", "Cannot overwrite a value (at "),
    ],
)
@pytest.mark.parametrize("path", [OWN, "pyproject.toml"])
def test_a_mistake_names_the_file_and_the_key(tmp_path: Path, path: str, text: str, said: str) -> None:
    """Unknown keys, wrong types and broken TOML are told at once; no key is silently passed over."""
    file = write(tmp_path, path, text if path == OWN else f"[tool.airbyte-ci]\n{text}")
    with pytest.raises(ConfigurationError) as caught:
        config.find(tmp_path)
    assert caught.value.message.startswith(f"reading {file}: ")
    assert said in str(caught.value)


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are an error of that file."""
    (tmp_path / OWN).write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match=r"reading .*airbyte-ci\.toml: "):
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
