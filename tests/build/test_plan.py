"""The BuildPlan: one canonical document, and a digest that changes with everything that shapes bytes."""

from dataclasses import replace
from pathlib import Path

import pytest

from airbyte_ci.build.plan import BASE_DIGEST, BASE_NAME, PLAN_DIGEST, BuildPlan
from airbyte_ci.container.api import SetLabel, SetVariable
from airbyte_ci.container.hooks import HookRecord
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Platform, canonical_json
from airbyte_ci.oci.reference import parse_pinned
from airbyte_ci.oci.store import Store
from airbyte_ci.testing.images import random_image
from tests.python.interpreters import cpython

BASE = parse_pinned(f"acme.example/base:1.0.0@sha256:{'a' * 64}")


@pytest.fixture
def plan(tmp_path: Path) -> BuildPlan:
    return BuildPlan(
        name="source-x",
        repository="acme/source-x",
        version="1.0.0",
        platform=Platform("linux", "amd64"),
        base=BASE,
        base_image=random_image(Store(tmp_path)),
        interpreter=cpython(),
        packages=({"name": "a", "version": "1.0", "wheel": "a.whl", "sha256": "b" * 64},),
        source=Digest("c" * 64),
        variables={},
        pre_hook=HookRecord(),
        post_hook=HookRecord(),
        operations=(SetVariable("A", "1"), SetLabel("b", "2")),
    )


def test_the_same_plan_has_the_same_digest(plan: BuildPlan) -> None:
    """The digest is of the canonical document, which is plain data."""
    assert replace(plan).digest == plan.digest == Digest.of(canonical_json(plan.to_json()))


@pytest.mark.parametrize(
    "change",
    [
        {"name": "source-y"},
        {"repository": "acme/source-y"},
        {"version": "1.0.1"},
        {"platform": Platform("linux", "arm64")},
        {"base": parse_pinned(f"acme.example/base:1.0.0@sha256:{'d' * 64}")},
        {"base": parse_pinned(f"acme.example/base:1.0.1@sha256:{'a' * 64}")},
        {"interpreter": cpython("3.11.3")},
        {"packages": ()},
        {"packages": ({"name": "a", "version": "1.0", "wheel": "a.whl", "sha256": "e" * 64},)},
        {"source": Digest("f" * 64)},
        {"variables": {"HTTP_PROXY": "http://proxy.example"}},
        {"operations": ()},
        {"operations": (SetLabel("b", "2"), SetVariable("A", "1"))},
        {"operations": (SetVariable("A", "2"), SetLabel("b", "2"))},
        {"pre_hook": HookRecord(operations=(SetVariable("H", "1"),))},
        {"post_hook": HookRecord(operations=(SetVariable("H", "1"),))},
    ],
    ids=lambda change: next(iter(change)),
)
def test_everything_that_shapes_bytes_is_in_the_digest(plan: BuildPlan, change: dict[str, object]) -> None:
    """A change of any part is another plan, and so another image."""
    assert replace(plan, **change).digest != plan.digest  # type: ignore[arg-type]


def test_another_base_image_is_another_plan(plan: BuildPlan, tmp_path: Path) -> None:
    """Behind an index's address are several manifests: the one that was chosen counts too."""
    assert replace(plan, base_image=random_image(Store(tmp_path), seed=7)).digest != plan.digest


def test_a_hooks_record_is_in_the_plan_even_without_operations(plan: BuildPlan) -> None:
    """What a hook asked, and what it was told, is part of how the image came about."""
    digests = {
        replace(plan, pre_hook=HookRecord(answers=(("stdout", "whoami", answer),))).digest for answer in ("root", "me")
    }
    assert len(digests | {plan.digest}) == 3


def test_the_choices_that_shape_bytes_are_named(plan: BuildPlan) -> None:
    """Formats and compressor are in the document: another version of the tool is another plan."""
    choices = plan.to_json()["choices"]
    assert {"tar", "compressor", "layers", "bytecode"} <= choices.keys()
    assert plan.to_json()["schema"] == 1


def test_the_manifest_says_where_it_comes_from(plan: BuildPlan) -> None:
    """The base by the standard annotations, and the plan's own digest."""
    assert plan.annotations == {BASE_NAME: str(BASE), BASE_DIGEST: str(BASE.digest), PLAN_DIGEST: str(plan.digest)}
