"""A user without root, with the subordinate ids that Debian gives to each user, builds a connector with a hook."""

import json
import os
import pwd
import shutil
import stat
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import airbyte_ci
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import Store
from tests.e2e.command import Result
from tests.e2e.tiny import NAME, Tiny, own_layers, with_base

pytestmark = pytest.mark.slow
USER = "airbyte-ci-test"
TUN = Path("/dev/net/tun")
FIRST, MANY = 700_000_000, 65_536
HOOK = """
async def pre_connector_install(c):
    c = c.with_exec(["sh", "-c", "install -d -o 1000 -g 1001 /srv/ours && echo x > /srv/ours/file"])
    c = c.with_exec(["sh", "-c", "chown 4321:8765 /srv/ours/file && chmod 6750 /srv/ours/file"])
    return c.with_env_variable("ASKED", (await c.with_exec(["stat", "-c", "%u", "/srv/ours/file"]).stdout()).strip())
"""


@dataclass(frozen=True)
class Ordinary:
    """A user of this machine for as long as a test, with a repository and a store of its own."""

    home: Path
    uid: int
    environment: dict[str, str]

    @property
    def store(self) -> Path:
        return self.home / "store"

    def run(self, *arguments: str) -> Result:
        """A command of the user's, in the repository."""
        finished = subprocess.run(
            ["runuser", "--user", USER, "--", *arguments],
            cwd=self.home / "repository",
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return Result(finished.returncode, finished.stdout, finished.stderr)

    def build(self) -> Result:
        return self.run(_python(self), "-m", "airbyte_ci", "connectors", f"--name={NAME}", "build", "--json")


def _python(user: Ordinary) -> str:
    """An interpreter like this one that the user may run: this one may lie in root's home."""
    for program in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        if user.run(program, "-c", "import airbyte_ci, yaml").code == 0:
            return program
    pytest.skip(f"no Python 3.{sys.version_info.minor} with this project that an ordinary user may run")


@pytest.fixture
def ordinary(tiny: Tiny, home: Path, tmp_path: Path) -> Iterator[Ordinary]:
    """The user; both it and what it may open of this machine are as before afterwards."""
    hooked = tiny.connector() / "build_customization.py"
    hooked.write_text(HOOK)
    subprocess.run(["userdel", "--remove", USER], capture_output=True, check=False)  # of a test that was killed
    subprocess.run(["useradd", "--create-home", USER], check=True)
    mode = stat.S_IMODE(TUN.stat().st_mode)
    try:
        for table in ("uid", "gid"):
            # Besides those that useradd has given, if any: more is no harm, and these are known to be free.
            rows = Path(f"/etc/sub{table}").read_text().splitlines()
            for row in (row for row in rows if row.startswith(f"{USER}:")):
                _, first, many = row.split(":")
                span = f"{first}-{int(first) + int(many) - 1}"
                subprocess.run(["usermod", f"--del-sub{table}s", span, USER], check=True)
            subprocess.run(["usermod", f"--add-sub{table}s", f"{FIRST}-{FIRST + MANY - 1}", USER], check=True)
        entry = pwd.getpwnam(USER)
        place = Path(entry.pw_dir)
        shutil.copytree(tiny.folder, place / "repository")
        # Copied, not linked: the user owns what lies in its store.
        shutil.copytree(with_base(Store(home), tiny.base, tmp_path / "store"), place / "store")
        subprocess.run(["chown", "--recursive", f"{entry.pw_uid}:{entry.pw_gid}", str(place)], check=True)
        packages = (Path(airbyte_ci.__file__).parents[1], sysconfig.get_path("purelib"))
        environment = {
            "HOME": str(place),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(map(str, packages)),
            "PYTHONDONTWRITEBYTECODE": "1",
            "AIRBYTE_CI_HOME": str(place / "store"),
            **tiny.environment,
        }
        yield Ordinary(place, entry.pw_uid, environment)
    finally:
        TUN.chmod(mode)
        subprocess.run(["userdel", "--remove", USER], capture_output=True, check=False)
        shutil.rmtree(f"/home/{USER}", ignore_errors=True)


def test_an_ordinary_user_builds_what_root_builds(ordinary: Ordinary, tiny: Tiny) -> None:
    """The same digest and the owners that the hook gave; on this machine all of it is the user's and its ids'."""
    TUN.chmod(0o600)
    refused = ordinary.build()
    assert refused.code == 1, refused.out
    assert "/dev/net/tun" in refused.json["reason"]
    assert refused.json["next"] == "chmod 0666 /dev/net/tun"
    TUN.chmod(0o666)
    built = ordinary.build()
    assert built.code == 0, built.out + built.err
    on_disk = {path.lstat().st_uid for path in ordinary.store.rglob("*")}
    assert on_disk == {ordinary.uid, FIRST + 1000 - 1, FIRST + 4321 - 1}
    above = tiny.build()
    assert above.code == 0, above.err
    assert (built.json["status"], built.json["digest"]) == ("ok", above.json["digest"])
    owners: dict[str, tuple[int, int, int]] = {}
    os.chown(ordinary.store, os.getuid(), os.getgid())  # a store is its owner's alone, and now this test reads it
    store = Store(ordinary.store)
    for digest in own_layers(store, built.json["digest"], tiny.base):
        with tarfile.open(store.path(digest)) as layer:
            owners |= {item.name: (item.uid, item.gid, item.mode) for item in layer if item.name.startswith("srv/")}
    assert owners == {"srv/ours": (1000, 1001, 0o755), "srv/ours/file": (4321, 8765, 0o6750)}
    config = json.loads(store.read(store.image(Digest.parse(built.json["digest"])).manifest.config.digest))
    assert "ASKED=4321" in config["config"]["Env"]
