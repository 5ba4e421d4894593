"""Sources of logins, their order, and the notes about unusable sources."""

import base64
import json
import stat
from pathlib import Path

import pytest

from airbyte_ci.registry.credentials import Credential, UserCredentials

HELPER = """#!/bin/sh
read server
if [ "$server" = "known.example" ]; then
  echo '{"ServerURL": "known.example", "Username": "%s", "Secret": "from helper"}'
else
  echo "credentials not found in native keychain"; exit 1
fi
"""


def auth(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def write(path: Path, document: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def helper(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / f"docker-credential-{name}"
    path.write_text(script)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def found(home: Path, registry: str, repository: str = "acme/x", **environment: str) -> Credential | None:
    return UserCredentials(environment, home).find(registry, repository).credential


def test_files_are_read_in_order(tmp_path: Path) -> None:
    """$REGISTRY_AUTH_FILE, Docker's folder, then Podman's locations; the first one with a login is used."""
    explicit = write(tmp_path / "explicit.json", {"auths": {"one.example": auth("a", "1")}})
    write(tmp_path / "docker" / "config.json", {"auths": {"two.example": auth("b", "2")}})
    write(tmp_path / ".docker" / "config.json", {"auths": {"three.example": auth("c", "3")}})
    run = write(tmp_path / "run" / "containers" / "auth.json", {"auths": {"two.example": auth("d", "4")}})
    write(tmp_path / ".config" / "containers" / "auth.json", {"auths": {"four.example": auth("e", "5")}})
    places = {
        "REGISTRY_AUTH_FILE": str(explicit),
        "DOCKER_CONFIG": str(tmp_path / "docker"),
        "XDG_RUNTIME_DIR": str(run.parents[1]),
    }
    assert found(tmp_path, "one.example", **places) == Credential("a", "1", origin=str(explicit))
    two = found(tmp_path, "two.example", **places)
    assert two == Credential("b", "2", origin=str(tmp_path / "docker" / "config.json"))
    assert found(tmp_path, "three.example", **places) is None  # $DOCKER_CONFIG replaces ~/.docker
    three = found(tmp_path, "three.example")
    assert three is not None
    assert three.username == "c"
    four = found(tmp_path, "four.example", **places)
    assert four is not None
    assert four.username == "e"


def test_nothing_anywhere_is_no_login(tmp_path: Path) -> None:
    """Without files there is no login and no note."""
    nothing = UserCredentials({}, tmp_path).find("one.example", "acme/x")
    assert (nothing.credential, nothing.notes) == (None, ())


@pytest.mark.parametrize(
    "key", ["docker.io", "https://index.docker.io/v1/", "index.docker.io", "https://registry-1.docker.io/v2/"]
)
def test_names_of_docker_hub(tmp_path: Path, key: str) -> None:
    """The registry that references call docker.io has its login under any of its names."""
    write(tmp_path / ".docker" / "config.json", {"auths": {key: auth("me", "p:with:colons")}})
    login = found(tmp_path, "docker.io", "library/python")
    assert login is not None
    assert (login.username, login.password) == ("me", "p:with:colons")


def test_variables_come_first_and_only_for_docker_hub(tmp_path: Path) -> None:
    """DOCKER_HUB_USERNAME and DOCKER_HUB_PASSWORD, both, are the login for docker.io and for nothing else."""
    write(tmp_path / ".docker" / "config.json", {"auths": {"docker.io": auth("file", "1")}})
    both = {"DOCKER_HUB_USERNAME": "env", "DOCKER_HUB_PASSWORD": "2"}
    assert found(tmp_path, "docker.io", **both) == Credential("env", "2", origin="DOCKER_HUB_USERNAME")
    assert found(tmp_path, "one.example", **both) is None
    only = found(tmp_path, "docker.io", DOCKER_HUB_USERNAME="env")
    assert only is not None
    assert only.username == "file"


def test_narrower_key_comes_first(tmp_path: Path) -> None:
    """Podman's logins for a namespace come before the one for the registry."""
    entries = {"one.example": auth("all", "1"), "one.example/acme": auth("acme", "2")}
    write(tmp_path / ".docker" / "config.json", {"auths": entries})
    names = [found(tmp_path, "one.example", name) for name in ("acme/x", "acme/deep/x", "acme", "acmes/x")]
    assert [login and login.username for login in names] == ["acme", "acme", "acme", "all"]


@pytest.mark.parametrize("key", ["https://one.example", "http://one.example/v1/", "one.example/v2/"])
def test_old_spellings_of_a_host(tmp_path: Path, key: str) -> None:
    """Older tools wrote addresses in place of hosts."""
    write(tmp_path / ".docker" / "config.json", {"auths": {key: auth("me", "1")}})
    assert found(tmp_path, "one.example")


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"username": "me", "password": "1"}, Credential("me", "1")),
        ({"identitytoken": "t", **auth("me", "")}, Credential("me", "", "t")),
        (auth("<token>", "t"), Credential(identity_token="t")),
        ({}, None),
        (auth("me", ""), None),
    ],
)
def test_forms_of_an_entry(tmp_path: Path, entry: dict[str, str], expected: Credential | None) -> None:
    """An entry is a pair, an encoded pair or an identity token; an empty entry is ignored."""
    path = write(tmp_path / ".docker" / "config.json", {"auths": {"one.example": entry}})
    login = found(tmp_path, "one.example")
    if expected is None:
        assert login is None
    else:
        assert login == Credential(expected.username, expected.password, expected.identity_token, str(path))


