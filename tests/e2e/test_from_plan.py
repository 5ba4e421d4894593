"""Plans: printed, checked against the published schema, and built again, elsewhere and later."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from airbyte_ci.images import plan as plans
from airbyte_ci.images.plan import BuildPlan
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry
from tests.e2e.command import Command
from tests.e2e.conftest import Base
from tests.e2e.tiny import Tiny, derived, with_base

pytestmark = pytest.mark.slow
HOOK = """async def pre_connector_install(container):
    return container.with_exec(["sh", "-c", "echo hooked > /hooked"]).with_env_variable("HOOKED", "yes")


async def post_connector_install(container):
    return container.with_label("said", (await container.with_exec(["cat", "/hooked"]).stdout()).strip())
"""


def _print(tiny: Tiny, name: str = "source-tiny") -> str:
    printed = tiny.run("connectors", f"--name={name}", "build", "--print-plan")
    assert (printed.code, printed.err) == (0, "")
    return printed.out


def test_a_printed_plan_is_built_without_the_hook(tiny: Tiny, tmp_path: Path) -> None:
    """It fits the schema and gives the same digest without the hook; other code, or no code, is refused."""
    hook = tiny.connector() / "build_customization.py"
    hook.write_text(HOOK)
    text = _print(tiny)
    Draft202012Validator(plans.schema()).validate(json.loads(text))
    built = tiny.build()
    assert built.code == 0, built.out
    assert built.json["plan"] == str(BuildPlan.parse(text, "it").digest)
    plan = tmp_path / "plan.json"
    plan.write_text(text)
    build = ("connectors", "build", "--json", f"--from-plan={plan}")
    hook.write_text("raise SystemExit('the hook must not run')\n")
    again = tiny.run(*build)
    assert again.code == 0, again.out
    assert (again.json["digest"], again.json["plan"]) == (built.json["digest"], built.json["plan"])

    main = tiny.connector() / "main.py"
    main.write_text(main.read_text() + "# one line more\n")
    _refused(tiny.run(*build).json, "the code in connectors/source-tiny differs from the code in the plan")
    tiny.connector().rename(tiny.folder / "connectors" / "source-other")
    assert tiny.run(*build).code != 0


ASKING = """async def pre_connector_install(container):
    container = container.with_exec(["sh", "-c", "echo pure > /pure"])
    return container.with_exec(["bash", "-c", "{0}; cat /proc/sys/kernel/random/uuid > /asked"])


async def post_connector_install(container):
    return container.with_exec(["bash", "-c", "{0}; cat /asked /proc/sys/kernel/random/uuid > /later"])
"""
# It need not be answered.
SENDS = "echo x > /dev/udp/192.0.2.7/9"


def test_what_commands_got_of_the_network_is_in_the_plan(tiny: Tiny, store: Store, tmp_path: Path) -> None:
    """Their layers are named, and are the image's; cached ones are not made again, and other results are refused."""
    hook = tiny.connector() / "build_customization.py"
    hook.write_text(ASKING.format(SENDS))
    text = _print(tiny)
    named = json.loads(text)["impure"]
    operations = json.loads(text)["operations"]
    assert [item["operation"] for item in named] == [1, len(operations) - 1], "not the pure one"
    built = tiny.build()
    assert built.code == 0 and built.json["plan"] == str(BuildPlan.parse(text, "it").digest)
    image = store.image(Digest.parse(built.json["digest"]))
    assert {item["layer"]["diffId"] for item in named} < set(map(str, image.config.diff_ids))

    plan = tmp_path / "plan.json"
    plan.write_text(text)
    build = ("connectors", "build", "--json", f"--from-plan={plan}")
    elsewhere = with_base(store, tiny.base, tmp_path / "elsewhere", unpacked=True)
    _refused(tiny.run(*build, home=elsewhere).json, "now creates something else")
    elsewhere = with_base(store, tiny.base, tmp_path / "and-again", unpacked=True)
    for item in named:
        Store(elsewhere).put(store.read(Digest.parse(item["layer"]["digest"])))
    again = tiny.run(*build, home=elsewhere)
    assert again.code == 0, again.out
    assert again.json["digest"] == built.json["digest"]


DECLARED = "files: {/opt/data: {source: data.bin}}\npostInstall: {files: {/opt/more: {source: more, mode: '600'}}}\n"
ASKS = """async def pre_connector_install(container):
    return container.with_label("size", str(await container.file("/opt/data").size()))


async def post_connector_install(container):
    return container.with_label("more", await container.file("/opt/more/x").contents())
"""


