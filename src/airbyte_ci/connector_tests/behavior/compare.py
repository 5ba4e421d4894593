"""Runs both images, the old one first, and compares their answers."""

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from airbyte_ci.attest.compare.comparison import FactRow, ImageComparison, Verdict
from airbyte_ci.attest.compare.kinds import KindId
from airbyte_ci.attest.compare.spec_rules import compare_specs
from airbyte_ci.attest.compare.stream_rules import compare_catalogs, compare_reads
from airbyte_ci.connector_tests.behavior.answers import (
    ImageAnswers,
    SourceAccess,
    ask_check,
    ask_spec,
    ask_streams,
)
from airbyte_ci.connector_tests.behavior.authority import Authority
from airbyte_ci.connector_tests.behavior.forward import Forwarder
from airbyte_ci.connector_tests.behavior.traffic import Recording, Replay
from airbyte_ci.connector_tests.place import StepSandbox
from airbyte_ci.connector_tests.read_inputs import ReadInputs
from airbyte_ci.connector_tests.secrets import Secrets
from airbyte_ci.oci.image import Image
from airbyte_ci.python.environment.tools import Tools
from airbyte_ci.recipe.evaluate import prepare
from airbyte_ci.sandbox.sandbox import Network

_READS = ("first read", "read from the state")
_MOST = 20
# Only the specification of a destination has this key.
_OF_DESTINATIONS = "supported_destination_sync_modes"


@dataclass(frozen=True, slots=True, kw_only=True)
class BehaviorOptions:
    """How to run the images. Without a `connection`, only `spec` is compared; the report says so if it is `missing`.

    If `is_live`, both images ask their source; else the old image's HTTP traffic is recorded and replayed to the new
    one, without the query parameters in `ignored`. With the network `host`, the source may be on this machine.
    Destinations have neither `discover` nor `read`; they are also recognized by their specification.
    """

    connection: ReadInputs | None = None
    missing: str = ""
    is_destination: bool = False
    network: Network = "private"
    is_live: bool = False
    ignored: Sequence[str] = ()
    timeout: float = 600
    now: datetime.datetime


def add_behavior(
    found: ImageComparison, old: Image, new: Image, tools: Tools, options: BehaviorOptions
) -> ImageComparison:
    """Returns the comparison with rows about what the images do. Raises SandboxError if they cannot run."""
    store = tools.store
    secrets = options.connection.secrets if options.connection else Secrets(configuration=None)
    answers = (ImageAnswers(), ImageAnswers())
    places = [_place(tools, image, options.timeout) for image in (old, new)]
    for place, item, name in zip(places, answers, ("old", "new"), strict=True):
        tools.say(f"running spec of the {name} image")
        ask_spec(place, secrets, item)
    rows = [*_failures("spec", *answers), *compare_specs(answers[0].spec, answers[1].spec)]
    notes = [f"only spec was compared: {options.missing}"] if options.missing else []
    if options.connection:
        with store.scratch() as folder:
            authority = Authority(folder, options.now)
            more, notes = _ask(places, answers, options, options.connection, authority, tools)
            rows += more
    sides = [replace(side, startup=item.seconds) for side, item in zip((found.old, found.new), answers, strict=True)]
    return replace(found, old=sides[0], new=sides[1], rows=(*found.rows, *rows), notes=(*found.notes, *notes))


def _place(tools: Tools, image: Image, timeout: float) -> StepSandbox:
    tree, command = prepare(tools.store, image, (), use_entrypoint=True)
    return StepSandbox(tools.store, tree, command=command, timeout=timeout)


def _ask(
    places: Sequence[StepSandbox],
    answers: tuple[ImageAnswers, ImageAnswers],
    options: BehaviorOptions,
    connection: ReadInputs,
    authority: Authority,
    tools: Tools,
) -> tuple[list[FactRow], list[str]]:
    old, new = answers
    recording, replay = Recording(options.ignored), None
    forwarder = Forwarder(lambda _: True) if options.network == "host" else Forwarder()
    live = SourceAccess(network=options.network, answer=None, authority=authority)
    recorded = replace(live, answer=recording.recorder(forwarder.answer))
    is_destination = options.is_destination or any(item.spec and item.spec.get(_OF_DESTINATIONS) for item in answers)

    def ask(place: StepSandbox, source: SourceAccess, item: ImageAnswers, before: ImageAnswers | None) -> None:
        ask_check(place, connection.secrets, source, item)
        if not is_destination:
            ask_streams(place, connection, source, item, before)

    tools.say("reading with the old image")
    ask(places[0], live if options.is_live else recorded, old, None)
    replayed = live
    if not options.is_live:
        replay = recording.replay()
        replayed = replace(live, answer=replay.answer)
    tools.say("reading with the new image")
    ask(places[1], replayed, new, old)
    rows = [*_compare_check(old, new), *([] if is_destination else _compare_streams(old, new))]
    return rows + (list(_traffic(replay)) if replay else []), _notes(recording, replay, old)


def _compare_streams(old: ImageAnswers, new: ImageAnswers) -> Iterator[FactRow]:
    yield from _failures("discover", old, new)
    yield from compare_catalogs(old.catalog, new.catalog)
    yield from _failures("read", old, new)
    for label, one, other in zip(_READS, old.reads, new.reads, strict=False):
        yield from compare_reads(label, one, other, may_be_empty=label != _READS[0])


def _compare_check(old: ImageAnswers, new: ImageAnswers) -> Iterator[FactRow]:
    status = [item.check or None for item in (old, new)]
    verdict: Verdict = "same" if old.check == new.check == "SUCCEEDED" else "unexplained"
    said = (("old", old.failures.get("check")), ("new", new.failures.get("check")))
    reasons = [f"{name}: {text}" for name, text in said if text]
    yield FactRow(kind="check", name="check", old=status[0], new=status[1], verdict=verdict, reason="; ".join(reasons))


def _failures(command: KindId, old: ImageAnswers, new: ImageAnswers) -> Iterator[FactRow]:
    """Yields a row if a command failed in an image: two failures prove nothing, also if they are the same."""
    said = [item.failures.get(command) for item in (old, new)]
    if any(said):
        shown = ["failed" if text else "succeeded" for text in said]
        reasons = [f"{name}: {text}" for name, text in zip(("old", "new"), said, strict=True) if text]
        yield FactRow(
            kind=command,
            name=f"{command} command",
            old=shown[0],
            new=shown[1],
            verdict="unexplained",
            reason="; ".join(reasons),
        )


def _traffic(replay: Replay) -> Iterator[FactRow]:
    unmatched = sorted(set(replay.unmatched))
    for name in unmatched[:_MOST]:
        reason = "the old image did not make this request"
        yield FactRow(kind="traffic", name=name, old=None, new="requested", verdict="unexplained", reason=reason)
    if not unmatched:
        number = f"{replay.matched:,} requests"
        yield FactRow(kind="traffic", name="replayed", old=number, new=number, verdict="same")


def _notes(recording: Recording, replay: Replay | None, old: ImageAnswers) -> list[str]:
    notes = []
    if replay and (unused := replay.unused):
        notes.append(f"{len(unused):,} requests of the old image were not made again, such as {unused[0]}")
    if replay and not len(recording) and "check" in old.failures:
        notes.append("the old image made no HTTP request: a source that is no HTTP server needs --live")
    return notes
