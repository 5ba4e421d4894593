"""build_customization.yaml: valid contents, by the parser and by the schema alike."""

import jsonschema
import pytest
import yaml

from airbyte_ci.connectors import customization
from airbyte_ci.connectors.customization import Customization, ImageFile
from airbyte_ci.errors import ConnectorError

WHOLE = """\
systemPackages: [libxml2-utils, g++]
buildPackages: [build-essential]
env: {FLAG: "1"}
files:
  /etc/app.conf: {content: "a: b\\n"}
  /opt/tool: {source: tools/run.sh, mode: "0755"}
user: airbyte
workdir: /data
postInstall:
  systemPackages: [jq]
  env: {LATE: "1"}
"""


def test_a_whole_declaration() -> None:
    """Every key is read, and written again as it was."""
    found = customization.parse(WHOLE, "x")
    assert found == Customization(
        system_packages=("libxml2-utils", "g++"),
        build_packages=("build-essential",),
        env={"FLAG": "1"},
        files={
            "/etc/app.conf": ImageFile(content="a: b\n"),
            "/opt/tool": ImageFile(source="tools/run.sh", mode="0755"),
        },
        user="airbyte",
        workdir="/data",
        post_install=Customization(system_packages=("jq",), env={"LATE": "1"}),
    )
    assert found.to_json() == yaml.safe_load(WHOLE)
    jsonschema.validate(found.to_json(), customization.schema())
    assert not customization.parse("# nothing yet\n", "x")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "it must be a mapping"),
        ("packages: [a]", "unknown key 'packages'"),
        ("systemPackages: socat", "systemPackages must be a list"),
        ("systemPackages: [socat, socat]", "systemPackages must be a list of different"),
        ('systemPackages: ["socat; rm"]', "a name in systemPackages cannot be"),
        ("env: [A]", "env must be a mapping"),
        ("env: {A: 1}", "env.A must be a text"),
        ("env: {A-B: x}", "a name in env cannot be"),
        ("files: {etc/x: {content: a}}", "a path in files must be an absolute path"),
        ("files: {/x: {content: a, source: b}}", "must have either content or source"),
        ("files: {/x: {}}", "must have either content or source"),
        ("files: {/x: {source: ../y}}", "files./x.source cannot be"),
        ("files: {/x: {source: /y}}", "files./x.source cannot be"),
        ("files: {/x: {source: y, mode: 755}}", "files./x.mode cannot be"),
        ("user: 'a b'", "user cannot be"),
        ("workdir: data", "workdir must be an absolute path"),
        ("postInstall: [a]", "postInstall must be a mapping"),
        ("postInstall: {buildPackages: [gcc]}", "unknown key 'buildPackages' in postInstall"),
        ("postInstall: {env: {A: 1}}", "postInstall.env.A must be a text"),
    ],
)
def test_what_is_wrong_is_named(text: str, said: str) -> None:
    """The error names the file and the entry; the schema refuses the same."""
    with pytest.raises(
        ConnectorError, match=r"^source-x/build_customization\.yaml is (invalid|not valid YAML): "
    ) as caught:
        customization.parse(text, "source-x/build_customization.yaml")
    assert said in caught.value.message
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(text), customization.schema())


@pytest.mark.parametrize("text", ["a: [", "\t", "a: &x [*x]"])
def test_no_yaml(text: str) -> None:
    """Invalid YAML, or an invalid declaration, is an error of one line."""
    with pytest.raises(ConnectorError) as caught:
        customization.parse(text, "x")
    assert "\n" not in caught.value.message
