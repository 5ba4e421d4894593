"""Provenance of connector images: SLSA provenance v1, computed from the plan. docs/provenance.md is its schema.

Every input is named by digest. Nothing is read from the machine: no user, host, path, variable or clock.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from airbyte_ci.attest import build_inputs
from airbyte_ci.attest.attachment import Attachment
from airbyte_ci.attest.build_inputs import BUILD_PLAN
from airbyte_ci.attest.sbom import package_url
from airbyte_ci.attest.statement import PROVENANCE, Statement, attach_plain
from airbyte_ci.attest.subject import Subject, SubjectImage
from airbyte_ci.images.distribution import AddDistribution
from airbyte_ci.images.plan import BuildPlan, formats
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import canonical_json
from airbyte_ci.python.environment.environment import Choice
from airbyte_ci.python.environment.tools import Tools
from airbyte_ci.python.packages.lock import FromArchive, FromDirectory, FromGit, FromIndex

# The version in the name changes with the meaning of any field.
BUILD_TYPE = "urn:airbyte-ci:provenance:connector-image:v1"
BUILDER = "urn:airbyte-ci:builder:local:v1"
# The annotation that separates what the plan names from what the release adds.
KIND = "io.airbyte.ci.input"

Json = dict[str, Any]


def write(subject: Subject, image: SubjectImage | None, tools: Tools) -> tuple[Attachment, ...]:
    """Returns the unsigned provenance of one platform's image, or of the index with all of them.

    An image also has its plan with the inputs that only the publisher has.
    """
    described = image.descriptor.digest if image else subject.index.digest
    predicate = make(subject, (image,) if image else subject.images)
    statement = attach_plain(Statement(described, PROVENANCE, predicate, str(subject.repository)), subject.created)
    return (build_inputs.attach(image, tools.store, subject.created), statement) if image else (statement,)


def make(subject: Subject, images: Sequence[SubjectImage]) -> Json:
    """Returns the predicate for these images of the release."""
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "source": _source_of(subject),
                "platforms": [str(item.platform) for item in images],
                "options": _options(images[0].plan),
            },
            "internalParameters": internal_parameters(item.plan for item in images),
            "resolvedDependencies": [
                *_sources(subject),
                *dependencies_of([item.plan for item in images]),
            ],
        },
        "runDetails": {
            "builder": {"id": BUILDER, "version": {"airbyte-ci": subject.tool}},
            "byproducts": [byproduct(item.plan) for item in images],
        },
    }


def byproduct(plan: BuildPlan) -> Json:
    """Returns the plan as a by-product: the registry has it under this digest, in the image's repository."""
    return {
        "name": f"build plan for {plan.platform}",
        "mediaType": BUILD_PLAN,
        "digest": {"sha256": plan.digest.hex},
    }


def internal_parameters(plans: Iterable[BuildPlan]) -> Json:
    """Returns what the plans fix: their digests by platform, and the versions of the formats that shape bytes."""
    found = list(plans)
    return {
        "plans": {str(plan.platform): str(plan.digest) for plan in found},
        "formats": formats(found[0].compression),
    }


def dependencies_of(plans: Iterable[BuildPlan]) -> Iterable[Json]:
    """Returns every input that the plans name, each once, at its first place: platforms share most inputs."""
    found: dict[bytes, Json] = {}
    for plan in plans:
        for entry in _dependencies(plan):
            found.setdefault(canonical_json(entry), entry)
    return found.values()


def _dependencies(plan: BuildPlan) -> Iterator[Json]:
    """Yields every input that the plan names, in the plan's order."""
    base = plan.base
    assert base.digest is not None
    repository = f"{base.registry}/{base.repository}"
    uri = package_url.of_image(repository, base.digest, tag=base.tag or "")
    yield resource("base", name=repository, uri=uri, digest=base.digest)
    if plan.base_manifest != plan.base.digest:
        yield resource("base manifest", name=f"base image for {plan.platform}", digest=plan.base_manifest)
    for choice in plan.packages:
        yield _package(choice)
    for item in build_inputs.files_of(plan):
        if item.name == build_inputs.DECLARED_FILE:
            yield resource("file", name=item.name, digest=item.digest)
    if isinstance(plan.code, AddDistribution):
        for file in plan.code.files:
            yield resource("distribution", name=file.path, digest=Digest(file.sha256))
    for what, diff_id in build_inputs.named_layers(plan):
        yield resource("layer", name=f"layer of {what}, uncompressed", digest=diff_id)


def _package(choice: Choice) -> Json:
    """Returns the file of a package; a folder or a commit is one archive, which is attached to the image."""
    entry = resource(
        "package",
        name=choice.file.name,
        uri=f"pkg:pypi/{quote(choice.name)}@{quote(choice.version)}" if choice.version else "",
        digest=Digest(choice.file.sha256),
    )
    match choice.origin:
        case FromIndex(url=url) if url:
            entry["downloadLocation"] = url
        case FromGit(url=url, commit=commit, subdirectory=subdirectory):
            entry["uri"] = f"git+{url}@{commit}" + (f"#subdirectory={quote(subdirectory)}" if subdirectory else "")
            entry["digest"]["gitCommit"] = commit
        case FromArchive(place=place) if "://" in place:
            entry["downloadLocation"] = place
        case FromDirectory() | FromArchive():
            entry["annotations"]["io.airbyte.ci.local"] = "true"
    return entry


# --- the release ---------------------------------------------------------------------------------


def _source_of(subject: Subject) -> Json:
    found = {"path": subject.connector.folder}
    if subject.source and subject.source.remote:
        found["uri"] = f"git+{subject.source.remote}"
    return found


def _options(plan: BuildPlan) -> Json:
    return {"compression": plan.compression, "created": plan.created}


def _sources(subject: Subject) -> Iterator[Json]:
    source = subject.source
    if source:
        uri = f"git+{source.remote}@{source.commit}" if source.remote else ""
        entry = resource("source", name="repository", uri=uri)
        entry["digest"] = {"gitCommit": source.commit}
        if source.changes:
            entry["annotations"]["io.airbyte.ci.uncommitted"] = list(source.changes)
        yield entry
    for file in subject.connector.files:
        yield resource("source file", name=file.path, digest=file.digest)


def is_of_release(entry: Mapping[str, Any]) -> bool:
    """Returns whether a dependency comes from the release and not from a plan."""
    annotations = entry.get("annotations")
    return isinstance(annotations, dict) and annotations.get(KIND) in ("source", "source file")


def resource(kind: str, *, name: str, uri: str = "", digest: Digest | None = None) -> Json:
    """Returns a ResourceDescriptor (in-toto/attestation, spec/v1/resource_descriptor.md)."""
    entry: Json = {"name": name, "annotations": {KIND: kind}}
    if uri:
        entry["uri"] = uri
    if digest:
        entry["digest"] = {"sha256": digest.hex}
    return entry
