"""A Python connector with every kind of input is built again from what was published, and from nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from airbyte_ci.attest.signing.keys import SigningKey
from airbyte_ci.oci.store.store import Store
from airbyte_ci.testing.registry import RegistryServer
from tests.attest import releases
from tests.attest.conftest import copied
from tests.attest.releases import Released
from tests.attest.verification.forger import Forger, flipped
from tests.e2e.conftest import Base
from tests.e2e.tiny import Tiny, tiny_fleet

pytestmark = pytest.mark.slow
# One command that is pure, and one whose result is an input because it used the network.
HOOK = """async def pre_connector_install(container):
    return container.with_exec(["sh", "-c", "echo pure > /pure"])


async def post_connector_install(container):
    asked = ["bash", "-c", "echo x > /dev/udp/192.0.2.7/9; cat /proc/sys/kernel/random/uuid > /asked"]
    return container.with_exec(asked).with_label("said", "yes")
"""


@dataclass(frozen=True)
class RichRelease:
    """A release with a hook, a declared file, a folder of the repository and an sdist; its registry and index."""

    released: Released
    server: RegistryServer
    tiny: Tiny
    key: SigningKey


@pytest.fixture(scope="module")
def rich(home: Path, base: Base, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RichRelease]:
    folder = tmp_path_factory.mktemp("rich")
    store = Store(home)
    key, _ = releases.make_key()
    with tiny_fleet(folder, home, base.address) as tiny, RegistryServer() as server:
        connector = tiny.connector()
        (connector / "build_customization.py").write_text(HOOK)
        (connector / "build_customization.yaml").write_text("files: {/opt/data: {source: data.bin}}\n")
        (connector / "data.bin").write_bytes(bytes(range(256)))
        library = tiny.folder / "lib"
        (library / "tinylib").mkdir(parents=True)
        (library / "pyproject.toml").write_text('[project]\nname = "tinylib"\nversion = "9.0"\n')
        (library / "tinylib/__init__.py").write_text("VERSION = '9.0'\n")
        tiny.with_tools()
        tiny.require(tiny.small(), "-e ../../lib\n")
        images = releases.build(tiny, store, "--compression=zstd")
        subject = releases.describe(tiny, store, server.host, images)
        yield RichRelease(releases.release(subject, store, key), server, tiny, key)


@pytest.fixture
def index(rich: RichRelease, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """The package index of this release as this process's own."""
    for name, value in rich.tiny.environment.items():
        monkeypatch.setenv(name, value)
    return rich.tiny


def test_every_kind_of_input_was_published(rich: RichRelease, index: Tiny, tmp_path: Path) -> None:
    """Without the repository and with an empty store, the second build has the same digest."""
    hidden = rich.tiny.folder.with_name("hidden")
    rich.tiny.folder.rename(hidden)
    try:
        findings = releases.check(rich.released.address, Store(tmp_path / "store"), key=rich.key, rebuild=True)
    finally:
        hidden.rename(rich.tiny.folder)
    assert releases.failures(findings) == []
    assert [item.check for item in findings].count("rebuild") == 1


def test_another_wheel_of_the_same_name_is_refused(rich: RichRelease, index: Tiny, tmp_path: Path) -> None:
    """An index that serves a changed wheel fails the rebuild, which names the wheel."""
    files = rich.tiny.index.projects["tinydep"]
    ((name, wheel),) = files.items()
    files[name] = replace(wheel, body=flipped(wheel.body))
    try:
        findings = releases.check(rich.released.address, Store(tmp_path / "store"), key=rich.key, rebuild=True)
    finally:
        files[name] = wheel
    (failure,) = releases.failures(findings)
    assert failure.startswith("linux/amd64 rebuild: cannot fetch tinydep-1.0-py3-none-any.whl: ")


def test_changed_code_is_refused_without_a_rebuild(rich: RichRelease, tmp_path: Path) -> None:
    """The plan names the layer of the code by its content, so other code is found at once."""
    contents = copied(rich.server.contents)
    forger = Forger(contents, rich.released.address.repository, rich.released.subject.index.digest)
    forger.change_file("airbyte/integration_code/main.py", lambda data: data + b"import evil\n")
    with RegistryServer(contents=contents) as server:
        address = rich.released.subject.repository
        changed = type(address)(server.host, address.repository, None, forger.root)
        found = releases.failures(releases.check(changed, Store(tmp_path / "store")))
    assert any("no layer of the image is the plan's layer of the connector's code" in line for line in found), found