def test_helpers_come_before_the_file(tmp_path: Path) -> None:
    """The registry's own helper, then the common one, then the entry in the file."""
    for name in ("own", "common"):
        helper(tmp_path / "bin", name, HELPER % name)
    document = {"credsStore": "common", "auths": {"known.example": auth("file", "1"), "b.example": auth("b", "2")}}
    path = tmp_path / ".docker" / "config.json"
    environment = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}
    write(path, {**document, "credHelpers": {"known.example": "own"}})
    own = found(tmp_path, "known.example", **environment)
    assert own == Credential("own", "from helper", origin="docker-credential-own")
    write(path, document)
    common = found(tmp_path, "known.example", **environment)
    assert common == Credential("common", "from helper", origin="docker-credential-common")
    other = found(tmp_path, "b.example", **environment)
    assert other is not None
    assert other.username == "b"


def test_helper_may_give_an_identity_token(tmp_path: Path) -> None:
    """The user name `<token>` means that the secret is an identity token."""
    helper(tmp_path / "bin", "x", HELPER % "<token>")
    write(tmp_path / ".docker" / "config.json", {"credsStore": "x"})
    login = found(tmp_path, "known.example", PATH=f"{tmp_path / 'bin'}:/usr/bin:/bin")
    assert login == Credential(identity_token="from helper", origin="docker-credential-x")


@pytest.mark.parametrize(
    ("script", "note"),
    [
        ("#!/bin/sh\necho hunter2 >&2; exit 7\n", r"docker-credential-x failed (7)"),
        ("#!/bin/sh\necho hunter2\n", "docker-credential-x returned no login (JSONDecodeError)"),
        ("#!/bin/sh\necho '[]'\n", "docker-credential-x returned no login (TypeError)"),
        ("not a program", "docker-credential-x returned no login (OSError)"),
    ],
)
def test_broken_helper_is_a_note(tmp_path: Path, script: str, note: str) -> None:
    """A failing helper is noted without its output, which might contain a secret."""
    helper(tmp_path / "bin", "x", script)
    write(tmp_path / ".docker" / "config.json", {"credsStore": "x"})
    environment = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}
    nothing = UserCredentials(environment, tmp_path).find("one.example", "x")
    assert (nothing.credential, nothing.notes) == (None, (note,))


@pytest.mark.parametrize("name", ["missing", "../../bin/sh", "a b", ""])
def test_helper_that_is_not_there_is_a_note(tmp_path: Path, name: str) -> None:
    """A helper must be a plain name of a program on the PATH; another one is noted and not run."""
    write(tmp_path / ".docker" / "config.json", {"credHelpers": {"one.example": name}})
    nothing = UserCredentials({"PATH": "/usr/bin:/bin"}, tmp_path).find("one.example", "x")
    assert nothing.credential is None
    assert "is not on the PATH" in nothing.notes[0]


@pytest.mark.parametrize(
    "text", ["{", "[]", "[" * 100_000, '{"auths": {"one.example": 5}}', '{"auths": {"one.example": {"auth": "%"}}}']
)
def test_broken_file_is_a_note(tmp_path: Path, text: str) -> None:
    """An unusable file is noted by its path, and the next one is read."""
    path = tmp_path / ".docker" / "config.json"
    path.parent.mkdir()
    path.write_text(text)
    write(tmp_path / ".config" / "containers" / "auth.json", {"auths": {"one.example": auth("me", "1")}})
    answer = UserCredentials({}, tmp_path).find("one.example", "x")
    assert answer.credential
    assert len(answer.notes) == 1
    assert str(path) in answer.notes[0]
