"""Formats the differences of two base images as text, and as Markdown for pull requests and changelogs."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from airbyte_ci.base_images.inspection.difference import ChangedItem, Difference
from airbyte_ci.base_images.inspection.osv import Comparison
from airbyte_ci.base_images.inspection.osv_database import Vulnerability
from airbyte_ci.text import escape_markdown, join_lines

_SHOWN_FOLDERS = 12
_DEPTH = 4


def text(found: Difference, known: Comparison | None, *, files: bool) -> str:
    """Returns the differences by section; counts files by folder, unless `files` is set."""
    lines = [f"{found.before} → {found.after}", f"  {_sizes(found)}"]
    if found.is_empty:
        lines.append("  no differences")
    for title, changes in sections(found):
        lines.append(f"{title} ({_count(changes)})")
        lines += [f"  {_line(item)}" for item in changes]
    if found.files:
        lines.append(f"files ({_count(found.files)})")
        lines += [f"  {_sign(item)} /{item.name}" for item in found.files] if files else _folders(found.files)
    if found.layers:
        lines.append(f"layers ({found.shared_layers} shared)")
        lines += [f"  {item.side} {_mega(item.size)}  {item.created_by[:80]}" for item in found.layers]
    if known:
        for title, items in _vulnerabilities(known):
            lines.append(f"vulnerabilities {title} ({len(items)})")
            lines += [f"  {_vulnerability(item)}" for item in items]
        lines += [f"not inspected: {item}" for item in known.unseen]
    return join_lines(lines)


def markdown(found: Difference, known: Comparison | None) -> str:
    """Returns Markdown for reviewers: full tables of what affects connectors, and counts of the rest."""
    lines = [f"**{found.before} → {found.after}** · {_sizes(found)}", ""]
    if found.is_empty:
        lines += ["No differences.", ""]
    for title, changes in sections(found):
        lines += [f"{title.capitalize()}: {_count(changes)}", "", "| | before | after |", "|---|---|---|"]
        lines += [f"| {_cell(item.name)} | {_cell(item.before)} | {_cell(item.after)} |" for item in changes]
        lines.append("")
    if found.files:
        lines += [f"Files: {_count(found.files)}; layers: {found.shared_layers} shared, {len(found.layers)} not", ""]
    if known:
        for title, items in _vulnerabilities(known):
            lines.append(f"Vulnerabilities {title}: {len(items)}")
            lines += ["", *(f"- {escape_markdown(_vulnerability(item))}" for item in items), ""] if items else [""]
        for item in known.unseen:
            lines += [f"Not inspected: {escape_markdown(item)}", ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def sections(found: Difference) -> Iterator[tuple[str, Sequence[ChangedItem]]]:
    """Yields each part of an image that changed, with its changes."""
    every = (
        ("image", found.facts),
        ("Debian packages", found.packages),
        ("Python distributions", found.distributions),
        ("environment", found.environment),
        ("users", found.accounts),
    )
    return ((title, changes) for title, changes in every if changes)


def _vulnerabilities(known: Comparison) -> tuple[tuple[str, Sequence[Vulnerability]], ...]:
    return (("fixed", known.fixed), ("introduced", known.introduced), ("left", known.left))


def _vulnerability(item: Vulnerability) -> str:
    severity = f" {item.severity}" if item.severity else ""
    fixed = f", fixed in {item.fixed}" if item.fixed else ", no fix known"
    return f"{item.name}{severity}: {item.package} {item.version}{fixed}"


def _sizes(found: Difference) -> str:
    change = found.size_after - found.size_before
    sign = "+" if change >= 0 else "−"
    return f"{_mega(found.size_before)} → {_mega(found.size_after)} ({sign}{_mega(abs(change))})"


def _mega(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _sign(item: ChangedItem) -> str:
    return "+" if not item.before else "−" if not item.after else "~"


def _line(item: ChangedItem) -> str:
    values = " → ".join(value for value in (item.before, item.after) if value)
    return f"{_sign(item)} {item.name} {values}".rstrip()


def _count(changes: Iterable[ChangedItem]) -> str:
    signs = Counter(_sign(item) for item in changes)
    names = (("+", "added"), ("−", "removed"), ("~", "changed"))
    return ", ".join(f"{signs[sign]} {name}" for sign, name in names if signs[sign])


def _folders(changes: Sequence[ChangedItem]) -> list[str]:
    """Returns the folders with the most changed files."""
    folders = Counter("/".join(item.name.split("/")[:-1][:_DEPTH]) for item in changes)
    shown = [f"  {number:5}  /{folder}" for folder, number in folders.most_common(_SHOWN_FOLDERS)]
    rest = len(folders) - _SHOWN_FOLDERS
    return [*shown, *([f"  … and {rest} more folders; --files lists every file"] if rest > 0 else [])]


def _cell(text: str) -> str:
    return escape_markdown(text) or "–"
