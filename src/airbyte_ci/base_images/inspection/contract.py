"""The contract of every base image: the properties that connectors and the platform rely on, one clause each.

Each clause is a function that runs commands in an image and returns a failure, or None.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from airbyte_ci.base_images.inspection import layer_files
from airbyte_ci.dagger import SetEntrypoint, SetWorkdir, WriteFile
from airbyte_ci.documents import load_json
from airbyte_ci.errors import SandboxError
from airbyte_ci.oci.image import Image
from airbyte_ci.oci.store.store import Store
from airbyte_ci.recipe import evaluate
from airbyte_ci.recipe.evaluate import Evaluator
from airbyte_ci.rootfs import users
from airbyte_ci.rootfs.tree import Tree
from airbyte_ci.rootfs.users import User
from airbyte_ci.sandbox import sandbox
from airbyte_ci.sandbox.sandbox import Command, Mount, Purpose

VERSION = 2
_TIMEOUT = 120
# Paths that every user may write on Linux; they are empty or mounted again whenever an image starts.
_SHARED = ("tmp", "var/tmp", "dev", "run/lock", "var/lock", "proc", "sys")
_SHOWN = 5
_TEMPORARY = Purpose(
    "temporary folder of a base's check", "output", source="memory", target="`/tmp`", written_by="none"
)

_WRITE = 'for d in "$HOME" /tmp .; do t="$d/.airbyte-ci-probe"; (: > "$t" && rm "$t") || { echo "$d"; exit 1; }; done'
_TEXT = "import sys; print(sys.getfilesystemencoding(), sys.stdout.encoding); print('€')"
# OpenSSL reads its folder on demand, so loaded certificates can be 0: OpenSSL 1.1 on Debian 11 has only this folder.
_TRUST = """\
import os, re, ssl
folder = ssl.get_default_verify_paths().capath
names = os.listdir(folder) if folder else []
hashed = [name for name in names if re.fullmatch("[0-9a-f]{8}[.][0-9]+", name) and os.path.exists(folder + "/" + name)]
print(len(ssl.create_default_context().get_ca_certs()) or len(hashed))
"""
_ZONE = "import time, datetime; print(datetime.datetime.now().astimezone().utcoffset().total_seconds(), time.tzname[0])"
_READ_ONLY = "import ssl, sqlite3, tempfile, encodings.idna; tempfile.NamedTemporaryFile().close(); print('works')"
_HAS_PIP = "import importlib.util as u; print(u.find_spec('pip') is not None)"
_CONNECTOR = """\
import json
import sys

if sys.argv[1:] == ["spec"]:
    schema = {"type": "object", "properties": {}, "additionalProperties": True}
    print(json.dumps({"type": "SPEC", "spec": {"connectionSpecification": schema}}))
else:
    sys.exit("only spec is answered")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectedImage:
    """The image under test, its root, and its user; `has_python` is false for the bases of other languages."""

    store: Store
    image: Image
    tree: Tree
    command: Command
    user: User | None
    writable: tuple[str, ...]
    has_python: bool = True

    def ask(self, *arguments: str, read_only: bool = False, mounts: Sequence[Mount] = ()) -> tuple[int, str]:
        """Runs a command with the image's configuration; returns its exit code and complete output."""
        command = replace(
            self.command, arguments=arguments, timeout=_TIMEOUT, read_only=read_only, mounts=tuple(mounts)
        )
        try:
            finished = sandbox.run(self.store, self.tree, command)
        except SandboxError as error:
            if sandbox.missing_tools("none"):
                raise
            return 127, error.message
        return finished.returncode, (finished.stdout + finished.stderr).decode(errors="replace").strip()


def subject(store: Store, image: Image, writable: tuple[str, ...], *, has_python: bool = True) -> InspectedImage:
    """Yields the unpacked image, ready to run commands; raises SandboxError when the image's user does not exist."""
    tree, command = evaluate.prepare(store, image, ("true",))
    named = str(image.config.execution.get("User") or "")
    return InspectedImage(
        store=store,
        image=image,
        tree=tree,
        command=command,
        user=users.resolve(tree, named),
        writable=writable,
        has_python=has_python,
    )


def clauses(subject: InspectedImage) -> list[tuple[str, Callable[[InspectedImage], str | None]]]:
    """Returns the clauses that apply to the image, with their names."""
    return [(name, check) for name, check in CLAUSES if subject.has_python or check not in _OF_PYTHON]


