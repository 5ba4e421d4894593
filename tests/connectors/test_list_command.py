"""`connectors list` as people and CI use it: filters, formats, counting, and what ends with which code."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from airbyte_ci.cli import main
from tests.campaigns.repositories import CONNECTORS, commit, copied, git

List = Callable[..., tuple[int, str, str]]


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    return copied("fleet", tmp_path / "fleet")


@pytest.fixture
def listed(fleet: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> List:
    """The command in the example fleet: exit code, stdout, stderr."""
    monkeypatch.setenv("AIRBYTE_CI_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(fleet)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = main.run(["connectors", *arguments])
        return code, *capfd.readouterr()

    return call


def append(path: Path) -> None:
    path.write_text(f"{path.read_text()}# more\n")


def names(out: str) -> list[str]:
    return [line.removeprefix("source-").removeprefix("destination-") for line in out.split()]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--metadata-query", "has_dockerfile"], ["jsonl-archive", "library-catalogue", "parcels", "tides"]),
        (["--metadata-query", "base.version == '2.0.0' and has_hook"], ["exchange-rates-archive"]),
        (["--metadata-query", "base.behind > 0", "--sort=-base.behind", "--limit=1"], ["newsfeed"]),
        (["--metadata-query", "lock.kind is None"], ["ledger", "library-catalogue", "lighthouses"]),
        (["--metadata-query", "enabled.oss and cdk == 'low-code'"], ["lighthouses", "weather-stations"]),
        (["--language=python", "--offset=1", "--limit=2"], ["exchange-rates-archive", "library-catalogue"]),
        (["--sort=has_hook", "--offset=8"], ["exchange-rates-archive"]),
        (["--sort=-lock.kind", "--offset=6"], ["ledger", "library-catalogue", "lighthouses"]),
        (["--limit=0"], []),
        (["--sort=-version", "--support-level=certified", "--limit=2"], ["exchange-rates-archive", "weather-stations"]),
    ],
    ids=str,
)
def test_what_is_listed(listed: List, arguments: list[str], expected: list[str]) -> None:
    """Facts in addition to data, order, and parts of the list; a second run prints the same."""
    assert [names(listed("list", "--format=names", *arguments)[1]) for _ in range(2)] == [expected, expected]


def test_what_this_branch_modifies(listed: List, fleet: Path) -> None:
    """Against the remote's HEAD or a named branch; without modified connectors nothing is selected, with a message."""
    code, out, err = listed("--modified", "list", "--format=names")
    assert (code, out) == (2, "")
    assert "no remote names its main branch" in err
    git(fleet, "update-ref", "refs/remotes/origin/main", "main")
    git(fleet, "checkout", "-q", "-b", "work")
    assert listed("--modified", "list", "--format=names", "--language=python")[:2] == (0, "")
    code, out, err = listed("--modified", "bump_version", "patch", "text")
    assert (code, err) == (0, "no modified connector matches, so there is nothing to bump\n")
    append(fleet / CONNECTORS / "source-tides/metadata.yaml")
    append(fleet / CONNECTORS / "source-parcels/main.py")
    commit(fleet)
    append(fleet / "docs/integrations/sources/weather-stations.md")
    assert names(listed("--modified", "list", "--format=names")[1]) == ["parcels", "tides", "weather-stations"]
    assert names(listed("--metadata-changes-only", "list", "--format=names")[1]) == ["tides"]
    assert names(listed("list", "--format=names", "--modified", "--diffed-branch=work")[1]) == ["weather-stations"]
    assert names(listed("--metadata-query=modified and has_hook", "list", "--format=names")[1]) == []
    (found,) = json.loads(listed("--metadata-changes-only", "list", "--json")[1])
    assert found["modifiedFiles"] == [f"{CONNECTORS}/source-tides/metadata.yaml"]


