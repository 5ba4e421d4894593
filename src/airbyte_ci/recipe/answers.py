"""Answers to a hook's questions, from a state and its root file system."""

import stat
from collections.abc import Callable, Mapping
from typing import Any

from airbyte_ci.errors import HookError
from airbyte_ci.oci import tar
from airbyte_ci.recipe import contents
from airbyte_ci.recipe.contents import Entries
from airbyte_ci.recipe.state import State
from airbyte_ci.rootfs.tree import Tree, TreeNode


def _printed(state: State, text: str) -> str:
    if state.output.cut:
        raise HookError(
            "a hook requests the output of a command that printed more than airbyte-ci keeps",
            advice="write it to a file of the image with redirect_stdout, or print less",
        )
    return text


# Questions that the state alone answers, by subject; each function takes the question's argument.
OF_STATE: Mapping[str, Callable[[State, str], Any]] = {
    "stdout": lambda state, _: _printed(state, state.output.stdout),
    "stderr": lambda state, _: _printed(state, state.output.stderr),
    "exit_code": lambda state, _: state.output.exit_code,
    "sync": lambda *_: True,
    "variable": lambda state, name: state.environment.get(name),
    "variables": lambda state, _: state.environment,
    "user": lambda state, _: state.execution.get("User", ""),
    "workdir": lambda state, _: state.execution.get("WorkingDir") or "/",
    "entrypoint": lambda state, _: state.execution.get("Entrypoint") or [],
    "default_args": lambda state, _: state.execution.get("Cmd") or [],
    "label": lambda state, name: (state.execution.get("Labels") or {}).get(name),
    "labels": lambda state, _: state.execution.get("Labels") or {},
    "mounts": lambda state, _: [*state.mounted, *(path for path, _ in state.lending)],
    "platform": lambda state, _: str(state.base.config.platform),
}


def about_tree(tree: Tree, about: str, path: str) -> Any:  # noqa: ANN401  # an answer in JSON
    """Returns what a root file system contains at a path; raises HookError if the path has another kind."""
    node = tree.resolve(path)
    match about:
        case "exists":
            return node is not None
        case "file" | "size":
            if node is None or not stat.S_ISREG(node.status.st_mode):
                raise _absent("contents" if about == "file" else "size", path, "a file")
            return node.status.st_size if about == "size" else _text(tree.read(node.path) or b"", path)
        case "entries" | "paths":
            if node is None or not node.is_dir:
                raise _absent("entries", path, "a folder")
            return tree.names(node.path) if about == "entries" else _paths(tree, node)
    raise HookError(f"a hook made an unknown request: {about!r}")


def _paths(tree: Tree, folder: TreeNode) -> list[str]:
    cut = len(folder.path) + 1 if folder.path else 0
    return [node.path[cut:] for node in tree.walk(folder.path)]


def _text(data: bytes, path: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise HookError(
            f"a hook requested the contents of {path}, which is not text in UTF-8: {error}",
            advice="copy the file with with_file, or run a command that prints it as text, such as base64",
        ) from error


def about_contents(found: Entries, about: str, path: str) -> Any:  # noqa: ANN401  # an answer in JSON
    """Returns the same for a folder or file that a hook composed."""
    place = "/".join(part for part in path.split("/") if part not in ("", "."))
    entry = found.get(place)
    inside = sorted(inner for inner in found if inner and (not place or inner.startswith(f"{place}/")))
    match about:
        case "exists":
            return entry is not None or bool(inside)
        case "file" | "size":
            if entry is None or entry.kind != "file":
                raise _absent("contents" if about == "file" else "size", path, "a file")
            data = contents.data(entry)
            return len(data) if about == "size" else _text(data, entry.path or path)
        case "entries":
            if place and not inside and (entry is None or entry.kind != "dir"):
                raise _absent("entries", path, "a folder")
            cut = len(place) + 1 if place else 0
            return sorted({inner[cut:].split("/")[0] for inner in inside})
        case "paths":
            return sorted({*inside, *(parent for inner in inside for parent in tar.parents(inner))})
    raise HookError(f"a hook made an unknown request: {about!r}")


def _absent(wanted: str, path: str, kind: str) -> HookError:
    return HookError(f"a hook requested the {wanted} of {path}, which is not {kind} in the image")