def test_a_plan_names_declared_files_by_digest(tiny: Tiny, base: Base, store: Store, tmp_path: Path) -> None:
    """However large, they are not in it; hooks see them; another store builds it from the same files and no others."""
    folder = tiny.connector()
    (folder / "data.bin").write_bytes(bytes(range(256)) * 8192)
    (folder / "more").mkdir()
    (folder / "more/x").write_text("said")
    (folder / "build_customization.yaml").write_text(DECLARED)
    (folder / "build_customization.py").write_text(ASKS)
    text = _print(tiny)
    assert len(text) < 20_000 and '"KeptFile"' in text
    built = tiny.build()
    assert built.code == 0, built.out
    labels = store.image(Digest.parse(built.json["digest"])).config.execution["Labels"]
    assert (labels["size"], labels["more"]) == (str(256 * 8192), "said")
    plan = tmp_path / "plan.json"
    plan.write_text(text)
    elsewhere = with_base(store, base.address, tmp_path / "store", unpacked=True)
    build = ("connectors", "build", "--json", f"--from-plan={plan}")
    again = tiny.run(*build, home=elsewhere)
    assert again.code == 0, again.out
    assert again.json["digest"] == built.json["digest"]
    (folder / "more/x").write_text("changed")
    changed = tiny.run(*build, home=with_base(store, base.address, tmp_path / "third", unpacked=True))
    _refused(changed.json, "a file that build_customization.yaml names differs from the plan")


def _refused(document: dict[str, Any], said: str) -> None:
    assert document["status"] == "failed"
    assert (
        document["reason"].startswith("cannot build the plan of source-tiny: ") or "cannot read" in document["reason"]
    )
    assert said in document["reason"]
    assert "\n" not in document["reason"]


def _installed(document: dict[str, Any]) -> list[dict[str, Any]]:
    (found,) = (item["packages"] for item in document["operations"] if item["operation"] == "InstallPackages")
    packages: list[dict[str, Any]] = found
    return packages


def _base(address: str, manifest: str) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        document["base"] = {"address": address, "manifest": manifest}

    return change


def test_a_plan_that_no_longer_fits_is_refused(tiny: Tiny, store: Store, base: Base, tmp_path: Path) -> None:
    """Another base, a folder that changed, an edited or strange document: one line each, nothing is built."""
    tiny.home = with_base(store, tiny.base, tmp_path / "own", unpacked=True)  # a blob of it will be removed
    store = Store(tiny.home)
    library = tiny.folder / "lib"
    (library / "tinydep").mkdir(parents=True)
    (library / "pyproject.toml").write_text('[project]\nname = "tinydep"\nversion = "9.0"\n')
    (library / "tinydep/__init__.py").write_text("VERSION = '9.0'\n")
    tiny.with_tools()
    tiny.require("-e ../../lib\n")
    document = json.loads(_print(tiny))
    Draft202012Validator(plans.schema()).validate(document)
    plan = tmp_path / "plan.json"
    other = derived(store, base.address, Entry(path="etc/other", content=b""), tag="other")
    digest = other.partition("@")[2]
    cases: list[tuple[Callable[[dict[str, Any]], object], str]] = [
        (_base(document["base"]["address"], digest), "is not the base image that the plan names"),
        (lambda item: item.update(python="3.10.1"), "the base has Python 3.11.2"),
        (lambda item: _installed(item)[-1].update(sha256="0" * 64), "tinydep differs from the plan"),
    ]
    for change, said in cases:
        changed = json.loads(json.dumps(document))
        change(changed)
        plan.write_text(json.dumps(changed))
        _refused(tiny.run("connectors", "build", "--json", f"--from-plan={plan}").json, said)

    plan.write_text(json.dumps(document))
    assert tiny.run("connectors", "build", "--json", f"--from-plan={plan}").code == 0
    (library / "tinydep/__init__.py").write_text("VERSION = '9.1'\n")
    kept = tiny.run("connectors", "build", "--json", f"--from-plan={plan}")
    assert kept.code == 0, "what was obtained by digest is still in the store"
    store.path(Digest(_installed(document)[-1]["sha256"])).unlink()
    gone = tiny.run("connectors", "build", "--json", f"--from-plan={plan}", "--tag=again")
    _refused(gone.json, "tinydep differs from the plan")


@pytest.mark.parametrize(
    ("text", "arguments", "code", "said"),
    [
        ("{}", (), 1, "it is not a build plan"),
        ("", ("--base-image=x", "--compression=zstd"), 2, "leave out --base-image, --compression"),
        ("", ("--no-bytecode",), 2, "leave out --no-bytecode"),
        ("", ("--print-plan",), 2, "leave out --print-plan"),
    ],
)
def test_a_plan_that_is_none_is_told(
    run: Command, tmp_path: Path, text: str, arguments: tuple[str, ...], code: int, said: str
) -> None:
    """Before anything else is checked."""
    plan = tmp_path / "plan.json"
    plan.write_text(text)
    result = run("connectors", "build", f"--from-plan={plan}", *arguments)
    assert (result.code, said in result.err, len(result.err.strip().splitlines())) == (code, True, 1)
