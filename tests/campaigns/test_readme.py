"""The build section of a README is updated once, and nothing else changes."""

import pytest

from airbyte_ci.campaigns.connector_files.readme import with_build_commands, with_build_section

TEXT = """\
# Source

#### Build & activate the environment
docker build is not spoken of here

### Locally running the connector docker image

#### Build
First, build:
```
# Build
docker build . -t acme/source-x:dev
```
In the Dockerfile.

#### Run
Then run.
"""


def updated(text: str) -> str:
    return with_build_section(text, "source-x", "acme/source-x")


def test_the_section_is_replaced() -> None:
    """Exactly the text below the heading; the code block's comment is not a heading."""
    result = updated(TEXT)
    head, tail = TEXT.partition("First, build")[0], TEXT[TEXT.index("#### Run") :]
    assert result.startswith(f"{head}\n```bash\nairbyte-ci connectors --name=source-x build --output=docker\n```\n")
    assert result.endswith(f"\n\n{tail}")
    assert "docker build ." not in result
    assert updated(result) == result


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# Build\n\nnothing of the kind\n",
        TEXT.replace("#### Build\n", "#### How\n"),
        TEXT.replace("First, build:", "airbyte-ci connectors --name source-x build"),
    ],
)
def test_what_is_not_old_stays(text: str) -> None:
    """No such section, none that speaks of a Dockerfile, or one that names the new command."""
    assert updated(text) == text


@pytest.mark.parametrize("ending", ["", "\n", "\n\n"])
def test_the_end_of_the_file_stays(ending: str) -> None:
    """If it is the last section, the end of the file is unchanged."""
    result = updated("# Build\n\ndocker build ." + ending)
    assert result.endswith("`build_customization.py`." + ending[:1])


def test_line_ends_stay() -> None:
    """A file with carriage returns has them in the new lines too."""
    assert updated(TEXT.replace("\n", "\r\n")) == updated(TEXT).replace("\n", "\r\n")


COMMAND = "airbyte-ci connectors --name=source-x build --output=docker"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("docker build . -t a/b:dev\ndocker run --rm a/b:dev spec", f"{COMMAND}\ndocker run --rm acme/x:dev spec"),
        ("$ sudo docker build --no-cache -t a/b:1 .\n$ docker run a/b:1", f"$ {COMMAND}\n$ docker run acme/x:dev"),
        ("  docker buildx build --platform=linux/arm64 --load -f Dockerfile .", f"  {COMMAND} -a linux/arm64"),
        ("docker build --tag=a/b:dev ./\r\ndocker run a/b:dev2", f"{COMMAND}\r\ndocker run a/b:dev2"),
        ("docker build ../other -t a/b:dev", None),
        ("docker build -t a/b:dev . && docker run a/b:dev", None),
        ("docker build --build-arg A=1 -t a/b:dev .", None),
        ("docker build -f other/Dockerfile .", None),
        ("docker build -t 'a/b .", None),
        ("docker builds images.", None),
    ],
)
def test_commands_outside_of_the_section(before: str, after: str | None) -> None:
    """A plain `docker build` of the folder becomes the command, and its image the one that is built; others stay."""
    made = with_build_commands(before, "source-x", "acme/x")
    assert made == (before if after is None else after)
    assert with_build_commands(made, "source-x", "acme/x") == made
