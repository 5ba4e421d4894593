"""Finding connectors and their pages: every layout, excluded folders, and forbidden paths."""

from pathlib import Path

import pytest

from airbyte_ci import config
from airbyte_ci.config import Configuration
from airbyte_ci.connectors import find
from airbyte_ci.errors import ConfigurationError
from tests.connectors.fleets import MONOREPO, connector, write


def found(configuration: Configuration) -> list[str]:
    connectors, errors = find.find(configuration)
    assert not errors
    return [item.relative for item in connectors]


def test_a_monorepo_is_searched_to_its_depths(tmp_path: Path) -> None:
    """Nested third-party connectors are found, sorted by name; templates and files next to connectors are not."""
    write(tmp_path, f"{MONOREPO}/source-b")
    write(tmp_path, f"{MONOREPO}/third-party/acme/a-source")
    write(tmp_path, f"{MONOREPO}/source-scaffold-source-python")
    write(tmp_path, "airbyte-ci/connectors/source-elsewhere")
    (tmp_path / MONOREPO / "README.md").touch()
    assert found(Configuration(root=tmp_path)) == [f"{MONOREPO}/third-party/acme/a-source", f"{MONOREPO}/source-b"]


def test_a_connector_is_not_searched(tmp_path: Path) -> None:
    """Metadata inside of a connector is its own matter, as is what tools leave behind."""
    write(tmp_path, f"{MONOREPO}/source-a")
    write(tmp_path, f"{MONOREPO}/source-a/integration_tests/source-inside")
    write(tmp_path, f"{MONOREPO}/node_modules/source-module")
    write(tmp_path, f"{MONOREPO}/.venv/lib/source-venv")
    assert found(Configuration(root=tmp_path)) == [f"{MONOREPO}/source-a"]


def test_links_are_not_followed(tmp_path: Path) -> None:
    """A linked folder is the same connector twice, or a way out of the repository, or a loop."""
    write(tmp_path, f"{MONOREPO}/source-a")
    (tmp_path / MONOREPO / "source-link").symlink_to("source-a")
    (tmp_path / MONOREPO / "loop").symlink_to(".")
    assert found(Configuration(root=tmp_path)) == [f"{MONOREPO}/source-a"]


@pytest.mark.parametrize(
    ("globs", "expected"),
    [
        (("connectors/*",), ["connectors/source-a", "connectors/source-b"]),
        (("connectors/source-a",), ["connectors/source-a"]),
        (("**",), ["connectors/source-a", "connectors/source-b", "other/deep/source-c"]),
        (("other/**",), ["other/deep/source-c"]),
        (("o*/**",), ["other/deep/source-c"]),
        (("**/source-c",), ["other/deep/source-c"]),
        (("connectors/**/source-a",), ["connectors/source-a"]),
        (
            ("connectors/*", "connectors/**", "*/deep/*"),
            ["connectors/source-a", "connectors/source-b", "other/deep/source-c"],
        ),
        (("nowhere/**", "nothing/*"), []),
    ],
    ids=str,
)
def test_globs_say_where_connectors_are(tmp_path: Path, globs: tuple[str, ...], expected: list[str]) -> None:
    """Any glob of folders, in any number, finds each connector once, and never a template."""
    for folder in ("connectors/source-a", "connectors/source-b", "connectors/source-scaffold-x", "other/deep/source-c"):
        write(tmp_path, folder)
    write(tmp_path, "other/node_modules/source-module")
    (tmp_path / "connectors/notes").mkdir()
    assert sorted(found(Configuration(root=tmp_path, connectors=globs))) == expected


@pytest.mark.parametrize("pattern", ["../elsewhere/**", "/etc/**", "connectors/../../x/*", "/abs"])
def test_globs_stay_in_the_repository(tmp_path: Path, pattern: str) -> None:
    """A pattern that is outside of the repository is an error of the configuration."""
    with pytest.raises(ConfigurationError, match="is outside of the repository"):
        find.find(Configuration(root=tmp_path, connectors=(pattern,)))


