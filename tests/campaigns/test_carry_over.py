"""The instructions of a Dockerfile: declared, coded, settled with a reason, or reported as lost."""

import ast
import tempfile
import textwrap
from pathlib import Path

import jsonschema
import pytest
import yaml

from airbyte_ci.base_images.catalog import catalog
from airbyte_ci.campaigns.conversion import carry_over, customization_draft
from airbyte_ci.campaigns.conversion.carried import CarriedOver, Step
from airbyte_ci.campaigns.conversion.connector_folder import ConnectorFolder
from airbyte_ci.campaigns.dockerfile import stages
from airbyte_ci.connectors import customization

BASE = catalog.shipped().of("docker.io/airbyte/python-connector-base")
FILES = ("ca.pem", "conf/a.ini", "tools/run.sh", "main.py", "main_dev.py", "source_x/__init__.py")


def decided(text: str, version: str = "1.1.0", mentions: tuple[str, ...] = ()) -> CarriedOver:
    """Converts a Dockerfile in a folder with FILES, whose configuration mentions some names."""
    base = next(item for item in BASE if item.version == version)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in FILES:
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).touch()
        (folder / "spec.yaml").write_text("".join(f"{mention}\n" for mention in mentions))
        (folder / "setup.py").write_text("setup(install_requires=[])\n")
        found = ConnectorFolder(folder, "source_x")
        return carry_over.decide(stages.read(textwrap.dedent(text)), base, found, catalog.shipped())


TEMPLATE = """\
FROM python:3.9.11-alpine3.15 as base
FROM base as builder
WORKDIR /airbyte/integration_code
RUN apk --no-cache upgrade && pip install --upgrade pip && apk --no-cache add tzdata build-base libffi-dev
COPY setup.py ./
RUN pip install --prefix=/install .
FROM base
WORKDIR /airbyte/integration_code
COPY --from=builder /install /usr/local
COPY --from=builder /usr/share/zoneinfo/Etc/UTC /etc/localtime
RUN echo "Etc/UTC" > /etc/timezone
RUN apk --no-cache add bash
COPY main.py ./
COPY source_x ./source_x
ENV AIRBYTE_ENTRYPOINT "python /airbyte/integration_code/main.py"
ENTRYPOINT ["python", "/airbyte/integration_code/main.py"]
LABEL io.airbyte.version=0.1.0
LABEL io.airbyte.name=airbyte/source-x
"""


def test_the_usual_dockerfile_leaves_nothing() -> None:
    """Instructions of hundreds of connectors that the base and the build cover: nothing is drafted, nothing is lost."""
    found = decided(TEMPLATE)
    assert (found.declared(), found.coded(), found.lost) == ((), (), ())
    assert found.settled == (
        "Alpine → Debian",
        "compilers for Alpine (build-base, libffi-dev): Debian's wheels need none",
    )


FROM = "FROM python:3.9-slim\nWORKDIR /airbyte/integration_code\n"


@pytest.mark.parametrize(
    ("text", "declared"),
    [
        ("RUN apt-get install -y libxml2-utils bash", ("package libxml2-utils",)),
        (
            "RUN apt-get install -y socat build-essential libpq-dev",
            ("build package build-essential", "build package libpq-dev"),
        ),
        (
            "RUN yum install -y libaio gcc-c++ python39-devel unixODBC-devel which",
            ("package libaio1", "build package g++", "build package python3-dev", "build package unixodbc-dev"),
        ),
        ("ARG N='a1 b2'\nRUN apt-get install -y $N", ("package a1", "package b2")),
        ("ENV FLAG=1 TZ=Etc/UTC", ("ENV FLAG",)),
        ("COPY ca.pem /etc/ssl/ca.pem", ("file /etc/ssl/ca.pem",)),
        (
            "COPY ca.pem tools/run.sh ./extra/",
            ("file /airbyte/integration_code/extra/ca.pem", "file /airbyte/integration_code/extra/run.sh"),
        ),
        ("COPY --chmod=755 tools/run.sh /usr/bin/", ("file /usr/bin/run.sh",)),
        ("COPY conf /conf/", ("file /conf",)),
        ("COPY <<E /etc/a\nk=v\nE", ("file /etc/a",)),
        ("COPY <<'E' <<F /etc/\n$k\nE\nF", ("file /etc/E", "file /etc/F")),
        ("USER 1000:1000", ("USER 1000:1000",)),
        ("USER me\nUSER root", ()),
        ("WORKDIR ../other", ("WORKDIR /airbyte/other",)),
        ("ENV CODE_PATH=source_x\nCOPY $CODE_PATH ./$CODE_PATH", ()),
    ],
    ids=str,
)
def test_what_can_be_declared(text: str, declared: tuple[str, ...]) -> None:
    """Packages, variables, files, user and folder go into the declaration, which reads back and fits its schema."""
    found = decided(FROM + text)
    assert (found.declared(), found.coded(), found.lost) == (declared, (), ())
    assert not any("guess" in item for item in found.settled)
    draft = customization_draft.declaration(found.customization)
    assert customization.parse(draft, "x") == found.customization
    if declared:
        jsonschema.validate(yaml.safe_load(draft), customization.schema())


