"""Resolution: the versions to install for a project without a lock, as of a moment. uv makes the decision.

uv sees one index, served by this process on the loopback, and nothing else: no network, no credentials, no code of a
package.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

from airbyte_ci.errors import LockError, PackageError
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.packages.lock import Lock, LockedPackage
from airbyte_ci.python.packages.requirements import RequirementEntry
from airbyte_ci.python.resolution.offers import Offers

_PINNED = re.compile(
    r"(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*\])?==(?P<version>\S+?)(?:\s*;.*)?\s*(?:#\s*via\s+(?P<via>.*))?"
)
# The glibc versions for which uv has a platform; between two of them, the older one applies.
_GLIBC = (17, *range(28, 41))
_JSON = "application/vnd.pypi.simple.v1+json"
_PATIENCE = 600
# The number of times that uv runs again without the unusable candidates.
_ATTEMPTS = 50
_LOCKED = "locked.txt"


@dataclass(frozen=True, slots=True)
class Keep:
    """Versions by name to keep if they fit, except the packages in `upgraded`."""

    versions: Mapping[str, str] = field(default_factory=dict)
    upgraded: tuple[str, ...] = ()


NOTHING_KEPT = Keep()


def resolve(
    store: Store,
    offers: Offers,
    entries: Iterable[RequirementEntry],
    constraints: Iterable[RequirementEntry],
    what: str,
    keep: Keep = NOTHING_KEPT,
) -> Lock:
    """Returns one version of each required package; raises LockError if there is no solution, PackageError."""
    with store.scratch() as folder, _serving(offers) as url:
        (folder / "requirements.in").write_text("".join(f"{line(entry)}\n" for entry in entries))
        (folder / "constraints.txt").write_text("".join(f"{line(entry)}\n" for entry in constraints))
        for _ in range(_ATTEMPTS):
            (folder / _LOCKED).write_text("".join(f"{name}=={version}\n" for name, version in keep.versions.items()))
            finished = _run(folder, url, offers.interpreter, keep)
            # uv fails at a candidate that it merely explores; the next run chooses among the others.
            if offers.errors or not finished.returncode or not offers.skip_unusable():
                break
        text = (folder / _LOCKED).read_text()
    if offers.errors:
        raise offers.errors[0]
    if finished.returncode:
        broken = [
            f"{name} {version} was skipped: {error.message}" for (name, version), error in offers.unusable.items()
        ]
        raise LockError(
            "; ".join([f"{what}: {_reason(finished.stderr)}", *broken[:1]]),
            advice=_advice(offers),
            details=broken,
            error_id="resolution-failed",
        )
    return Lock("resolved", tuple(_packages(offers, text)))


def line(entry: RequirementEntry) -> str:
    """Returns an entry in the form that a resolver reads."""
    extras = f"[{','.join(sorted(entry.extras))}]" if entry.extras else ""
    return f"{entry.name}{extras}{entry.specifier}" + (f" ; {entry.marker}" if entry.marker else "")


def platform(interpreter: Interpreter) -> str:
    """Returns uv's name of the interpreter's platform; raises LockError for an unknown one."""
    machine = interpreter.markers["platform_machine"]
    name, _, version = interpreter.libc.partition(" ")
    if machine not in ("x86_64", "aarch64"):
        raise LockError(
            f"cannot resolve packages for {machine}: uv does not support this platform",
            advice="create a lock file on such a machine",
        )
    if name != "glibc":
        return f"{machine}-unknown-linux-musl"
    minor = max((known for known in _GLIBC if known <= int(version.split(".")[1])), default=_GLIBC[0])
    return f"{machine}-manylinux_2_{minor}"


def _run(folder: Path, url: str, interpreter: Interpreter, keep: Keep) -> "subprocess.CompletedProcess[str]":
    arguments = [
        *(_uv(), "pip", "compile", "requirements.in", "--constraints=constraints.txt"),
        *(f"--default-index={url}", f"--python-version={interpreter.version}", f"--python={sys.executable}"),
        *(f"--python-platform={platform(interpreter)}", "--no-build", "--no-config", "--no-cache", "--no-sources"),
        *("--no-header", "--annotation-style=line", "--strip-extras", "--quiet", "--color=never"),
        *(f"--output-file={_LOCKED}", *(f"--upgrade-package={name}" for name in keep.upgraded)),
    ]
    environment = {"PATH": os.defpath, "HOME": str(folder), "UV_PYTHON_DOWNLOADS": "never", "NO_PROXY": "127.0.0.1"}
    try:
        return subprocess.run(
            arguments,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise LockError(
            f"cannot resolve packages: uv did not finish in {_PATIENCE} s", advice="create a lock file"
        ) from error


def _uv() -> str:
    from uv import find_uv_bin  # how uv finds its own program

    try:
        return str(find_uv_bin())
    except FileNotFoundError:
        if found := shutil.which("uv"):
            return found
        raise PackageError("cannot resolve packages: uv is not installed", advice="install airbyte-ci again") from None


def _packages(offers: Offers, output: str) -> Iterator[LockedPackage]:
    for text in output.splitlines():
        found = _PINNED.fullmatch(text.strip())
        if not found:
            raise PackageError(f"cannot resolve packages: uv printed the unexpected answer {text[:80]!r}")
        via = [item.strip() for item in (found["via"] or "").split(",") if item.strip()]
        # Requirements of the file count as the connector's (`-r requirements.in`), constraints do not.
        names = {"" if item.startswith("-r") else item for item in via if not item.startswith("-c")}
        yield offers.chosen(found["name"], found["version"], tuple(sorted(names)))


def _reason(said: str) -> str:
    """Returns uv's explanation in one line."""
    text = re.sub(r"\s+", " ", re.sub(r"[╰─▶│]|^[ \t]*+(?:error|cause):|×", " ", said, flags=re.MULTILINE)).strip()
    text = text.replace("No solution found when resolving dependencies:", "").partition("hint:")[0].strip()
    text = text.replace("No solution found when resolving dependencies", "").strip()
    return f"the requirements conflict: {text}" if text else "resolving failed"


def _advice(offers: Offers) -> str:
    day = f", or a later date than {offers.as_of - timedelta(microseconds=1):%Y-%m-%d}" if offers.as_of else ""
    return f"change its requirements, choose another base image{day}"


# --- the one index -------------------------------------------------------------------------------


@contextlib.contextmanager
def _serving(offers: Offers) -> Iterator[str]:
    """Serves an index with the offers on the loopback until the end of the block, and yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            kind, _, rest = unquote(self.path).strip("/").partition("/")
            try:
                if kind == "simple":
                    page = offers.page(rest)
                    body = None if page is None else json.dumps(page).encode()
                    return self._answer(404 if body is None else 200, body or b"", _JSON)
                name, _, file = rest.partition("/")
                if file.endswith(".metadata"):
                    text = offers.metadata(name, file.removesuffix(".metadata"))
                    if text is not None:
                        return self._answer(200, text.encode(), "text/plain; charset=utf-8")
                return self._answer(404, b"", "text/plain")
            except Exception as error:  # noqa: BLE001  # it is raised where the resolution was asked for
                offers.errors.append(error)
            # uv retries a 5xx; after a 403 it fails at once.
            return self._answer(403, b"", "text/plain")

        def _answer(self, status: int, body: bytes, kind: str) -> None:
            with contextlib.suppress(ConnectionError):  # uv has its answer and has closed the connection
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Ignores aborted requests, because uv ends while some are open."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/simple/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
