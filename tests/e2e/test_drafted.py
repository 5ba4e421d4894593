"""A declaration drafted from a Dockerfile, built: the image has the files and settings of the Dockerfile."""

import json

import pytest

from airbyte_ci.base_images.catalog.catalog import BaseImageVersion
from airbyte_ci.campaigns.conversion import carry_over, customization_draft
from airbyte_ci.campaigns.conversion.connector_folder import ConnectorFolder
from airbyte_ci.campaigns.dockerfile import stages
from airbyte_ci.connectors import customization
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from tests.e2e.conftest import Base
from tests.e2e.tiny import Tiny, derived

pytestmark = pytest.mark.slow
DOCKERFILE = """\
FROM python:3.10-slim
WORKDIR /airbyte/integration_code
ARG WORDS="two words"
ENV LEVEL=3
RUN <<E
set -e
mkdir /opt/made
id -un > /opt/made/by
E
RUN false || (echo "$WORDS"; echo '$WORDS' $LEVEL) > "/opt/made/what"
COPY <<E /etc/made.conf
a: b
E
RUN pip install . && groupadd made && useradd -g made made
WORKDIR /opt/made
RUN pwd > where && chown made where
USER made
RUN id -un >> where
"""
MAIN = """import json, os, pathlib, pwd, tinydep
names = ["/opt/made/by", "/opt/made/what", "/opt/made/where", "/etc/made.conf"]
seen = {name: pathlib.Path(name).read_text() for name in names}
seen |= {"user": pwd.getpwuid(os.getuid()).pw_name, "cwd": os.getcwd()}
print(json.dumps({"type": "SPEC", "spec": {"connectionSpecification": seen}}))
"""


@pytest.mark.parametrize("user", ["root", "nobody"])
def test_a_draft_does_what_the_dockerfile_did(tiny: Tiny, base: Base, store: Store, user: str) -> None:
    """Each command ran as who ran it and where, also on a base that does not run as root; the last USER stays."""
    address = derived(store, base.address, tag="drafted", user=user)
    version = BaseImageVersion(
        repository="localhost/acme/derived-base",
        version="1.0.0",
        address=Reference.parse(address),
        python="3.11",
        user=user,
    )
    folder = tiny.connector()
    found = carry_over.decide(stages.read(DOCKERFILE), version, ConnectorFolder(folder, "source_tiny"))
    assert found.lost == ()
    (folder / customization.FILE).write_text(customization_draft.declaration(found.customization))
    (folder / customization.MODULE).write_text(customization_draft.module(found))
    (folder / "main.py").write_text(MAIN)
    built = tiny.build(f"--base-image={address}")
    assert built.code == 0, built.out + built.err
    answer = tiny.run("connectors", "--name=source-tiny", "run", "--", "spec")
    assert json.loads(answer.out.splitlines()[-1])["spec"]["connectionSpecification"] == {
        "/opt/made/by": "root\n",
        "/opt/made/what": "two words\n$WORDS 3\n",
        "/opt/made/where": "/opt/made\nmade\n",
        "/etc/made.conf": "a: b\n",
        "user": "made",
        "cwd": "/opt/made",
    }