@pytest.mark.parametrize(
    ("text", "coded"),
    [
        ("RUN curl -o /usr/bin/x https://x.example", '.with_exec(["curl", "-o", "/usr/bin/x", "https://x.example"])'),
        ("RUN curl https://x.example | sh", '.with_exec(["sh", "-c", "curl https://x.example | sh"])'),
        ("RUN echo $HOME 'a b' > /x", """.with_exec(["sh", "-c", "echo $HOME 'a b' > /x"])"""),
        ("RUN a || b", '.with_exec(["sh", "-c", "a || b"])'),
        ("RUN <<E\na\nb\nE", '.with_exec(["sh", "-c", "a\\nb"])'),
        ("ARG V='1 2'\nRUN a $V", """.with_exec(["sh", "-c", "export V='1 2'\\na $V"])"""),
        ('RUN ["a", "$b"]', '.with_exec(["a", "$b"])'),
        ('LABEL com.acme.team="a b"', '.with_label("com.acme.team", "a b")'),
        ('ENTRYPOINT ["/bin/run", "it"]', '.with_entrypoint(["/bin/run", "it"])'),
        ('ENTRYPOINT ["python", "main_dev.py"]', 'MAIN_FILE_NAME = "main_dev.py"'),
    ],
)
def test_what_needs_a_module(text: str, coded: str) -> None:
    """Commands, labels and another entry point are drafted as a hook, which is Python that compiles."""
    found = decided(FROM + text)
    assert (found.declared(), len(found.coded()), found.lost) == ((), 1, ())
    module = customization_draft.module(found)
    ast.parse(module)
    assert coded in module


def test_a_command_after_the_packages_runs_after_them() -> None:
    """Instructions that may need the connector's packages are drafted for after their installation; earlier ones,
    before.
    """
    found = decided(FROM + "RUN setup-a\nCOPY setup.py ./\nRUN pip install .\nRUN setup-b\n")
    assert (found.before, found.after) == ((Step(("setup-a",)),), (Step(("setup-b",)),))
    module = customization_draft.module(found)
    assert module.index("pre_connector_install") < module.index("setup-a") < module.index("post_connector_install")


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ('RUN pip install "pyyaml~=5.4"', "RUN pip install "),
        ("COPY secret.txt /x", "COPY secret.txt /x"),
        ("ADD https://x.example/y /y", "ADD https://x.example/y /y"),
        ("COPY --from=nginx /etc/nginx /etc/nginx", "COPY --from=nginx /etc/nginx /etc/nginx"),
        ("COPY <<E /etc/a\n$k\nE", "COPY <<E /etc/a: write"),
        ("RUN a; pip install .", "RUN a; pip install .: it installs Python packages"),
        ("RUN apt-get install $X", "system package $X"),
        ("COPY --chown=me ca.pem /x", "--chown=me"),
        ("ENV PATH=/opt/bin:$PATH", "ENV PATH=/opt/bin:$PATH: it would replace"),
        ('ENV A=1 PATH="/opt/a b:${PATH}"\nRUN x $A', "ENV PATH=/opt/a b:${PATH}: it would replace"),
        ("ENV TOOLS $PATH:/x", "ENV TOOLS=$PATH:/x: only the base knows its PATH"),
        ("EXPOSE 80", "EXPOSE 80"),
        ("HEALTHCHECK NONE", "HEALTHCHECK NONE"),
        ('CMD ["spec"]', 'CMD ["spec"]'),
    ],
)
def test_what_cannot_be_carried_is_told(text: str, lost: str) -> None:
    """Each thing that the image will not have is named as it was written, with its line."""
    assert [item.partition(": ")[2][: len(lost)] for item in decided(FROM + text).lost] == [lost]


def test_another_image_is_told() -> None:
    """The content of an unofficial Python image is unknown, so this is reported."""
    assert decided("FROM ubuntu:22.04\n").lost == ("line 1: FROM ubuntu:22.04: what that image has is not known",)


@pytest.mark.parametrize(
    ("version", "packages"), [("1.0.0", ("poppler-utils", "socat")), ("1.1.0", ("poppler-utils",)), ("1.2.0", ())]
)
def test_what_later_bases_have(version: str, packages: tuple[str, ...]) -> None:
    """A package that the base has had since some version is carried only to an older one."""
    found = decided(FROM + "RUN apt-get install -y socat poppler-utils", version)
    assert found.customization.system_packages == packages


