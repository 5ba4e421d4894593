"""Verifies a published image: every check of the index and of each platform's image, as findings."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from airbyte_ci.attest.build_inputs import BASE_CONFIG, BASE_MANIFEST, TITLE
from airbyte_ci.attest.sbom.bill import BillOfMaterials
from airbyte_ci.attest.signing.keys import VerifyingKey
from airbyte_ci.attest.statement import COSIGN_SIGN, CYCLONEDX, PROVENANCE, SPDX
from airbyte_ci.attest.verification import claims, contents
from airbyte_ci.attest.verification.evidence import Claim, Evidence
from airbyte_ci.attest.verification.finding import INDEX, Check, ImageFinding, is_refused
from airbyte_ci.attest.verification.published import PublishedImage, PublishedRelease
from airbyte_ci.errors import AirbyteCiError, PlanError, SignatureError
from airbyte_ci.images.plan import BuildPlan
from airbyte_ci.images.summary import PLAN_DIGEST
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Image, ImageConfig, Manifest, Platform
from airbyte_ci.outcomes import Status
from airbyte_ci.python.environment.tools import Tools


@dataclass(frozen=True, slots=True)
class Demand:
    """What an image must have. `keys` are accepted for signatures; `required` are predicate types that must exist."""

    keys: tuple[VerifyingKey, ...] = ()
    required: frozenset[str] = frozenset()
    rebuild: bool = False


def verify(published: PublishedRelease, demand: Demand, tools: Tools, native: Platform) -> Iterator[ImageFinding]:
    """Yields the findings about the index, if there is one, and about each platform's image.

    The last one is a failure if nothing at all could be verified.
    """
    is_verified = False
    for item in _findings(published, demand, tools, native):
        is_verified = is_verified or item.status in ("ok", "failed")
        yield item
    if not is_verified:
        subject = INDEX if published.index else published.images[0].name
        yield ImageFinding(
            subject=subject,
            check="policy",
            status="failed",
            text="nothing was verified: the image has no documents of airbyte-ci, and no key is named",
            advice="name the publisher's public key with --key FILE",
        )


def _findings(published: PublishedRelease, demand: Demand, tools: Tools, native: Platform) -> Iterator[ImageFinding]:
    plans = {item.name: _read_plan(item) for item in published.images}
    if published.index:
        known = [plan for plan in plans.values() if isinstance(plan, BuildPlan)]
        yield _signature(INDEX, published.digest, published.evidence, demand)
        if any(_is_built(item.image) for item in published.images):
            yield _provenance(INDEX, published.digest, published.evidence, demand, known)
        else:
            yield from _base_image(INDEX, published.digest, published.evidence, demand)
    for item in published.images:
        yield from _image(published, item, plans[item.name], demand, tools, native)


def _image(
    published: PublishedRelease,
    item: PublishedImage,
    plan: BuildPlan | PlanError,
    demand: Demand,
    tools: Tools,
    native: Platform,
) -> Iterator[ImageFinding]:
    name, digest = item.name, item.image.digest
    is_airbyte_ci = _is_built(item.image) or bool(item.evidence.locks)
    # The signature of an index covers its images by their digests, and other tools sign nothing else.
    if is_airbyte_ci or published.index is None:
        yield _signature(name, digest, item.evidence, demand)
    yield from _required(published, item, demand.required - ({PROVENANCE} if is_airbyte_ci else set()), demand.keys)
    if not _is_built(item.image):
        yield from _other(published, item, demand, tools)
        return
    if isinstance(plan, PlanError):
        yield _failed(name, "plan", plan)
        return
    yield _provenance(name, digest, item.evidence, demand, [plan])
    yield _check(name, "plan", lambda: _confirm_plan(item.image, plan))
    base = functools.cache(lambda: _base(published, item, plan, tools))
    yield _check(name, "base", lambda: _confirm_base(item.image, plan, base()))
    yield _check(name, "sbom", lambda: _confirm_bills(item, _bill(published, item, plan, base(), tools), demand))
    if demand.rebuild:
        from airbyte_ci.attest.verification import rebuild

        def again() -> str:
            rebuild.rebuild(published, item, tools, native)
            return "built again in an empty store: the same digest"

        yield _check(name, "rebuild", again)


def _other(published: PublishedRelease, item: PublishedImage, demand: Demand, tools: Tools) -> Iterator[ImageFinding]:
    """Yields the findings about an image that is no connector's: a base image of airbyte-ci, or another tool's."""
    found = list(_base_image(item.name, item.image.digest, item.evidence, demand))
    yield from found
    if found and not is_refused(found):
        yield _base_bills(published, item, demand, tools)
    if not found:
        status: Status = "failed" if demand.rebuild else "skipped"
        text = "another tool built this image: it names no plan, and no lock is attached"
        yield ImageFinding(subject=item.name, check="plan", status=status, text=text)
    elif demand.rebuild and not is_refused(found):
        from airbyte_ci.attest.verification import base_image

        def again() -> str:
            lock = base_image.find_lock(item.image.digest, item.evidence)
            assert lock
            base_image.rebuild(published, item, lock, tools)
            return "built again in an empty store: the same digest"

        yield _check(item.name, "rebuild", again)


def _base_image(subject: str, digest: Digest, evidence: Evidence, demand: Demand) -> Iterator[ImageFinding]:
    """Yields the findings about the lock of a base image and its provenance; none if no lock is attached."""
    if not evidence.locks:
        return
    from airbyte_ci.attest.verification import base_image  # few images are base images

    try:
        lock = base_image.find_lock(digest, evidence)
    except AirbyteCiError as error:
        yield _failed(subject, "plan", error)
        return
    assert lock
    text = f"the lock of {lock.declaration.address.name} {lock.declaration.version} names this image"
    yield ImageFinding(subject=subject, check="plan", status="ok", text=text)
    yield _check(subject, "provenance", lambda: base_image.confirm_provenance(evidence, digest, lock, demand.keys))


def _base_bills(published: PublishedRelease, item: PublishedImage, demand: Demand, tools: Tools) -> ImageFinding:
    has_bill = item.evidence.sboms or any(any(item.evidence.of_type(kind)) for kind in (CYCLONEDX, SPDX))
    if not has_bill:  # earlier versions of airbyte-ci attached none
        return ImageFinding(
            subject=item.name,
            check="sbom",
            status="unverified",
            text="no SBOM is attached",
            advice="publish the version again with airbyte-ci base-images publish",
        )
    from airbyte_ci.attest.verification import base_image, bills  # few images are base images

    def confirm() -> str:
        lock = base_image.find_lock(item.image.digest, item.evidence)
        assert lock
        part = base_image.part_of(lock, item.image)
        return _confirm_bills(item, bills.read_base_bill(published, item, part, tools), demand)

    return _check(item.name, "sbom", confirm)


def _check(subject: str, check: Check, confirm: Callable[[], str]) -> ImageFinding:
    """Returns what `confirm` found, or why it failed."""
    try:
        return ImageFinding(subject=subject, check=check, status="ok", text=confirm())
    except AirbyteCiError as error:
        return _failed(subject, check, error)


def _failed(subject: str, check: Check, error: AirbyteCiError) -> ImageFinding:
    return ImageFinding(
        subject=subject,
        check=check,
        status="failed",
        text=error.message,
        advice=error.advice or "",
        error_id=error.error_id,
    )


# --- claims --------------------------------------------------------------------------------------


def _required(
    published: PublishedRelease, item: PublishedImage, required: frozenset[str], keys: claims.Keys
) -> Iterator[ImageFinding]:
    """Yields a finding about each required claim, which may be about the image or about its index."""
    for kind in sorted(required - {COSIGN_SIGN}):

        def prove(kind: str = kind) -> str:
            try:
                claims.prove(item.evidence, kind, item.image.digest, keys)
            except SignatureError:
                if published.index is None or not any(published.evidence.of_type(kind)):
                    raise
                claims.prove(published.evidence, kind, published.digest, keys)
            return f"the required {claims.name_of(kind)} is attached"

        yield _check(item.name, "policy", prove)


def _signature(subject: str, digest: Digest, evidence: Evidence, demand: Demand) -> ImageFinding:
    if demand.keys and COSIGN_SIGN in demand.required:

        def prove() -> str:
            return f"signed with key {claims.prove_signature(evidence, digest, demand.keys)}"

        return _check(subject, "signature", prove)
    signers = {item.bundle.hint for item in evidence.of_type(COSIGN_SIGN) if item.bundle and item.bundle.hint}
    if COSIGN_SIGN in demand.required and not signers:
        return _failed(subject, "signature", SignatureError("no signature was found", error_id="signature-missing"))
    found = f"signed with key {', '.join(sorted(signers))}, which was not verified" if signers else "no signature"
    advice = "name the public key with --key FILE" if signers else ""
    return ImageFinding(subject=subject, check="signature", status="unverified", text=found, advice=advice)


def _provenance(
    subject: str, digest: Digest, evidence: Evidence, demand: Demand, plans: list[BuildPlan]
) -> ImageFinding:
    def confirm(claim: Claim) -> None:
        contents.confirm_provenance(dict(claim.statement.predicate), plans)

    def prove() -> str:
        claims.prove(evidence, PROVENANCE, digest, demand.keys, confirm)
        signed = "signed" if demand.keys else "not verified by a key"
        return f"names the plan and all its inputs, {signed}"

    return _check(subject, "provenance", prove)


# --- contents ------------------------------------------------------------------------------------


def _is_built(image: Image) -> bool:
    """Returns whether the image says that airbyte-ci built it from a plan."""
    return PLAN_DIGEST in image.manifest.annotations


def _read_plan(item: PublishedImage) -> BuildPlan | PlanError:
    try:
        return contents.read_plan(contents.find_plan(item.image, item.evidence))
    except PlanError as error:
        return error


def _confirm_plan(image: Image, plan: BuildPlan) -> str:
    contents.confirm_plan(image, plan)
    contents.confirm_layers(image, plan)
    return f"plan {plan.digest.short}, annotations and labels agree"


def _confirm_base(image: Image, plan: BuildPlan, base: Image) -> str:
    contents.confirm_base(image, base)
    return f"begins with all layers of {plan.base}"


def _bill(
    published: PublishedRelease, item: PublishedImage, plan: BuildPlan, base: Image, tools: Tools
) -> BillOfMaterials:
    from airbyte_ci.attest.verification import bills  # slow to import

    return bills.read_bill(published, item, plan, len(base.layers), tools)


def _confirm_bills(item: PublishedImage, bill: BillOfMaterials, demand: Demand) -> str:
    """Compares every kind of SBOM that is attached with the image's layers."""
    from airbyte_ci.attest.verification import bills  # slow to import

    for kind in (CYCLONEDX, SPDX):
        plain = [] if demand.keys else [sbom.document for sbom in item.evidence.sboms if sbom.kind == kind]
        if plain and not any(item.evidence.of_type(kind)):
            bills.confirm_any(kind, plain, bill, item.image)
            continue

        def confirm(claim: Claim, kind: str = kind) -> None:
            bills.confirm(kind, claim.statement.predicate, bill, item.image)

        claims.prove(item.evidence, kind, item.image.digest, demand.keys, confirm)
    return f"{len(bill.components)} components, as in the layers"


def _base(published: PublishedRelease, item: PublishedImage, plan: BuildPlan, tools: Tools) -> Image:
    """Returns the base's manifest and configuration from the attached inputs, which the plan names by digest."""
    found: dict[str, Digest] = {}
    for described in contents.find_plan(item.image, item.evidence).inputs:
        if (title := described.annotations.get(TITLE, "")) in (BASE_MANIFEST, BASE_CONFIG):
            tools.registries.pull_blob(published.of(published.digest), described, tools.store)
            found[title] = described.digest
    if found.get(BASE_MANIFEST) != plan.base_manifest:
        raise PlanError(f"the manifest of its base {plan.base_manifest.short} is not attached")
    manifest = Manifest.parse(tools.store.read(plan.base_manifest), "the base's manifest")
    if found.get(BASE_CONFIG) != manifest.config.digest:
        raise SignatureError(f"the configuration of its base {plan.base_manifest.short} is not attached")
    config = ImageConfig.parse(tools.store.read(manifest.config.digest), "the base's configuration")
    return Image(manifest, config)
