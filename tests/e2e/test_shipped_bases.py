"""The shipped families of base images: what they promise is true of them, on each Debian release that they name.

A release that the store does not have takes two minutes, so `make test` looks at one, and `make families` at all.
"""

import os
from pathlib import Path

import pytest

from tests.e2e.conftest import airbyte_ci

pytestmark = pytest.mark.slow
FAMILIES = ["airbyte-python3.11", *(("root-python3.9", "airbyte-python3.13") if os.environ.get("ALL_FAMILIES") else ())]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_with_what_documents_need_keeps_its_promises(fleet: Path, home: Path, family: str) -> None:
    """Python, pip, poetry, socat, tesseract and poppler in the documented versions, and the contract, on Debian."""
    declaration = fleet / "base-images" / "ours.yaml"
    declaration.write_text(
        f"extends: [shipped:{family}, shipped:documents]\nrepository: localhost/families/{family}\n"
        "version: 1.0.0\nchangelog: All that is shipped\nplatforms: [linux/amd64]\n"
    )
    checked = airbyte_ci("base-images", "check", str(declaration), cwd=fleet, home=home)
    assert checked.code == 0, checked.out + checked.err
    for words in ("poetry is 1.", "tesseract is the Debian release's", "certificates are trusted"):
        assert f"✓ {words}" in checked.out
