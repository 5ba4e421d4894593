"""Hooks with the calls of public connectors in the same order, written from scratch."""

import json

import pytest

from airbyte_ci.hooks.conversation import MODULE
from tests.e2e.tiny import Tiny

pytestmark = pytest.mark.slow
TYPED = """from __future__ import annotations
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from dagger import Container
"""
# Variables of the connector's own start, and another main file.
MAIN_FILE = f"""{TYPED}
MAIN_FILE_NAME = "main_dev.py"

async def pre_connector_install(base_image_container: Container) -> Container:
    return await base_image_container.with_env_variable("AIRBYTE_IMPL_MODULE", "source_tiny").with_env_variable(
        "CODE_PATH", "source_tiny"
    )

async def post_connector_install(connector_container: Container) -> Container:
    return connector_container.with_env_variable("LATE", "yes")
"""
UNTOUCHED = f"""{TYPED}
async def pre_connector_install(base_image_container: Container) -> Container:
    return await base_image_container
"""
# A script that is written and run after the install, by helpers that are no coroutines.
SCRIPT = f"""{TYPED}
import textwrap

def setup_data(container: Container) -> Container:
    text = textwrap.dedent('''
        import tinydep, data_of_ours
        open("/opt/data.txt", "w").write(tinydep.VERSION + data_of_ours.WORD)
    ''')
    return (
        container.with_new_file("/tmp/data_of_ours.py", "WORD = ' fetched'")
        .with_new_file("/tmp/script.py", text)
        .with_exec(["python", "/tmp/script.py"], skip_entrypoint=True)
    )

async def post_connector_install(connector_container: Container) -> Container:
    return setup_data(connector_container)
"""
APT = f"""{TYPED}
async def pre_connector_install(base_image_container: Container) -> Container:
    return base_image_container.with_exec(
        ["sh", "-c", "apt-get update && apt-get install -y --no-install-recommends jq"], use_entrypoint=True
    )
"""
ANOTHER_USER = """
async def pre_connector_install(c):
    current = (await c.with_exec(["whoami"]).stdout()).strip()
    return (
        c.with_user("root").with_exec(["mkdir", "-p", "/opt/cache"])
        .with_exec(["chown", f"{current}:{current}", "/opt/cache"]).with_user(current)
        .with_env_variable("WHO", current)
    )
"""
PROXY = """
import os

async def post_connector_install(base_image_container):
    proxy = os.environ["IMAGE_HTTP_PROXY"]
    return base_image_container.with_env_variable("HTTP_PROXY", proxy).with_env_variable("http_proxy", proxy)
"""
# apt, then a script from a host that is not there.
DOWNLOAD = f"""{TYPED}
async def pre_connector_install(base_image_container: Container) -> Container:
    return (
        base_image_container.with_exec(["sh", "-c", "apt-get update && apt-get install -y curl"])
        .with_exec(["curl", "-fsSL", "https://get.invalid/", "-o", "/tmp/install.sh"])
        .with_exec(["sh", "/tmp/install.sh", "--version", "23.0"])
        .with_exec(["rm", "/tmp/install.sh"])
    )
"""
SHOW = """import json, os, pathlib, shutil
names = ("AIRBYTE_IMPL_MODULE", "CODE_PATH", "LATE", "WHO", "HTTP_PROXY", "AIRBYTE_ENTRYPOINT")
seen = {name: os.environ[name] for name in names if name in os.environ}
data = pathlib.Path("/opt/data.txt")
seen |= {"jq": bool(shutil.which("jq")), "data": data.read_text() if data.exists() else ""}
print(json.dumps({"type": "SPEC", "spec": {"connectionSpecification": seen}}))
"""
USUAL = {"AIRBYTE_ENTRYPOINT": "python /airbyte/integration_code/main.py", "jq": False, "data": ""}


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        pytest.param(
            MAIN_FILE,
            {
                "AIRBYTE_IMPL_MODULE": "source_tiny",
                "CODE_PATH": "source_tiny",
                "LATE": "yes",
                "AIRBYTE_ENTRYPOINT": "python /airbyte/integration_code/main_dev.py",
            },
            id="another main file",
        ),
        pytest.param(UNTOUCHED, {}, id="the untouched container"),
        pytest.param(SCRIPT, {"data": "1.0 fetched"}, id="a script after the install"),
        pytest.param(APT, {"jq": True}, id="apt with use_entrypoint"),
        pytest.param(ANOTHER_USER, {"WHO": "root"}, id="whoami and with_user"),
        pytest.param(PROXY, {"HTTP_PROXY": "http://proxy.example:3128"}, id="a proxy of the environment"),
    ],
)
def test_public_hooks_run_unmodified(tiny: Tiny, module: str, expected: dict[str, object]) -> None:
    """Each builds, the image answers `spec`, and what the hook did is there when it runs."""
    folder = tiny.connector()
    (folder / MODULE).write_text(module)
    for name in ("main.py", "main_dev.py"):
        (folder / name).write_text(SHOW)
    with (tiny.folder / ".airbyte-ci.toml").open("a") as file:
        file.write('hook-environment = ["IMAGE_HTTP_PROXY"]\n')
    env = {"IMAGE_HTTP_PROXY": "http://proxy.example:3128"}
    built = tiny.build(env=env)
    assert built.code == 0, built.out + built.err
    answer = tiny.run("connectors", "--name=source-tiny", "run", "--", "spec", env=env)
    assert answer.code == 0, answer.err
    found = json.loads(answer.out.splitlines()[-1])["spec"]["connectionSpecification"]
    assert found == {**USUAL, **expected}


def test_a_download_that_fails_is_said_plainly(tiny: Tiny) -> None:
    """Earlier steps ran; the message has the command, its exit code and its last output."""
    (tiny.connector() / MODULE).write_text(DOWNLOAD)
    built = tiny.build()
    assert built.code == 1
    told = json.dumps(built.json)
    assert "command 'curl -fsSL https://get.invalid/ -o /tmp/install.sh' failed in the image: exit code 6" in told
    assert "Could not resolve host: get.invalid" in told
