"""Compares an image with its plan, its base and its provenance: each must agree with the bytes of the image."""

from collections.abc import Sequence
from typing import Any

from airbyte_ci.attest import build_inputs, provenance
from airbyte_ci.attest.verification.evidence import AttachedPlan, Evidence
from airbyte_ci.documents import load_json
from airbyte_ci.errors import PlanError, SignatureError
from airbyte_ci.images.plan import BuildPlan
from airbyte_ci.images.summary import PLAN_DIGEST
from airbyte_ci.oci.image import Image


def find_plan(image: Image, evidence: Evidence) -> AttachedPlan:
    """Returns the plan whose digest the image's annotation has; raises PlanError."""
    named = image.manifest.annotations.get(PLAN_DIGEST)
    if named is None:
        raise PlanError("its manifest names no build plan: another tool built the image")
    for item in evidence.plans:
        if str(item.digest) == named:
            return item
    if evidence.plans:
        raise PlanError(f"the attached build plan has the digest {evidence.plans[0].digest}, not {named}")
    raise PlanError(f"its build plan {named} is not attached to the image")


def read_plan(attached: AttachedPlan) -> BuildPlan:
    """Returns the plan of any version with the same fields; raises PlanError."""
    try:
        return BuildPlan.from_json(load_json(attached.content))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise PlanError(
            f"cannot read build plan {attached.digest.short}: another version of airbyte-ci wrote it",
            advice="verify with the version that the provenance names",
            error_id="plan-of-other-version",
        ) from error


def confirm_plan(image: Image, plan: BuildPlan) -> None:
    """Raises PlanError unless the image has the plan's platform, annotations, labels and own layers."""
    if plan.platform != image.config.platform:
        raise PlanError(f"the plan is for {plan.platform}, the image for {image.config.platform}")
    for key, value in plan.annotations.items():
        if key != PLAN_DIGEST and image.manifest.annotations.get(key) != value:
            raise PlanError(f"the plan has {value} as {key}, the image has {image.manifest.annotations.get(key)}")
    labels = image.config.execution.get("Labels") or {}
    for name, value in (("io.airbyte.version", plan.version), ("io.airbyte.name", plan.repository)):
        if not _is_relabeled(plan, name) and labels.get(name) != value:
            raise PlanError(f"the plan sets the label {name} to {value!r}, the image has {labels.get(name)!r}")


def confirm_layers(image: Image, plan: BuildPlan) -> None:
    """Raises PlanError unless the image has every layer that the plan names by diffID."""
    known = set(image.config.diff_ids)
    for what, diff_id in build_inputs.named_layers(plan):
        if diff_id not in known:
            raise PlanError(
                f"no layer of the image is the plan's layer of {what} ({diff_id.short})", error_id="provenance-mismatch"
            )


def _is_relabeled(plan: BuildPlan, name: str) -> bool:
    """Returns whether the customization sets or removes the label afterwards."""
    return any(getattr(item, "name", None) == name for item in plan.after)


def confirm_base(image: Image, base: Image) -> None:
    """Raises PlanError unless the image begins with all layers of its base."""
    for number, (below, own) in enumerate(zip(base.layers, image.layers, strict=False)):
        if below[0].digest != own[0].digest or below[1] != own[1]:
            raise PlanError(f"layer {number} is {own[0].digest.short}, but the base image has {below[0].digest.short}")
    if len(base.layers) > len(image.layers):
        raise PlanError(f"it has {len(image.layers)} layers, fewer than the {len(base.layers)} of its base image")


def confirm_provenance(predicate: dict[str, Any], plans: Sequence[BuildPlan]) -> None:
    """Raises SignatureError unless the provenance names exactly these plans and all their inputs."""
    definition, details = predicate.get("buildDefinition"), predicate.get("runDetails")
    if not isinstance(definition, dict) or not isinstance(details, dict):
        raise SignatureError("its provenance has no buildDefinition or no runDetails")
    if (kind := definition.get("buildType")) != provenance.BUILD_TYPE:
        raise SignatureError(f"its provenance has the build type {kind!r:.80}, which airbyte-ci does not verify")
    wanted = {str(plan.platform): str(plan.digest) for plan in plans}
    internal = definition.get("internalParameters")
    if not isinstance(internal, dict) or internal.get("plans") != wanted:
        found = internal.get("plans") if isinstance(internal, dict) else None
        raise SignatureError(
            f"its provenance names the plans {found!r:.200}, the images have {wanted!r:.200}",
            error_id="provenance-mismatch",
        )
    if details.get("byproducts") != [provenance.byproduct(plan) for plan in plans]:
        raise SignatureError(
            "its provenance has other by-products than the build plans of its images", error_id="provenance-mismatch"
        )
    listed = definition.get("resolvedDependencies")
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise SignatureError("its provenance has no list of resolvedDependencies")
    _confirm_dependencies([item for item in listed if not provenance.is_of_release(item)], plans)


def _confirm_dependencies(listed: list[dict[str, Any]], plans: Sequence[BuildPlan]) -> None:
    expected = list(provenance.dependencies_of(plans))
    for entry in expected:
        if entry not in listed:
            raise SignatureError(
                f"its provenance does not list the input {entry['name']!r} of the plan", error_id="provenance-mismatch"
            )
    for entry in listed:
        if entry not in expected:
            raise SignatureError(
                f"its provenance lists the input {entry.get('name')!r:.80}, which no plan has",
                error_id="provenance-mismatch",
            )
