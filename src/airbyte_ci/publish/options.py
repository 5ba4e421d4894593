"""The options of a publication: the same for every connector of the command."""

from dataclasses import dataclass
from pathlib import Path

from airbyte_ci.connectors.connector import Connector
from airbyte_ci.oci.image import Platform
from airbyte_ci.oci.reference import Reference
from airbyte_ci.publish import tags
from airbyte_ci.publish.attachments import NOT_SIGNED, Signing, Write
from airbyte_ci.publish.package_index_upload import UploadTarget
from airbyte_ci.publish.tags import PreReleaseForm


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishOptions:
    """How to publish.

    Without `is_main`, the tag is a pre-release of the commit, in this `form`. `prefix` is the registry, with a path or
    without. Empty `platforms` stand for all of the base image. `ignored_block` is why block-release.yaml does not
    apply. `writers` write documents in addition to those of every release.
    `artifacts` is a folder for the files of a connector registry, `index` where Python packages go.
    """

    is_main: bool
    prefix: str
    form: PreReleaseForm = "dev"
    platforms: tuple[Platform, ...] = ()
    is_dry: bool = False
    allows_dirty: bool = False
    ignored_block: str = ""
    skips_unchanged: bool = False
    attaches: bool = True
    signing: Signing = NOT_SIGNED
    writers: tuple[Write, ...] = ()
    artifacts: Path | None = None
    index: UploadTarget | None = None

    def repository(self, connector: Connector) -> Reference:
        """Returns the repository of the connector's releases; raises ImageError for an invalid address."""
        prefix = f"{self.prefix.rstrip('/')}/" if self.prefix else ""
        return Reference.parse(f"{prefix}{connector.image_repository}")

    def tag(self, connector: Connector, commit: str) -> str:
        """Returns the tag of the release."""
        return connector.version if self.is_main else tags.pre_release(connector.version, commit, self.form)
