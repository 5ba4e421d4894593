"""The findings of `init` in repositories of several layouts, and the configuration that it writes."""

import subprocess
from pathlib import Path

import pytest

from airbyte_ci import config
from airbyte_ci.cli import main
from airbyte_ci.config import Configuration
from airbyte_ci.connectors import find, survey
from airbyte_ci.errors import ConnectorError
from airbyte_ci.reports import configuration as report
from tests.connectors.fleets import write

CHANGELOG = "# X\n\n## Changelog\n\n| Version | Date | Pull Request | Subject |\n|:--|:--|:--|:--|\n"


def page(root: Path, path: str, text: str = CHANGELOG) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def configured(root: Path) -> Configuration:
    """The repository as its new configuration file describes it."""
    (root / config.FILE).write_text(report.toml(survey.survey(root)))
    return config.find(root)


def pages(configuration: Configuration) -> set[str]:
    connectors, _ = find.find(configuration)
    found = (find.documentation(item, configuration) for item in connectors)
    return {path.relative_to(configuration.root).as_posix() for path in found if path}


@pytest.mark.parametrize(
    ("folder", "docs"),
    [
        ("{kind}-{name}", "docs/{name}.md"),
        ("connectors/{kind}-{name}", "docs/{kind}s/{name}.md"),
        ("connectors/{kind}-{name}", "documentation/{kind}-{name}.md"),
        ("connectors/{kind}-{name}", "connectors/{kind}-{name}/CHANGELOG.md"),
        ("connectors/{kind}-{name}", "docs/{name}/changelog.md"),
        ("{kind}s/{kind}-{name}", "{kind}s/{kind}-{name}/README.md"),
        ("airbyte-integrations/connectors/{kind}-{name}", "docs/integrations/{kind}s/{name}.md"),
    ],
)
def test_the_written_file_selects_what_was_found(tmp_path: Path, folder: str, docs: str) -> None:
    """Every connector and every page with a changelog is found again through the written configuration."""
    expected = set()
    for kind, name in (("source", "alpha"), ("source", "beta-two"), ("destination", "gamma")):
        write(tmp_path, folder.format(kind=kind, name=name), connectorType=kind)
        page(tmp_path, docs.format(kind=kind, name=name))
        expected.add(docs.format(kind=kind, name=name))
    write(tmp_path, ".cache/source-copy")
    page(tmp_path, "node_modules/alpha.md")
    found = configured(tmp_path)
    assert [item.name for item in find.find(found)[0]] == ["destination-gamma", "source-alpha", "source-beta-two"]
    assert pages(found) == expected
    assert found.changelog.of("bump_version")


def test_a_repository_of_one_connector(tmp_path: Path) -> None:
    """A connector at the root is the glob `.`, and its page is found too."""
    write(tmp_path, ".", dockerRepository="acme/source-tides", connectorType="source")
    page(tmp_path, "docs/tides.md")
    found = configured(tmp_path)
    assert (found.connectors, pages(found)) == ((".",), {"docs/tides.md"})


def test_without_changelogs_none_are_asked_for(tmp_path: Path) -> None:
    """READMEs without a changelog are no pages; one page of many is an exception, and `changelog` is off."""
    for name in "abcd":
        write(tmp_path, f"source-{name}")
        page(tmp_path, f"source-{name}/README.md", "# Read me\n")
    page(tmp_path, "source-a/README.md")
    found = configured(tmp_path)
    assert (found.docs, found.changelog.is_never) == ((), True)


def test_the_remote_and_the_bases_are_seen(tmp_path: Path) -> None:
    """The forge of the remote gives the form of addresses; a company's base image comes before the published one."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    remote = ["remote", "add", "origin", "git@gitlab.com:acme/x.git"]
    subprocess.run(["git", "-C", str(tmp_path), *remote], check=True)
    own = "registry.acme.example:5000/bi/python-connector-base"
    write(tmp_path, "c/source-a", connectorBuildOptions={"baseImage": f"{own}:1.0.0@sha256:{'a' * 64}"})
    folder = write(tmp_path, "c/source-b", "Dockerfile")
    (folder / "Dockerfile").write_text("FROM --platform=linux/amd64 airbyte/python-connector-base:1.1.0\n")
    write(tmp_path, "c/source-c", "Dockerfile")
    (tmp_path / "bases").mkdir()
    (tmp_path / "bases/base-images.yaml").write_text("{}")
    found = configured(tmp_path)
    assert found.pull_request_url == "https://gitlab.com/acme/x/-/merge_requests/{number}"
    assert found.base_image_repositories == (own, "docker.io/airbyte/python-connector-base")
    assert found.catalog == "bases/base-images.yaml"


def test_nothing_to_configure_is_an_error(tmp_path: Path) -> None:
    """Without a connector, folders that lack only their metadata are named."""
    (tmp_path / "source-a").mkdir()
    (tmp_path / "source-a/setup.py").touch()
    with pytest.raises(ConnectorError, match=r"found no connector: .*; source-a could be, but lack metadata.yaml"):
        survey.survey(tmp_path)


def test_init_overwrites_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A configuration that is there stays, in either file, unless --force is given; --dry-run only prints."""
    write(tmp_path, "c/source-a")
    monkeypatch.chdir(tmp_path)
    own = tmp_path / config.FILE
    assert main.run(["init", "--dry-run"]) == 0
    assert (own.exists(), 'connectors = ["c/*"]' in capfd.readouterr().out) == (False, True)
    (tmp_path / "pyproject.toml").write_text("[tool.airbyte-ci]\n")
    assert (main.run(["init"]), own.exists()) == (2, False)
    assert "pyproject.toml has [tool.airbyte-ci]" in capfd.readouterr().err
    own.write_text("# mine\n")
    assert (main.run(["init"]), own.read_text()) == (2, "# mine\n")
    assert f"{own} already exists" in capfd.readouterr().err
    assert main.run(["init", "--force"]) == 0
    assert 'connectors = ["c/*"]' in own.read_text()
    assert "next: airbyte-ci connectors list" in capfd.readouterr().out
