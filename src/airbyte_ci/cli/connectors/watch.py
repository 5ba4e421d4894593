"""`build --watch` and `test --watch`: repeat the work for each connector whenever a file that its build read changes.

One process with the store, the indexes and the registries' connections open. Nothing is taken from memory but what a
state of the files is the key of: what changed is read again, and planned again as by a new process. Imports watchfiles.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

from airbyte_ci.app import App
from airbyte_ci.cli import console, workbench
from airbyte_ci.cli.fleet import Fleet
from airbyte_ci.cli.progress import Progress
from airbyte_ci.cli.settings import Settings
from airbyte_ci.connectors import find, watch
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.images.fingerprint import TOOL, Fingerprint
from airbyte_ci.outcomes import Outcome, failure
from airbyte_ci.python.index import package_index
from airbyte_ci.reports import terminal

Work = Callable[[Connector], list[Outcome]]
_INTERRUPTED = 130
# Seconds between two looks at a configuration that cannot be read.
_PATIENCE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """The work and its display: `load` reads the selection, `open_app` opens the tools.

    `work` builds or tests one connector of a fleet; `show` prints the first results; changes in `ignored` are ignored.
    `command` is the name of the command in JSON documents.
    """

    command: str
    settings: Settings
    width: int
    ignored: tuple[Path, ...]
    load: Callable[[], Fleet]
    open_app: Callable[[Fleet], AbstractContextManager[tuple[App, Progress]]]
    work: Callable[[Fleet, App, Progress], Work]
    show: Callable[[list[Outcome]], None]


def run(watching: Watching, fleet: Fleet) -> int:
    """Builds the fleet, then what changes, until it is interrupted; returns 130 then, and 1 for an upgrade."""
    tool = _tool()
    is_idle = False
    try:
        while True:
            is_idle = False
            before = _state([fleet.configuration.file])
            with watching.open_app(fleet) as (app, progress):
                session = _Session(watching, fleet, app, progress)
                session.begin()
                while _state([fleet.configuration.file]) == before:
                    is_idle = True
                    for paths in session.changes():
                        if _state([fleet.configuration.file]) != before:
                            break
                        changed = session.changed(paths)
                        if any(path.is_relative_to(TOOL) for path in paths) and _tool() != tool:
                            console.error("airbyte-ci itself was changed while it watched → start it again")
                            return 1
                        is_idle = False
                        if changed and session.build(changed):
                            break  # the places to watch are others
                        is_idle = True
            console.line("the configuration changed", err=True)
            fleet = _reload(watching, fleet)
    except KeyboardInterrupt:
        if not is_idle:
            raise
        console.line("stopped watching", err=True)
        return _INTERRUPTED


def _reload(watching: Watching, fleet: Fleet) -> Fleet:
    """The selection by the configuration as it is now, or as soon as it can be read again."""
    while True:
        before = _state([fleet.configuration.file])
        try:
            return watching.load()
        except AirbyteCiError as error:
            console.failure(error)
        while _state([fleet.configuration.file]) == before:
            time.sleep(_PATIENCE)


def _tool() -> str:
    """The state of airbyte-ci's own files: a build is remembered under it, so it must be that of what runs."""
    return _state([TOOL])


def _state(places: Iterable[Path | None]) -> str:
    return Fingerprint([place for place in places if place]).digest


@dataclass(slots=True, kw_only=True)
class _Watched:
    """One connector. `seen` is the state of its files, and `seen_beside` that of `beside`, at the time of its build."""

    connector: Connector
    ignored: tuple[Path, ...]
    seen: str = ""
    beside: tuple[Path, ...] = ()
    seen_beside: str = ""
    details: frozenset[str] = field(default_factory=frozenset)

    @property
    def places(self) -> tuple[Path, ...]:
        return (self.connector.folder, *self.beside)

    def look(self) -> tuple[str, str]:
        """The states now; empty, like no other, where a later change might not show."""
        moment = time.time_ns()
        found = [Fingerprint(places, self._is_left_out) for places in ([self.connector.folder], self.beside)]
        inside, beside = (item.digest if item.is_settled(moment) else "" for item in found)
        return inside, beside

    def _is_left_out(self, path: str) -> bool:
        return watch.is_left_out(Path(path), self.ignored)

    def is_changed(self) -> bool:
        now = self.look()
        return "" in now or now != (self.seen, self.seen_beside)


