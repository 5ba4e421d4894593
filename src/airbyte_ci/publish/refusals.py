"""Reasons not to publish a connector that its own files give. Each is one error with advice; no registry is asked."""

from collections.abc import Sequence

from airbyte_ci.connectors import facts
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.documents import DocumentError, load_yaml
from airbyte_ci.errors import ConnectorError
from airbyte_ci.publish import tags

# The file that keeps a connector from being released.
BLOCK = "block-release.yaml"
_SHOWN = 3


def refuse_version(connector: Connector, *, is_main: bool) -> None:
    """Raises ConnectorError for a version that cannot be published."""
    where = f"{connector.relative}/metadata.yaml"
    if not connector.version:
        raise ConnectorError(
            f"cannot publish {connector.name}: {where}: data.dockerImageTag is missing",
            advice="set it to the version to publish, for example 0.1.0",
        )
    if tags.is_development(connector.version):
        raise ConnectorError(
            f"cannot publish {connector.name}: {where}: version {connector.version} is a pre-release of a commit",
            advice="set the version to be released; a pre-release gets its tag from the commit",
        )
    version = tags.parse_version(connector.version, f"cannot publish {connector.name}: {where}")
    if not is_main:
        return
    is_major = version.major > 0 and version.minor == version.patch == 0
    if tags.is_candidate(version) and is_major and facts.rollout(connector) is None:
        raise ConnectorError(
            f"cannot publish {connector.name}: {connector.version} is a release candidate of a major version, and "
            f"{where} sets no progressive rollout",
            advice="set releases.rolloutConfiguration.enableProgressiveRollout to true, or release the major version",
        )


def refuse_blocked(connector: Connector, ignored: str) -> str:
    """Raises ConnectorError for a connector with a block-release.yaml; returns its reason if `ignored` says why."""
    if BLOCK not in connector.names:
        return ""
    reason = _reason(connector)
    if ignored:
        return reason
    raise ConnectorError(
        f"cannot publish {connector.name}: {connector.relative}/{BLOCK} blocks its releases: {reason}",
        advice=f"remove {BLOCK} when the reason is gone, or publish with --ignore-block REASON",
    )


def _reason(connector: Connector) -> str:
    """Returns the file's reason with who wrote it and when; a file that cannot be read blocks too."""
    try:
        document = load_yaml((connector.folder / BLOCK).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, DocumentError) as error:
        return f"the file cannot be read ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
    table = document if isinstance(document, dict) else {}
    told = str(table.get("reason") or "no reason is given").strip().replace("\n", " ")
    by, at = table.get("blocked_by"), table.get("blocked_at")
    known = " ".join(part for part in (f"by {by}" if by else "", f"on {at}" if at else "") if part)
    return f"{told} ({known})" if known else told


def refuse_uncommitted(connector: Connector, changes: Sequence[str], *, is_allowed: bool) -> None:
    """Raises ConnectorError if files that the release depends on differ from the commit."""
    if not changes or is_allowed:
        return
    more = f" and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
    raise ConnectorError(
        f"cannot publish {connector.name}: {', '.join(changes[:_SHOWN])}{more} "
        f"{'differ' if len(changes) > 1 else 'differs'} from the commit",
        advice="commit the changes, or publish them with --allow-dirty, which the release records",
        error_id="uncommitted-changes",
    )


def refuse_base(connector: Connector, warning: str) -> None:
    """Raises ConnectorError if the base image was yanked or is no longer supported; `warning` says which."""
    if warning:
        raise ConnectorError(
            f"cannot publish {connector.name}: {warning}",
            advice=f"airbyte-ci connectors --name={connector.name} upgrade_base_image",
            error_id="base-image-withdrawn",
        )


def refuse_checks(connector: Connector, errors: Sequence[str]) -> None:
    """Raises ConnectorError if `connectors check` found errors."""
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise ConnectorError(
            f"cannot publish {connector.name}: check found an error: {errors[0]}{more}",
            advice=f"airbyte-ci connectors --name={connector.name} check",
        )
