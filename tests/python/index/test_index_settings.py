"""Which indexes and logins people have configured for pip, uv and poetry already."""

from pathlib import Path

import pytest

from airbyte_ci.errors import ConfigurationError
from airbyte_ci.python.index import index_settings
from airbyte_ci.python.index.index_settings import Source
from airbyte_ci.python.index.package_index import PackageIndex

FILES = {
    "pip/pip.conf": "[global]\nindex-url = https://pip-main/simple\nextra_index_url = https://pip-a/s https://pip-b/s\n"
    "[install]\nclient-cert = /client.pem\n",
    "uv/uv.toml": '[[index]]\nname = "own"\nurl = "https://uv-own/simple"\n'
    '[[index]]\nname = "late"\nurl = "https://uv-late/simple"\nexplicit = true\n'
    '[[index]]\nurl = "https://uv-main/simple"\ndefault = true\n',
}


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """An environment whose configuration files are in a folder of the test, and no others."""
    return {"XDG_CONFIG_HOME": str(folder), "HOME": str(folder / "nobody"), "PIP_CONFIG_FILE": "/dev/null", **variables}


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def test_pips_file_counts_where_no_variable_does(tmp_path: Path) -> None:
    """index-url and extra-index-url, however they are spelled; a variable takes the place of its key."""
    write(tmp_path, {"pip/pip.conf": FILES["pip/pip.conf"]})
    chosen = str(tmp_path / "pip/pip.conf")
    found = index_settings.read(environment(tmp_path, PIP_CONFIG_FILE=chosen))
    assert found.main == Source("https://pip-main/simple")
    assert [source.url for source in found.extra] == ["https://pip-a/s", "https://pip-b/s"]
    assert found.access.client_certificate == "/client.pem"
    variables = {"PIP_INDEX_URL": "https://other/simple", "PIP_EXTRA_INDEX_URL": "https://more/simple"}
    found = index_settings.read(environment(tmp_path, PIP_CONFIG_FILE=chosen, **variables))
    assert found.main == Source("https://other/simple")
    assert [source.url for source in found.extra] == ["https://more/simple"]


def test_uvs_file_counts(tmp_path: Path) -> None:
    """Named, default and explicit indexes; an explicit one is used only for packages that name it."""
    write(tmp_path, {"uv/uv.toml": FILES["uv/uv.toml"]})
    index = PackageIndex.from_environment(environment(tmp_path))
    assert (index.main, index.extra) == ("https://uv-main/simple", ("https://uv-own/simple",))
    assert [(source.name, source.explicit) for source in index.named] == [("own", False), ("late", True)]


@pytest.mark.parametrize(
    ("variables", "logins"),
    [
        ({"UV_INDEX_MY_OWN_USERNAME": "u", "UV_INDEX_MY_OWN_PASSWORD": "p"}, (("MY_OWN", "u", "p"),)),
        ({"POETRY_HTTP_BASIC_OWN_USERNAME": "u", "POETRY_HTTP_BASIC_OWN_PASSWORD": "p"}, (("OWN", "u", "p"),)),
        ({"UV_INDEX_OWN_PASSWORD": "token"}, (("OWN", "", "token"),)),
    ],
    ids=["uv", "poetry", "password only"],
)
def test_logins_by_name(tmp_path: Path, variables: dict[str, str], logins: tuple[tuple[str, str, str], ...]) -> None:
    """The variables of uv and poetry are used; printed settings do not show their values."""
    found = PackageIndex.from_environment(
        environment(tmp_path, PIP_INDEX_URL="https://u:secret@own/simple", **variables)
    )
    assert found.access.logins == logins
    assert not any(word in repr(found) for word in ("secret", "token", "'p'"))


def test_poetrys_own_file_has_logins(tmp_path: Path) -> None:
    """The file that `poetry config http-basic.own user password` writes without a keyring."""
    write(tmp_path, {"pypoetry/auth.toml": '[http-basic.my-own]\nusername = "u"\npassword = "p"\n'})
    assert index_settings.read(environment(tmp_path)).access.logins == (("MY_OWN", "u", "p"),)


@pytest.mark.parametrize(
    ("variables", "bundle", "certificate", "keyring"),
    [
        ({"PIP_CERT": "/a", "SSL_CERT_FILE": "/b", "PIP_CLIENT_CERT": "/c"}, "/a", "/c", False),
        ({"SSL_CERT_FILE": "/b", "REQUESTS_CA_BUNDLE": "/d", "SSL_CLIENT_CERT": "/e"}, "/b", "/e", False),
        ({"REQUESTS_CA_BUNDLE": "/d", "UV_KEYRING_PROVIDER": "subprocess"}, "/d", "", True),
        ({"PIP_KEYRING_PROVIDER": "disabled"}, "", "", False),
    ],
)
def test_certificates_and_keyring(
    tmp_path: Path, variables: dict[str, str], bundle: str, certificate: str, keyring: bool
) -> None:
    """pip's variables override common ones; the keyring is used only if selected."""
    access = index_settings.read(environment(tmp_path, **variables)).access
    assert (access.ca_bundle, access.client_certificate, access.keyring) == (bundle, certificate, keyring)


@pytest.mark.parametrize(("name", "text"), [("uv/uv.toml", "index = ["), ("pip/pip.conf", "no section")])
def test_a_damaged_file_is_told(tmp_path: Path, name: str, text: str) -> None:
    """A settings file that cannot be read is an error, not a silent public index."""
    write(tmp_path, {name: text})
    chosen = {"PIP_CONFIG_FILE": str(tmp_path / "pip/pip.conf")}
    with pytest.raises(ConfigurationError, match=name):
        index_settings.read(environment(tmp_path, **chosen))


def test_a_projects_indexes_join_the_users() -> None:
    """The indexes of pyproject.toml come first, but do not replace the user's main index."""
    declared = [
        *index_settings.of_poetry(
            {
                "source": [
                    {"name": "own", "url": "https://own/simple", "priority": "supplemental"},
                    {"name": "first", "url": "https://first/simple", "priority": "primary"},
                    {"name": "late", "url": "https://late/simple", "priority": "explicit"},
                ]
            }
        )
    ]
    index = PackageIndex(main=None, extra=("https://user/simple",)).also(declared)
    assert (index.main, index.extra) == ("https://first/simple", ("https://own/simple", "https://user/simple"))
    assert PackageIndex(main="https://user/simple").also(declared).main == "https://user/simple"
