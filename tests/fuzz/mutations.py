"""Damages of a lock: by hand, by a merge, by a disk, by an attacker. Text in, text out."""

import random
import re
from collections.abc import Callable, Sequence

Mutation = Callable[[str, random.Random], str]

_NASTY = (
    "\0",
    "\x1b[2J",
    "\ufeff",
    "\u2028",
    "é",
    "'",
    '"',
    '"""',
    "[",
    "]]",
    "{",
    "=",
    "\\",
    "#",
    ";",
    "\r",
    "${HOME}",
    "%s",
)
_MARKERS = (
    "python_version < '3.11'",
    "python_version >= '3.11'",
    "sys_platform == 'win32'",
    "sys_platform == 'linux' or extra == 'x'",
    "platform_machine == 'aarch64'",
    "extra == 'dev'",
    "python_version in '3.9 3.11'",
    "nonsense",
    "python_version <",
    "os_name == 'nt' and (",
    "(" * 300 + "python_version > '3'" + ")" * 300,
    "",
)
_VERSIONS = (
    "0",
    "999.0",
    "1.0.dev1",
    "1!2.0",
    "1.0+local",
    "2.*",
    "not a version",
    "",
    "^1",
    ">=1,<0",
    "||",
    "1.0 ",
    "v1.0",
    "1" * 400,
)
_VALUES = ("true", "false", "1", "[]", "{}", '""', "1979-05-27", "nan", "[[]]", '{a = "b"}', "9" * 500, "'x'")


def mutate(text: str, chance: random.Random) -> str:
    """One to three things go wrong."""
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        text = chance.choice(MUTATIONS)(text, chance)
    return text


def _lines(change: Callable[[list[str], int, random.Random], None]) -> Mutation:
    def mutation(text: str, chance: random.Random) -> str:
        lines = text.splitlines(keepends=True)
        if lines:
            change(lines, chance.randrange(len(lines)), chance)
        return "".join(lines)

    return mutation


def _delete(lines: list[str], at: int, chance: random.Random) -> None:
    del lines[at : at + chance.choice((1, 1, 2, 30))]


def _repeat(lines: list[str], at: int, chance: random.Random) -> None:
    lines[at:at] = lines[at : at + chance.choice((1, 1, 5))]


def _swap(lines: list[str], at: int, chance: random.Random) -> None:
    other = chance.randrange(len(lines))
    lines[at], lines[other] = lines[other], lines[at]


def _conflict(lines: list[str], at: int, chance: random.Random) -> None:
    lines[at:at] = ["<<<<<<< HEAD\n", lines[at], "=======\n", lines[-at], ">>>>>>> other\n"][: chance.randint(1, 5)]


def _blocks(change: Callable[[list[str], int, random.Random], None]) -> Mutation:
    """Changes whole packages: what is between two `[[…]]` headings."""

    def mutation(text: str, chance: random.Random) -> str:
        blocks = re.split(r"(?m)^(?=\[\[)", text)
        if len(blocks) > 2:
            change(blocks, chance.randrange(1, len(blocks)), chance)
        return "".join(blocks)

    return mutation


def _drop_block(blocks: list[str], at: int, chance: random.Random) -> None:
    del blocks[at]


def _repeat_block(blocks: list[str], at: int, chance: random.Random) -> None:
    """Once more, with another version: what a merge makes."""
    blocks.insert(
        at, re.sub(r'(?m)^(version = )"[^"]*"', lambda found: f'{found[1]}"{chance.randrange(9)}.1"', blocks[at])
    )


def _rename_block(blocks: list[str], at: int, chance: random.Random) -> None:
    other = chance.choice(blocks[1:])
    if found := re.search(r'(?m)^name = "[^"]*"', other):
        blocks[at] = re.sub(r'(?m)^name = "[^"]*"', lambda _: found[0], blocks[at])


def _replace(pattern: str, values: Sequence[str], prefix: str = "", suffix: str = "") -> Mutation:
    """One random match becomes one of the values."""

    def mutation(text: str, chance: random.Random) -> str:
        found = [*re.finditer(pattern, text)]
        if not found:
            return text
        match = chance.choice(found)
        return f"{text[: match.start()]}{prefix}{chance.choice(values)}{suffix}{text[match.end() :]}"

    return mutation


def _hash(text: str, chance: random.Random) -> str:
    """A digit of a hash is another, or is not there."""
    found = [*re.finditer(r"sha256[:=][0-9a-f]{64}|hash = \"[0-9a-f]{64}", text)]
    if not found:
        return text
    at = chance.choice(found).end() - chance.randint(1, 64)
    return text[:at] + chance.choice("0123456789abcdefXZ ") * chance.randint(0, 1) + text[at + 1 :]


def _cut(text: str, chance: random.Random) -> str:
    return text[: chance.randrange(len(text) + 1)]


def _insert(text: str, chance: random.Random) -> str:
    at = chance.randrange(len(text) + 1)
    return text[:at] + chance.choice(_NASTY) * chance.choice((1, 1, 3)) + text[at:]


def _flip(text: str, chance: random.Random) -> str:
    at = chance.randrange(len(text) + 1)
    return text[:at] + chr(chance.randrange(32, 127)) + text[at + 1 :]


def _ends(text: str, chance: random.Random) -> str:
    return text.replace("\n", chance.choice(("\r\n", "\r", "\n\n")))


def _deep(text: str, chance: random.Random) -> str:
    return f"{text}\nx = {'[' * 3000}\n"


MUTATIONS: tuple[Mutation, ...] = (
    *map(_lines, (_delete, _repeat, _swap, _conflict)),
    *map(_blocks, (_drop_block, _repeat_block, _rename_block)),
    _replace(r'(?<=markers = ")[^"]*(?=")|(?<=marker = ")[^"]*(?=")|(?<=; )[^\\\n]+', _MARKERS),
    _replace(r'(?m)(?<=^version = ")[^"]*(?=")', _VERSIONS),
    _replace(r'(?m)(?<=version = ")[^"]*(?=")|(?<== ")[<>=^~][^"]*(?=")|(?<===)[^\s;]+', _VERSIONS),
    _replace(r'(?m)(?<=^python-versions = ")[^"]*(?=")|(?<=^requires-python = ")[^"]*(?=")', (*_VERSIONS, ">=3.12")),
    _replace(r"(?m)(?<== )\S.*$", _VALUES),
    _replace(r"(?m)^optional = \w+", ("optional = true", "optional = false")),
    _replace(
        r"(?m)^\[\[?[^\]\n]+\]\]?$",
        ("[package]", "[[package]]", "[package.dependencies]", "[package.source]", "[metadata]"),
    ),
    _replace(
        r"[\w.]+-[\w.]+-[\w.-]+\.whl",
        ("../../evil-1.0-py3-none-any.whl", "evil.whl", "a-1-py3-none-any.whl", "x" * 5000),
    ),
    _hash,
    _hash,
    _cut,
    _insert,
    _flip,
    _flip,
    _ends,
    _deep,
)
