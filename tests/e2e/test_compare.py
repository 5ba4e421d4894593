"""`connectors compare` as a command: images wherever they are, reports, exit codes and wrong usage."""

import json
from pathlib import Path

import pytest

from airbyte_ci.images import archive
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry
from airbyte_ci.testing import connector_images as samples
from tests.e2e.command import Result, airbyte_ci

SAMPLE = samples.sample_image()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a sample image, and one that lacks a variable and has another file."""
    folder = tmp_path_factory.mktemp("compare")
    store = Store(folder / "store")
    changed = SAMPLE.with_settings(Env=samples.SETTINGS["Env"][:-1]).adding(
        Entry(path="opt/tool/data.bin", content=b"other")
    )
    for name, sample in (("acme/old:1", SAMPLE), ("acme/new:1", changed)):
        image = samples.put_sample(store, sample)
        store.tag(name, image.manifest.descriptor)
        with (folder / f"{name.partition('/')[2][:3]}.tar").open("wb") as file:
            archive.write(store, image, [name], file)
    (folder / "config.json").write_text("{}")
    return folder / "store"


def run(home: Path, *arguments: str) -> Result:
    return airbyte_ci("connectors", "compare", "--no-run", *arguments, cwd=home.parent, home=home)


def test_every_difference_is_in_every_report(home: Path) -> None:
    """Text, JSON and Markdown name the same rows, and the exit code is 1; equal images give 0."""
    done = run(home, "acme/old:1", "acme/new:1", "--markdown=report.md")
    assert done.code == 1, done.err
    assert "1 lost · 1 unexplained" in done.out and "variable API_LIMIT  10" in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    markdown = (home.parent / "report.md").read_text()
    assert "| lost | `variable API_LIMIT` |" in markdown and "`file opt/tool/data.bin`" in markdown
    assert run(home, "acme/old:1", "acme/new:1", "--html=report.html").code == 1
    page = (home.parent / "report.html").read_text()
    assert "API_LIMIT" in page and "/opt/tool/data.bin" in page
    document = json.loads(run(home, "acme/old:1", "acme/new:1", "--json").out)
    assert [row["name"] for row in document["rows"] if row["verdict"] in ("lost", "unexplained")] == [
        "API_LIMIT",
        "opt/tool/data.bin",
    ]
    assert document["old"]["base"] == samples.BASE_ADDRESS
    same = run(home, "old.tar", "acme/old:1")
    assert same.code == 0 and "✓" in same.out, same.out + same.err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("a", "b", "c"), "takes two images, but got 3"),
        (("acme/old:1", "acme/new:1", "--old-base=acme/new:1"), "is not the base of acme/old:1"),
        (("acme/old:1", "UPPER CASE"), "neither a file, nor a name in the store, nor an address"),
        (("acme/old:1", "acme/new:1", "--markdown=/nowhere/report.md"), "cannot write /nowhere/report.md"),
        (("acme/old:1", "acme/new:1", "--live"), "--live and --ignore-parameter need a configuration"),
        (("acme/old:1", "acme/new:1", "--config=config.json"), "--no-run excludes --config"),
    ],
)
def test_wrong_usage_is_one_line(home: Path, arguments: tuple[str, ...], reason: str) -> None:
    """Each wrong argument is named with its value, and the exit code is 2."""
    done = run(home, *arguments)
    assert done.code == 2 and reason in done.err, done.err
