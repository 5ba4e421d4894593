"""The catalog commands' reports about versions that should not be used, and how versions are withdrawn."""

import shlex
from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml

from airbyte_ci.base_images.catalog import catalog
from airbyte_ci.errors import BlobNotFound
from airbyte_ci.oci.reference import Reference
from airbyte_ci.registry.client import client_of_user
from airbyte_ci.registry.options import RegistryOptions
from tests.e2e.conftest import Command
from tests.e2e.tiny import Tiny

pytestmark = pytest.mark.slow

REPOSITORY = "acme.example/team/base"
SOON = date.today() + timedelta(days=30)  # noqa: DTZ011  # the command's own today, give or take a day


def _version(number: str, **more: object) -> dict[str, object]:
    digest = f"sha256:{number.replace('.', '').replace('-rc', '').ljust(64, '0')}"
    return {"version": number, "address": f"{REPOSITORY}:{number}@{digest}", "python": "3.11", **more}


@pytest.fixture
def known(fleet: Path) -> Path:
    """The scratch fleet with its own catalog, and a connector on a version whose support ends soon."""
    versions = [
        _version("2.0.0", python="3.12"),
        _version("1.4.0-rc.1"),
        _version("1.3.0", verified=False),
        _version("1.2.0", yanked="it leaks", **{"replaced-by": "1.1.0"}),
        _version("1.1.0", **{"supported-until": SOON.isoformat()}),
        _version("1.0.0", **{"supported-until": "2020-01-01"}),
    ]
    (fleet / "base-images.yaml").write_text(yaml.safe_dump({REPOSITORY: versions}))
    metadata = fleet / "airbyte-integrations/connectors/source-weather-stations/metadata.yaml"
    line = next(line for line in metadata.read_text().splitlines() if "baseImage:" in line)
    indent = line.partition("baseImage:")[0]
    address = next(str(item["address"]) for item in versions if item["version"] == "1.1.0")
    metadata.write_text(metadata.read_text().replace(line, f"{indent}baseImage: {address}"))
    return fleet


def test_a_version_that_users_cannot_run_yet_puts_nobody_behind(known: Path, run: Command) -> None:
    """With `platform-version`, as soon as it is set, a release for a later platform is ignored."""
    path = known / "base-images.yaml"
    document = yaml.safe_load(path.read_text())
    document[REPOSITORY][0]["requires-platform"] = "0.64.0"
    path.write_text(yaml.safe_dump(document))
    listing = ("connectors", "--name=source-weather-stations", "list", "--json")
    behind: list[str] = []
    toml = known / ".airbyte-ci.toml"
    before = toml.read_text()
    for version in ("", "0.63.5", "0.64"):
        toml.write_text((f'platform-version = "{version}"\n' if version else "") + before)
        behind.append(run(*listing).json[0]["state"])
    assert behind == ["1 behind", "latest", "1 behind"]


def test_lists_say_what_should_not_be_used(known: Path, run: Command) -> None:
    """Lines to paste carry the reason, the table those that have no column, and JSON always the same keys."""
    of = ("--repository", REPOSITORY)
    pasted = run("base-images", "list", *of, "--format", "yaml").out
    for number, said in [
        ("1.4.0-rc.1", "# pre-release"),
        ("1.3.0", "# unverified: the digest was reported but not verified"),
        ("1.2.0", "# yanked: it leaks → use 1.1.0"),
        ("1.0.0", "# support ended 2020-01-01"),
    ]:
        assert f"# {REPOSITORY} {number}, Python 3.11\n{said}\nconnectorBuildOptions:\n" in pasted
    assert f"# {REPOSITORY} 1.1.0, Python 3.11\nconnectorBuildOptions:\n" in pasted
    table = run("base-images", "list", *of).out
    assert "· 1.2.0 yanked: it leaks → use 1.1.0\n" in table
    assert "· 1.0.0 support ended 2020-01-01\n" in table
    assert f"· 1.1.0 is supported until {SOON}\n" in table
    rows = {item["version"]: item for item in run("base-images", "list", *of, "--json").json}
    assert {(item["user"], type(item["verified"])) for item in rows.values()} == {("root", bool)}
    assert {number: item["state"] for number, item in rows.items()} == {
        "2.0.0": "released",
        "1.4.0-rc.1": "pre-release",
        "1.3.0": "sighted only",
        "1.2.0": "yanked",
        "1.1.0": "released",
        "1.0.0": "expired",
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("1.1.0", "--reason", "  "), "--reason is empty"),
        (("1.1.0",), "yank needs either --reason, or --undo"),
        (("1.1.0", "--undo"), "base:1.1.0 is not yanked"),
        (("1.2.0", "--undo", "--replace-with", "1.1.0"), "yank needs either --reason, or --undo"),
        (
            ("1.1.0", "--reason", "x", "--replace-with", "1.3.0"),
            "1.3.0 cannot replace 1.1.0: its digest was never verified",
        ),
        (("1.1.0", "--reason", "x", "--replace-with", "1.2.0"), "1.2.0 cannot replace 1.1.0: it is yanked: it leaks"),
        (
            ("1.1.0", "--reason", "x", "--replace-with", "1.0.0"),
            "1.0.0 cannot replace 1.1.0: its support ended on",
        ),
        (("1.1.0", "--reason", "x", "--replace-with", "1.4.0-rc.1"), "it is a pre-release"),
        (("1.1.0", "--reason", "x", "--replace-with", "1.1.0"), "it is the same version"),
    ],
)
def test_a_yank_that_would_say_nothing_is_wrong_usage(
    known: Path, run: Command, arguments: tuple[str, ...], said: str
) -> None:
    """The reason must not be empty, the other version must be usable, and only a yank can be undone."""
    before = (known / "base-images.yaml").read_text()
    ended = run("base-images", "yank", f"base:{arguments[0]}", *arguments[1:])
    assert ended.code == 2
    assert said in ended.err
    assert ended.err.count("\n") == 1
    assert (known / "base-images.yaml").read_text() == before


