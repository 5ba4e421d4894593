"""`build --watch`: what is saved is built at once, once, and as a new process with an empty memory would build it."""

import random
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.registry.client import client_of_user
from airbyte_ci.registry.options import RegistryOptions
from airbyte_ci.testing.docker_registry import docker_registry
from tests.e2e.command import GIT
from tests.e2e.tiny import MAIN, METADATA, NAME, Tiny, with_base
from tests.e2e.watching import watching
from tests.processes import Pause

pytestmark = pytest.mark.slow
HOOK = "async def post_connector_install(container):\n    return container.with_env_variable('MARK', '{}')\n"


def _append(path: str) -> Callable[[Tiny, int], object]:
    def change(tiny: Tiny, number: int) -> None:
        with (tiny.connector() / path).open("a") as file:
            file.write(f"# {number}\n")

    return change


def _git(tiny: Tiny, *arguments: str) -> None:
    subprocess.run([*GIT, *arguments], cwd=tiny.folder, check=True, capture_output=True)


def _describe(tiny: Tiny, number: int) -> None:
    text = METADATA.format(name=NAME, base=tiny.base).replace("1.0.0\n", f"1.0.{number}\n", 1)
    (tiny.connector() / "metadata.yaml").write_text(text)


def _replace(tiny: Tiny, number: int) -> None:
    """As most editors save: another file takes the place of the old one."""
    other = tiny.connector() / "main.py~"
    other.write_text(f"{MAIN}# replaced {number}\n")
    other.replace(tiny.connector() / "main.py")


EDITS: dict[str, Callable[[Tiny, int], object]] = {
    "code": _append("source_tiny/__init__.py"),
    "replaced": _replace,
    "lock": lambda tiny, number: tiny.require(tiny.small(f"{number + 2}.0"), "-r ../../shared.txt\n"),
    "included": lambda tiny, number: (tiny.folder / "shared.txt").write_text(tiny.wheel("shared", f"{number}.0", {})),
    "metadata": _describe,
    "hook": lambda tiny, number: (tiny.connector() / "build_customization.py").write_text(HOOK.format(number)),
    "mode": lambda tiny, number: (tiny.connector() / "source_tiny/run.py").chmod(0o755),
    "new folder": lambda tiny, number: (tiny.connector() / f"source_tiny/new{number}").mkdir(),
    "rename": lambda tiny, number: (tiny.connector() / "source_tiny/a.py").rename(
        tiny.connector() / f"source_tiny/{number}.py"
    ),
    "revert": lambda tiny, number: _git(tiny, "checkout", "--quiet", "--", "."),
    "clean": lambda tiny, number: _git(tiny, "clean", "--quiet", "-fdx", "connectors"),
}


def test_every_edit_gives_what_a_new_process_gives(tiny: Tiny, store: Store, tmp_path: Path) -> None:
    """In any order of edits and reverted edits."""
    for name in ("a", "run"):
        (tiny.connector() / f"source_tiny/{name}.py").write_text(f"{name} = 1\n")
    (tiny.folder / "shared.txt").write_text(tiny.wheel("shared", "0.1", {}))
    tiny.require(tiny.small(), "-r ../../shared.txt\n")
    _git(tiny, "add", "-A")
    _git(tiny, "commit", "-qm", "begin")
    order = random.Random(17)
    kinds = [*order.sample([name for name in EDITS if name not in ("revert", "clean")], len(EDITS) - 2)]
    for place, name in ((3, "revert"), (7, "clean"), (9, "code"), (10, "revert")):
        kinds.insert(place, name)
    home = with_base(store, tiny.base, tmp_path / "home", unpacked=True)
    with watching(tiny, "--no-verify") as watch:
        watch.result()
        for number, kind in enumerate(kinds):
            with watch.stopped():
                EDITS[kind](tiny, number)
            found = watch.result()
            assert found["status"] != "failed", (kind, found)
            if number in (6, len(kinds) - 1):  # each is compared with what came of those before it
                shutil.rmtree(home / "actions", ignore_errors=True)  # all that a store remembers
                fresh = tiny.build("--no-verify", home=home)
                assert fresh.code == 0, fresh.err
                assert found["digest"] == fresh.json["digest"], kinds[: number + 1]
        watch.confirm_quiet()
        assert watch.interrupt() == 130


def test_a_burst_is_few_builds(tiny: Tiny) -> None:
    """Many files that are saved together, or a checkout of a commit.

    The process sees nothing until all files are written, because a slow machine may pause between two of them. How
    many of them each build then sees is up to the machine; no file is lost, and the last build has them all.
    """
    with watching(tiny) as watch:
        watch.result()
        with watch.stopped():
            for number in range(50):
                (tiny.connector() / f"source_tiny/part{number}.py").write_text(f"{number}\n")
        results = [watch.result()]
        while sum(len(result["changed"]) for result in results) < 50:
            results.append(watch.result())
        assert len({path for result in results for path in result["changed"]}) == 50
        assert len(results) < 10
        assert results[-1]["digest"] == tiny.build().json["digest"]
        watch.confirm_quiet()


def test_what_tools_leave_behind_builds_nothing(tiny: Tiny) -> None:
    """Swap and backup files, caches, byte code, git's own files, a file that came and went."""
    with watching(tiny, "--output=oci:connectors/source-tiny/image") as watch:
        before = watch.result()["digest"]
        for name in (".main.py.swp", "main.py~", ".#main.py", "#main.py#", "main.py___jb_tmp___"):
            (tiny.connector() / name).write_text("half a thought\n")
            (tiny.connector() / "source_tiny" / name).write_text("half a thought\n")
        for name in ("__pycache__/main.pyc", ".git/index", ".pytest_cache/v", "source_tiny/left.pyc"):
            (tiny.connector() / name).parent.mkdir(exist_ok=True)
            (tiny.connector() / name).write_text("")
        assert watch.confirm_quiet()["digest"] != before
        (tiny.connector() / "source_tiny/mark.py").unlink()
        assert watch.result()["digest"] == before


