"""The BuildPlan: one canonical document, and a digest that changes with everything that shapes bytes."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator

from airbyte_ci.dagger import SetLabel, SetVariable
from airbyte_ci.dagger.operations import KINDS, Content
from airbyte_ci.dagger.record import replaced
from airbyte_ci.errors import PlanError
from airbyte_ci.images import plan as plans
from airbyte_ci.images.add_code import AddCode
from airbyte_ci.images.plan import BuildPlan
from airbyte_ci.images.summary import PLAN_DIGEST
from airbyte_ci.oci import recompress
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import BASE_DIGEST, BASE_NAME, Platform, canonical_json
from airbyte_ci.oci.reference import parse_pinned
from airbyte_ci.python.environment.environment import Choice
from airbyte_ci.python.environment.install import InstallPackages
from airbyte_ci.python.packages.lock import FromArchive, LockedFile
from tests.images.plans import BASE, CODE, WHEEL, a_plan

PLAN = a_plan()


def installs(first: Choice = WHEEL, **changes: Any) -> InstallPackages:
    """The plan's packages with another first one, or another choice about them."""
    assert PLAN.install
    return replaced(PLAN.install, **{"packages": (first, *PLAN.packages[1:]), **changes})


DEEP = "[" * 100_000


def test_what_is_printed_is_parsed_to_the_same_plan() -> None:
    """Canonical or laid out for people, the document is the plan: equal, and with the same digest."""
    for text in (PLAN.text, json.dumps(PLAN.to_json(), indent=2)):
        assert BuildPlan.parse(text, "the plan") == PLAN
        assert BuildPlan.parse(text, "the plan").digest == PLAN.digest == Digest.of(canonical_json(PLAN.to_json()))


