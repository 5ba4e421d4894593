"""The list of all checks, in the order in which reports show them, with the arguments that each one needs."""

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

from airbyte_ci.base_images.catalog import series
from airbyte_ci.base_images.catalog.catalog import Catalog
from airbyte_ci.checks import (
    base_image_address,
    base_image_allowed,
    base_image_exists,
    base_image_latest,
    base_image_supported,
    base_image_used,
    base_image_yanked,
    built_and_tested,
    changelog_row,
    docs_page,
    hook_approved,
    hook_owned,
    manifest_valid,
    metadata_schema,
    no_dockerfile,
    version_in_pyproject,
    version_increment,
    version_semver,
)
from airbyte_ci.checks.base_image_exists import Exists
from airbyte_ci.checks.base_image_latest import Admitted
from airbyte_ci.checks.base_image_yanked import WayOut
from airbyte_ci.checks.branch import BranchDifference
from airbyte_ci.checks.hook_owned import Ownership
from airbyte_ci.checks.mending import Mending
from airbyte_ci.checks.reviews import Reviews
from airbyte_ci.checks.rule import Check, Checked, Rule, RuleFinding, Verdict, inapplicable, unverified_by
from airbyte_ci.checks.texts import Texts
from airbyte_ci.checks.weights import Weights
from airbyte_ci.config import Configuration
from airbyte_ci.connectors import find
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import ConnectorError
from airbyte_ci.oci.store.store import Store

RULES: tuple[Rule, ...] = (
    no_dockerfile.RULE,
    base_image_used.RULE,
    base_image_address.RULE,
    base_image_allowed.RULE,
    base_image_exists.RULE,
    base_image_yanked.RULE,
    base_image_supported.RULE,
    base_image_latest.RULE,
    version_semver.RULE,
    version_increment.RULE,
    version_in_pyproject.RULE,
    docs_page.RULE,
    changelog_row.RULE,
    built_and_tested.BUILT,
    built_and_tested.TESTED,
    hook_owned.RULE,
    hook_approved.RULE,
    manifest_valid.RULE,
    metadata_schema.RULE,
)
IDS = tuple(rule.id for rule in RULES)
NO_CHANGELOG = inapplicable("changelogs are off in the configuration")


def bound(
    configuration: Configuration,
    catalog: Catalog,
    *,
    mending: Mending,
    today: date,
    admitted: Admitted,
    way_out: WayOut,
    branch: Callable[[], BranchDifference | None],
    exists: Exists | None,
    store: Store | None,
    ownership: Callable[[], Ownership],
    reviews: Callable[[], Reviews | str],
    allowed_before: Sequence[str] | None = None,
) -> tuple[Check, ...]:
    """Returns the checks with their arguments bound, so that they can be applied to connectors.

    `branch`, `ownership` and `reviews` are slow; each is called when a check first needs it, and caches its result.
    `allowed_before` are the base-image-repositories of the merge base, None where it configured none.
    `exists` asks a registry (None: offline); `store` is None on a machine without a store.
    """
    texts = Texts()
    root = configuration.root
    allowed = series.repositories(configuration.base_image_repositories, catalog)
    if allowed_before is not None:
        allowed_before = series.repositories(allowed_before, catalog)

    has_changelog = not configuration.changelog.is_never
    has_pages = has_changelog or bool(configuration.docs)

    def page(connector: Connector) -> Path | None:
        return find.documentation(connector, configuration)

    runs: dict[Rule, Callable[[Connector], Verdict]] = {
        no_dockerfile.RULE: lambda item: no_dockerfile.check(item, mending),
        base_image_used.RULE: lambda item: base_image_used.check(item, mending),
        base_image_address.RULE: lambda item: base_image_address.check(item, catalog, mending),
        base_image_allowed.RULE: lambda item: base_image_allowed.check(item, allowed, allowed_before),
        base_image_exists.RULE: lambda item: base_image_exists.check(item, exists, mending),
        base_image_yanked.RULE: lambda item: base_image_yanked.check(item, catalog, way_out, mending),
        base_image_supported.RULE: lambda item: base_image_supported.check(item, catalog, today, way_out, mending),
        base_image_latest.RULE: lambda item: base_image_latest.check(
            item, catalog, admitted, today, configuration.platform_version, mending
        ),
        version_semver.RULE: lambda item: version_semver.check(item, branch, mending),
        version_increment.RULE: lambda item: version_increment.check(item, branch(), mending),
        version_in_pyproject.RULE: lambda item: version_in_pyproject.check(item, texts, mending),
        docs_page.RULE: lambda item: docs_page.check(item, page) if has_pages else NO_CHANGELOG,
        changelog_row.RULE: lambda item: (
            changelog_row.check(item, root, page, texts, mending) if has_changelog else NO_CHANGELOG
        ),
        built_and_tested.BUILT: lambda item: built_and_tested.check(item, store, "built", mending),
        built_and_tested.TESTED: lambda item: built_and_tested.check(item, store, "tested", mending),
        hook_owned.RULE: lambda item: hook_owned.check(item, ownership, mending),
        hook_approved.RULE: lambda item: hook_approved.check(item, ownership, mending.pull_request, reviews),
        manifest_valid.RULE: lambda item: manifest_valid.check(item, catalog, texts, mending),
        metadata_schema.RULE: lambda item: metadata_schema.check(item, texts, mending),
    }
    return tuple(Check(rule, runs[rule]) for rule in RULES)


def apply(checks: Sequence[Check], connector: Connector, weights: Weights) -> Checked:
    """Applies every check to one connector."""
    findings = (
        RuleFinding(check.rule, weights.of(check.rule, connector), _verdict(check, connector)) for check in checks
    )
    return Checked(connector.name, connector.relative, tuple(findings), weights.notes(connector))


def _verdict(check: Check, connector: Connector) -> Verdict:
    """Runs one check; an error of one check must not stop the others."""
    try:
        return check.run(connector)
    except ConnectorError as error:
        return unverified_by(error)