def test_counts_and_assertions(listed: List) -> None:
    """For CI: the number of each value, and that there is none."""
    assert listed("list", "--count-by=language")[1] == (
        "LANGUAGE       CONNECTORS\npython         6\njava           1\nlow-code       1\nmanifest-only  1\n"
    )
    assert listed("list", "--count-by=lock.kind")[1] == ("LOCK.KIND  CONNECTORS\npoetry     6\n–          3\n")
    assert (
        listed("list", "--count-by=has_dockerfile")[1]
        == "HAS_DOCKERFILE  CONNECTORS\nno              5\nyes             4\n"
    )
    counts = json.loads(listed("list", "--count-by=base.version", "--json")[1])
    assert {item["value"]: item["connectors"] for item in counts}[None] == 5
    assert listed("--language=java", "list", "--assert-none")[0] == 1
    assert (
        "1 connector is selected, but --assert-none expects none"
        in listed("--language=java", "list", "--assert-none")[2]
    )
    assert listed("--metadata-query=data.name == 'none'", "list", "--assert-none")[0] == 0


def test_a_matrix_for_jobs(listed: List, tmp_path: Path) -> None:
    """Into a file; an empty matrix is reported, because GitHub refuses it."""
    target = tmp_path / "matrix.json"
    assert listed("list", "--format=gh-matrix", "--shards=3", "-o", str(target))[:2] == (0, "")
    assert len(json.loads(target.read_text())["include"]) == 3
    code, out, err = listed("--metadata-query=data.name == 'none'", "list", "--format=gh-matrix")
    assert (code, out) == (0, '{"include": []}\n')
    assert "GitHub refuses an empty matrix" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["list", "--shards=2"], "--shards needs a matrix"),
        (["list", "--sort=nothing"], "no selected connector has the field 'nothing'"),
        (["list", "--count-by=version", "--format=csv"], "--count-by does not support --format=csv"),
        (["list", "-o", "/nonexistent/x"], "cannot write /nonexistent/x"),
        (["--use-cdk-ref=main", "list"], "airbyte-ci connectors build --use-cdk-ref main"),
        (["--use-local-cdk", "list"], "airbyte-ci connectors build --use-local-cdk DIR"),
        (["list", "--count-by=lock.colour"], "no selected connector has the field 'lock.colour'"),
        (["up_to_date"], "Use upgrade_base_image and upgrade_dependencies"),
        (["pull-request"], "takes --pull-request"),
        (["upgrade-cdk"], "upgrade_dependencies"),
        (["bild"], "Did you mean build"),
        (["--modified", "--diffed-branch=nowhere", "list"], "no such branch"),
    ],
)
def test_wrong_usage(listed: List, arguments: list[str], said: str) -> None:
    """One line, exit code 2, nothing on stdout."""
    code, out, err = listed(*arguments)
    assert (code, out) == (2, "")
    assert said in err


def test_options_of_the_original_are_taken(listed: List) -> None:
    """Scripts may still pass options without effect, with a warning."""
    code, _, err = listed("--execute-timeout=60", "--disable-report-auto-open", "--concurrency=10", "list")
    assert code == 0
    assert [line.partition(":")[0] for line in err.splitlines()] == [
        "! --execute-timeout has no effect",
        "! --disable-report-auto-open has no effect",
    ]


