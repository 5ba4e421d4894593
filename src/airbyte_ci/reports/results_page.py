"""The page of what `build`, `test`, `check` and `publish` did: connectors, the worst first, and output of failures."""

from collections.abc import Iterator, Mapping, Sequence

from airbyte_ci.images.layer_origins import ORIGINS
from airbyte_ci.reports.page import render
from airbyte_ci.reports.page.blocks import (
    Bar,
    Block,
    Cell,
    Code,
    Column,
    DataRow,
    DataTable,
    Facts,
    Fold,
    Link,
    Log,
    Mark,
    Number,
    Page,
    Section,
    Several,
    State,
    Tile,
    rank,
)
from airbyte_ci.reports.results import TITLES, Command, ConnectorResult, worst_first

_TILES: Mapping[State, str] = {
    "failed": "failed",
    "warning": "with warnings",
    "unverified": "not verified",
    "skipped": "skipped",
    "ok": "ok",
}
# With fewer failures, their output is open from the start.
_OPEN = 3
# The middle of a digest says nothing to people: its algorithm and twelve digits.
_DIGEST = len("sha256:") + 12


def html(results: Sequence[ConnectorResult], subtitle: str, note: str = "") -> str:
    """Returns the page of results of one command or of several. `subtitle` is the command line."""
    used = [command for command in TITLES if any(item.command == command for item in results)]
    title = " and ".join(TITLES[command] for command in used) or "No results"
    sections = [section for command in used for section in _sections(command, results)]
    return render.page(Page(f"{title} of connectors", subtitle, tuple(_tiles(results)), tuple(sections), note))


def _tiles(results: Sequence[ConnectorResult]) -> Iterator[Tile]:
    names = {item.name for item in results}
    yield Tile("connector" if len(names) == 1 else "connectors", str(len(names)))
    states: dict[str, State] = {}
    for item in results:
        states[item.name] = min(item.state, states.get(item.name, item.state), key=rank)
    for state, label in _TILES.items():
        if number := sum(found == state for found in states.values()):
            yield Tile(label, str(number), state)
    if seconds := sum(item.seconds for item in results):
        yield Tile("of work", _duration(seconds))


def _sections(command: Command, results: Sequence[ConnectorResult]) -> Iterator[Section]:
    ordered = worst_first(item for item in results if item.command == command)
    table = {"build": _builds, "test": _tests, "check": _checks, "publish": _publications}[command](ordered)
    title = TITLES[command]
    unverified = _unverified(ordered) if command == "check" else None
    yield Section(title, (table, *([unverified] if unverified else [])))
    bad = [item for item in ordered if item.bad]
    if bad:
        folds = tuple(_fold(item, is_open=len(bad) <= _OPEN) for item in bad)
        yield Section(f"{title}: failures", folds)


def _head(item: ConnectorResult) -> Cell:
    return Link(item.name, f"#{render.anchor(_anchor(item))}") if item.bad else item.name


def _anchor(item: ConnectorResult) -> str:
    return f"{item.command} {item.name} {item.parts[0].id if item.command == 'build' else ''}"


def _tests(results: Sequence[ConnectorResult]) -> DataTable:
    steps = tuple(dict.fromkeys(part.id for item in results for part in item.parts))
    columns = (
        Column("Connector"),
        Column("Result"),
        *(Column(step) for step in steps),
        Column("Tests", is_number=True),
        Column("Time", series=steps, unit="s"),
    )
    return DataTable(
        "Connectors and the steps of their tests, failures first", columns, tuple(_test(x, steps) for x in results)
    )


def _test(item: ConnectorResult, steps: Sequence[str]) -> DataRow:
    parts = {part.id: part for part in item.parts}
    marks = [Mark(parts[step].state, is_short=True) if step in parts else "" for step in steps]
    passed = sum(part.tests.get("passed", 0) for part in item.parts)
    total = passed + sum(part.tests.get("failed", 0) for part in item.parts)
    seconds = tuple(parts[step].seconds if step in parts else 0.0 for step in steps)
    tests = Number(total, f"{passed}/{total}") if total else "–"
    return DataRow((_head(item), Mark(item.state), *marks, tests, Bar(seconds, _duration(item.seconds))))


def _checks(results: Sequence[ConnectorResult]) -> DataTable:
    columns = (
        Column("Connector"),
        Column("Result"),
        Column("Errors", is_number=True),
        Column("Warnings", is_number=True),
        Column("Not verified", is_number=True),
        Column("Failed checks"),
    )
    rows = []
    for item in results:
        numbers = [sum(part.state == state for part in item.parts) for state in ("failed", "warning", "unverified")]
        failed = Several(tuple(Code(part.id) for part in item.bad)) if item.bad else "–"
        rows.append(
            DataRow((_head(item), Mark(item.state), *(Number(n, str(n) if n else "–") for n in numbers), failed))
        )
    return DataTable("Connectors and their failed checks, errors first", columns, tuple(rows))