@pytest.mark.parametrize(
    "change",
    [
        {"name": "source-y"},
        {"repository": "acme/source-y"},
        {"version": "1.0.1"},
        {"platform": Platform("linux", "arm64")},
        {"base": parse_pinned(f"acme.example/base:1.0.0@sha256:{'d' * 64}")},
        {"base": parse_pinned(f"acme.example/base:1.0.1@sha256:{'a' * 64}")},
        {"base_manifest": Digest("0" * 64)},
        {"python": "3.11.3"},
        {"install": installs(packages=())},
        {"install": installs(replace(WHEEL, file=LockedFile("a-1.0-py3-none-any.whl", "e" * 64)))},
        {"install": installs(replace(WHEEL, origin=FromArchive("wheels/a-1.0-py3-none-any.whl")))},
        {"code": replaced(CODE, layer=Digest("f" * 64))},
        {"code": replaced(CODE, main="run.py")},
        {"code": replaced(CODE, owner=(1000, 1000))},
        {"variables": {"REGION": "us"}},
        {"before": (SetVariable("H", "1"),), "impure": ()},
        {"impure": ()},
        {"impure": (replace(PLAN.impure[0], layer=None),)},
        {"after": ()},
        {"install": installs(building=())},
        {"answers_before": (("stdout", "", "other"),)},
        {"answers_after": (("stdout", "", "other"),)},
        {"compression": "zstd"},
        {"install": installs(bytecode=False)},
        {"created": "2024-01-01T00:00:00Z"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_everything_that_shapes_bytes_is_in_the_digest(change: dict[str, Any]) -> None:
    """A change of any part is another plan, and so another image; and it is read back as it is."""
    changed = a_plan(**change)
    assert changed.digest != PLAN.digest
    assert BuildPlan.parse(changed.text, "the plan") == changed


@pytest.mark.parametrize("place", [0, 9])
def test_only_commands_are_impure(place: int) -> None:
    """A reference to another or a missing operation means that the plan was edited."""
    changed = replace(PLAN, impure=(replace(PLAN.impure[0], operation=place),))
    with pytest.raises(PlanError, match="it is not a build plan"):
        BuildPlan.parse(changed.text, "the plan")


def test_the_published_schema_is_strict_and_complete() -> None:
    """It is a schema, real plans fit, and it knows every operation and content with exactly its fields."""
    schema = plans.schema()
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(PLAN.to_json())
    contents = {kind.__name__: kind for kind in get_args(Content)}
    for kinds, key, name in ((KINDS, "operation", "operation"), (contents, "content", "content")):
        known = {item["properties"][key]["const"]: set(item["required"]) for item in schema["$defs"][name]["oneOf"]}
        fields = {name: {key, *vars(kind)["__match_args__"]} for name, kind in kinds.items()}
        assert known == fields
    objects = [schema]
    while objects:
        item = objects.pop()
        if isinstance(item, dict):
            assert item.get("type") != "object" or "additionalProperties" in item, item
            objects += item.values()
        elif isinstance(item, list):
            objects += item
    assert schema["properties"]["choices"]["required"] == [
        *("compression", "created"),
        *plans.formats("gzip"),
    ]


def test_a_plan_names_whatever_compresses() -> None:
    """zstd's bytes may differ between versions, so the plan of a zstd image names the version."""
    packed = a_plan(compression="zstd")
    Draft202012Validator(plans.schema()).validate(packed.to_json())
    assert packed.to_json()["choices"]["recompressor"] == recompress.identity()
    assert "recompressor" not in PLAN.to_json()["choices"]


def _set(*path: Any, to: Any) -> Callable[[dict[str, Any]], object]:
    def change(document: dict[str, Any]) -> None:
        item: Any = document
        for key in path[:-1]:
            item = item[key]
        item[path[-1]] = to

    return change


def _drop(*path: str | int) -> Callable[[dict[str, Any]], object]:
    def change(document: dict[str, Any]) -> None:
        item: Any = document
        for key in path[:-1]:
            item = item[key]
        del item[path[-1]]

    return change


LAYER = {"operation": "AddLayer", "layer": "{}", "comment": ""}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            _set("connector", "version", to="1.0.1"),
            "p.json is inconsistent: it was edited by hand → create it again with `build --print-plan`",
        ),
        (
            _set("operations", 3, "main", to="other.py"),
            "p.json is inconsistent: it was edited by hand → create it again with `build --print-plan`",
        ),
        (
            _drop("operations", 5),
            "p.json is inconsistent: it was edited by hand → create it again with `build --print-plan`",
        ),
        (
            _drop("operations", 2),
            "cannot read p.json: it is not a build plan (it must install packages once and add code once, or add one "
            "distribution)",
        ),
        (
            _set("connector", "name", to=7),
            "cannot read p.json: it is not a build plan (connector.name: 7 is a number; write it in quotes)",
        ),
        (_set("surplus", to=1), "cannot read p.json: it is not a build plan (unknown key surplus)"),
        (
            _set("operations", 2, "packages", 0, "sha256", to="abc"),
            "cannot read p.json: it is not a build plan (operations[2].packages[0].sha256: 'abc' does not match",
        ),
        (
            _set("operations", 2, "packages", 0, "name", to="Not.Normal"),
            "cannot read p.json: it is not a build plan (operations[2].packages[0].name: 'Not.Normal' is invalid: the ",
        ),
        (
            _set("base", "address", to="acme/base:1"),
            "cannot read p.json: it is not a build plan (base.address: ",
        ),
        (_set("operations", 0, to=LAYER), "cannot read p.json: it is not a build plan (operations[0]: "),
        (_drop("hooks", "post"), "cannot read p.json: it is not a build plan (hooks: post is missing)"),
        (_drop("schema"), "cannot read p.json: it is not a build plan"),
        (
            _set("schema", to=4),
            "cannot read p.json: it was created by another version of airbyte-ci, with another schema",
        ),
        (
            _set("choices", "tar", to=0),
            "cannot read p.json: it was created by another version of airbyte-ci, with another tar",
        ),
        (
            _drop("choices", "builds"),
            "cannot read p.json: it was created by another version of airbyte-ci, with another builds",
        ),
    ],
)
def test_another_document_is_refused_in_one_line(change: Callable[[dict[str, Any]], object], said: str) -> None:
    """Edited by hand, of another version, or no plan at all: the file is named, and what is wrong."""
    document = json.loads(PLAN.text)
    change(document)
    with pytest.raises(PlanError) as caught:
        BuildPlan.parse(json.dumps(document), "p.json")
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "{}", '"plan"', b"\xff", PLAN.text[:-9], DEEP], ids=lambda text: repr(text)[:12]
)
def test_what_is_no_document_is_refused(text: str | bytes) -> None:
    """However broken or deep."""
    with pytest.raises(PlanError, match=r"cannot read p\.json: it is not a build plan \(.*--print-plan"):
        BuildPlan.parse(text, "p.json")


def test_the_manifest_says_where_it_comes_from() -> None:
    """The base by the standard annotations, and the plan's own digest."""
    assert PLAN.annotations == {BASE_NAME: str(BASE), BASE_DIGEST: str(BASE.digest), PLAN_DIGEST: str(PLAN.digest)}


def test_how_it_is_run_follows_from_the_rest() -> None:
    """Entrypoint, folder and labels must not occur twice."""
    plan = a_plan(code=AddCode(CODE.layer, "run.py", "code"), version="2.0.0")
    assert SetLabel("io.airbyte.version", "2.0.0") in plan.settings
    assert "python /code/run.py" in json.dumps(plan.to_json()["operations"])


def test_a_choice_without_an_origin_is_of_the_index() -> None:
    """Packages of the configured index do not name it: plans contain no private host that is not in the lock."""
    assert "origin" not in WHEEL.to_json()
    assert Choice.from_json(json.loads(json.dumps(WHEEL.to_json()))) == WHEEL