def test_one_connector_alone_is_called_as_its_image(tmp_path: Path) -> None:
    """A repository may be called anything, so its one connector has the last name of its dockerRepository."""
    checkout = write(tmp_path, "checkout-42", "pyproject.toml", dockerRepository="ghcr.io/acme/source-x")
    (alone,), _ = find.find(config.find(checkout))
    assert (alone.name, alone.relative, alone.package, alone.folder) == ("source-x", ".", "source_x", checkout)
    bare = write(tmp_path, "source-y")
    assert [item.name for item in find.find(config.find(bare))[0]] == ["source-y"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"data:\n  a: [1\n", ":3:1: not valid YAML"),
        (b"data:\n\ta: 1\n", ":2:1: not valid YAML"),
        (b"data: {a: *nothing}\n", ":1:11: not valid YAML"),
        (b"data: !!python/object:os.system {}\n", ":1:7: not valid YAML"),
        (b"data:\n  date: 2023-13-45\n", ": not valid YAML"),
        (b"data: \xff\xfe\n", ": not valid YAML"),
        (b"data: \x00\n", ": not valid YAML"),
        (b"", ": it has no `data` mapping"),
        (b"data:\n", ": it has no `data` mapping"),
        (b"- data\n", ": it has no `data` mapping"),
        (b"data: text\n", ": it has no `data` mapping"),
        (b"data: " + b"[" * 1500 + b"]" * 1500, ": not valid YAML: it is too large or too deeply nested"),
        (b"data: " + b"[" * 100_000 + b"]" * 100_000, ": not valid YAML: it is too large or too deeply nested"),
        (b"data: " + b"{a: " * 100_000 + b"}" * 100_000, ": not valid YAML: it is too large or too deeply nested"),
        (b"data:\n  " + b"- " * 100_000 + b"a", ": not valid YAML: it is too large or too deeply nested"),
        (b"data:\n  " + b"? " * 100_000 + b"a", ": not valid YAML: it is too large or too deeply nested"),
        (b"data: {a: '" + b"a" * 2_000_000 + b"'}", ": not valid YAML: it is larger than 1,024 KiB"),
    ],
    ids=lambda text: repr(text[:30]),
)
def test_metadata_that_cannot_be_read_names_its_place(tmp_path: Path, text: bytes, said: str) -> None:
    """The error names the file, and the line where there is one; the other connectors are found all the same."""
    write(tmp_path, f"{MONOREPO}/source-good")
    broken = write(tmp_path, f"{MONOREPO}/source-bad") / "metadata.yaml"
    broken.write_bytes(text)
    connectors, (error,) = find.find(Configuration(root=tmp_path))
    assert [item.name for item in connectors] == ["source-good"]
    assert error.message.startswith(f"{MONOREPO}/source-bad/metadata.yaml{said}")
    assert "\n" not in error.message


def test_metadata_that_is_a_folder_is_no_metadata(tmp_path: Path) -> None:
    """A metadata.yaml that cannot be opened is reported in one line."""
    (tmp_path / MONOREPO / "source-odd" / "metadata.yaml").mkdir(parents=True)
    connectors, (error,) = find.find(Configuration(root=tmp_path))
    assert connectors == ()
    assert error.message == f"cannot read {MONOREPO}/source-odd/metadata.yaml: Is a directory"


@pytest.mark.parametrize(
    ("files", "language"),
    [
        (("manifest.yaml", "setup.py"), "manifest-only"),
        (("source_x/manifest.yaml", "setup.py"), "low-code"),
        (("source_other/manifest.yaml", "setup.py"), "python"),
        (("setup.py",), "python"),
        (("pyproject.toml",), "python"),
        (("pyproject.toml", "src/main/java/"), "python"),
        (("src/main/java/", "build.gradle"), "java"),
        (("src/main/kotlin/", "build.gradle"), "java"),
        (("src/main/python/",), None),
        (("build.gradle",), None),
        ((), None),
    ],
    ids=str,
)
def test_files_tell_the_language(tmp_path: Path, files: tuple[str, ...], language: str | None) -> None:
    """The files decide, in the original's order; the metadata's tag is ignored."""
    folder = write(tmp_path, "source-x", *files, tags=["language:cobol"])
    assert find.read(folder, tmp_path).language == language


# --- pages ---------------------------------------------------------------------------------------


def page(root: Path, url: object, docs: tuple[str, ...] = (), name: str = "source-x") -> str | None:
    path = find.documentation(connector(name, documentationUrl=url), Configuration(root=root, docs=docs))
    return path.relative_to(root).as_posix() if path else None


def pages(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://docs.airbyte.com/integrations/sources/file", "docs/integrations/sources/file.md"),
        ("https://docs.airbyte.com/integrations/sources/file/", "docs/integrations/sources/file.md"),
        ("https://docs.airbyte.io/integrations/sources/file#setup", "docs/integrations/sources/file.md"),
        ("https://docs.airbyte.com/integrations/sources/file?x=1", "docs/integrations/sources/file.md"),
        ("https://docs.airbyte.com/integrations/sources/other/../file", "docs/integrations/sources/file.md"),
        ("https://docs.airbyte.com/integrations/sources/none", None),
        ("https://docs.airbyte.com/", None),
        ("https://docs.airbyte.com", None),
        ("", None),
        (None, None),
        (7, None),
        ("http://[half", None),
        ("https://x/a\0b", None),
        ("https://x/" + "a" * 5000, None),
        ("https://x/../secret", None),
        ("https://x/../../../../etc/passwd", None),
        ("https://x//etc/hosts", None),
        ("https://x/link/secret", None),
    ],
)
def test_the_page_follows_from_the_url(tmp_path: Path, url: object, expected: str | None) -> None:
    """documentationUrl's path below docs/ is the page, and no URL leads to a file outside of docs/."""
    pages(tmp_path, "docs/integrations/sources/file.md", "secret.md", "outside/secret.md")
    (tmp_path / "docs/link").symlink_to("../outside")
    assert page(tmp_path, url) == expected


