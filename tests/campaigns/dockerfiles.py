"""Dockerfiles by chance: instructions of all kinds, with the grammar's rare forms more often than people write them."""

import random

_NAMES = ("A", "B", "C1", "_d", "LONG_NAME")
_PLAIN = ("x", "1", "a-b", "/opt/lib", "a.b", "", ":", "é", "#", "=", "~", "*", "{", "}", ",")

_CODE = "/airbyte/integration_code"
_SOURCES = ("helpers", "lookup/", "run.sh", "./notes.txt", "lookup/*.json", "source_x/schemas", "n*.txt", "/run.sh")
_TARGETS = ("/data", "/data/", "sub", "sub/", ".", "./", "/data/new.txt", "$T", "${T}/in/", "../up/")


def dockerfile(seed: int, *, base: str = "scratch") -> str:
    """One that `docker build` mostly takes; it needs no network and no files."""
    chance = random.Random(seed)
    lines = [f"ARG {_pairs(chance, 1)}" for _ in range(chance.randint(0, 2))]
    if chance.random() < 0.1:
        lines.insert(0, "# escape=`")
    lines.append(f"FROM {base}{' AS first' if chance.random() < 0.3 else ''}")
    lines += _stage(chance)
    if " AS " in "".join(lines) and chance.random() < 0.7:
        lines += ["FROM first", *_stage(chance)]
    return "\n".join(lines) + "\n"


def _stage(chance: random.Random) -> list[str]:
    return [_instruction(chance) for _ in range(chance.randint(1, 8))]


def _instruction(chance: random.Random) -> str:
    def value() -> str:
        return _value(chance)

    match chance.choice(
        ("ENV", "ENV", "ENV", "ENV1", "ARG", "ARG", "ARGS", "LABEL", "WORKDIR", "USER", "START", "MANY")
    ):
        case "ENV":
            return f"ENV {_pairs(chance, chance.randint(1, 3))}"
        case "ENV1":
            return f"ENV {chance.choice(_NAMES)} {value()} {value()}"
        case "ARG":
            return f"ARG {chance.choice(_NAMES)}={value()}" if chance.random() < 0.7 else f"ARG {chance.choice(_NAMES)}"
        case "ARGS":
            return f"arg {_pairs(chance, 2)} {chance.choice(('', '# why', 'B'))}"
        case "LABEL":
            return f"LABEL {_pairs(chance, chance.randint(1, 2))}"
        case "WORKDIR":
            return f"WORKDIR {chance.choice(('/w', 'sub', '../up', './a/../b', '/a b', '$A', '/${B:-c}/d'))}"
        case "USER":
            return f"USER {chance.choice(('me', '1000:1000', '${A:-me}', 'a$B'))}"
        case "START":
            words = chance.choice(('["a", "$A"]', '["a"] # why', "run $A 'b c'", "[a]", "exec  a", "exec 'a"))
            return f"{chance.choice(('ENTRYPOINT', 'CMD'))} {words}"
    joint = chance.choice((" \\\n", " \\  \n  # why\n", " \\\n\n   ", "\\\n"))
    return f"ENV {_pairs(chance, 1)}{joint} {_pairs(chance, 1)}"


def _pairs(chance: random.Random, count: int) -> str:
    return " ".join(f"{chance.choice(_NAMES)}={_value(chance)}" for _ in range(count))


def _value(chance: random.Random) -> str:
    return "".join(_part(chance) for _ in range(chance.randint(1, 3)))


def _part(chance: random.Random, depth: int = 0) -> str:
    name = chance.choice(_NAMES)
    kind = chance.randint(0, 9)
    if kind < 3 or depth > 2:
        return chance.choice(_PLAIN)
    if kind == 3:
        return f"${name}"
    if kind == 4:
        return f"${{{name}}}"
    if kind == 5:
        return f"${{{name}:{chance.choice('-+')}{_part(chance, depth + 1)}}}"
    if kind == 6:
        return f"'{chance.choice(_PLAIN)} ${name}'"
    if kind == 7:
        return f'"{_part(chance, depth + 1)} {chance.choice(_PLAIN)}"' if depth == 0 else "q"
    return chance.choice(("\\$A", "\\\\", '\\"', "\\'", "\\ x", "\\n", "$$", "$1", "$", "`", "$?"))


def copies(seed: int) -> str:
    """A Dockerfile that copies files of a connector's folder to many places; all that it needs is that folder."""
    chance = random.Random(seed)
    lines = [
        "FROM scratch",
        f"WORKDIR {chance.choice(('/airbyte/integration_code', '/airbyte/integration_code', '/w'))}",
    ]
    lines.append(f"ARG T={chance.choice(('/data', 'sub/', './x'))}")
    for _ in range(chance.randint(1, 5)):
        kind = chance.randint(0, 9)
        word = chance.choice(("COPY", "COPY", "ADD"))
        if kind == 0:
            lines.append(f"{word} . {chance.choice(('.', _CODE, './'))}")
        elif kind == 1:
            lines.append(f'{word} ["{chance.choice(_SOURCES)}", "{chance.choice(_TARGETS)}"]')
        elif kind == 2:
            lines.append(f"{word} {' '.join(chance.sample(_SOURCES, 2))} {chance.choice(('/data/', 'sub/', './'))}")
        elif kind == 3:
            lines.append("COPY source_x ./source_x")
        elif kind == 4:
            lines.append(f"COPY setup.py main.py {chance.choice(('./', f'{_CODE}/'))}")
        elif kind == 5:
            lines.append(f"COPY --chmod={chance.choice(('755', '0644', '600'))} run.sh {chance.choice(_TARGETS)}")
        elif kind == 6:
            lines.append(f"WORKDIR {chance.choice((_CODE, 'deeper', '/'))}")
        else:
            lines.append(f"{word} {chance.choice(_SOURCES)} {chance.choice(_TARGETS)}")
    return "\n".join(lines) + "\n"
