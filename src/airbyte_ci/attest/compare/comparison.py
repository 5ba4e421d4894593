"""The result of a comparison: rows with a verdict each. Data only; `reports.comparison` shows it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from airbyte_ci.attest.compare.kinds import KindId

Verdict = Literal["same", "expected", "unexplained", "lost"]
# In the order of reports: the worst first.
VERDICTS: tuple[Verdict, ...] = ("lost", "unexplained", "expected", "same")
COMMANDS: tuple[KindId, ...] = ("spec", "check", "discover", "read")
FAILING: tuple[Verdict, ...] = ("lost", "unexplained")


@dataclass(frozen=True, slots=True, kw_only=True)
class FactRow:
    """One fact of both images. `old` or `new` is None where an image lacks it.

    `change` is the difference in a few words, `reason` why it is expected, or what makes it suspicious.
    """

    kind: KindId
    name: str
    old: str | None
    new: str | None
    verdict: Verdict
    change: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSummary:
    """One of the two images: its name, digest, base image (empty if unknown) and sizes in bytes.

    `size` is compressed; `origins` are uncompressed sizes by origin. `startup` is the time of `spec` in seconds.
    """

    name: str
    digest: str
    base: str
    size: int
    origins: Mapping[str, int]
    startup: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageComparison:
    """All rows, with those that are the same; `notes` are for people, such as what could not be compared."""

    old: ImageSummary
    new: ImageSummary
    rows: tuple[FactRow, ...]
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> Counter[Verdict]:
        return Counter(row.verdict for row in self.rows)

    def of(self, *verdicts: Verdict) -> list[FactRow]:
        """Returns the rows with these verdicts, in the order of the verdicts."""
        return [row for verdict in verdicts for row in self.rows if row.verdict == verdict]

    @property
    def has_failures(self) -> bool:
        """Returns whether a fact is lost, or differs without an explanation."""
        return bool(self.of(*FAILING))

    @property
    def commands(self) -> tuple[KindId, ...]:
        """Returns the commands of the connector whose answers were compared."""
        kinds = {row.kind for row in self.rows}
        return tuple(command for command in COMMANDS if command in kinds)

    def to_json(self) -> dict[str, Any]:
        counts = self.counts
        return {
            "old": asdict(self.old),
            "new": asdict(self.new),
            "counts": {verdict: counts[verdict] for verdict in VERDICTS},
            "rows": [
                {key: value for key, value in asdict(row).items() if value or key in ("old", "new")}
                for row in self.rows
            ],
            "notes": list(self.notes),
        }
