"""The BuildPlan: one canonical document with everything that shapes an image's bytes. Pure data, no work.

An image is a function of its plan: the plan's digest is the key under which the image is remembered. Its form is
published as JSON Schema (`schemas/build-plan.json`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

from airbyte_ci.container import api, evaluate
from airbyte_ci.container.api import (
    Exec,
    Operation,
    SetDefaultArguments,
    SetEntrypoint,
    SetLabel,
    SetVariable,
    SetWorkdir,
)
from airbyte_ci.container.hooks import HookRecord
from airbyte_ci.documents import load_json
from airbyte_ci.errors import ImageError, PlanError
from airbyte_ci.oci import compress, recompress, tar
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import BASE_DIGEST, BASE_NAME, LAYER_GZIP, Descriptor, Platform, canonical_json
from airbyte_ci.oci.layer import Layer
from airbyte_ci.oci.reference import Reference, parse_pinned
from airbyte_ci.python import bytecode, installed, layers, sdist
from airbyte_ci.python.environment import Choice

SCHEMA = 4
PLAN_DIGEST = "io.airbyte.ci.plan.digest"
Compression = Literal["gzip", "zstd"]


@dataclass(frozen=True, slots=True)
class Shape:
    """What people may choose about an image's bytes beside its content. `created` is RFC 3339."""

    compression: Compression = "gzip"
    bytecode: bool = True
    created: str = evaluate.CREATED


DEFAULT_SHAPE = Shape()


@dataclass(frozen=True, slots=True)
class Source:
    """The connector's own code: the diffID of its layer, its main file's place, and who owns it in the image."""

    layer: Digest
    main: str
    folder: str
    owner: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Impure:
    """What a command of a hook gave that used the network or a cache: a layer, or None where nothing came of it."""

    hook: Literal["pre", "post"]
    operation: int
    layer: Layer | None

    def to_json(self) -> dict[str, Any]:
        layer = None
        if self.layer:
            descriptor = self.layer.descriptor
            layer = {"digest": str(descriptor.digest), "size": descriptor.size, "diffId": str(self.layer.diff_id)}
        return {"hook": self.hook, "operation": self.operation, "layer": layer}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Impure":
        found = document["layer"]
        layer = None
        if found:
            descriptor = Descriptor(LAYER_GZIP, Digest.parse(found["digest"]), int(found["size"]))
            layer = Layer(descriptor, Digest.parse(found["diffId"]))
        return cls(document["hook"], int(document["operation"]), layer)


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """One connector's image for one platform.

    In the image, lowest first: the base, what `pre` did, what the packages replace, the packages, the code, how it is
    run, what `post` did. `variables` are those of the environment that the hooks were given; none where there is no
    hook. `base_manifest` is the platform's own, where the address is that of an index. `building` is done where
    packages are made from source, on top of `pre`, and is not in the image. `impure` are inputs: what commands gave
    that could give something else another time.
    """

    name: str
    repository: str
    version: str
    platform: Platform
    base: Reference
    base_manifest: Digest
    python: str
    packages: tuple[Choice, ...]
    source: Source
    variables: Mapping[str, str]
    pre: HookRecord
    post: HookRecord
    shape: Shape = DEFAULT_SHAPE
    building: tuple[Operation, ...] = ()
    impure: tuple[Impure, ...] = ()

    @property
    def settings(self) -> tuple[Operation, ...]:
        """How the original's images run: working directory, entrypoint, and the variable that Airbyte reads."""
        command = ("python", f"/{self.source.folder}/{self.source.main}")
        return (
            SetWorkdir(f"/{self.source.folder}"),
            SetVariable("AIRBYTE_ENTRYPOINT", " ".join(command)),
            SetEntrypoint(command),
            SetDefaultArguments(()),
            SetLabel("io.airbyte.version", self.version),
            SetLabel("io.airbyte.name", self.repository),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "connector": {"name": self.name, "repository": self.repository, "version": self.version},
            "platform": str(self.platform),
            "base": {"address": str(self.base), "manifest": str(self.base_manifest)},
            "python": self.python,
            "packages": [choice.to_json() for choice in self.packages],
            "source": {
                "layer": str(self.source.layer),
                "main": self.source.main,
                "folder": self.source.folder,
                "owner": list(self.source.owner),
            },
            "hooks": {
                "variables": dict(self.variables),
                "pre": self.pre.to_json(),
                "post": self.post.to_json(),
                "building": [api.to_json(operation) for operation in self.building],
                "impure": [item.to_json() for item in self.impure],
            },
            "settings": [api.to_json(operation) for operation in self.settings],
            "choices": {
                "compression": self.shape.compression,
                "bytecode": self.shape.bytecode,
                "created": self.shape.created,
                **formats(self.shape.compression),
            },
        }

    @classmethod
    def parse(cls, text: str | bytes, what: str) -> "BuildPlan":
        """The plan that `to_json` wrote; raises PlanError for anything else, and for another version's."""
        document = _document(text, what)
        try:
            found = cls._from(document)
        except (ValueError, LookupError, TypeError, AttributeError, ImageError) as error:
            raise _no_plan(what, str(error)) from None
        if canonical_json(found.to_json()) != canonical_json(document):
            raise PlanError(f"reading {what}: it was edited by hand, and no longer says one thing only")
        return found

    @classmethod
    def _from(cls, document: Mapping[str, Any]) -> "BuildPlan":
        connector, source, choices = document["connector"], document["source"], document["choices"]
        uid, gid = source["owner"]
        hooks = document["hooks"]
        impure = tuple(Impure.from_json(item) for item in hooks["impure"])
        records = {name: _record(hooks[name]) for name in ("pre", "post")}
        for item in impure:
            if not isinstance(records[item.hook].operations[item.operation], Exec):
                raise ValueError("what is called impure is no command")
        return cls(
            connector["name"],
            connector["repository"],
            connector["version"],
            Platform.parse(document["platform"]),
            parse_pinned(document["base"]["address"]),
            Digest.parse(document["base"]["manifest"]),
            document["python"],
            tuple(Choice.from_json(item) for item in document["packages"]),
            Source(Digest.parse(source["layer"]), source["main"], source["folder"], (int(uid), int(gid))),
            dict(hooks["variables"]),
            records["pre"],
            records["post"],
            Shape(choices["compression"], bool(choices["bytecode"]), choices["created"]),
            tuple(api.from_json(item) for item in hooks["building"]),
            impure,
        )

    @property
    def text(self) -> bytes:
        """The canonical document."""
        return canonical_json(self.to_json())

    @property
    def digest(self) -> Digest:
        return Digest.of(self.text)

    @property
    def annotations(self) -> dict[str, str]:
        """What the manifest says of its origin (image-spec, annotations.md)."""
        return {
            BASE_NAME: str(self.base),
            BASE_DIGEST: str(self.base.digest),
            PLAN_DIGEST: str(self.digest),
        }


