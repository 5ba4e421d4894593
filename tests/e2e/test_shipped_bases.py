"""The shipped families of base images: what they promise is true of them, on each Debian release that they name."""

from pathlib import Path

import pytest

from tests.e2e.conftest import airbyte_ci

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("family", ["root-python3.9", "airbyte-python3.11", "airbyte-python3.13"])
def test_a_family_with_what_documents_need_keeps_its_promises(fleet: Path, home: Path, family: str) -> None:
    """Python, pip, poetry, socat, tesseract and poppler in the versions that are told, and the contract, on Debian."""
    declaration = fleet / "base-images" / "ours.yaml"
    declaration.write_text(
        f"extends: [shipped:{family}, shipped:documents]\nrepository: localhost/families/{family}\n"
        "version: 1.0.0\nchangelog: All that is shipped\nplatforms: [linux/amd64]\n"
    )
    checked = airbyte_ci("base-images", "check", str(declaration), cwd=fleet, home=home)
    assert checked.code == 0, checked.out + checked.err
    for words in ("poetry is 1.", "tesseract is the Debian release's", "certificates are trusted"):
        assert f"✓ {words}" in checked.out
