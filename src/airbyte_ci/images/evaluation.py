"""The evaluation of a connector's recipe: its base image, and the evaluator with the handlers of packages and code."""

from dataclasses import dataclass
from pathlib import Path

from airbyte_ci.connectors.connector import Connector
from airbyte_ci.dagger import Operation
from airbyte_ci.images import base as bases
from airbyte_ci.images.add_code import AddCode, CodeReader
from airbyte_ci.images.distribution import AddDistribution, DistributionReader
from airbyte_ci.oci.image import Platform
from airbyte_ci.oci.reference import Reference
from airbyte_ci.python.environment.install import Elsewhere, Installer, InstallPackages
from airbyte_ci.python.environment.tools import Tools
from airbyte_ci.python.interpreter.base import Base
from airbyte_ci.recipe.evaluate import Evaluator, Handler


@dataclass(frozen=True, slots=True)
class Evaluation:
    """An evaluation of a plan's operations; later uses reuse its results."""

    connector: Connector
    evaluator: Evaluator
    installer: Installer
    code: CodeReader
    distribution: DistributionReader

    @property
    def base(self) -> Base:
        return self.installer.base

    @property
    def tools(self) -> Tools:
        return self.installer.tools


def open_evaluation(
    connector: Connector,
    tools: Tools,
    address: Reference,
    platform: Platform,
    native: Platform,
    elsewhere: Elsewhere | None = None,
    distribution: Path | None = None,
) -> Evaluation:
    """Returns the evaluation of a connector on a base; raises RegistryError, ImageError, SandboxError.

    `distribution` is a Java connector's tar that replaces the one in its folder.
    """
    base = bases.open_base(tools, address, platform, native)
    installer, code = Installer(base, tools, elsewhere), CodeReader(connector, tools.store)
    reader = DistributionReader(connector, tools.store, distribution)
    handlers: dict[type[Operation], Handler] = {InstallPackages: installer, AddCode: code, AddDistribution: reader}
    whose = str(connector.folder.resolve())
    evaluator = Evaluator(tools.store, base.image, bring=base.bring, owner=whose, handlers=handlers)
    return Evaluation(connector, evaluator, installer=installer, code=code, distribution=reader)