def test_language_data_that_the_base_has() -> None:
    """NLTK's data is drafted as a command, or settled where the base has it."""
    text = FROM + "RUN pip install .\nRUN python -c \"import nltk; nltk.download('punkt')\"\n"
    assert decided(text).after == (Step(("python", "-c", "import nltk; nltk.download('punkt')")),)
    assert decided(text, "1.2.0").settled == ("NLTK data: the base has it",)


def test_a_variable_that_the_code_reads_is_carried() -> None:
    """One that the Dockerfile uses as well is kept where the connector's files speak of it."""
    text = FROM + "ENV CODE_PATH=source_x\nCOPY $CODE_PATH ./$CODE_PATH\n"
    assert decided(text).settled == ("ENV CODE_PATH: only the Dockerfile used it",)
    assert decided(text, mentions=("CODE_PATH",)).customization.env == {"CODE_PATH": "source_x"}


def test_git_for_building_only() -> None:
    """A package of a stage that is not in the image is for building; git only where something comes from git."""
    text = "FROM python:3.9-slim as b\nRUN apt-get install -y git protobuf-compiler\nFROM python:3.9-slim\n"
    assert decided(text).customization.build_packages == ("protobuf-compiler",)
    assert decided(text, mentions=("git+",)).customization.build_packages == ("git", "protobuf-compiler")


def test_the_user_of_the_base_is_given() -> None:
    """A USER that is the base's own needs nothing."""
    assert not decided(FROM + "USER airbyte", "4.0.2").customization
    assert decided(FROM + "USER airbyte").customization.user == "airbyte"


def chain(text: str, version: str, hook: str) -> list[str]:
    """The calls of a hook in the drafted module."""
    lines = customization_draft.module(decided(text, version)).partition(f"async def {hook}")[2].splitlines()
    calls = [line.strip() for line in lines]
    return calls[3 : calls.index(")")]


def test_commands_are_run_by_who_ran_them() -> None:
    """On a base with another user, root's commands run as root, and the image still runs as its user."""
    text = FROM + "RUN a x\nUSER me\nRUN b x\nUSER root\nRUN pip install .\nWORKDIR /w\nRUN c x\nUSER me\n"
    a, b, c = (f'.with_exec(["{name}", "x"])' for name in "abc")
    me, root, airbyte = (f'.with_user("{name}")' for name in ("me", "root", "airbyte"))
    assert chain(text, "1.1.0", "pre") == [a, me, b, root]
    assert chain(text, "4.0.2", "pre") == [root, a, me, b, airbyte]
    assert chain(text, "1.1.0", "post") == ['.with_workdir("/w")', c, me]
    assert chain(text, "4.0.2", "post") == [root, '.with_workdir("/w")', c, me]


def test_another_user_than_before_is_told() -> None:
    """An image that ran as root on a base that does not is reported."""
    assert "user root → airbyte" in decided(FROM, "4.0.2").settled
    assert "user root → airbyte" not in decided(FROM + "USER me", "4.0.2").settled
    assert decided(FROM).settled == ()


def test_the_user_comes_after_the_commands() -> None:
    """User and folder, which a declaration would set before the module's commands, are set at the end of these."""
    found = decided(FROM + "RUN pip install . && groupadd me\nUSER me\nWORKDIR /w\n")
    assert (found.declared(), found.coded()) == ((), ("RUN groupadd me", "USER me", "WORKDIR /w"))
    text = "RUN pip install . && groupadd me\nUSER me\nWORKDIR /w\n"
    assert chain(FROM + text, "1.1.0", "post") == [
        '.with_exec(["groupadd", "me"])',
        '.with_user("me")',
        '.with_workdir("/w")',
    ]


def test_a_variable_that_a_command_uses_is_kept() -> None:
    """One of ENV that a drafted command needs is declared, though nothing but the Dockerfile speaks of it."""
    assert decided(FROM + "ENV V=1\nRUN a $V").customization.env == {"V": "1"}


@pytest.mark.parametrize(
    ("text", "package", "told"),
    [
        (
            "yum install -y oracle-kit",
            "oracle-kit",
            "oracle-kit of yum is taken for Debian's oracle-kit, which is a guess",
        ),
        (
            "dnf install -y foo-devel",
            "libfoo-dev",
            "foo-devel of dnf is taken for Debian's libfoo-dev, which is a guess",
        ),
        ("apk add rare", "rare", "rare of apk is taken for Debian's rare, which is a guess"),
        ("apt-get install -y libpq5=13.2", "libpq5", "libpq5=13.2 without its version, which is that distribution's"),
    ],
)
def test_what_is_not_sure_of_a_package_is_told(text: str, package: str, told: str) -> None:
    """A name that is only guessed to be Debian's, and a version that is dropped."""
    found = decided(FROM + f"RUN {text}")
    assert told in found.settled
    assert package in (*found.customization.system_packages, *found.customization.build_packages)
