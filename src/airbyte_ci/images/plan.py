"""The BuildPlan: one canonical document with everything that shapes an image's bytes. Data only.

An image is a function of its plan: a base by digest and a list of operations, each of which names every input by
digest. The image is cached under the plan's digest. The plan's form is published as JSON Schema
(`schemas/build-plan.json`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from airbyte_ci import dagger, schema_errors
from airbyte_ci.dagger import (
    Exec,
    Operation,
    SetDefaultArguments,
    SetEntrypoint,
    SetLabel,
    SetUser,
    SetVariable,
    SetWorkdir,
)
from airbyte_ci.dagger.operations import KINDS
from airbyte_ci.documents import load_json
from airbyte_ci.errors import ImageError, PlanError
from airbyte_ci.images.add_code import AddCode
from airbyte_ci.images.distribution import AddDistribution
from airbyte_ci.images.java_base import SCRIPT
from airbyte_ci.images.summary import PLAN_DIGEST
from airbyte_ci.oci import compress, recompress, tar
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import BASE_DIGEST, BASE_NAME, LAYER_GZIP, Compression, Descriptor, Platform, canonical_json
from airbyte_ci.oci.layer import Layer
from airbyte_ci.oci.reference import Reference, parse_pinned
from airbyte_ci.python.environment import layers, standard_library
from airbyte_ci.python.environment.environment import Choice
from airbyte_ci.python.environment.install import InstallPackages
from airbyte_ci.python.interpreter import installed
from airbyte_ci.python.sources import sdist
from airbyte_ci.python.wheels import bytecode
from airbyte_ci.recipe import evaluate

SCHEMA = 5
# A hook's question with its answer: subject, argument, answer.
Answer = tuple[str, str, Any]
# The operations that a build adds between those of the hooks, by the name of each.
_CORE = {kind.__name__: kind for kind in (InstallPackages, AddCode, AddDistribution)}
_KINDS = {**KINDS, **_CORE}
# A connector is Python packages and code, or a Gradle distribution.
_CORES = ([InstallPackages, AddCode], [AddDistribution])


@dataclass(frozen=True, slots=True)
class Impure:
    """The result of a command that used the network or a cache: a layer, or None if it changed nothing."""

    operation: int
    layer: Layer | None

    def to_json(self) -> dict[str, Any]:
        layer = None
        if self.layer:
            descriptor = self.layer.descriptor
            layer = {"digest": str(descriptor.digest), "size": descriptor.size, "diffId": str(self.layer.diff_id)}
        return {"operation": self.operation, "layer": layer}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Impure":
        found = document["layer"]
        layer = None
        if found:
            descriptor = Descriptor(LAYER_GZIP, Digest.parse(found["digest"]), int(found["size"]))
            layer = Layer(descriptor, Digest.parse(found["diffId"]))
        return cls(int(document["operation"]), layer)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPlan:
    """One connector's image for one platform: `operations` on the base are the whole image.

    They are, in order: those of the hook before the install, one InstallPackages and one AddCode (or one
    AddDistribution), the settings for running the image, those of the hook after the install. `python` is None for a
    distribution, which does not use the base's Python. `base_manifest` is the platform's own, if the address is that of
    an index. `impure` are inputs: results of commands that could differ another time. `variables` are those that the
    hooks received, empty without a hook; `answers_…` are the answers to the hooks.
    """

    name: str
    repository: str
    version: str
    platform: Platform
    base: Reference
    base_manifest: Digest
    python: str | None
    operations: tuple[Operation, ...]
    impure: tuple[Impure, ...]
    variables: Mapping[str, str]
    answers_before: tuple[Answer, ...]
    answers_after: tuple[Answer, ...]
    compression: Compression
    created: str

    @property
    def _place(self) -> int:
        """Returns the position of the first operation that is neither the hook's nor a setting."""
        return next(place for place, item in enumerate(self.operations) if type(item) in _CORE.values())

    @property
    def before(self) -> tuple[Operation, ...]:
        """Returns the operations below the packages: those of the hook before the install."""
        return self.operations[: self._place]

    @property
    def install(self) -> InstallPackages | None:
        """Returns the installation of Python packages; None for a distribution."""
        found = self.operations[self._place]
        return found if isinstance(found, InstallPackages) else None

    @property
    def packages(self) -> tuple[Choice, ...]:
        return self.install.packages if self.install else ()

    @property
    def code(self) -> AddCode | AddDistribution:
        """Returns the operation that adds the connector itself."""
        found = self.operations[self._place + (1 if self.install else 0)]
        assert isinstance(found, AddCode | AddDistribution)
        return found

    @property
    def _core(self) -> tuple[Operation, ...]:
        return (self.install, self.code) if self.install else (self.code,)

    @property
    def settings(self) -> tuple[Operation, ...]:
        """Returns the settings with which the image runs; they follow from the rest."""
        return run_settings(self.code, self.repository, self.version)

    @property
    def after(self) -> tuple[Operation, ...]:
        """Returns the operations of the hook after the install."""
        return self.operations[self._place + len(self._core) + len(self.settings) :]

    @property
    def hook_operations(self) -> int:
        """Returns the number of operations that the customization added."""
        return len(self.before) + len(self.after)

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "connector": {"name": self.name, "repository": self.repository, "version": self.version},
            "platform": str(self.platform),
            "base": {"address": str(self.base), "manifest": str(self.base_manifest)},
            "python": self.python,
            "operations": [dagger.to_json(operation) for operation in self.operations],
            "impure": [item.to_json() for item in self.impure],
            "hooks": {
                "variables": dict(self.variables),
                "pre": [list(answer) for answer in self.answers_before],
                "post": [list(answer) for answer in self.answers_after],
            },
            "choices": {"compression": self.compression, "created": self.created, **formats(self.compression)},
        }

    @classmethod
    def parse(cls, text: str | bytes, what: str) -> "BuildPlan":
        """Parses the output of `to_json`; raises PlanError for anything else, and for another version's plan."""
        document = _document(text, what)
        try:
            found = cls.from_json(document)
            is_whole = found.operations == (*found.before, *found._core, *found.settings, *found.after)
        except (ValueError, LookupError, TypeError, AttributeError, ImageError) as error:
            raise _no_plan(what, str(error)) from None
        if not is_whole or canonical_json(found.to_json()) != canonical_json(document):
            raise PlanError(
                f"{what} is inconsistent: it was edited by hand", advice="create it again with `build --print-plan`"
            )
        return found

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "BuildPlan":
        """Returns the plan of a document that airbyte-ci wrote; `parse` is for documents of others."""
        connector, hooks, choices = document["connector"], document["hooks"], document["choices"]
        operations = tuple(dagger.from_json(item, _KINDS) for item in document["operations"])
        if [type(item) for item in operations if type(item) in _CORE.values()] not in _CORES:
            raise ValueError("it must install packages once and add code once, or add one distribution")
        impure = tuple(Impure.from_json(item) for item in document["impure"])
        if not all(isinstance(operations[item.operation], Exec) for item in impure):
            raise ValueError("an operation listed as impure is not a command")
        return cls(
            name=connector["name"],
            repository=connector["repository"],
            version=connector["version"],
            platform=Platform.parse(document["platform"]),
            base=parse_pinned(document["base"]["address"]),
            base_manifest=Digest.parse(document["base"]["manifest"]),
            python=document["python"],
            operations=operations,
            impure=impure,
            variables=dict(hooks["variables"]),
            answers_before=tuple((about, argument, value) for about, argument, value in hooks["pre"]),
            answers_after=tuple((about, argument, value) for about, argument, value in hooks["post"]),
            compression=choices["compression"],
            created=choices["created"],
        )

    @property
    def text(self) -> bytes:
        """Returns the canonical document."""
        return canonical_json(self.to_json())

    @property
    def digest(self) -> Digest:
        return Digest.of(self.text)

    @property
    def annotations(self) -> dict[str, str]:
        """Returns the manifest's annotations about the origin (image-spec, annotations.md)."""
        return {
            BASE_NAME: str(self.base),
            BASE_DIGEST: str(self.base.digest),
            PLAN_DIGEST: str(self.digest),
        }