def formats(compression: Compression) -> dict[str, Any]:
    """The versions of everything of ours that shapes bytes, and of what compresses them."""
    found = {
        "evaluation": evaluate.FORMAT_VERSION,
        "tar": tar.FORMAT_VERSION,
        "compressor": compress.identity(),
        "removals": installed.FORMAT_VERSION,
        "layers": layers.RULE_VERSION,
        "bytecodeFormat": bytecode.FORMAT_VERSION,
        "builds": sdist.identity(),
    }
    if compression == "zstd":
        found |= {"recompressor": recompress.identity(), "recompression": recompress.FORMAT_VERSION}
    return found


def _document(text: str | bytes, what: str) -> Mapping[str, Any]:
    """The text as an object of this version that fits the published schema; raises PlanError."""
    try:
        document: Mapping[str, Any] = load_json(text)
    except ValueError as error:
        raise _no_plan(what, str(error)) from None
    choices = document.get("choices") if isinstance(document, dict) else None
    if not isinstance(choices, dict) or "schema" not in document:
        raise _no_plan(what, "it is another kind of document")
    others = [name for name, value in formats(choices.get("compression", "gzip")).items() if choices.get(name) != value]
    if document["schema"] != SCHEMA or others:
        raise PlanError(
            f"reading {what}: it was made by another version of airbyte-ci, with another "
            f"{', '.join(others) or 'schema'}",
            advice="build it with that version, or make a new plan with `build --print-plan`",
        )
    from jsonschema import Draft202012Validator  # slow to import, and few builds are given a plan
    from jsonschema.exceptions import best_match

    if wrong := best_match(Draft202012Validator(schema()).iter_errors(document)):
        raise _no_plan(what, f"{wrong.json_path}: {wrong.message:.160}")
    return document


def schema() -> dict[str, Any]:
    """The plan's form as JSON Schema, which ships with the tool."""
    text = resources.files("airbyte_ci.build").joinpath("schemas/build-plan.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def _no_plan(what: str, reason: str) -> PlanError:
    return PlanError(f"reading {what}: it is not a build plan ({reason})", advice="`build --print-plan`")


def _record(document: Mapping[str, Any]) -> HookRecord:
    answers = tuple((about, argument, value) for about, argument, value in document["answers"])
    return HookRecord(tuple(api.from_json(item) for item in document["operations"]), answers)