class _Session:
    """The connectors under one state of the configuration."""

    def __init__(self, watching: Watching, fleet: Fleet, app: App, progress: Progress) -> None:
        self._watching = watching
        self._fleet = fleet
        self._app = app
        self._progress = progress
        self._watched = {item.folder: _Watched(connector=item, ignored=watching.ignored) for item in fleet.connectors}
        self._is_fresh = False
        self._is_announced = False

    def begin(self) -> None:
        """Builds everything, and shows it as a build that does not watch."""
        for folder, outcomes in self._done(self._fleet, list(self._watched)):
            self._keep(folder, outcomes)
            with self._progress.paused():
                self._watching.show(outcomes)

    def _announce(self) -> None:
        """Reports that watching has begun: from now on, changed files are detected and named."""
        self._is_announced = True
        if not self._watching.settings.quiet:
            names = [item.connector.name for item in self._watched.values()]
            subject = names[0] if len(names) == 1 else f"{len(names)} connectors"
            console.line(f"watching {subject}; Ctrl-C ends it", err=True)

    def changes(self) -> Iterator[frozenset[Path]]:
        """Yields the changed paths repeatedly. Ends when a watched folder was replaced."""
        self._is_fresh = True
        places = {place for item in self._watched.values() for place in item.places} | {TOOL}
        configuration = self._fleet.configuration.file
        return watch.wait({*places, configuration} if configuration else places, self._watching.ignored)

    def changed(self, paths: Collection[Path]) -> Mapping[Path, list[str]]:
        """Yields the connectors whose files differ from the last build, each with the names of the changed files.

        Compares everything once after a wait begins, because nothing was watched before.
        """
        everything, self._is_fresh = self._is_fresh, False
        found = {}
        for folder, item in self._watched.items():
            hit = [path for path in paths if any(path.is_relative_to(place) for place in item.places)]
            if (hit or everything) and item.is_changed():
                found[folder] = sorted(self._name(path, folder) for path in hit if path != folder)
        if not self._is_announced:
            self._announce()
        return found

    def _name(self, path: Path, folder: Path) -> str:
        for root in (folder, self._fleet.configuration.root):
            if path.is_relative_to(root):
                return path.relative_to(root).as_posix()
        return str(path)

    def build(self, changed: Mapping[Path, Sequence[str]]) -> bool:
        """Builds what changed and shows a line for each; returns whether other places are read now."""
        began = time.monotonic()
        package_index.forget_answers()  # what was not there may be now
        before = {place for item in self._watched.values() for place in item.places}
        broken = {}
        for folder in changed:
            item = self._watched[folder]
            item.seen, item.seen_beside = item.look()
            try:
                item.connector = find.read(folder, self._fleet.configuration.root)
            except (AirbyteCiError, OSError) as error:
                broken[folder] = [_failure(item.connector, error)]
        connectors = tuple(item.connector for item in self._watched.values())
        fleet = replace(self._fleet, connectors=connectors)
        done = self._done(fleet, [folder for folder in changed if folder not in broken])
        for folder, outcomes in (*broken.items(), *done):
            item = self._watched[folder]
            known = self._keep(folder, outcomes)
            with self._progress.paused():
                self._show(item.connector, changed[folder], outcomes, time.monotonic() - began, known)
        return {place for item in self._watched.values() for place in item.places} != before

    def _show(
        self,
        connector: Connector,
        files: Sequence[str],
        outcomes: Sequence[Outcome],
        seconds: float,
        known: Collection[str],
    ) -> None:
        if not self._watching.settings.as_json:
            console.block(terminal.change(connector.name, files, outcomes, seconds, known))
            return
        for outcome in outcomes:
            console.document({**outcome.to_json(self._watching.command), "changed": list(files)})

    def _done(self, fleet: Fleet, folders: Sequence[Path]) -> Iterator[tuple[Path, list[Outcome]]]:
        """The folders with the outcomes of their builds, as they are done."""
        try:
            work = self._watching.work(fleet, self._app, self._progress)
        except AirbyteCiError as error:  # together, the connectors are not what was ordered
            return iter([(folder, [_failure(self._watched[folder].connector, error)]) for folder in folders])

        def attempt(folder: Path) -> list[Outcome]:
            item = self._watched[folder]
            if not item.seen:
                item.seen, item.seen_beside = item.look()
            try:
                return work(item.connector)
            except (AirbyteCiError, OSError) as error:  # such as a file that went while it was read
                return [_failure(item.connector, error)]

        return workbench.side_by_side(folders, attempt, self._watching.width)

    def _keep(self, folder: Path, outcomes: Sequence[Outcome]) -> frozenset[str]:
        """Notes what a build read and reported; returns what the last one reported."""
        item = self._watched[folder]
        if any(outcome.status == "failed" for outcome in outcomes):
            # The next one opens new connections, with the current logins.
            self._app.registries.renew()
        else:
            read = [place for outcome in outcomes for place in outcome.facts.get("alsoReads", ())]
            beside = tuple(sorted({Path(place) for place in read}))
            if beside != item.beside:
                item.beside = beside
                item.seen_beside = item.look()[1]
        known, item.details = item.details, frozenset(detail for outcome in outcomes for detail in outcome.details)
        return known


def _failure(connector: Connector, error: AirbyteCiError | OSError) -> Outcome:
    if isinstance(error, AirbyteCiError):
        return failure(connector.name, error)
    return Outcome(
        subject=connector.name,
        status="failed",
        reason=f"cannot read {connector.place}: {error.strerror} ({error.filename})",
    )