def run_settings(code: AddCode | AddDistribution, repository: str, version: str) -> tuple[Operation, ...]:
    """How the image runs: working directory, entrypoint, and the variable that the platform reads.

    Code without a main file is started by the base image, whose settings are kept. A distribution is started by the
    base image's script, and runs as the user that the operation names.
    """
    labels = (SetLabel("io.airbyte.version", version), SetLabel("io.airbyte.name", repository))
    command: tuple[str, ...] = (SCRIPT,)
    own: tuple[Operation, ...] = ()
    if isinstance(code, AddDistribution):
        user = (SetUser(code.user),) if code.user else ()
        own = (*user, SetVariable("APPLICATION", code.application))
    elif code.main:
        command = ("python", f"/{code.folder}/{code.main}")
    else:
        return labels
    return (
        *own,
        SetWorkdir(f"/{code.folder}"),
        SetVariable("AIRBYTE_ENTRYPOINT", " ".join(command)),
        SetEntrypoint(command),
        SetDefaultArguments(()),
        *labels,
    )


def formats(compression: Compression) -> dict[str, Any]:
    """Returns the versions of all parts of airbyte-ci that shape bytes, and of the compressors."""
    found = {
        "evaluation": evaluate.FORMAT_VERSION,
        "tar": tar.FORMAT_VERSION,
        "compressor": compress.identity(),
        "removals": installed.FORMAT_VERSION,
        "layers": layers.RULE_VERSION,
        "bytecodeFormat": bytecode.FORMAT_VERSION,
        "standardLibrary": standard_library.FORMAT_VERSION,
        "builds": sdist.identity(),
    }
    if compression == "zstd":
        found |= {"recompressor": recompress.identity(), "recompression": recompress.FORMAT_VERSION}
    return found


def _document(text: str | bytes, what: str) -> Mapping[str, Any]:
    """Parses a document of this version that matches the published schema; raises PlanError."""
    try:
        document: Mapping[str, Any] = load_json(text)
    except ValueError as error:
        raise _no_plan(what, str(error)) from None
    choices = document.get("choices") if isinstance(document, dict) else None
    if not isinstance(choices, dict) or "schema" not in document:
        raise _no_plan(what, "it is a different kind of document")
    others = [name for name, value in formats(choices.get("compression", "gzip")).items() if choices.get(name) != value]
    if document["schema"] != SCHEMA:
        others = ["schema"]
    if others:
        raise PlanError(
            f"cannot read {what}: it was created by another version of airbyte-ci, with another {', '.join(others)}",
            advice="use that version, or create a new plan with `build --print-plan`",
            error_id="plan-of-other-version",
        )
    if problem := schema_errors.find_violation(document, schema()):
        raise _no_plan(what, problem)
    return document


def schema() -> dict[str, Any]:
    """Returns the plan's JSON Schema, which ships with airbyte-ci."""
    text = resources.files("airbyte_ci.images").joinpath("schemas/build-plan.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def _no_plan(what: str, reason: str) -> PlanError:
    return PlanError(f"cannot read {what}: it is not a build plan ({reason})", advice="`build --print-plan`")
