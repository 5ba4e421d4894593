"""The URLs of the pages that a repository has for rules."""

from collections.abc import Iterable

from airbyte_ci.checks.rule import Rule
from airbyte_ci.config import Configuration
from airbyte_ci.git import forge


def urls(rules: Iterable[Rule], configuration: Configuration, prefix: str) -> dict[str, str]:
    """Returns URLs by rule id: the configured address, else a page in the repository if its remote is known.

    `prefix` is the configured root's path in its git repository.
    """
    root, template = configuration.root, configuration.check_pages
    pages = {rule.id: template.replace("{id}", rule.id) for rule in rules}
    if template.startswith(("https://", "http://")):
        return pages
    there = {name: path for name, path in pages.items() if (root / path).is_file()}
    # Without a page, git is not called.
    hosted = forge.of(root) if there else None
    urls = {name: hosted.file_url(prefix + path) for name, path in there.items()} if hosted else {}
    return {name: url for name, url in urls.items() if url}
