"""Where the repository has a page of its own for a rule, as people's browsers find it."""

from collections.abc import Iterable

from airbyte_ci.checks.rule import Rule
from airbyte_ci.config import Configuration
from airbyte_ci.connectors import forge


def urls(rules: Iterable[Rule], configuration: Configuration, prefix: str) -> dict[str, str]:
    """By a rule's id: an address as configured, else that of a file of the repository where its remote is known.

    `prefix` is where the configured root is in its git repository.
    """
    root, template = configuration.root, configuration.check_pages
    pages = {rule.id: template.replace("{id}", rule.id) for rule in rules}
    if template.startswith(("https://", "http://")):
        return pages
    there = {name: path for name, path in pages.items() if (root / path).is_file()}
    # Nobody asks git where there is no page.
    hosted = forge.of(root) if there else None
    urls = {name: hosted.file_url(prefix + path) for name, path in there.items()} if hosted else {}
    return {name: url for name, url in urls.items() if url}
