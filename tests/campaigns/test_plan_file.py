"""A plan as a file: it holds every edit, and is applied exactly, once."""

import json
from datetime import date
from pathlib import Path

import pytest
import yaml

from airbyte_ci.base_images.catalog import catalog
from airbyte_ci.campaigns.changes import plan
from airbyte_ci.campaigns.changes.change import Change
from airbyte_ci.campaigns.changes.task import RequestedEntry
from airbyte_ci.campaigns.migrations import bump_version, migrate_to_base_image
from airbyte_ci.campaigns.migrations.bump_version import BumpOptions
from airbyte_ci.campaigns.migrations.migrate_to_base_image import MigrateOptions
from airbyte_ci.campaigns.migrations.migration import plan_change
from airbyte_ci.edits.files import Files
from airbyte_ci.errors import AirbyteCiError, EditRefused
from tests.campaigns.repositories import CONNECTORS, commit, copied, snapshot, task

ENTRY = RequestedEntry(7, "One & the same", date(2024, 6, 4))


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """The example fleet; two of its connectors share a page."""
    root = copied("fleet", tmp_path / "fleet")
    path = root / CONNECTORS / "source-newsfeed/metadata.yaml"
    data = yaml.safe_load(path.read_text())
    shared = f"version: {data['data']['dockerImageTag']}"
    path.write_text(path.read_text().replace("sources/newsfeed", "sources/tides"))
    path.write_text(path.read_text().replace(shared.removeprefix("version: "), "0.9.0"))
    commit(root)
    return root


def changes(root: Path) -> list[Change]:
    files = Files(root)
    migrating = migrate_to_base_image.MIGRATION
    tides = task(root, "source-tides", ENTRY, deletes=migrating.deletes, known=catalog.shipped(), files=files)
    first = plan_change(migrating, tides, MigrateOptions())
    files.record(first.edit, outside=tides.connector.relative)
    newsfeed = task(root, "source-newsfeed", ENTRY, files=files)
    return [first, plan_change(bump_version.MIGRATION, newsfeed, BumpOptions("minor"))]


def written(root: Path, target: Path) -> list[Change]:
    made = changes(root)
    plan.write(target, "migrate_to_base_image", made)
    return made


def applied(root: Path, target: Path) -> list[str]:
    done = []
    for planned, edit in plan.verified(plan.read(target), root):
        edit.apply(root)
        if edit:
            done.append(planned.change.connector)
    return done


def test_what_is_applied_is_what_was_planned(fleet: Path, tmp_path: Path) -> None:
    """The files are as the run itself would have made them, a shared page with both rows; again, nothing is left."""
    made = written(fleet, tmp_path / "plan")
    assert applied(fleet, tmp_path / "plan") == ["source-tides", "source-newsfeed"]
    by_plan = snapshot(fleet)
    page = by_plan["docs/integrations/sources/tides.md"].decode()
    assert page.count("One & the same") == 2
    assert applied(fleet, tmp_path / "plan") == []
    for change in reversed(made):
        for item in change.edit.changes:
            assert item.after == by_plan.get(item.path) or item.path.startswith("docs/")


def test_the_plan_reads_back_as_it_was(fleet: Path, tmp_path: Path) -> None:
    """All that delivery needs to know survives: title, versions, row, notes."""
    made = written(fleet, tmp_path / "plan")
    read = plan.read(tmp_path / "plan")
    assert read.command == "migrate_to_base_image"
    assert [item.change for item in read.changes] == [item.with_edit(type(item.edit)()) for item in made]


def test_an_interrupted_apply_goes_on(fleet: Path, tmp_path: Path) -> None:
    """Connectors that already match the plan are skipped, the rest is applied."""
    made = written(fleet, tmp_path / "plan")
    made[0].edit.apply(fleet)
    assert applied(fleet, tmp_path / "plan") == ["source-newsfeed"]


@pytest.mark.parametrize(
    ("path", "content", "said"),
    [
        (f"{CONNECTORS}/source-newsfeed/metadata.yaml", b"data: {}\n", "has changed since"),
        (f"{CONNECTORS}/source-tides/Dockerfile", None, "is gone since"),
        (f"{CONNECTORS}/source-tides/metadata.yaml", b"", "has changed since"),
    ],
)
def test_a_file_that_changed_stops_everything(
    fleet: Path, tmp_path: Path, path: str, content: bytes | None, said: str
) -> None:
    """Every file is checked before the first is written: nothing is half-applied."""
    written(fleet, tmp_path / "plan")
    (fleet / path).unlink() if content is None else (fleet / path).write_bytes(content)
    before = snapshot(fleet)
    with pytest.raises(EditRefused, match=said):
        applied(fleet, tmp_path / "plan")
    assert snapshot(fleet) == before


def test_what_is_no_plan_is_told(fleet: Path, tmp_path: Path) -> None:
    """Damage is an error that names the line; a path out of the repository is refused."""
    target = tmp_path / "plan"
    written(fleet, target)
    lines = target.read_text().splitlines()
    content = json.loads(lines[1])
    content["files"][-1]["text"] += "more"
    outside = json.loads(lines[1])
    outside["files"][0]["path"] = "../x"
    for number, text in (
        (1, '{"format": "other"}'),
        (2, "[]"),
        (2, json.dumps(content)),
        (3, "{"),
        (2, json.dumps(outside)),
    ):
        target.write_text("\n".join([*lines[: number - 1], text, *lines[number:]]))
        with pytest.raises(AirbyteCiError) as caught:
            plan.read(target)
        assert f"line {number}" in caught.value.message or "inside the repository" in caught.value.message
    target.write_text("")
    with pytest.raises(AirbyteCiError, match="it is empty → make the plan again"):
        plan.read(target)


def test_a_plan_that_was_cut_is_refused(fleet: Path, tmp_path: Path) -> None:
    """A plan that is cut anywhere is not applied; text after its end invalidates it too."""
    target = tmp_path / "plan"
    written(fleet, target)
    text = target.read_text()
    lines = text.splitlines(keepends=True)
    for cut in ("".join(lines[:1]), "".join(lines[:2]), "".join(lines[:3]), text[:-3], text[: len(text) // 2]):
        target.write_text(cut)
        with pytest.raises(AirbyteCiError, match="it was cut"):
            plan.read(target)
    target.write_text("".join([*lines, lines[1]]))
    with pytest.raises(AirbyteCiError, match="line 4"):
        plan.read(target)
    target.write_text(text.removesuffix("\n"))
    assert len(plan.read(target).changes) == 2
