"""Generated universes of packages, and the parts of generated projects: the same for poetry and uv.

Imports nothing of airbyte-ci and of no tool: it also runs where poetry is.
"""

import random
from dataclasses import dataclass

MARKERS = (
    "python_version < '3.10'",
    "python_version >= '3.10'",
    "python_full_version >= '3.11.2'",
    "sys_platform == 'linux'",
    "sys_platform == 'win32'",
    "platform_machine != 'x86_64'",
)
NAMES = tuple("abcdefgh")
EXTRAS = ("x", "y", "z", "all")


@dataclass(frozen=True)
class Release:
    """One version of a package: the texts of its requirements, and its extras."""

    name: str
    version: str
    requires: tuple[str, ...]
    extras: tuple[str, ...]


def condition(chance: random.Random, *more: str) -> str:
    """A marker with these parts and sometimes one more; empty if there is none."""
    parts = [*more, *([chance.choice(MARKERS)] if chance.random() < 0.35 else [])]
    return f" ; {' and '.join(parts)}" if parts else ""


def universe(chance: random.Random) -> list[Release]:
    """Packages with extras, each of which may name other extras of its package."""
    found = []
    for name in NAMES:
        for version in ("1.0", "2.0"):
            requires = []
            extras = chance.sample(EXTRAS, chance.randrange(4))
            later = [other for other in chance.sample(NAMES, chance.randrange(3)) if other > name]
            requires += [wanted(chance, other) + condition(chance) for other in later]
            for extra in extras:
                for other in chance.sample(NAMES, chance.randrange(1, 3)):
                    own = other == name or (other < name and chance.random() < 0.5)
                    if own and len(extras) > 1:
                        inner = chance.choice([item for item in extras if item != extra])
                        requires.append(f"{name}[{inner}]" + condition(chance, f"extra == '{extra}'"))
                    elif other > name:
                        requires.append(wanted(chance, other) + condition(chance, f"extra == '{extra}'"))
            found.append(Release(name, version, tuple(requires), tuple(extras)))
    return found


def wanted(chance: random.Random, name: str) -> str:
    """A requirement for a package, with extras and a version or without."""
    extras = chance.sample(EXTRAS, chance.choice((0, 0, 1, 1, 2)))
    version = chance.choice(("", "", "", " (>=1.0)", " (==1.0)"))
    return name + (f"[{','.join(extras)}]" if extras else "") + version
