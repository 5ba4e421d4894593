"""Single operations on containers as lines of a Dockerfile; lists operations that a Dockerfile cannot express.

Knows the language (docs.docker.com/reference/dockerfile), not the content of an image. Runs nothing.
"""

import json
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import NoReturn

from airbyte_ci.dagger import (
    Copy,
    Exec,
    ExposePort,
    FromContainer,
    MakeLink,
    MountCache,
    MountTemporary,
    NewFile,
    Operation,
    Remove,
    SetDefaultArguments,
    SetEntrypoint,
    SetLabel,
    SetUser,
    SetVariable,
    SetWorkdir,
    Unmount,
    WriteFile,
)
from airbyte_ci.errors import HookError
from airbyte_ci.oci.tar import Entry
from airbyte_ci.recipe import contents, settings
from airbyte_ci.recipe.contents import Entries, Kept
from airbyte_ci.recipe.state import State


@dataclass(slots=True)
class Steps:
    """The lines so far.

    `state` is the image's configuration at this point: variables, folder. `files` are the sources of COPY, by their
    path next to the Dockerfile; `lost` lists operations without an equivalent. `kept` returns the location of a stored
    file's bytes.
    """

    state: State
    kept: Kept
    lines: list[str] = field(default_factory=list)
    files: dict[str, Entry] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)

    def add(self, operations: Iterable[Operation]) -> None:
        """Adds each operation after those before it."""
        for operation in operations:
            self._say(operation)
            self.state = settings.apply(self.state, operation) or self.state
            if isinstance(operation, Unmount):
                place = self.state.absolute(operation.path, expand=operation.expand)
                kept = tuple(item for item in self.state.lending if item[0] != place)
                self.state = replace(self.state, lending=kept)

    def as_root(self, *lines: str) -> None:
        """Adds lines that root must run, whatever user the image has."""
        user = str(self.state.execution.get("User") or "root")
        is_root = user.partition(":")[0] in ("0", "root")
        self.lines += lines if is_root else ("USER root", *lines, f"USER {_escaped(user)}")

    def copy(self, place: str, target: str, found: Entries, owner: str = "") -> None:
        """Adds files next to the Dockerfile at `place`; a single file is at the empty path of `found`."""
        chown = f"--chown={owner} " if owner else ""
        if "" in found and found[""].kind != "dir":
            name = target.rpartition("/")[2]
            self.files[f"{place}/{name}"] = found[""]
            self.lines.append(f"COPY {chown}{_listed(f'{place}/{name}', target, escape=True)}")
            return
        self.files[place] = Entry(path=place, kind="dir", mode=0o755)
        self.files |= {f"{place}/{path}": entry for path, entry in found.items() if path}
        self.lines.append(f"COPY {chown}{_listed(f'{place}/', target.rstrip('/') + '/', escape=True)}")

    def _say(self, operation: Operation) -> None:
        match operation:
            case Exec():
                self._run(operation)
            case SetVariable(name, value, expand):
                text = self.state.expanded(value, expand=expand)
                self._pair("ENV", name, text)
            case SetLabel(name, value):
                self._pair("LABEL", name, value)
            case SetUser(user):
                self.lines.append(f"USER {_escaped(user or 'root')}")
            case SetWorkdir(path, expand):
                self.lines.append(f"WORKDIR {_escaped(self.state.absolute(path, expand=expand))}")
            case SetEntrypoint(arguments):
                self.lines.append(f"ENTRYPOINT {_listed(*arguments)}")
            case SetDefaultArguments(arguments):
                self.lines.append(f"CMD {_listed(*arguments)}")
            case ExposePort(port):
                self.lines.append(f"EXPOSE {port}")
            case WriteFile(path, text, permissions, owner, expand):
                content = NewFile("x", text, permissions)
                self._copy(Copy(path, (content,), owner, expand=expand), alone=True)
            case Copy():
                self._copy(operation, alone=False)
            case MakeLink(path, target, expand):
                place, link = self.state.absolute(path, expand=expand), self.state.expanded(target, expand=expand)
                self.as_root(f"RUN {_listed('ln', '-sfn', '--', link, place)}")
            case Remove(paths, expand):
                places = " ".join(_globbed(self.state.absolute(path, expand=expand)) for path in paths)
                self.as_root(f"RUN {_listed('sh', '-c', f'rm -rf -- {places}')}")
            case MountCache() | MountTemporary():
                pass  # The commands that see them add them.
            case Unmount():
                pass
            case _:
                self.lost.append(f"{type(operation).__name__} {_shown(operation)}")

    def _pair(self, instruction: str, name: str, value: str) -> None:
        if "\n" in value or "\r" in value:
            self.lost.append(f"{instruction} {name}: its value has more than one line")
            return
        self.lines.append(f"{instruction} {_quoted(name) if instruction == 'LABEL' else name}={_quoted(value)}")

    def _run(self, operation: Exec) -> None:
        state = self.state
        entrypoint = [str(item) for item in state.execution.get("Entrypoint") or []] if operation.use_entrypoint else []
        words = [*entrypoint, *(state.expanded(item, expand=operation.expand) for item in operation.arguments)]
        flags = []
        for path, item in state.lending:
            match item:
                case MountCache(_, name, locked):
                    sharing = "locked" if locked else "shared"
                    flags.append(f"--mount=type=cache,id={name},sharing={sharing},target={path} ")
                case MountTemporary():
                    flags.append(f"--mount=type=tmpfs,target={path} ")
                case _:
                    self.lost.append(f"the secret at {path}, which {words[0]} receives")
        for name in state.secrets:
            self.lost.append(f"the secret variable {name}, which {words[0]} receives")
        self.lines.append(f"RUN {''.join(flags)}{_listed(*_redirected(operation, words, state))}")

    def _copy(self, operation: Copy, *, alone: bool) -> None:
        path = self.state.absolute(operation.path, expand=operation.expand)
        try:
            found = contents.entries(operation.contents, _nothing_taken, self.kept)
        except HookError:
            self.lost.append(f"{path}: it is copied from an earlier state of the image")
            return
        found = contents.selected(found, operation.include, operation.exclude)
        found = {"": found["x"]} if alone else found
        modes = contents.placed(found, "x", permissions=operation.permissions)
        found = {inner: modes[f"x/{inner}".rstrip("/")] for inner in found}
        self.copy(f"files/{sum(line.startswith('COPY ') for line in self.lines)}", path, found, operation.owner)


