"""The files that a Dockerfile copies or writes: those of the connector are declared, the others are told."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from airbyte_ci.campaigns import heredoc
from airbyte_ci.campaigns.dockerfile import Instruction, substituted
from airbyte_ci.campaigns.heredoc import Heredoc
from airbyte_ci.campaigns.ledger import Ledger, joined
from airbyte_ci.connectors import customization
from airbyte_ci.connectors.customization import ImageFile

# What the build installs or copies itself; the rest of the folder has never been in an image.
_BUILD_FILES = frozenset(
    {
        *("setup.py", "setup.cfg", "pyproject.toml", "poetry.lock", "poetry.toml", "uv.lock", "pylock.toml"),
        *("requirements.txt", "README.md", "main.py", "MANIFEST.in"),
    }
)
_SITE_PACKAGES = re.compile(r"/(install|usr/local)(/.*)?|.*/(site|dist)-packages(/.*)?|/root/\.(local|cache)(/.*)?")


def carry(ledger: Ledger, instruction: Instruction) -> None:
    """Notes the files of one COPY or ADD."""
    flags, _ = instruction.flags()
    head, documents = heredoc.read(instruction.value)
    if documents:
        _written(ledger, instruction, head, documents, flags)
        return
    words = _copied(instruction, ledger.known)
    if len(words) < 2:
        ledger.lose(str(instruction))
        return
    *sources, target = words
    if "from" in flags:
        ledger.is_installed = ledger.is_installed or any(_SITE_PACKAGES.fullmatch(path) for path in sources)
        taken = [path for path in sources if not _SITE_PACKAGES.fullmatch(path) and "zoneinfo" not in path]
        if taken:
            ledger.lose(f"COPY --from={flags['from']} {' '.join(taken)} {target}")
        return
    for source in sources:
        _copied_file(ledger, instruction, source, target, single=len(sources) == 1, mode=_mode(flags))
    if "chown" in flags and any(not _is_usual_file(ledger, source) for source in sources):
        ledger.lose(f"COPY --chown={flags['chown']}: files belong to root")


def _written(
    ledger: Ledger, instruction: Instruction, head: str, documents: tuple[Heredoc, ...], flags: Mapping[str, str]
) -> None:
    """Files whose lines stand in the Dockerfile."""
    target = heredoc.without(Instruction(instruction.name, head, instruction.line).flags()[1])
    place = joined(ledger.workdir, substituted(target, ledger.known))
    into = target.endswith("/") or len(documents) > 1
    expanded = any("$" in document.text and not document.is_literal for document in documents)
    if not target or " " in target or "chown" in flags or expanded:
        ledger.lose(f"{instruction}: its lines belong into a file of the connector")
        return
    for document in documents:
        path = joined(place, document.name) if into else place
        ledger.files[path] = ImageFile(content=document.text, mode=_mode(flags))


def _mode(flags: Mapping[str, str]) -> str | None:
    mode = flags.get("chmod")
    return mode if mode and re.fullmatch(r"0?[0-7]{3}", mode) else None


def _copied(instruction: Instruction, known: Mapping[str, str]) -> list[str]:
    _, rest = instruction.flags()
    listed = Instruction(instruction.name, rest, instruction.line).listed()
    return [substituted(word, known) for word in listed or rest.split()]


def _copied_file(
    ledger: Ledger, instruction: Instruction, source: str, target: str, *, single: bool, mode: str | None
) -> None:
    if _is_usual_file(ledger, source):
        return
    plain = source.removeprefix("./").rstrip("/")
    kind = ledger.surroundings.kind_of(plain) if customization.SOURCE.fullmatch(plain) else None
    if kind is None:
        ledger.lose(f"{instruction.name} {source} {target}")
        return
    into = target.endswith("/") or target in (".", "..") or not single
    place = joined(ledger.workdir, target)
    # Docker copies what is in a folder, and a file into a folder under its own name.
    path = place if kind == "folder" or not into else joined(place, PurePosixPath(plain).name)
    ledger.files[path] = ImageFile(source=plain, mode=mode)


def _is_usual_file(ledger: Ledger, source: str) -> bool:
    plain = source.removeprefix("./").rstrip("/*")
    package = ledger.surroundings.package
    # With the whole folder copied, nothing tells what of it was meant: main.py and the package run.
    return plain in ("", ".", package) or plain in _BUILD_FILES or plain.startswith(f"{package}/")
