"""The catalog of base images: its file, its order, and how an address is found in it."""

from pathlib import Path

import pytest
import yaml

from airbyte_ci.base_images.catalog import catalog
from airbyte_ci.base_images.catalog.catalog import Catalog
from airbyte_ci.errors import ConfigurationError

REPOSITORY = "docker.io/airbyte/python-connector-base"
A, B, C = (f"sha256:{letter * 64}" for letter in "abc")
TEXT = f"""
{REPOSITORY}:
- version: 1.0.0
  address: airbyte/python-connector-base:1.0.0@{A}
  python: "3.9"
- version: 2.0.0-rc.1
  address: {REPOSITORY}:2.0.0-rc.1@{B}
  python: 3.10.14
- version: 10.0.0
  address: {REPOSITORY}:10.0.0@{C}
  python: "3.13"
  user: airbyte
  changelog: "Ten: ü"
  verified: false
- version: 2.0.0
  address: {REPOSITORY}:2.0.0@{B}
  python: 3.10.14
  yanked: wrong certificates
acme.example/base:
- version: 1.0.0
  address: acme.example/base:1.0.0@{A}
  python: "3.11"
"""


def known() -> Catalog:
    return catalog.parse(TEXT, "x")


def test_versions_are_ordered_by_precedence() -> None:
    """Newest first within a repository: by semantic precedence, not by text; a pre-release before its release."""
    assert [item.version for item in known().of(REPOSITORY)] == ["10.0.0", "2.0.0", "2.0.0-rc.1", "1.0.0"]
    assert [item.version for item in known().of("acme.example/base")] == ["1.0.0"]
    assert known().of("nobody/knows") == ()


def test_what_an_entry_says() -> None:
    """User, changelog, verified and yanked have defaults; the address is normalised and pinned."""
    ten, two, candidate, one = known().of(REPOSITORY)
    assert (ten.user, ten.changelog, ten.verified, ten.yanked) == ("airbyte", "Ten: ü", False, "")
    assert (one.user, one.changelog, one.verified, one.yanked) == ("root", "", True, "")
    assert two.yanked == "wrong certificates"
    assert candidate.is_prerelease
    assert not two.is_prerelease
    assert str(one.address) == f"{REPOSITORY}:1.0.0@{A}"


@pytest.mark.parametrize(
    ("address", "version"),
    [
        (f"{REPOSITORY}:1.0.0@{A}", "1.0.0"),
        (f"airbyte/python-connector-base:1.0.0@{A}", "1.0.0"),
        (f"{REPOSITORY}@{A}", "1.0.0"),
        (f"{REPOSITORY}:2.0.0@{B}", "2.0.0"),
        (f"{REPOSITORY}:2.0.0-rc.1@{B}", "2.0.0-rc.1"),
        (f"{REPOSITORY}@{B}", "2.0.0"),
        (f"{REPOSITORY}:1.0.0", "1.0.0"),
        (f"{REPOSITORY}:9.9.9", None),
        (f"{REPOSITORY}:1.0.0@sha256:{'d' * 64}", None),
        (f"other.example/airbyte/python-connector-base:1.0.0@{A}", None),
        (f"acme.example/base@{A}", "1.0.0"),
        ("not an address", None),
        ("", None),
    ],
)
def test_an_address_is_found(address: str, version: str | None) -> None:
    """By digest, with the tag where several share one; without a digest by tag; never in another repository."""
    found = known().find(address)
    assert (found.version if found else None) == version


@pytest.mark.parametrize(
    ("address", "behind"),
    [(f"{REPOSITORY}:1.0.0", 0), (f"{REPOSITORY}:2.0.0-rc.1", 0), (f"{REPOSITORY}:0.1.0", None)],
)
def test_only_what_counts_is_ahead(address: str, behind: int | None) -> None:
    """Yanked, unverified and pre-release versions do not put a connector behind; an unknown address is neither."""
    assert known().behind(address) == behind


def test_being_behind_is_counted() -> None:
    """The number of newer releases of the same repository."""
    text = TEXT.replace("  verified: false\n", "").replace("  yanked: wrong certificates\n", "")
    assert catalog.parse(text, "x").behind(f"{REPOSITORY}:1.0.0") == 2


@pytest.mark.parametrize(("platform", "behind"), [("", 2), ("0.62.9", 1), ("0.63", 2), ("0.64.0", 2)])
def test_a_release_for_a_later_platform_puts_nobody_behind(platform: str, behind: int) -> None:
    """Connectors cannot move to it while users run an older platform; with an unknown platform it is included."""
    text = TEXT.replace("  verified: false\n", "").replace("  yanked: wrong certificates\n", "")
    document = yaml.safe_load(text)
    document[REPOSITORY][-1]["requires-platform"] = "0.63.0"
    newest = catalog.parse(yaml.safe_dump(document), "x")
    assert newest.behind(f"{REPOSITORY}:1.0.0", platform) == behind


