"""The files that a Dockerfile copies or writes: covered by the build, declared as files of the image, or reported."""

import posixpath
import re
from collections.abc import Iterator, Mapping

from airbyte_ci.campaigns.changes.findings import Finding
from airbyte_ci.campaigns.conversion.carrier import Carrier
from airbyte_ci.campaigns.conversion.connector_folder import ConnectorFolder
from airbyte_ci.campaigns.dockerfile import heredoc
from airbyte_ci.campaigns.dockerfile.heredoc import Heredoc
from airbyte_ci.campaigns.dockerfile.syntax import Instruction
from airbyte_ci.connectors import customization, pylock_names
from airbyte_ci.connectors.customization import ImageFile

# Names of files that the build installs or copies itself: a running connector does not need them.
_BUILD_FILES = frozenset(
    {
        *("setup.py", "setup.cfg", "pyproject.toml", "poetry.lock", "poetry.toml", "uv.lock"),
        *("requirements.txt", "MANIFEST.in", "README.md"),
    }
)
# Files of a connector's folder for people, tests and tools, if the whole folder is copied.
_NOT_RUN = re.compile(
    r"\..*|(unit_|integration_)?tests?|conftest\.py|secrets|sample_files|docs?|examples|node_modules|venv|build|dist"
    r"|.*\.(md|rst|svg|png|lock|egg-info|gradle)|LICEN[CS]E.*|(acceptance-test|docker)[-_.].*|metadata\.yaml|erd"
    r"|Dockerfile.*|Makefile|Jenkinsfile|requirements.*\.txt|tox\.ini|pytest\.ini|poetry\.toml|pylock(\..*)?\.toml"
    r"|setup\.(py|cfg)|pyproject\.toml|MANIFEST\.in|build_customization\..*|icon\..*|.*test.*\.sh|catalog.*\.json"
)
# That these are not in the image is not worth reporting.
_SILENT = re.compile(
    r"\.(dockerignore|git\w*)|Dockerfile|metadata\.yaml|README\.md|(setup|main)\.py|setup\.cfg|py[\w-]+\.toml"
    r"|requirements\.txt|(poetry|uv)\.lock|poetry\.toml|MANIFEST\.in|build_customization\..*"
)
_SITE_PACKAGES = re.compile(r"/(install|usr/local)(/.*)?|.*/(site|dist)-packages(/.*)?|/root/\.(local|cache)(/.*)?")
_VIRTUAL_ENVIRONMENT = re.compile(r".*/(\.?venv|virtualenvs?)(/.*)?|/opt/(poetry|venv)(/.*)?")
_FLAGS = frozenset({"from", "chown", "chmod", "link"})
_MOST = 20


def copied(carrier: Carrier, instruction: Instruction) -> Iterator[Finding]:
    """Returns a finding for each source of a COPY or ADD. Raises Misread."""
    flags, rest = instruction.flags()
    head, documents = heredoc.read(instruction.value)
    if set(flags) - _FLAGS:
        yield carrier.reported(instruction, "airbyte-ci does not know this form")
        return
    if documents:
        yield from _written(carrier, instruction, head=head, documents=documents, flags=flags)
        return
    line = Instruction(instruction.name, rest, instruction.line, instruction.escape)
    words = [carrier.known(word, instruction) for word in line.listed() or rest.split()]
    if len(words) < 2:
        yield carrier.reported(instruction, "it has no target")
        return
    *sources, target = words
    if "from" in flags:
        yield from (
            _from_stage(carrier, instruction, stage=flags["from"], source=source, target=target) for source in sources
        )
        return
    usual = True
    for source in sources:
        for item in _source(carrier, instruction, source, target, single=len(sources) == 1, flags=flags):
            usual = usual and item.fate == "done by the build"
            yield item
    owner = flags.get("chown", "").partition(":")[0]
    if not usual and owner not in ("", "0", "root", carrier.base.user):
        yield carrier.reported(instruction, "the files belong to root", f"--chown={flags['chown']}")


def _from_stage(carrier: Carrier, instruction: Instruction, stage: str, source: str, target: str) -> Finding:
    part = f"COPY --from={stage} {source} {target}"
    if _SITE_PACKAGES.fullmatch(source) or _VIRTUAL_ENVIRONMENT.fullmatch(source):
        carrier.is_installed = True
        return carrier.built(instruction, part)
    if "zoneinfo" in source:
        return carrier.given(instruction, part)
    return carrier.reported(instruction, "copy it from that image into the connector's folder", part)


def _written(
    carrier: Carrier, instruction: Instruction, head: str, documents: tuple[Heredoc, ...], flags: Mapping[str, str]
) -> Iterator[Finding]:
    """Declares files whose lines are in the Dockerfile."""
    target = heredoc.without(Instruction(instruction.name, head, instruction.line).flags()[1])
    place = carrier.place(carrier.known(target, instruction)) if target else ""
    into = target.endswith("/") or len(documents) > 1
    expanded = any("$" in document.text and not document.is_literal for document in documents)
    if not target or " " in target or "chown" in flags or expanded:
        yield carrier.reported(instruction, "write its lines into a file of the connector")
        return
    for document in documents:
        path = posixpath.join(place, document.name) if into else place
        carrier.add_file(path, ImageFile(content=document.text, mode=_mode(flags)))
        yield carrier.carried(instruction, f"{instruction.name} <<{document.name} {target}")