def test_options_of_the_original_before_the_group(
    listed: List, fleet: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Options without effect are reported; --diffed-branch means the same after it."""
    given = ("--is-ci", "--ci-context=pull_request", "--git-branch=x", "--disable-dagger-run", "--yes")
    assert main.run([*given, "connectors", "list", "--format=names"]) == 0
    told = capfd.readouterr().err.splitlines()
    assert [line.partition(" has no effect")[0] for line in told] == [f"! {item.partition('=')[0]}" for item in given]
    append(fleet / "docs/integrations/sources/weather-stations.md")
    assert main.run(["--diffed-branch=main", "connectors", "--modified", "list", "--format=names"]) == 0
    assert names(capfd.readouterr().out) == ["weather-stations"]
    assert main.run(["--diffed-branch=nowhere", "connectors", "--diffed-branch=main", "--modified", "list"]) == 0


def test_a_file_of_names(listed: List, tmp_path: Path) -> None:
    """A file gets the original's output; more columns are an option."""
    target = tmp_path / "names.json"
    assert listed("--language=java", "list", "-o", str(target)) == (0, "", "")
    assert json.loads(target.read_text()) == ["source-ledger"]
    for more in ("--format=json", "--json"):
        assert listed("--language=java", "list", "-o", str(target), more) == (0, "", "")
        assert [item["name"] for item in json.loads(target.read_text())] == ["source-ledger"]


def test_a_glob_without_connectors_is_reported_and_an_empty_filter_is_not(listed: List, fleet: Path) -> None:
    """A configuration that selects nothing ends with 2; a glob that matches nothing warns; a filter may select none."""
    table = fleet / ".airbyte-ci.toml"
    text = table.read_text()
    table.write_text(f'connectors = ["nowhere/*", "{CONNECTORS}/*"]\n{text}')
    code, out, err = listed("list", "--format=names")
    assert code == 0
    assert len(out.split()) > 5
    assert f"connectors in {table}: no connector matches 'nowhere/*'" in err
    assert listed("--name=source-tides", "--language=java", "list", "--format=names")[:2] == (0, "")
    table.write_text(f'connectors = ["nowhere/*"]\n{text}')
    code, out, err = listed("list")
    assert (code, out) == (2, "")
    assert f"connectors in {table} selects no connector" in err
    assert "1 connectors" not in err


def test_shards_list_each_connector_once(listed: List) -> None:
    """Each connector is listed by exactly one shard, with filters too; a bad shard is wrong usage."""
    every = names(listed("list", "--format=names", "--all")[1])
    parts = [listed("list", "--format=names", f"--shard={index}/3") for index in (1, 2, 3)]
    assert sorted(name for _, out, _ in parts for name in names(out)) == sorted(every)
    assert parts[1][2] == f"shard 2/3: {len(names(parts[1][1]))} of {len(every)} selected connectors\n"
    few = [names(listed("--language=java", "list", "--format=names", f"--shard={index}/4")[1]) for index in range(1, 5)]
    assert sorted(map(len, few)) == [0, 0, 0, 1]
    code, out, err = listed("list", "--shard=5/4")
    assert (code, out) == (2, "")
    assert "--shard '5/4' is not a part of N parts, such as 2/8" in err


def test_reports_of_a_shard_name_it(listed: List, tmp_path: Path) -> None:
    """JSON, JUnit and SARIF name the shard; an empty shard writes its reports and succeeds."""
    junit, sarif = tmp_path / "junit.xml", tmp_path / "report.sarif"
    arguments = (
        "check",
        "--only=base-image-address",
        f"--junit={junit}",
        f"--sarif={sarif}",
        "--json",
        "--offline",
        "--all",
    )
    shards = []
    for index in range(1, 15):
        code, out, _ = listed(*arguments, f"--shard={index}/14")
        assert code in (0, 1), index
        shards += [json.loads(line) for line in out.splitlines()]
        assert f"connectors check, shard {index}/14" in junit.read_text()
        assert f"shard {index}/14" in json.loads(sarif.read_text())["runs"][0]["automationDetails"]["id"]
    assert len({item["shard"] for item in shards}) == len(shards)
    assert len({item["name"] for item in shards}) == len(shards)
    code, _, err = listed("build", "--shard=1/2")
    assert code == 2
    assert "no connector is selected" in err


def test_the_history_of_listed_connectors(listed: List, fleet: Path) -> None:
    """Only selected connectors count, a selection of none counts nothing, and other formats are refused."""
    out = listed("--language=manifest-only", "list", "--history")[1]
    assert out.splitlines()[1].endswith("1 of 1 ████████████████████")
    (day,) = json.loads(listed("--metadata-query=has_dockerfile", "list", "--history", "--json")[1])
    assert day["connectors"] == {"no base image": 4}
    (none,) = json.loads(listed("list", "--history", "--json", "--limit=0")[1])
    assert none["connectors"] == {}
    assert listed("list", "--history", "--format=csv")[0] == 2