def test_nothing_is_pushed_on_a_yanked_base_unless_told(tiny: Tiny, registry: str, tmp_path: Path) -> None:
    """Builds warn, because old commits stay buildable; pushes are for others and are refused, also from a plan."""
    base = Reference.parse(tiny.base)
    repository = f"{base.registry}/{base.repository}"
    entry = {"version": "1.0.0", "address": tiny.base, "python": "3.11", "yanked": "it leaks"}
    (tiny.folder / "base-images.yaml").write_text(yaml.safe_dump({repository: [entry]}))
    plan = tmp_path / "plan.json"
    plan.write_text(tiny.run("connectors", "--name=source-tiny", "build", "--print-plan").out)
    built = tiny.build()
    assert (built.code, built.json["status"]) == (0, "ok"), built.err
    assert "1.0.0 was yanked: it leaks" in built.json["warning"]
    pushing = f"--output=registry:{registry}/yanks"
    place = Reference.parse(f"{registry}/yanks/acme/source-tiny:dev")
    with client_of_user(RegistryOptions()) as client:
        for more in ((), (f"--from-plan={plan}",)):
            refused = tiny.build(pushing, *more)
            assert refused.code == 1
            assert refused.json["reason"] == (f"cannot push source-tiny: {base.name} 1.0.0 was yanked: it leaks")
            assert refused.json["next"] == "airbyte-ci connectors --name=source-tiny upgrade_base_image"
            assert refused.json["details"] == ["--allow-yanked pushes it anyway"]
            with pytest.raises(BlobNotFound):
                client.resolve(place)
        pushed = tiny.build(pushing, "--allow-yanked")
        assert pushed.code == 0, pushed.err
        assert str(client.resolve(place).digest) == pushed.json["digest"]
    # That it was not pushed does not mean that it cannot be built.
    assert tiny.build().json["unchanged"]


def test_another_python_in_the_replacement_is_noted(known: Path, run: Command) -> None:
    """Connectors may not admit it, so whoever withdraws the version should know."""
    ended = run("base-images", "yank", "base:1.1.0", "--reason", "x", "--replace-with", "2.0.0")
    assert ended.code == 0, ended.err
    assert "· 2.0.0 has Python 3.12, 1.1.0 has 3.11" in ended.out
    assert catalog.read(known / "base-images.yaml").named("base:1.1.0").replaced_by == "2.0.0"
    assert run("base-images", "yank", "base:1.1.0", "--undo").code == 0
    assert catalog.read(known / "base-images.yaml").named("base:1.1.0").yanked == ""


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("check", "base-images/missing.yaml"), 1, "cannot read the base image declaration base-images/missing.yaml"),
        (
            ("diff", "base-images/missing.yaml", "1.0.0"),
            1,
            "cannot read the base image declaration base-images/missing.yaml",
        ),
        (("diff", "1.0.0", "1.1.0", "--platform", "windoze"), 2, "--platform 'windoze' is not a platform"),
        (("refresh", "UPPER/x"), 2, "'UPPER/x' is not a valid repository"),
    ],
)
def test_what_cannot_be_meant_is_told(
    known: Path, run: Command, arguments: tuple[str, ...], code: int, said: str
) -> None:
    """A missing file, an invalid platform and an unknown repository: one line with the invalid word."""
    ended = run("base-images", *arguments, cwd=known)
    assert ended.code in (code, 2), ended.err
    assert said in ended.err
    assert ended.err.count("\n") == 1


def test_the_command_that_leaves_a_version_is_not_refused(fleet: Path, run: Command) -> None:
    """It moves each connector as far as its Python allows; a connector without a possible upgrade is reported with the
    reason.
    """
    connectors = fleet / "airbyte-integrations/connectors"
    stuck = connectors / "source-weather-stations/pyproject.toml"
    stuck.write_text(stuck.read_text().replace("^3.10,<3.14", "==3.8.*"))
    assert run("base-images", "yank", "2.0.0", "--reason", "it leaks").code == 0
    told = run("base-images", "users", "2.0.0", "--json").json
    assert told["connectors"] == ["source-exchange-rates-archive", "source-weather-stations"]
    assert list(told["stuck"]) == ["source-weather-stations"]
    assert told["stuck"]["source-weather-stations"].startswith("no base image for Python ==3.8.* (")
    words = shlex.split(told["next"])
    assert words[2:] == ["--name=source-exchange-rates-archive", "upgrade_base_image", "--to", "latest"]
    moved = run(*words[1:])
    assert (moved.code, "python-connector-base 2.0.0 → 4.0.2" in moved.out) == (0, True), moved.out + moved.err
    assert run("base-images", "users", "2.0.0", "--json").json["connectors"] == ["source-weather-stations"]