def _mode(flags: Mapping[str, str]) -> str | None:
    mode = flags.get("chmod")
    return mode if mode and re.fullmatch(r"0?[0-7]{3}", mode) else None


def _source(
    carrier: Carrier, instruction: Instruction, source: str, target: str, *, single: bool, flags: Mapping[str, str]
) -> Iterator[Finding]:
    part = f"{instruction.name} {source} {target}"
    folder = carrier.folder
    if re.match(r"(https?|git|ftp)://|git@", source):
        yield carrier.reported(
            instruction, "download it into the connector's folder, or in build_customization.py", part
        )
        return
    plain = posixpath.normpath(source.lstrip("/") or ".")
    plain = "" if plain == "." else plain
    if "chmod" in flags and _mode(flags) is None:
        yield carrier.reported(instruction, f"--chmod={flags['chmod']} is not a mode in octal", part)
        return
    paths = folder.matches(plain) if any(mark in plain for mark in "*?[") else [plain]
    if not paths or any(folder.kind_of(path) is None for path in paths):
        yield carrier.reported(instruction, "the connector's folder has no such file", part)
        return
    if len(paths) > 1 and not target.endswith("/") and not carrier.is_folder(carrier.absolute(target)):
        yield carrier.reported(instruction, f"it copies {len(paths)} files to one; end the target with /", part)
        return
    single = single and len(paths) == 1
    for path in paths:
        named = part if path == plain else f"{instruction.name} {path} {target}"
        if instruction.name == "ADD" and folder.is_archive(path):
            yield carrier.reported(instruction, "ADD unpacks the archive; unpack it into the connector's folder", named)
            continue
        if not path:
            yield from _everything(carrier, instruction, target, _mode(flags))
            continue
        yield _path(carrier, instruction, path, target, named, single=single, mode=_mode(flags))


def _path(
    carrier: Carrier, instruction: Instruction, path: str, target: str, part: str, *, single: bool, mode: str | None
) -> Finding:
    """Handles one copied file or folder of the connector."""
    folder = carrier.folder
    is_folder = folder.kind_of(path) == "folder"
    # Docker copies the content of a folder, and a file into a folder under its own name.
    there = carrier.absolute(target)
    into = target.endswith("/") or target in (".", "..") or not single or carrier.is_folder(there)
    there = posixpath.join(there, posixpath.basename(path)) if into and not is_folder else there
    carrier.copies[there] = path
    place = carrier.moved(there)
    if place == carrier.code_path(path) and carrier.is_code(path):
        return carrier.built(instruction, part)
    is_for_build = path in _BUILD_FILES or pylock_names.is_pylock(path)
    if is_for_build and posixpath.basename(there) == path and carrier.is_for_build(posixpath.dirname(there)):
        return carrier.built(instruction, part)
    if folder.ignores(path):
        return carrier.reported(instruction, ".dockerignore keeps it out", part)
    if not customization.SOURCE.fullmatch(path):
        return carrier.reported(instruction, "", part)
    if not is_folder or not folder.ignored_below(path):
        is_new = carrier.add_file(place, ImageFile(source=path, mode=mode))
        why = "another folder is copied there too; make one of both"
        return carrier.carried(instruction, part) if is_new else carrier.reported(instruction, why, part)
    files = list(_kept_files(carrier, path))
    if len(files) > _MOST:
        return carrier.reported(instruction, f".dockerignore keeps out some of {path}, and {len(files)} are left", part)
    for file in files:
        carrier.add_file(posixpath.join(place, posixpath.relpath(file, path)), ImageFile(source=file, mode=mode))
    return carrier.carried(instruction, part)


def _kept_files(carrier: Carrier, path: str) -> Iterator[str]:
    """Returns the paths in a folder that .dockerignore keeps, with each fully kept folder as one path."""
    for inner in carrier.folder.below(path):
        if carrier.folder.kind_of(inner) == "folder" and carrier.folder.ignored_below(inner):
            yield from _kept_files(carrier, inner)
        else:
            yield inner


def _everything(carrier: Carrier, instruction: Instruction, target: str, mode: str | None) -> Iterator[Finding]:
    """Handles the whole folder: the build adds main file and package, and other files that the code may need are
    declared.
    """
    folder, there = carrier.folder, carrier.absolute(target)
    carrier.copies[there] = ""
    left_out = []
    is_code_here = carrier.moved(there) == carrier.code_path("")
    if not is_code_here:
        place = carrier.moved(there)
        if carrier.is_for_build(there) and not carrier.is_used(there):
            yield carrier.built(instruction, f"{instruction.name} . {target}")
            return
        yield carrier.reported(instruction, f"the code is in {carrier.code_path('')}, and not in {place}")
        return
    for path in folder.below(""):
        part = f"{instruction.name} {path} {target}"
        if carrier.is_code(path):
            continue
        if _is_needed(folder, path):
            yield _path(carrier, instruction, path, posixpath.join(there, path), part, single=True, mode=mode)
        elif not _SILENT.fullmatch(path):
            left_out.append(path)
    note = f"not in the image: {', '.join(left_out)}" if left_out else ""
    yield carrier.built(instruction, f"{instruction.name} . {target}", note)


def _is_needed(folder: ConnectorFolder, path: str) -> bool:
    """Returns whether the running code may need a file or folder outside of its package."""
    if not _NOT_RUN.fullmatch(path):
        return True
    is_data = path == "sample_files" or folder.kind_of(path) == "file"
    return is_data and folder.code_mentions(path) is not None