def _unverified(results: Sequence[ConnectorResult]) -> DataTable | None:
    """Returns, by rule and reason, for how many connectors a rule is not verified."""
    numbers: dict[tuple[str, str], int] = {}
    for item in results:
        for part in item.parts:
            if part.state == "unverified":
                numbers[part.id, part.text] = numbers.get((part.id, part.text), 0) + 1
    rows = [
        DataRow((Code(name), Number(number, str(number)), reason))
        for (name, reason), number in sorted(numbers.items(), key=lambda pair: (-pair[1], pair[0]))
    ]
    columns = (Column("Check"), Column("Connectors", is_number=True), Column("Reason"))
    return DataTable("Checks that could not be verified", columns, tuple(rows)) if rows else None


def _builds(results: Sequence[ConnectorResult]) -> DataTable:
    columns = (
        Column("Connector"),
        Column("Result"),
        Column("Platform"),
        Column("Image"),
        Column("Size by origin", series=ORIGINS, unit="MB"),
        Column("Time", is_number=True),
    )
    return DataTable("Images, failures first; sizes are compressed", columns, tuple(map(_build, results)))


def _build(item: ConnectorResult) -> DataRow:
    document, (part, *_) = item.document, item.parts
    sizes = document.get("sizes")
    found = sizes if isinstance(sizes, dict) else {}
    values = tuple(round(int(found.get(origin) or 0) / 1e6, 2) for origin in ORIGINS)
    size: Cell = Bar(values, f"{sum(values):.1f} MB") if sum(values) else "–"
    digest = str(document.get("digest") or "")
    time: Cell = Number(part.seconds, _duration(part.seconds)) if part.seconds else "–"
    image: Cell = Code(digest[:_DIGEST]) if digest else "–"
    return DataRow((_head(item), Mark(item.state), str(document.get("platform") or "–"), image, size, time))


def _publications(results: Sequence[ConnectorResult]) -> DataTable:
    columns = (
        Column("Connector"),
        Column("Result"),
        Column("Release"),
        Column("Image"),
        Column("Platforms"),
        Column("Size", is_number=True),
        Column("Documents", is_number=True),
        Column("Time", is_number=True),
    )
    return DataTable("Releases, failures first; sizes are compressed", columns, tuple(map(_publication, results)))


def _publication(item: ConnectorResult) -> DataRow:
    document, (part, *_) = item.document, item.parts
    address = str(document.get("address") or "")
    if not address:
        return DataRow((_head(item), Mark(item.state), *["–"] * 6))
    found = {key: document.get(key) for key in ("size", "attachments", "platforms")}
    size = found["size"] if isinstance(found["size"], int) else 0
    documents = len(found["attachments"]) if isinstance(found["attachments"], list) else 0
    images = found["platforms"] if isinstance(found["platforms"], list) else []
    platforms = ", ".join(str(image.get("platform")) for image in images if isinstance(image, dict))
    how = "" if document.get("pushed") else " (dry run)" if document.get("dryRun") else " (nothing pushed)"
    return DataRow(
        (
            _head(item),
            Mark(item.state),
            f"{document.get('tag')}{how}",
            Code(address),
            platforms,
            Number(size, f"{size / 1e6:.1f} MB"),
            Number(documents, str(documents)),
            Number(part.seconds, _duration(part.seconds)),
        )
    )


def _fold(item: ConnectorResult, *, is_open: bool) -> Fold:
    blocks = [_failed_checks(item)] if item.command == "check" else list(_failures(item))
    title = f"{item.name}: {', '.join(part.id for part in item.bad)}"
    return Fold(title, tuple(blocks), item.state, is_open, _anchor(item))


def _failed_checks(item: ConnectorResult) -> Block:
    columns = tuple(map(Column, ("Check", "Result", "Reason", "Place", "Next")))
    rows = tuple(
        DataRow((Code(part.id), Mark(part.state), part.text, Code(part.place) if part.file else "–", Code(part.advice)))
        for part in item.bad
    )
    return DataTable(f"Failed checks of {item.name}", columns, rows)


def _failures(item: ConnectorResult) -> Iterator[Block]:
    for part in item.bad:
        facts: list[tuple[str, Cell]] = [("Result", Mark(part.state)), ("Step", Code(part.id)), ("Reason", part.text)]
        yield Facts((*facts, *([("Next", Code(part.advice))] if part.advice else [])))
        if part.output:
            yield Log("\n".join(part.output))


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds >= 1 or not seconds else f"{seconds:.2g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
