"""The page about Java connectors."""

import re

from airbyte_ci.base_images.declaration import declare
from airbyte_ci.dagger import WriteFile
from airbyte_ci.images.java_base import SCRIPT
from tests.e2e.command import PROJECT


def test_the_declaration_on_the_page_is_valid() -> None:
    """It declares an image of the series for Java, with the script that starts a connector and no Python."""
    text = (PROJECT / "docs/java.md").read_text()
    found = re.search(r"```yaml\n(# base-images/java.yaml\n.*?)```", text, re.DOTALL)
    assert found

    def read(path: str) -> str:
        raise AssertionError(f"the declaration names {path}")

    declaration = declare.parse(found[1], "docs/java.md", read)
    assert declaration.address.name == "java-connector-base"
    assert not declaration.python
    assert SCRIPT in {step.path for step in declaration.steps if isinstance(step, WriteFile)}