def test_changes_during_a_build_are_one_more_build(tiny: Tiny) -> None:
    """However many they are; it has the last of them."""
    main, pause = tiny.connector() / "main.py", Pause()
    slow = f"import subprocess\nsubprocess.run({pause.argv})\n{MAIN}"
    with watching(tiny) as watch:
        watch.result()
        with watch.stopped():
            main.write_text(slow)
        pause.wait()
        for number in range(3):
            main.write_text(f"{MAIN}# {number}\n")
            time.sleep(0.1)  # each is a change of its own
        pause.end()
        first, second = watch.result(), watch.result()
        assert first["changed"] == second["changed"] == ["main.py"]
        assert second["digest"] == tiny.build().json["digest"] != first["digest"]
        watch.confirm_quiet()


def test_failures_end_nothing(tiny: Tiny) -> None:
    """Failures are shown, and the next change is built, also with packages that the index received meanwhile."""
    metadata = tiny.connector() / "metadata.yaml"
    text = metadata.read_text()
    with watching(tiny) as watch:
        digest = watch.result()["digest"]
        with watch.stopped():
            metadata.write_text("data: [")
        assert "metadata.yaml" in watch.result()["reason"]
        with watch.stopped():
            metadata.write_text(text)
        assert watch.result()["digest"] == digest
        later = tiny.wheel("later", "1.0", {"later.py": f"# {time.time_ns()}: no store has it\n"})
        hidden = tiny.index.projects.pop("later")
        with watch.stopped():
            tiny.require(tiny.small(), later)
        assert watch.result()["status"] == "failed"
        tiny.index.projects["later"] = hidden
        (tiny.connector() / "main.py").touch()
        assert watch.result()["status"] == "ok"
        away = tiny.folder / "away"
        tiny.connector().rename(away)
        assert watch.result()["status"] == "failed"
        away.rename(tiny.connector())
        assert watch.result()["status"] == "ok"


def _pushed(host: str) -> str:
    with client_of_user(RegistryOptions()) as client:
        return str(client.resolve(Reference.parse(f"{host}/acme/{NAME}:dev")).digest)


def test_a_registry_that_was_away_gets_everything(tiny: Tiny, tmp_path: Path) -> None:
    """The kept connection is broken, and the pushed image is gone."""
    with ExitStack() as first:
        host = first.enter_context(docker_registry(tmp_path / "first"))
        with watching(tiny, f"--output=registry:{host}") as watch:
            assert watch.result()["digest"] == _pushed(host)
            assert watch.confirm_quiet()["digest"] == _pushed(host)
            first.close()
            with docker_registry(tmp_path / "second", host=host):
                assert watch.confirm_quiet()["digest"] == _pushed(host)


def test_a_change_of_the_configuration_is_read(tiny: Tiny) -> None:
    """Another selection, after one that cannot be read."""
    tiny.add("source-other")
    configuration = tiny.folder / ".airbyte-ci.toml"
    with watching(tiny) as watch:
        assert {watch.result()["name"], watch.result()["name"]} == {NAME, "source-other"}
        configuration.write_text("connectors = [")
        time.sleep(0.2)
        with watch.stopped():
            configuration.write_text('connectors = ["connectors/source-other"]\n')
        assert watch.result()["name"] == "source-other"
        (tiny.connector() / "main.py").touch()
        (tiny.connector("source-other") / "main.py").touch()
        assert watch.result()["name"] == "source-other"


def test_it_builds_what_the_files_say(tiny: Tiny) -> None:
    """A plan, and a comparison of two builds, are no builds that could follow a change."""
    for option in ("--print-plan", "--check-reproducible"):
        refused = tiny.build("--watch", option)
        assert refused.code == 2
        assert option in refused.err


def test_a_saved_file_is_tested(tiny: Tiny, store: Store, tmp_path: Path) -> None:
    """`test --watch` runs the steps again, reports which failed, and builds what the next command finds built."""
    main = tiny.connector() / "main.py"
    home = with_base(store, tiny.base, tmp_path / "home", unpacked=True)
    with watching(replace(tiny, home=home), "--only-step=spec", "--only-step=build", verb="test") as watch:
        first = watch.result()
        assert (first["command"], first["status"]) == ("test", "ok"), first
        with watch.stopped():
            main.write_text("raise SystemExit('broken')\n")
        broken = watch.result()
        assert (broken["status"], broken["changed"]) == ("failed", ["main.py"])
        assert broken["reason"].startswith("build: "), broken
        with watch.stopped():
            main.write_text(f"{MAIN}# again\n")
        assert watch.result()["status"] == "ok"
        assert watch.interrupt() == 130
    assert tiny.build(home=home).json["cached"]


@pytest.mark.parametrize("option", ["--junit=report.xml", "--baseline=main"])
def test_what_needs_the_end_of_a_test_is_refused(tiny: Tiny, option: str) -> None:
    """A report is written at the end, which a watching command does not have."""
    ended = tiny.run("connectors", f"--name={NAME}", "test", "--watch", option)
    assert ended.code == 2
    assert f"--watch tests what changes, and cannot be used with {option.partition('=')[0]}" in ended.err