def test_a_file_reads_back() -> None:
    """The written text has all entries without defaults, in a stable order."""
    text = catalog.dump(known())
    assert catalog.parse(text, "x") == known()
    assert catalog.dump(catalog.parse(text, "x")) == text
    assert text.startswith("# ")
    assert "verified: true" not in text


def test_a_repositorys_own_entries_count_first() -> None:
    """The same version is replaced, others are added, the order holds."""
    own = catalog.parse(
        f"{REPOSITORY}:\n- {{version: 1.0.0, address: '{REPOSITORY}:1.0.0@{C}', python: '3.12'}}\n"
        f"- {{version: 3.0.0, address: '{REPOSITORY}:3.0.0@{A}', python: '3.12'}}\n",
        "own",
    )
    merged = known().merged(own)
    assert [item.version for item in merged.of(REPOSITORY)] == ["10.0.0", "3.0.0", "2.0.0", "2.0.0-rc.1", "1.0.0"]
    assert merged.of(REPOSITORY)[-1].python == "3.12"
    assert known().merged(Catalog(())) == known()


def test_the_file_of_a_repository_is_optional(tmp_path: Path) -> None:
    """Without a file, only the shipped catalog is used; with one, both."""
    assert catalog.load(tmp_path / "none.yaml") == catalog.shipped()
    (tmp_path / "own.yaml").write_text(TEXT)
    loaded = catalog.load(tmp_path / "own.yaml")
    assert len(loaded.versions) > len(known().versions)
    assert loaded.find(f"acme.example/base@{A}") is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1", "x is not valid YAML"),
        ("- a\n", "is not a mapping of repositories to versions"),
        ("text\n", "is not a mapping of repositories to versions"),
        ("a/b:\n- {version: 1.0.0}\n", "is invalid: an entry of a/b"),
        ("a/b:\n- text\n", "is invalid: an entry of a/b"),
        (f"a/b:\n- {{version: one, address: 'a/b@{A}', python: '3.9'}}\n", "is invalid: an entry of a/b"),
        (f"a/b:\n- {{version: 1.0, address: 'a/b@{A}', python: '3.9'}}\n", "is invalid: an entry of a/b"),
        ("a/b:\n- {version: 1.0.0, address: 'a/b:1.0.0', python: '3.9'}\n", "is invalid: an entry of a/b"),
        ("a/b:\n- {version: 1.0.0, address: 'A B', python: '3.9'}\n", "is invalid: an entry of a/b"),
        (f"a/b:\n- {{version: 1.0.0, address: 'a/b@{A}', python: '3.9', requires-platform: 0.6}}\n", "such as 0.63.0"),
        (f"a/b:\n- {{version: 1.0.0, address: 'a/b@{A}', python: '3.9', requires-platform: new}}\n", "such as 0.63.0"),
        (f"a/b:\n- {{version: 1.0.0, address: 'a/b@{A}'}}\n", "is invalid: an entry of a/b"),
    ],
)
def test_a_file_that_is_not_right_is_told(text: str, said: str) -> None:
    """The error names the file and the repository whose entry is wrong, in one line."""
    with pytest.raises(ConfigurationError) as caught:
        catalog.parse(text, "x")
    assert said in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("content", [b"\xff\xfe\0", None], ids=["bytes", "folder"])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, content: bytes | None) -> None:
    """Bytes that are no text, or a folder: the path is named."""
    path = tmp_path / "own.yaml"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"own\.yaml"):
        catalog.read(path)


def test_the_shipped_catalog_holds_the_published_versions() -> None:
    """All known versions with their digests, in the public repository; the broken one yanked, as it was there."""
    versions = catalog.shipped().of(REPOSITORY)
    assert {"1.0.0", "1.1.0", "1.2.0", "1.2.1", "1.2.2", "1.2.3", "2.0.0", "3.0.0", "4.0.2", "4.1.0"} <= {
        item.version for item in versions
    }
    assert all(item.address.tag == item.version and item.address.digest for item in versions)
    assert [item.version for item in versions if not item.verified] == ["3.0.2"]
    assert [(item.version, item.replaced_by) for item in versions if item.yanked] == [("1.2.1", "1.2.2")]


def test_versions_that_are_no_list_are_told() -> None:
    """`a/b: 3` is an error of the configuration, not an internal error."""
    with pytest.raises(ConfigurationError):
        catalog.parse("a/b: 3\n", "x")
