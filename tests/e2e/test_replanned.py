"""A build reads again only what changed, and its image is always the one of a build that remembers nothing."""

import contextlib
import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from airbyte_ci import app, config
from airbyte_ci.connectors import find
from airbyte_ci.images import job, replace_code
from airbyte_ci.images.order import Order
from airbyte_ci.images.summary import Built, Memory
from airbyte_ci.oci.store.store import Store
from tests.e2e.command import GIT
from tests.e2e.tiny import METADATA, NAME, Tiny, link_store

pytestmark = pytest.mark.slow
PACKAGE = "source_tiny"
# A hook that reads the code: its result is in the image's configuration.
HOOK = f"""import pathlib
async def pre_connector_install(c):
    files = sorted(pathlib.Path(__file__).parent.glob("{PACKAGE}/*"))
    return c.with_env_variable("FILES", " ".join(f"{{f.name}}:{{f.stat().st_size}}" for f in files))
"""
DECLARED = "env: {REGION: eu}\n"


class _Silent:
    """Reports nothing."""

    def teller(self, _subject: str) -> Callable[[str], None]:
        return lambda _step: None

    def moved(self, subject: str, what: object, done: int, total: int) -> None:
        """Ignores the progress."""


@dataclass
class World:
    """A connector that is edited, and two stores: one that remembers its builds, one that does not."""

    tiny: Tiny
    chance: random.Random
    remembering: app.App
    forgetful: app.App
    lines: Mapping[str, str]
    name: str = NAME
    # Commits without the connector.
    without: frozenset[str] = frozenset()

    @property
    def folder(self) -> Path:
        return self.tiny.connector(self.name)

    def build(self, opened: app.App) -> str:
        """The digest, or the error, of a build with this store."""
        connector = find.read(self.folder, self.tiny.folder)
        order = Order(platforms=(opened.native,), native=opened.native, verify=False)
        tools = opened.tools(self.name)
        try:
            return str(job.run(connector, order, tools)[0].facts["digest"])
        except Exception as error:  # noqa: BLE001  # whatever it is, both must say it
            return f"{type(error).__name__}: {error}"

    def git(self, *arguments: str) -> None:
        subprocess.run([*GIT, *arguments], cwd=self.tiny.folder, check=True, capture_output=True)

    def some_file(self) -> Path:
        """A file of the package, which has one at least."""
        found = sorted(item for item in (self.folder / PACKAGE).rglob("*.py") if item.is_file())
        if not found:
            found = [self.folder / PACKAGE / "__init__.py"]
            found[0].write_text("")
        return self.chance.choice(found)


def _append(path: Path, text: str = "# more\n") -> None:
    path.write_text(path.read_text() + text)


def _same_size(world: World) -> None:
    """Other bytes of the same size, and the time of before: only the time of the status change tells."""
    path = world.some_file()
    times = path.stat()
    path.write_bytes(bytes(world.chance.randrange(97, 122) for _ in range(times.st_size)))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def _add(world: World) -> None:
    folder = world.folder / PACKAGE / f"part{world.chance.randrange(3)}"
    folder.mkdir(exist_ok=True)
    (folder / f"file{world.chance.randrange(3)}.py").write_text(f"{world.chance.random()}\n")


def _rename(world: World) -> None:
    path = world.some_file()
    path.rename(path.with_name(f"renamed{world.chance.randrange(3)}.py"))


def _remove(world: World) -> None:
    path = world.some_file()
    if path.name != "__init__.py":
        path.unlink()


def _link(world: World) -> None:
    path = world.folder / PACKAGE / "link.py"
    path.unlink(missing_ok=True)
    path.symlink_to(world.chance.choice(["__init__.py", "nowhere.py"]))


def _mode(world: World) -> None:
    world.some_file().chmod(world.chance.choice([0o644, 0o755, 0o600]))


def _lock(world: World) -> None:
    world.tiny.require(world.chance.choice(sorted(world.lines.values())))


def _metadata(world: World) -> None:
    path = world.folder / "metadata.yaml"
    path.write_text(path.read_text().replace("Tag: 1.0", f"Tag: 1.{world.chance.randrange(3)}"))


def _customize(world: World) -> None:
    """Adds a hook that reads the code, or a declaration, or takes it away."""
    name, text = world.chance.choice([("build_customization.py", HOOK), ("build_customization.yaml", DECLARED)])
    path = world.folder / name
    if path.exists():
        path.unlink()
    else:
        path.write_text(text)


def _clock_backwards(world: World) -> None:
    """An edit by someone whose clock is wrong."""
    path = world.some_file()
    _append(path)
    os.utime(path, (1, world.chance.randrange(1, 1000)))


def _commit(world: World) -> None:
    world.git("add", "-A")
    world.git("commit", "-q", "--allow-empty", "-m", "x")


def _checkout(world: World) -> None:
    """Goes to another commit, with whatever is not committed thrown away."""
    world.git("clean", "-fdq")
    world.git("checkout", "-q", "--force", world.chance.choice([*_commits(world)]))


def _commits(world: World) -> Iterator[str]:
    """The commits that have the connector."""
    listed = subprocess.run(
        [*GIT, "rev-list", "--all"], cwd=world.tiny.folder, check=True, capture_output=True, text=True
    )
    return (commit for commit in listed.stdout.split() if commit not in world.without)