@pytest.mark.parametrize(
    ("docs", "expected"),
    [
        (("docs/{name}.md",), "docs/x.md"),
        (("pages/{type}s/{connector}.md",), "pages/sources/source-x.md"),
        (("none/{name}.md", "docs/{name}.md"), "docs/x.md"),
        (("none/{name}.md",), None),
        (("README.md",), "README.md"),
    ],
    ids=str,
)
def test_templates_come_before_the_url(tmp_path: Path, docs: tuple[str, ...], expected: str | None) -> None:
    """The first template whose page exists is used, and with templates the URL is ignored."""
    pages(tmp_path, "docs/x.md", "docs/by-url.md", "pages/sources/source-x.md", "README.md")
    assert page(tmp_path, "https://x/by-url", docs) == expected


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("docs/{nam}.md", "is invalid"),
        ("docs/{}.md", "is invalid"),
        ("docs/{name.md", "is invalid"),
        ("../docs/{name}.md", "is outside of the repository"),
        ("/docs/{name}.md", "is outside of the repository"),
    ],
)
def test_a_template_that_makes_no_sense_is_told(tmp_path: Path, template: str, said: str) -> None:
    """A template with unknown parts, or out of the repository, is an error of the configuration."""
    with pytest.raises(ConfigurationError, match=said):
        page(tmp_path, None, (template,))


@pytest.mark.parametrize(
    ("name", "data", "kind", "short"),
    [
        ("source-file", {"connectorType": "source"}, "source", "file"),
        ("destination-s3", {}, "destination", "s3"),
        ("acme-source", {"connectorType": "source"}, "source", "acme-source"),
        ("source-x", {"connectorType": "nonsense"}, "source", "x"),
    ],
)
def test_a_connector_knows_its_type(name: str, data: dict[str, str], kind: str, short: str) -> None:
    """The type is connectorType, else the first part of the name; the short name is without it."""
    item = connector(name, **data)
    assert (item.kind, item.short_name) == (kind, short)


def test_the_connector_of_a_place(tmp_path: Path) -> None:
    """Inside a connector's folder that connector is meant; outside of all, none is."""
    for name in ("source-a", "source-ab"):
        write(tmp_path, f"{MONOREPO}/{name}", "inside/")
    connectors, _ = find.find(Configuration(root=tmp_path))
    place = tmp_path / MONOREPO / "source-ab"
    for inside in (place, place / "inside"):
        chosen = find.containing(connectors, inside)
        assert chosen is not None
        assert chosen.name == "source-ab"
    assert find.containing(connectors, tmp_path / MONOREPO) is None


@pytest.mark.parametrize(
    ("text", "place", "advice"),
    [
        ('connectors = ["connector/*"]', "connectors in ", 'set connectors = ["connectors/*"]'),
        ('connectors = ["connectors"]', "connectors in ", 'set connectors = ["connectors/*"]'),
        ('connectors = ["connectors/{a,b}"]', "connectors in ", 'set connectors = ["connectors/*"]'),
        ("connectors = []", "connectors in ", 'set connectors = ["connectors/*"]'),
        ('connectors = ["."]', "connectors in ", 'set connectors = ["connectors/*"]'),
    ],
)
def test_a_configuration_that_selects_nothing_is_an_error(tmp_path: Path, text: str, place: str, advice: str) -> None:
    """The error names the file and the key, and the globs that would select the connectors that are there."""
    write(tmp_path, "connectors/source-a")
    (tmp_path / ".airbyte-ci.toml").write_text(text)
    configuration = config.find(tmp_path)
    with pytest.raises(ConfigurationError) as caught:
        find.refuse_nothing(find.locate(configuration), configuration)
    assert caught.value.message.startswith(f"{place}{tmp_path / '.airbyte-ci.toml'} selects no connector: ")
    assert advice in str(caught.value)


@pytest.mark.parametrize(
    "folders",
    [
        ["."],
        ["source-a", "source-b"],
        ["a/source-a", "b/deep/source-b"],
        [f"x/{letter}/source-{letter}" for letter in "abcdefgh"],
        [*(f"{letter}/source-{letter}" for letter in "abcdefgh"), "x/y/source-z"],
    ],
)
def test_globs_for_folders_find_exactly_these(tmp_path: Path, folders: list[str]) -> None:
    """The globs that are proposed select the folders that they were made for."""
    for folder in folders:
        write(tmp_path, folder)
    globs = find.globs_for(folders)
    assert len(globs) <= 6
    found = find.locate(Configuration(root=tmp_path, connectors=globs))
    assert sorted(folder.relative_to(tmp_path).as_posix() for folder in found.folders) == sorted(folders)
    assert found.unmatched == ()
