"""Parses and formats sizes: 500MB, 20 GB. Light to import."""

import re

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def parse_size(text: str) -> int | None:
    """Returns a size in bytes, written as 500MB or 20GB; None for another text."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", text.strip().lower())
    return int(float(match[1]) * _UNITS[match[2]]) if match else None


def format_size(size: int) -> str:
    """Returns a size with three digits or so and its unit."""
    value = float(size)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"
