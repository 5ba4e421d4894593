"""The bill of materials of one platform's image: its components, where each comes from, and what requires what.

A pure function of the layers' evidence and of facts about the image. Documents (CycloneDX, SPDX) are written from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from airbyte_ci.attest.sbom.found_package import NO_LICENSE, FoundPackage, LicenseText
from airbyte_ci.oci.image import Platform

# Who changes a component: the base image's maintainers, the framework's (the CDK and what it requires), the
# connector's, or those of its build customization. `unknown` is everything of an image whose base is not known.
ComponentOrigin = Literal["base", "framework", "connector", "customization", "unknown"]
ORIGINS: tuple[ComponentOrigin, ...] = ("base", "framework", "connector", "customization", "unknown")
Kind = Literal["application", "container", "library", "operating-system"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One component. `ref` is unique in its bill, and `depends` are the refs of components that it requires.

    `layer` is a diffID and `path` the file that describes it, both empty where they do not apply. `sha256` (hex) is
    that of its distribution file, called `file`: a wheel, an sdist or a jar. `repository` is its version control.
    """

    ref: str
    kind: Kind
    name: str
    version: str
    purl: str
    origin: ComponentOrigin
    group: str = ""
    license: LicenseText = NO_LICENSE
    sha256: str = ""
    file: str = ""
    repository: str = ""
    layer: str = ""
    path: str = ""
    package: FoundPackage | None = None
    depends: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BillOfMaterials:
    """The components of an image, sorted by ref. `created` is RFC 3339, and `tool` the version of airbyte-ci.

    `system` are the fields of os-release, and `unread` are paths of package lists in a form that is not read.
    """

    root: Component
    components: tuple[Component, ...]
    platform: Platform
    system: Mapping[str, str]
    created: str
    tool: str
    unread: tuple[str, ...] = ()
