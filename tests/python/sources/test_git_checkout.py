"""Commits of other people's git repositories: the same bytes on every machine, and from servers only."""

import os
import subprocess
from pathlib import Path

import pytest

from airbyte_ci.errors import PackageError
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.index.package_index import PackageIndex
from airbyte_ci.python.packages.lock import FromGit, LockedPackage
from airbyte_ci.python.sources import git_checkout, trees

PROJECT = '[project]\nname = "lib"\nversion = "1.0"\n'


def git(folder: Path, *arguments: str) -> str:
    """Git with no configuration but an identity."""
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "protocol.file.allow=always")
    done = subprocess.run(
        ["git", "-C", folder, *identity, *arguments], env=git_checkout.alone(GIT_ALLOW_PROTOCOL="file"),
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout.strip()


def repository(folder: Path, files: dict[str, bytes]) -> str:
    """A repository with these files, committed; the commit."""
    git(folder.parent, "init", "-q", "-b", "main", str(folder))
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    git(folder, "add", "--all")
    git(folder, "commit", "-q", "-m", "x")
    return git(folder, "rev-parse", "HEAD")


def tree(tmp_path: Path, name: str, url: str, commit: str) -> str:
    """The digest of a commit's tree, in a store of its own."""
    package = LockedPackage("lib", "1.0", (), origin=FromGit(url, commit))
    return trees.obtain(package, tmp_path, Store(tmp_path / f"store-{name}"), PackageIndex(main=None)).sha256


FILES = {
    "pyproject.toml": PROJECT.encode(),
    "lib/__init__.py": b"V = '$Id$'\n",
    "lib/dos.txt": b"a\r\nb\r\n",
    "lib/unix.txt": b"a\nb\n",
    "lib/mixed.txt": b"a\nb\r\n",
    ".gitattributes": b"*.txt text\n*.bin filter=lfs\nlib/__init__.py filter=evil\n",
    "lib/large.bin": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
}

HOSTILE: dict[str, str] = {
    "autocrlf": "[core]\n\tautocrlf = true\n",
    "autocrlf input": "[core]\n\tautocrlf = input\n\tsafecrlf = true\n",
    "eol": "[core]\n\teol = crlf\n",
    "attributes": "[core]\n\tattributesFile = {folder}/attributes\n",
    "filters": '[filter "evil"]\n\tsmudge = sed s/V/W/\n\tclean = cat\n\trequired = true\n',
    "lfs": '[filter "lfs"]\n\tsmudge = echo bytes\n\tprocess =\n\trequired = true\n',
    "symlinks": "[core]\n\tsymlinks = false\n\tfileMode = false\n",
    "hooks": "[core]\n\thooksPath = {folder}/hooks\n",
    "templates": "[init]\n\ttemplateDir = {folder}/template\n\tdefaultObjectFormat = sha256\n",
    "sparse": "[core]\n\tsparseCheckout = true\n",
    "ignored files": "[core]\n\texcludesFile = {folder}/ignored\n",
    "encodings": "[core]\n\tprecomposeUnicode = true\n\tignoreCase = true\n\tprotectNTFS = true\n",
}


@pytest.mark.parametrize("setting", HOSTILE.values(), ids=HOSTILE)
def test_a_commit_is_the_same_on_every_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    """The digest is independent of git's configuration by files, variables or templates."""
    upstream = tmp_path / "upstream"
    git(tmp_path, "init", "-q", "-b", "main", str(upstream))
    upstream.joinpath("lib").mkdir()
    (upstream / "lib/link").symlink_to("unix.txt")
    (upstream / "lib/program").write_text("#!/bin/sh\n")
    (upstream / "lib/program").chmod(0o755)
    commit = repository(upstream, FILES)
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "file")
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, os.devnull)
    plain = tree(tmp_path, "plain", f"file://{upstream}", commit)
    home = tmp_path / "home"
    for folder in ("hooks", "template/hooks", "template/info", ".config/git"):
        (home / folder).mkdir(parents=True)
    (home / "attributes").write_text("* text eol=crlf\n*.py filter=evil ident\n")
    (home / ".config/git/attributes").write_text("* text eol=crlf ident\n")
    (home / "ignored").write_text("*\n")
    (home / "template/info/attributes").write_text("* text eol=crlf\n")
    for hook in (home / "hooks/post-checkout", home / "template/hooks/post-checkout"):
        hook.write_text("#!/bin/sh\necho changed > lib/unix.txt\n")
        hook.chmod(0o755)
    (home / ".gitconfig").write_text(setting.format(folder=home))
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    key, _, value = next(line for line in setting.split("\n")[1:] if line).strip().partition(" = ")
    section = setting[1:].partition("]")[0].replace(' "', ".").replace('"', "")
    variables = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"{section}.{key}",
        "GIT_CONFIG_VALUE_0": value.format(folder=home),
        "GIT_TEMPLATE_DIR": str(home / "template"),
        "GIT_DEFAULT_HASH": "sha256",
        "GIT_DIR": str(tmp_path / "elsewhere"),
        "GIT_WORK_TREE": str(tmp_path),
        "GIT_INDEX_FILE": str(tmp_path / "index"),
        "GIT_OBJECT_DIRECTORY": str(tmp_path / "objects"),
        "GIT_ATTR_SOURCE": "HEAD",
        "GIT_REPLACE_REF_BASE": "refs/heads/",
    }
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    assert tree(tmp_path, "hostile", f"file://{upstream}", commit) == plain