def _home(subject: InspectedImage) -> str | None:
    home = subject.command.environment.get("HOME", "")
    node = subject.tree.resolve(home.strip("/"))
    if node is None or not node.is_dir:
        return f"its home {home or '(none)'} is not a folder"
    return None


def _writes(subject: InspectedImage) -> str | None:
    code, said = subject.ask("sh", "-c", _WRITE)
    return f"cannot write {said}" if code else None


def _writes_nothing_else(subject: InspectedImage) -> str | None:
    user = subject.user
    if user is None or user.uid == 0:
        return None  # root may write everything; connectors on 1.x and 2.x run as root
    allowed = [place.strip("/") for place in (*_SHARED, user.home, subject.command.workdir, *subject.writable)]
    inside = tuple(place for place in allowed if place)
    groups = {user.gid, *user.groups}
    found = (
        f"/{file.path}"
        for file in layer_files.listed(subject.tree.layers)
        if not any(file.path == place or file.path.startswith(f"{place}/") for place in inside)
        and file.writable_by(user.uid, groups)
    )
    shown = list(islice(found, _SHOWN + 1))
    return f"can write {', '.join(shown[:_SHOWN])}{' …' if len(shown) > _SHOWN else ''}" if shown else None


def _read_only(subject: InspectedImage) -> str | None:
    mounts = (Mount(source=None, target="/tmp", writable=True, purpose=_TEMPORARY),)
    if subject.has_python:
        code, said = subject.ask("python", "-c", _READ_ONLY, read_only=True, mounts=mounts)
    else:
        code, said = subject.ask("sh", "-c", ": > /tmp/probe && echo works", read_only=True, mounts=mounts)
    if code or said != "works":
        return f"{'Python' if subject.has_python else 'the shell'} does not run: {said[-200:]}"
    code, said = subject.ask("sh", "-c", ": > /airbyte-ci-probe", read_only=True, mounts=mounts)
    return None if code else "the root file system was writable, so this machine cannot verify the clause"


def _zone(subject: InspectedImage) -> str | None:
    answers = [subject.ask("date", "+%Z %z")[1]]
    expected = ["UTC +0000"]
    if subject.has_python:
        answers.append(subject.ask("python", "-c", _ZONE)[1])
        expected.append("0.0 UTC")
    return None if answers == expected else f"{answers}"


def _locale(subject: InspectedImage) -> str | None:
    code, said = subject.ask("python", "-c", _TEXT)
    return None if code == 0 and said == "utf-8 utf-8\n€" else f"{said!r}"


def _certificates(subject: InspectedImage) -> str | None:
    code, said = subject.ask("python", "-c", _TRUST)
    return (
        None if code == 0 and said.isdigit() and int(said) > 0 else f"Python trusts {said[-200:] or 'no certificate'}"
    )


def _distributions(subject: InspectedImage) -> str | None:
    code, said = subject.ask("python", "-c", _HAS_PIP)
    if code or said != "True":
        return None if code == 0 else said[-200:]  # without pip, no distributions can conflict
    code, said = subject.ask("python", "-m", "pip", "--disable-pip-version-check", "check")
    return said[-300:] if code else None


def _connector(subject: InspectedImage) -> str | None:
    operations = (
        WriteFile("/airbyte/integration_code/main.py", _CONNECTOR),
        SetWorkdir("/airbyte/integration_code"),
        SetEntrypoint(("python", "/airbyte/integration_code/main.py")),
    )
    built = Evaluator(subject.store, subject.image).image(operations, {})
    tree, command = evaluate.prepare(subject.store, built, ("spec",), use_entrypoint=True)
    finished = sandbox.run(subject.store, tree, replace(command, timeout=_TIMEOUT))
    try:
        answered = load_json(finished.stdout)["type"] == "SPEC"
    except (ValueError, LookupError, TypeError):
        answered = False
    return None if answered else f"{finished.stderr.decode(errors='replace').strip()[-200:] or 'no answer'}"


CLAUSES: tuple[tuple[str, Callable[[InspectedImage], str | None]], ...] = (
    ("the user has a home", _home),
    ("the user can write its home, /tmp and the working directory", _writes),
    ("the user can write nothing else", _writes_nothing_else),
    ("a read-only root file system works", _read_only),
    ("the time zone is UTC", _zone),
    ("text is UTF-8", _locale),
    ("certificates are trusted", _certificates),
    ("the installed distributions agree", _distributions),
    ("a sample connector answers spec", _connector),
)
# What these ask can only be answered by a Python.
_OF_PYTHON = (_locale, _certificates, _distributions, _connector)
