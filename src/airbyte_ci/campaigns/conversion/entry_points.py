"""Converts a Dockerfile's ENTRYPOINT to a main file, module or program that the build can start."""

import posixpath
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from airbyte_ci.campaigns.conversion import console_scripts
from airbyte_ci.campaigns.conversion.connector_folder import ConnectorFolder
from airbyte_ci.errors import EditRefused

MAIN = "main.py"
_PYTHON = re.compile(r"(/usr/(local/)?bin/)?python3?(\.\d+)?")
_NEEDS_SHELL = re.compile(r"[$*?\[\]{}<>~`!^|&;()\"'\\=]")
_RUNNERS = (("poetry", "run"), ("uv", "run"), ("pipenv", "run"))
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """How the image starts: with `arguments` if a main file is not enough, with a `main_file` other than main.py, and
    with the text of a new main.py (`main_text`) if the connector has none.
    """

    arguments: tuple[str, ...] = ()
    main_file: str | None = None
    main_text: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where to search the entry point: paths of the image as paths of the connector's folder, and the code's folder in
    the new image.
    """

    folder: ConnectorFolder
    code: str
    source_of: Callable[[str], str | None]


def resolve(words: Sequence[str], place: Place) -> EntryPoint:
    """Returns the entry point for an ENTRYPOINT's words (empty: none).

    Raises EditRefused if the build could not start it.
    """
    if len(words) == 3 and words[1] == "-c" and words[0].rpartition("/")[2] in ("sh", "bash", "ash", "dash"):
        words = _plain(words[2]) or words
    for runner in _RUNNERS:
        if tuple(words[:2]) == runner:
            words = words[2:]
    if not words:
        return _kept((), place)
    if not _PYTHON.fullmatch(words[0]):
        return _script(words, place)
    at = 1
    while at < len(words) and words[at].startswith("-") and words[at] not in ("-m", "-c", "-"):
        at += 2 if words[at] in ("-W", "-X") else 1
    options, rest = words[1:at], words[at:]
    if rest[:1] == ["-m"] and len(rest) > 1:
        return _module(words, rest[1], place) if not options and len(rest) == 2 else _kept(words, place)
    if not rest or rest[0] in ("-c", "-"):
        return _kept(words, place)
    # A file that nothing copies comes from a base image; the connector's own file of that name is assumed.
    sources = (place.source_of(rest[0]), posixpath.basename(rest[0]))
    source = next((item for item in sources if item and place.folder.kind_of(item) == "file"), None)
    if source is None:
        raise EditRefused(
            f"the Dockerfile starts {rest[0]}, and the connector's folder has no such file",
            advice=f"add {MAIN} that starts the connector",
        )
    main_file = None if source == MAIN else source
    if options or rest[1:]:
        return EntryPoint((words[0], *options, f"{place.code}/{source}", *rest[1:]), main_file)
    return EntryPoint(main_file=main_file)


def _plain(text: str) -> list[str] | None:
    """Returns the words of a shell text that only starts a program."""
    words = text.split()
    words = words[1:] if words[:1] == ["exec"] else words
    return None if not words or _NEEDS_SHELL.search(text) else words


def _kept(words: Sequence[str], place: Place) -> EntryPoint:
    """Returns the words unchanged: the build still needs a main file."""
    if place.folder.kind_of(MAIN) != "file":
        shown = shlex.join(words) if words else "no entry point"
        raise EditRefused(
            f"the Dockerfile starts {shown}, and the connector has no {MAIN}",
            advice=f"add {MAIN} that starts the connector",
        )
    return EntryPoint(tuple(place.code if word == "." else _moved(word, place) for word in words))


def _moved(word: str, place: Place) -> str:
    source = place.source_of(word) if word.startswith("/") else None
    return word if source is None or place.folder.kind_of(source) is None else posixpath.join(place.code, source)


def _module(words: Sequence[str], module: str, place: Place) -> EntryPoint:
    """Handles `python -m`: without a main.py, drafts an equivalent one."""
    folder = place.folder
    if folder.kind_of(MAIN) == "file":
        return EntryPoint(tuple(words))
    path = module.replace(".", "/")
    if not _MODULE.fullmatch(module) or not any(
        folder.kind_of(name) == "file" for name in (f"{path}.py", f"{path}/__main__.py")
    ):
        raise EditRefused(
            f"the Dockerfile starts the module {module}, and the connector has neither {path}.py nor {MAIN}",
            advice=f"add {MAIN} that starts the connector",
        )
    text = f'import runpy\n\nrunpy.run_module("{module}", run_name="__main__", alter_sys=True)\n'
    return EntryPoint(main_text=text, note=f"python -m {module}")


def _script(words: Sequence[str], place: Place) -> EntryPoint:
    """Handles a console script of the connector, which the build does not install; keeps any other program."""
    name = words[0].rpartition("/")[2]
    declared = console_scripts.read(place.folder.folder).get(name)
    if declared is None or len(words) > 1:
        return _kept(words, place)
    target, source = declared
    module, _, function = target.partition(":")
    path = module.strip().replace(".", "/")
    if not _MODULE.fullmatch(module.strip()) or not _MODULE.fullmatch(function.strip()):
        raise EditRefused(
            f"{source}: the script {name} names no function ({target!r})",
            advice=f"write it as MODULE:FUNCTION, for example {module.strip() or 'source_x.run'}:run",
        )
    if place.folder.kind_of(MAIN) == "file":
        note = "" if module.strip() in place.folder.text(MAIN) else f"{MAIN} starts instead of the script {name}"
        return EntryPoint(note=note)
    if not any(place.folder.kind_of(item) == "file" for item in (f"{path}.py", f"{path}/__init__.py")):
        raise EditRefused(
            f"{source}: the script {name} is {target}, and the connector has no {path}.py",
            advice=f"add {MAIN} that starts the connector",
        )
    first = function.strip().partition(".")[0]
    text = f"import sys\n\nfrom {module.strip()} import {first}\n\n"
    text += f'if __name__ == "__main__":\n    sys.exit({function.strip()}())\n'
    return EntryPoint(main_text=text, note=f"the script {name}")