def test_what_reaches_a_server_is_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A url.<base>.insteadOf of the user's configuration leads an https address to a mirror."""
    commit = repository(tmp_path / "mirror", {"pyproject.toml": PROJECT.encode()})
    (tmp_path / "config").write_text(f'[url "file://{tmp_path}/mirror"]\n\tinsteadOf = https://git.example/lib\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    assert tree(tmp_path, "x", "https://git.example/lib", commit)


def test_submodules_come_with_a_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the recorded commit, by addresses relative to their repository; local addresses are refused."""
    repository(tmp_path / "inner", {"data.txt": b"inner\n"})
    upstream = tmp_path / "outer"
    repository(upstream, {"pyproject.toml": PROJECT.encode()})
    git(upstream, "submodule", "--quiet", "add", "../inner", "lib/inner")
    git(upstream, "commit", "-q", "-m", "submodule")
    commit = git(upstream, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "file")
    git_checkout.check_out(f"file://{upstream}", commit, tmp_path / "out", "lib")
    assert (tmp_path / "out/lib/inner/data.txt").read_text() == "inner\n"
    monkeypatch.delenv("GIT_ALLOW_PROTOCOL")
    with pytest.raises(PackageError, match="its submodule lib/inner comes from file://"):
        git_checkout.check_out(f"file://{upstream}", commit, tmp_path / "again", "lib")


@pytest.mark.parametrize(
    "url",
    [
        "https://git.example/lib",
        "https://user@git.example:8443/lib.git",
        "ssh://git@git.example/lib",
        "git@git.example:acme/lib.git",
        "git.example:lib",
        "git://git.example/lib",
        "ssh://git@[::1]:22/lib",
    ],
)
def test_servers_are_fetched_from(url: str) -> None:
    """Everything that names a server by a protocol of git."""
    assert git_checkout.refusal(url) == ""


@pytest.mark.parametrize(
    "url",
    [
        "file:///srv/lib",
        "/srv/lib",
        "../lib",
        "./lib",
        "fd::17/foo",
        "fd::0,1/x",
        "ext::sh -c touch% /tmp/x",
        "ssh://-oProxyCommand=touch /x",
        "ssh://-oProxyCommand=x@host/lib",
        "-u./x",
        "--upload-pack=touch",
        "-oProxyCommand=x:lib",
        "https:///lib",
        "https://",
        "ftp://git.example/lib",
        "transport::address",
        "",
        "git.example:lib\next::x",
    ],
)
def test_what_is_no_server_is_refused(url: str) -> None:
    """Folders of this machine, descriptors, commands, options, and helpers by another name."""
    assert git_checkout.refusal(url)