def _nothing_taken(content: FromContainer) -> NoReturn:
    raise HookError(f"{content.path} belongs to another container")


def _redirected(operation: Exec, words: list[str], state: State) -> tuple[str, ...]:
    """Returns the command, or a shell that redirects its input and output and checks its exit code."""
    line = shlex.join(words)
    if operation.redirect_stdin:
        line += f" < {shlex.quote(state.absolute(operation.redirect_stdin))}"
    elif operation.stdin:
        line = f"printf %s {shlex.quote(operation.stdin)} | {line}"
    for mark, path in ((">", operation.redirect_stdout), ("2>", operation.redirect_stderr)):
        if path:
            line += f" {mark} {shlex.quote(state.absolute(path, expand=operation.expand))}"
    if operation.expect == "FAILURE":
        line = f"! {{ {line}; }}"
    elif operation.expect == "ANY":
        line = f"{line} || true"
    return tuple(words) if line == shlex.join(words) else ("sh", "-c", line)


def _listed(*words: str, escape: bool = False) -> str:
    """Returns the JSON form of an instruction, which no shell parses; `escape` keeps variables unexpanded."""
    return json.dumps([_escaped(word) if escape else word for word in words], ensure_ascii=False)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("$", "\\$")


def _quoted(text: str) -> str:
    escaped = _escaped(text).replace('"', '\\"')
    return f'"{escaped}"'


def _globbed(path: str) -> str:
    """Returns a path for the shell in which only the letters of patterns are special."""
    return "".join(letter if letter in "*?[]" else shlex.quote(letter) for letter in path).replace("''", "")


def _shown(operation: Operation) -> str:
    fields = (str(getattr(operation, name)) for name in ("name", "path", "port") if hasattr(operation, name))
    return next(fields, "")
