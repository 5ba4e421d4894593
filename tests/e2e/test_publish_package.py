"""`connectors publish --pypi`: the same package files each time, on pypiserver, an index of other authors."""

import hashlib
import http.server
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from airbyte_ci.testing.docker_registry import free_port
from tests import loopback
from tests.e2e.conftest import Base
from tests.e2e.tiny import NAME, Tiny
from tests.processes import until
from tests.publish.releasing import Releasing

pytestmark = pytest.mark.slow
SECRET = "pypi-secret-token"
ENABLED = "  remoteRegistries: {pypi: {enabled: true, packageName: acme-source-tiny}}\n"


@pytest.fixture
def releasing(tiny: Tiny, base: Base, registry: str, tmp_path: Path) -> Releasing:
    tiny.with_tools()
    releasing = Releasing(tiny, f"{registry}/{tmp_path.name.replace('_', '-').lower()}")
    releasing.describe(base.address)
    metadata = tiny.connector() / "metadata.yaml"
    metadata.write_text(metadata.read_text().replace("  tags:", f"{ENABLED}  tags:"))
    releasing.commit("first")
    return releasing


@pytest.fixture
def index(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a pypiserver, and the folder with its files."""
    folder = tmp_path / "packages"
    folder.mkdir()
    port = free_port()
    address = f"http://127.0.0.1:{port}/"
    options = ("--hash-algo=sha256", "--disable-fallback", "-P", ".", "-a", ".", "-i", "127.0.0.1", "-p", str(port))
    command = [sys.executable, "-m", "pypiserver", "run", *options, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            assert until(lambda: process.poll() is not None or _answers(address)) and process.poll() is None
            yield address, folder
        finally:
            process.terminate()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address):
            return True
    except OSError:
        return False


def test_packages_are_published_once(releasing: Releasing, index: tuple[str, Path], tmp_path: Path) -> None:
    """A wheel and an sdist with the configured name; the next run finds them, and pip installs either."""
    address, folder = index
    command = ("--main-release", "--pypi", f"--pypi-url={address}", "--json")
    done = releasing.publish(*command)
    assert done.code == 0, done.out + done.err
    package = done.json["package"]
    assert (package["name"], package["version"]) == ("acme-source-tiny", "1.0.0")
    names = ["acme_source_tiny-1.0.0-py3-none-any.whl", "acme_source_tiny-1.0.0.tar.gz"]
    assert [(item["name"], item["new"]) for item in package["files"]] == [(name, True) for name in names]
    for item in package["files"]:
        assert hashlib.sha256((folder / item["name"]).read_bytes()).hexdigest() == item["sha256"]
    again = releasing.publish(*command).json["package"]
    assert [(item["sha256"], item["new"]) for item in again["files"]] == [
        (item["sha256"], False) for item in package["files"]
    ]
    # What pip makes of the sdist has the same modules as the wheel.
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    for number, name in enumerate(names):
        subprocess.run([*install, str(tmp_path / str(number)), str(folder / name)], check=True)
    with zipfile.ZipFile(folder / names[0]) as wheel:
        modules = {name for name in wheel.namelist() if name.endswith(".py")}
    assert "source_tiny/__init__.py" in modules
    assert all((tmp_path / str(number) / name).exists() for number in (0, 1) for name in modules)


def test_another_content_is_refused(releasing: Releasing, index: tuple[str, Path]) -> None:
    """A file that the index has with other content is never replaced."""
    address, folder = index
    (folder / "acme_source_tiny-1.0.0.tar.gz").write_bytes(b"other")
    done = releasing.publish("--main-release", "--pypi", f"--pypi-url={address}")
    assert done.code == 1
    assert "acme_source_tiny-1.0.0.tar.gz is already published at http://127.0.0.1" in done.out, done.out
    assert (folder / "acme_source_tiny-1.0.0.tar.gz").read_bytes() == b"other"


def test_a_refused_login_is_one_line_without_the_token(releasing: Releasing) -> None:
    """An index that refuses the login, and repeats it in its answer, leaks nothing."""

    class Refusing(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # http.server's name
            self.send_error(404)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_error(403, f"no {SECRET}", str(self.headers["Authorization"]))

        def log_message(self, *_: object) -> None:
            pass

    with loopback.running(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)) as port:
        url = f"http://me:{SECRET}@127.0.0.1:{port}/legacy/"
        command = ("connectors", f"--name={NAME}", "publish", f"--registry={releasing.prefix}", "--pypi")
        done = releasing.tiny.run(*command, f"--pypi-url={url}", env={"PYTHON_REGISTRY_TOKEN": SECRET})
    assert done.code == 1, done.out
    assert "it answered 403" in done.out.splitlines()[0], done.out
    assert len(done.out.splitlines()) == 2
    assert SECRET not in done.out + done.err
