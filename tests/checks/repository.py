"""A repository with one connector that holds every rule, for tests that break one at a time."""

import json
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airbyte_ci.cli import main

REPOSITORY = "registry.acme.example/python-connector-base"
FOLDER = "connectors/source-x"


def address(version: str) -> str:
    """The address of a version: its digest is derived from its number."""
    return f"{REPOSITORY}:{version}@sha256:{version.replace('.', ''):0>64}"


# 1.0.0 was withdrawn, the support of 1.1.0 is over, 1.3.0 is for another Python, and 2.0.0 is another major version.
_CATALOG = f"""\
{REPOSITORY}:
- {{version: 2.0.0, address: "{address("2.0.0")}", python: "3.11"}}
- {{version: 1.3.0, address: "{address("1.3.0")}", python: "3.13"}}
- {{version: 1.2.0, address: "{address("1.2.0")}", python: "3.11"}}
- {{version: 1.1.0, address: "{address("1.1.0")}", python: "3.11", supported-until: 2021-06-30}}
- {{version: 1.0.0, address: "{address("1.0.0")}", python: "3.11", yanked: it was broken}}
"""
_METADATA = f"""\
metadataSpecVersion: "1.0"
data:
  connectorBuildOptions:
    baseImage: {address("1.2.0")}
  connectorSubtype: api
  connectorType: source
  definitionId: 5c1f7c0d-94a7-4d0b-8df3-6a8a6d0c1e55
  dockerImageTag: 1.4.2
  dockerRepository: acme/source-x
  documentationUrl: https://docs.airbyte.com/integrations/sources/x
  githubIssueLabel: source-x
  license: MIT
  name: X
  releaseStage: alpha
  supportLevel: certified
  tags:
    - language:python
"""
_PROJECT = """\
[tool.poetry]
name = "source-x"
version = "1.4.2"

[tool.poetry.dependencies]
python = ">=3.10,<3.12"
"""
_PAGE = """\
# X

## Changelog

| Version | Date       | Pull Request                                        | Subject |
| :------ | :--------- | :-------------------------------------------------- | :------ |
| 1.4.2   | 2024-01-02 | [2](https://github.com/acme/connectors/pull/2)      | Second  |
| 1.4.1   | 2024-01-01 | [1](https://github.com/acme/connectors/pull/1)      | First   |
"""
FILES: Mapping[str, str] = {
    ".airbyte-ci.toml": f'connectors = ["connectors/*"]\nbase-image-repositories = ["{REPOSITORY}"]\n'
    'customization-owners = "@acme/connector-ops"\n',
    "base-images.yaml": _CATALOG,
    "CODEOWNERS": "* @acme/all\n/connectors/**/build_customization.* @acme/connector-ops\n",
    "docs/integrations/sources/x.md": _PAGE,
    f"{FOLDER}/metadata.yaml": _METADATA,
    f"{FOLDER}/pyproject.toml": _PROJECT,
    f"{FOLDER}/main.py": "print()\n",
    f"{FOLDER}/source_x/__init__.py": "",
}


@dataclass(frozen=True)
class Repository:
    """The repository in a folder, with a remote whose main branch has its first commit."""

    root: Path
    check: Callable[..., tuple[int, str, str]]

    def git(self, *arguments: str) -> str:
        settings = ("-c", "user.name=T", "-c", "user.email=t@example.com")
        command = ["git", "-C", str(self.root), *settings, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def write(self, path: str, text: str | None) -> None:
        """A file with this text, or without the file."""
        place = self.root / path
        if text is None:
            place.unlink()
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def replace(self, path: str, old: str, new: str) -> None:
        text = (self.root / path).read_text()
        assert old in text, f"{path} does not contain {old!r}"
        self.write(path, text.replace(old, new))

    def merge(self) -> None:
        """The current files become the main branch of the remote."""
        self.git("add", "-A")
        self.git("commit", "-qm", "merged")
        self.git("push", "-q", "origin", "HEAD:main")

    def checked(self, *arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
        """The exit code, and the checks of the connector by their ids."""
        code, out, err = self.check("--name=source-x", "check", "--json", *arguments)
        assert code in (0, 1), err
        return code, {item["id"]: item for item in json.loads(out)["checks"]}


@pytest.fixture
def repository(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Repository:
    """A repository without findings, with no GitHub variables in the environment."""
    for name in ("GITHUB_TOKEN", "GH_TOKEN", "GITHUB_REPOSITORY", "GITHUB_API_URL", "CI_GITHUB_ACCESS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AIRBYTE_CI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")

    def check(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.chdir(tmp_path / "repository")
        code = main.run(["connectors", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    for name in ("repository", "origin.git"):
        shutil.copytree(template / name, tmp_path / name, symlinks=True)
    return Repository(tmp_path / "repository", check)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the repository and its remote, made once and copied for each test."""
    folder = tmp_path_factory.mktemp("template")
    result = Repository(folder / "repository", lambda: (0, "", ""))
    for path, text in FILES.items():
        result.write(path, text)
    result.git("init", "-q", "-b", "main")
    result.git("add", "-A")
    result.git("commit", "-qm", "first")
    result.git("clone", "-q", "--bare", ".", "../origin.git")
    result.git("remote", "add", "origin", "../origin.git")
    result.git("fetch", "-q")
    result.git("remote", "set-head", "origin", "main")
    return folder