EDITS: tuple[Callable[[World], object], ...] = (
    *(lambda world: _append(world.some_file()), lambda world: _append(world.folder / "main.py")),
    *(lambda world: world.some_file().touch(), lambda world: None),
    *(_same_size, _add, _rename, _remove, _link, _mode, _clock_backwards),
    *(_lock, _metadata, _customize, _commit, _checkout),
    *(lambda world: world.git("checkout", "-q", "--", "."),),
    *(
        lambda world: _append(world.folder / "pyproject.toml"),
        lambda world: (world.folder / "README.md").write_text("x"),
    ),
)


def _manifest(world: World) -> None:
    """Another manifest, of the same size or not; a link or a folder in its place; or none, which is another kind."""
    path = world.folder / "manifest.yaml"
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    path.unlink(missing_ok=True)
    match world.chance.randrange(8):
        case 0:
            path.symlink_to("metadata.yaml")
        case 1:
            path.mkdir()
        case 2:
            pass
        case number:
            path.write_text(f"version: 1.0.{number}\n" + "# more\n" * world.chance.randrange(2))
            path.chmod(world.chance.choice([0o644, 0o600]))


def _components(world: World) -> None:
    path = world.folder / "components.py"
    if path.exists():
        path.unlink()
    else:
        path.write_text(f"# {world.chance.random()}\n")


def _other_kind(world: World) -> None:
    """What makes a package of it, or is left of one."""
    name = world.chance.choice(["pyproject.toml", "main.py", f"{world.name.replace('-', '_')}/__init__.py"])
    path = world.folder / name
    path.parent.mkdir(exist_ok=True)
    if path.exists():
        path.unlink()
    else:
        path.write_text("")


MANIFEST_EDITS: tuple[Callable[[World], object], ...] = (
    *((_manifest,) * 8 + (_components,) * 4),  # mostly, because the others let the next build plan again
    *(_other_kind, _metadata, _customize, _commit, _checkout, lambda world: None),
)


@pytest.fixture
def world(tiny: Tiny, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    for name, value in tiny.environment.items():
        monkeypatch.setenv(name, value)
    lines = {version: tiny.small(version) for version in ("1.0", "2.0")}
    for line in reversed(lines.values()):  # so that the stores below have the wheels, and need not unpack the base
        tiny.require(line)
        assert tiny.build("--no-verify").code == 0
    for name in ("remembering", "forgetful"):
        link_store(home, tmp_path / name)
    with ThreadPoolExecutor(2) as pool, contextlib.ExitStack() as stack:
        opened = []
        for name in ("remembering", "forgetful"):
            monkeypatch.setenv("AIRBYTE_CI_HOME", str(tmp_path / name))
            opening = app.open_app(config.find(tiny.folder), lambda: pool, _Silent(), offline=False)
            opened.append(stack.enter_context(opening))
        made = World(tiny, random.Random(0), opened[0], opened[1], lines)
        _commit(made)
        yield made


@pytest.mark.parametrize("edits", [EDITS, MANIFEST_EDITS], ids=["package", "manifest"])
def test_any_edits_give_the_image_of_a_build_that_remembers_nothing(
    world: World, edits: Sequence[Callable[[World], object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each of random edits of code, lock, hook, metadata, modes, times and commits, singly or several at once."""
    if edits is MANIFEST_EDITS:
        world.name = "source-declared"
        world.without = frozenset(_commits(world))
        world.folder.mkdir()
        (world.folder / "metadata.yaml").write_text(METADATA.format(name=world.name, base=world.tiny.base))
        _manifest(world)
        _commit(world)
    forgetful = world.forgetful.store.root
    quick: list[str] = []
    recall, recall_other_code, replace = Memory.recall, Memory.recall_other_code, replace_code.replace_code

    def unless_forgetful(method: Callable[[Memory, Store], Built | None]) -> Callable[[Memory, Store], Built | None]:
        return lambda memory, store: None if store.root == forgetful else method(memory, store)

    def counted(*arguments: object) -> Built | None:
        quick.append("x")
        return replace(*arguments)  # type: ignore[arg-type]  # the arguments of the replaced function

    monkeypatch.setattr(Memory, "recall", unless_forgetful(recall))
    monkeypatch.setattr(Memory, "recall_other_code", unless_forgetful(recall_other_code))
    monkeypatch.setattr(replace_code, "replace_code", counted)
    done = []
    for _ in range(30):
        for _ in range(world.chance.choice([1, 1, 1, 2, 3])):
            edit = world.chance.choice(edits)
            done.append(getattr(edit, "__name__", ""))
            edit(world)
        time.sleep(world.chance.choice([0, 0.03, 0.03, 0.03]))  # what is too young is not remembered
        assert world.build(world.remembering) == world.build(world.forgetful), done
    assert len(quick) > 3, "nothing was taken from memory, so nothing was tried"


def test_one_changed_line_plans_nothing(tiny: Tiny, tmp_path: Path) -> None:
    """Where only code changed, nothing that reads locks, indexes, base images or hooks is even imported."""
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import sys\n"
        "refused = ('images.planning', 'images.evaluation', 'images.lockfile', 'recipe.evaluate', 'registry.api',\n"
        "           'hooks.conversation', 'python.index.package_index', 'python.environment.environment')\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.removeprefix('airbyte_ci.') in refused:\n"
        "            raise SystemExit(f'{name} was imported')\n"
        "sys.meta_path.insert(0, Refuse())\n"
    )
    idle = {"PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}
    first = [tiny.build("--no-verify") for _ in range(2)][-1]
    _append(tiny.connector() / PACKAGE / "__init__.py")
    time.sleep(0.03)
    again = tiny.build("--no-verify", env=idle)
    assert again.code == 0, again.out + again.err
    assert again.json["digest"] != first.json["digest"]
    assert again.json["unchanged"] is False
