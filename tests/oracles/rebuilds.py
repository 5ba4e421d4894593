"""Publishes each connector of a fleet and builds it again: `python -m tests.oracles.rebuilds FLEET BASE STORE`.

Every published base image of Python connectors is replaced by BASE, which must be in STORE and in the fleet's catalog.
`verify --rebuild` gets an empty store, and the repository is hidden meanwhile. Connectors that cannot be published are
only listed.
"""

import json
import re
import sys
import tempfile
from pathlib import Path

from airbyte_ci.testing.registry import RegistryServer
from tests.attest import releases
from tests.e2e.command import airbyte_ci

_PUBLISHED = re.compile(r"docker\.io/airbyte/python-connector-base:\S+@sha256:[0-9a-f]{64}")


def main(fleet: Path, base: str, home: Path) -> int:
    for path in fleet.rglob("metadata.yaml"):
        path.write_text(_PUBLISHED.sub(base, path.read_text()))
    airbyte_ci("connectors", "--all", "migrate_to_base_image", "1", cwd=fleet, home=home)
    failed = built = 0
    with tempfile.TemporaryDirectory() as place, RegistryServer() as server:
        key, public = Path(place) / "signing.pem", Path(place) / "signing.pub"
        key.write_text(releases.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"))
        public.write_text(releases.openssl("pkey", "-pubout", "-in", str(key)))
        arguments = (f"--registry={server.host}", f"--sign-key={key}", "--allow-dirty", "--json")
        published = airbyte_ci("connectors", "--all", "publish", *arguments, cwd=fleet, home=home)
        for document in map(json.loads, published.out.splitlines()):
            if document["status"] == "failed":
                print(f"– {document['name']} was not published: {document['reason']}")
                continue
            hidden = fleet.rename(fleet.with_name("hidden"))
            address = f"{document['repository']}@{document['digest']}"
            store = Path(place) / document["name"]
            try:
                done = airbyte_ci(
                    "verify", address, f"--key={public}", "--rebuild", cwd=Path(place), home=store, timeout=3600
                )
            finally:
                hidden.rename(fleet)
            print(f"{'✓' if done.code == 0 else '✗'} {document['name']}\n{done.out}{done.err}", flush=True)
            built, failed = built + 1, failed + (done.code != 0)
    print(f"{built} images built again, {failed} differ")
    return int(bool(failed) or not built)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).absolute(), sys.argv[2], Path(sys.argv[3]).absolute()))
