"""The BuildPlan: one canonical document with everything that shapes an image's bytes. Pure data, no work.

An image is a function of its plan: the plan's digest is the key under which the image is remembered.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airbyte_ci.container import evaluate
from airbyte_ci.container.api import Operation, to_json
from airbyte_ci.container.hooks import HookRecord
from airbyte_ci.oci import compress, tar
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Image, Platform, canonical_json
from airbyte_ci.oci.reference import Reference
from airbyte_ci.python import bytecode, layers
from airbyte_ci.python.interpreter import Interpreter

SCHEMA = 1
BASE_NAME = "org.opencontainers.image.base.name"
BASE_DIGEST = "org.opencontainers.image.base.digest"
PLAN_DIGEST = "io.airbyte.ci.plan.digest"


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """One connector's image for one platform. `operations` are all of them, in order, hooks' included.

    `variables` are those of the environment that the hooks were given; none where there is no hook.
    """

    name: str
    repository: str
    version: str
    platform: Platform
    base: Reference
    base_image: Image
    interpreter: Interpreter
    packages: tuple[Mapping[str, Any], ...]
    source: Digest
    variables: Mapping[str, str]
    pre_hook: HookRecord
    post_hook: HookRecord
    operations: tuple[Operation, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "connector": {"name": self.name, "repository": self.repository, "version": self.version},
            "platform": str(self.platform),
            "base": {"address": str(self.base), "manifest": str(self.base_image.digest)},
            "python": self.interpreter.version,
            "packages": [dict(package) for package in self.packages],
            "source": str(self.source),
            "hooks": {
                "variables": dict(self.variables),
                "pre": self.pre_hook.to_json(),
                "post": self.post_hook.to_json(),
            },
            "operations": [to_json(operation) for operation in self.operations],
            "choices": {
                "evaluation": evaluate.FORMAT_VERSION,
                "tar": tar.FORMAT_VERSION,
                "compressor": compress.identity(),
                "layers": layers.RULE_VERSION,
                "bytecode": bytecode.FORMAT_VERSION,
            },
        }

    @property
    def digest(self) -> Digest:
        return Digest.of(canonical_json(self.to_json()))

    @property
    def annotations(self) -> dict[str, str]:
        """What the manifest says of its origin (image-spec, annotations.md)."""
        return {
            BASE_NAME: str(self.base),
            BASE_DIGEST: str(self.base.digest),
            PLAN_DIGEST: str(self.digest),
        }
