"""Chooses the base image of an upgrade, which may be the current one."""

from datetime import date

from airbyte_ci.base_images.catalog import series
from airbyte_ci.base_images.catalog.catalog import BaseImageVersion, Catalog
from airbyte_ci.base_images.catalog.latest import LatestVersion
from airbyte_ci.campaigns.bases import base_choice, pythons
from airbyte_ci.campaigns.bases.base_choice import Offered, traits_of
from airbyte_ci.campaigns.bases.pythons import AdmittedPythons
from airbyte_ci.campaigns.changes.change import NotApplicable
from airbyte_ci.config import Configuration
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import ConnectorError


def choose_version(
    connector: Connector, configuration: Configuration, catalog: Catalog, today: date, to: str | None
) -> BaseImageVersion:
    """Returns the target of an upgrade, which may be the current base image. Raises ConnectorError."""
    current = catalog.find(connector.base_image) if connector.base_image else None
    offered = offer(connector, current, configuration=configuration, catalog=catalog, today=today)
    version = choose(connector, current, offered, pythons.declared(connector), to).version
    assert version is not None
    return version


def offer(
    connector: Connector,
    current: BaseImageVersion | None,
    configuration: Configuration,
    catalog: Catalog,
    today: date,
) -> Offered:
    """A connector stays in its series, and in its own repository if that has the requested version."""
    own = (current.repository,) if current else ()
    wanted = current.series if current else series.of_language(connector.language)
    others = series.repositories_of(wanted, configuration.base_image_repositories, catalog)
    repositories = tuple(dict.fromkeys((*own, *others)))
    return Offered(
        repositories=repositories,
        catalog=catalog,
        today=today,
        platform=configuration.platform_version,
        traits=traits_of(connector),
    )


def choose(
    connector: Connector,
    current: BaseImageVersion | None,
    offered: Offered,
    admitted: AdmittedPythons,
    to: str | None,
) -> LatestVersion:
    """Returns a lower version only on request, or if the current one must not be used."""
    if to:
        return base_choice.asked_for(to, offered, admitted)
    if connector.base_image is None:
        return base_choice.newest(offered, admitted)
    if current is None:
        raise ConnectorError(
            f"the catalog does not have {connector.base_image}, so what is newer is not known",
            advice="airbyte-ci base-images refresh, or choose one with --to",
            error_id="base-image-unknown",
        )
    if current.yanked and current.replaced_by:
        # A yank names the replacement.
        return base_choice.asked_for(f"{current.repository}:{current.replaced_by}", offered, admitted)
    choice = base_choice.within_major(current, offered, admitted)
    if choice.version and choice.version.semver < current.semver and not current.withdrawal:
        raise NotApplicable(f"{connector.name} uses {current.version}, which is newer than {choice.version.version}")
    return choice
