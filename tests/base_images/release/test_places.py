"""The places of base images' records: two images never share a file."""

import json
from pathlib import Path

from airbyte_ci.base_images.release import places
from airbyte_ci.oci.reference import Reference

ACME, FAM = "localhost:5000/acme/python-connector-base", "localhost:5000/fam/python-connector-base"


def _lock(root: Path, repository: str, version: str) -> Path:
    """The place of a version's lock, with a lock in it."""
    path = places.lock(Reference.parse(f"{repository}:{version}"), root)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"declaration": {"repository": repository}}))
    return path.relative_to(root)


def _page(root: Path, repository: str) -> Path:
    path = places.page(repository, root)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"<!-- a note -->\n\n# {repository}\n\n| version |\n")
    return path.relative_to(root)


def test_an_image_alone_has_short_names(tmp_path: Path) -> None:
    """The last name of its repository, also when all of it is there already."""
    for _ in range(2):
        assert str(_lock(tmp_path, ACME, "1.0.0")) == "base-images/python-connector-base-1.0.0.lock.json"
        assert str(_page(tmp_path, ACME)) == "base-images/python-connector-base.md"
    changelog = places.changelog(ACME, tmp_path).relative_to(tmp_path)
    assert str(changelog) == "base-images/python-connector-base-CHANGELOG.md"


def test_another_image_with_the_last_name_has_places_of_its_own(tmp_path: Path) -> None:
    """No lock, page or changelog of the first is changed, for any version of the second, in any order."""
    first = _lock(tmp_path, ACME, "1.0.0")
    folder = "base-images/localhost-5000/fam/python-connector-base"
    for version in ("1.0.0", "2.0.0"):
        assert str(_lock(tmp_path, FAM, version)) == f"{folder}-{version}.lock.json"
    # Its page does not take the name of an image that has only a lock so far.
    assert str(_page(tmp_path, FAM)) == f"{folder}.md"
    assert str(places.changelog(FAM, tmp_path).relative_to(tmp_path)) == f"{folder}-CHANGELOG.md"
    assert places.lock(Reference.parse(f"{ACME}:1.0.0"), tmp_path).relative_to(tmp_path) == first
    assert str(_page(tmp_path, ACME)) == "base-images/python-connector-base.md"
    assert {path.relative_to(tmp_path) for path in places.locks(tmp_path, "1.0.0")} == {
        first,
        Path(f"{folder}-1.0.0.lock.json"),
    }


def test_a_lock_is_found_where_it_is(tmp_path: Path) -> None:
    """One that lies under the short name from before stays there, though the name is another image's by now."""
    early = _lock(tmp_path, FAM, "1.0.0")
    page = tmp_path / "base-images" / "python-connector-base.md"
    page.write_text(f"# {ACME}\n")
    assert places.lock(Reference.parse(f"{FAM}:1.0.0"), tmp_path).relative_to(tmp_path) == early
    assert str(_lock(tmp_path, FAM, "1.1.0")).startswith("base-images/localhost-5000/fam/")


def test_another_name_that_begins_the_same_is_no_owner(tmp_path: Path) -> None:
    """`base` does not give way to `base-java`."""
    _lock(tmp_path, "acme.example/fam/base-java", "1.0.0")
    assert str(_page(tmp_path, "acme.example/acme/base")) == "base-images/base.md"
