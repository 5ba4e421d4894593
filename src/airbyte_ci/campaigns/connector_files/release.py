"""Sets a connector's new version everywhere, with its changelog row. Does not know the released version."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from airbyte_ci.campaigns.changes.change import Change, ChangelogEntry
from airbyte_ci.campaigns.changes.task import Task
from airbyte_ci.config import Configuration
from airbyte_ci.connectors import find
from airbyte_ci.connectors.connector import METADATA, Connector
from airbyte_ci.edits import changelog, toml_text, versions, yaml_text
from airbyte_ci.edits.changelog_table import heading_text
from airbyte_ci.edits.edit import Edit, FileChange
from airbyte_ci.edits.files import Files
from airbyte_ci.errors import EditRefused
from airbyte_ci.text import encoding_of

_VERSION_KEYS = (("tool", "poetry", "version"), ("project", "version"))
_PLACEHOLDER = "PR_NUMBER"
_OWN_PACKAGE = re.compile(
    r'(^\[\[package\]\]\r?\nname = "[^"]+"\r?\nversion = ")([^"]+)'
    r'("\r?\nsource = \{ (?:editable|virtual) = "\." \})',
    re.MULTILINE,
)
_LABEL = re.compile(r"(\bio\.airbyte\.version[= ][\"']?)(\d[^\s\"']*)")


def _keep(text: str) -> str:
    return text


def plan_change(
    task: Task,
    version: str,
    metadata: Callable[[str], str] = _keep,
    changes: Iterable[FileChange] = (),
    *,
    label: bool = False,
    lock: bool = True,
    align: bool = False,
) -> Change:
    """Returns the change that makes a new version: the version in every file, the changelog row, and `changes`.

    `metadata` edits the text of metadata.yaml; the other flags are those of `elsewhere`. Callers replace the title
    (the changelog text) and the summary (the versions) where they know better. Raises EditRefused.
    """
    connector, subject = task.connector, task.entry.subject
    added, changelog = row(task, version)

    def edit(text: str) -> str:
        return with_version(metadata(text), connector, version)

    return Change(
        connector=connector.name,
        folder=connector.relative,
        title=f"{connector.name}: {subject[:1].lower()}{subject[1:]}",
        summary=f"{connector.version} → {version}",
        before=connector.version,
        after=version,
        edit=Edit.of(
            [
                edited(task.files, task.path_of(METADATA), edit),
                *elsewhere(task, version, label=label, lock=lock, align=align),
                *changes,
                *added,
            ]
        ),
        base_image=connector.base_image,
        changelog=changelog,
        next_step=f"airbyte-ci connectors --name={connector.name} build && git add -A && git commit",
    )


def edited(files: Files, path: str, edit: Callable[[str], str], encoding: str = "utf-8") -> FileChange:
    """Returns the change of one existing file; a refusal names it."""
    before = files.read(path)
    assert before is not None, f"{path} was there a moment ago"
    try:
        return FileChange(path, before, edit(before.decode(encoding)).encode(encoding))
    except UnicodeDecodeError as error:
        raise EditRefused(f"{path}: it is not UTF-8 text") from error
    except EditRefused as error:
        raise EditRefused(f"{path}: {error.message}", advice=error.advice) from error


def patched(task: Task, labelled: str | None = None) -> str:
    """Returns the version of a change without a feature: one patch above the released one, or the current one if
    higher.

    `labelled` is the version in a Dockerfile's label: such images were built, so the next one is higher too.
    """
    released = task.baseline.released.get(task.connector.relative)
    current = without_prefix(task.connector.version)
    try:
        if labelled and versions.is_semver(labelled) and versions.compare(labelled, current) > 0:
            return versions.bump(labelled, "patch")
        versions.bump(current, "patch")
        if released and versions.is_semver(released) and versions.compare(current, released) > 0:
            return current
        return versions.bump(current, "patch")
    except EditRefused as error:
        raise EditRefused(f"dockerImageTag {error.message}", advice=error.advice) from error


def without_prefix(version: str) -> str:
    """Returns `v1.2.3` as its semantic version; any other text unchanged."""
    plain = version[1:] if version[:1] in ("v", "V") else version
    return plain if versions.is_semver(plain) else version


def with_version(text: str, connector: Connector, after: str) -> str:
    """Returns metadata.yaml with another dockerImageTag, also in the registries that repeat it; pinned ones stay."""
    if after == connector.version:
        return text
    text = yaml_text.set_scalar(text, ("data", "dockerImageTag"), after)
    for registry in _equal_overrides(connector.data, connector.version):
        text = yaml_text.set_scalar(text, ("data", "registries", registry, "dockerImageTag"), after)
    return text


def _equal_overrides(data: Any, version: str) -> Iterator[str]:  # noqa: ANN401  # parsed data
    registries = data.get("registries")
    for name, registry in registries.items() if isinstance(registries, dict) else ():
        if isinstance(registry, dict) and str(registry.get("dockerImageTag")) == version:
            yield str(name)


def labelled(dockerfile: str) -> str | None:
    """Returns the version that a Dockerfile's label gives its image."""
    found = _LABEL.search(dockerfile)
    return found[2] if found else None


def elsewhere(
    task: Task, after: str, *, label: bool = False, lock: bool = True, align: bool = False
) -> Iterator[FileChange]:
    """Returns the same version in pyproject.toml, in uv.lock (`lock`), and in the label of a Dockerfile that stays.

    A different version in pyproject.toml stays, unless `align` is set.
    """
    connector, files, before = task.connector, task.files, task.connector.version

    def project(text: str) -> str:
        for key in _VERSION_KEYS:
            found = toml_text.get_string(text, key)
            if found == before or (align and found):
                text = toml_text.set_string(text, key, after)
        return text

    def relabelled(text: str) -> str:
        return _LABEL.sub(lambda found: found[1] + (after if found[2] == before else found[2]), text)

    if after == before and not align:
        return
    if "pyproject.toml" in connector.names:
        yield edited(files, task.path_of("pyproject.toml"), project)
    if lock and "uv.lock" in connector.names:
        yield edited(files, task.path_of("uv.lock"), lambda text: with_own_version(text, before, after))
    if label and connector.has_dockerfile:
        path = task.path_of("Dockerfile")
        yield edited(files, path, relabelled, encoding_of(files.read(path) or b""))


def versions_of_project(task: Task) -> tuple[str, ...]:
    """Returns the versions that pyproject.toml declares, in the order of its tables. Raises EditRefused."""
    if "pyproject.toml" not in task.connector.names:
        return ()
    text = task.read("pyproject.toml").decode("utf-8", "replace")
    return tuple(found for key in _VERSION_KEYS if (found := toml_text.get_string(text, key)))


def with_own_version(text: str, before: str, after: str) -> str:
    """Returns uv.lock with another version of its project; otherwise uv treats it as stale."""
    return _OWN_PACKAGE.sub(lambda found: found[1] + (after if found[2] == before else found[2]) + found[3], text)


def row(task: Task, version: str) -> tuple[tuple[FileChange, ...], ChangelogEntry | None]:
    """Returns the change of the page with the version's row; None if it is not written now or not wanted.

    Raises EditRefused if the row could not be written now or later, unless it is not wanted.
    """
    connector, files, entry = task.connector, task.files, task.entry
    url = task.baseline.pull_request_url
    if not entry.is_wanted:
        return (), None
    number = entry.pull_request if entry.pull_request is not None else _PLACEHOLDER
    wanted = changelog.Row(version, entry.today.isoformat(), number, entry.subject)
    page = page_of(connector, task.configuration)
    if not entry.is_written:
        return (), ChangelogEntry(wanted, page, is_written=False, text=_to_paste(files, page, wanted, url))
    if page is None:
        raise EditRefused(
            "it has no documentation page, so there is no changelog for the new version",
            advice="write the page that documentationUrl names, set `docs` or `changelog = false` in the configuration,"
            " or say --no-changelog",
            error_id="changelog-missing",
        )
    if version == connector.version and has_row(files, page, connector, version):
        return (), ChangelogEntry(wanted, page, is_written=False, text="the page has it")
    try:
        change = edited(files, page, lambda text: inserted(text, wanted, url, connector.name))
    except EditRefused as error:
        advice = error.advice or "fix the table"
        raise EditRefused(error.message, advice=f"{advice}, or say --no-changelog to add the row by hand") from error
    if entry.pull_request is None:
        return (), ChangelogEntry(wanted, page, is_written=False)
    return (change,), ChangelogEntry(wanted, page, is_written=True)


def page_of(connector: Connector, configuration: Configuration) -> str | None:
    """Returns the path of its documentation page in the repository; None if there is none."""
    path: Path | None = find.documentation(connector, configuration)
    return path.relative_to(configuration.root).as_posix() if path else None


def has_row(files: Files, page: str, connector: Connector, version: str) -> bool:
    """Returns whether the page has a row for exactly that version of the connector."""
    text = (files.read(page) or b"").decode("utf-8", "replace")
    return changelog.has_row(text, version, section=section(text, connector.name))


def inserted(text: str, wanted: changelog.Row, url: str | None, name: str) -> str:
    """Returns the page with the row of the connector `name`; `url` is the template of pull requests. Raises
    EditRefused.
    """
    return changelog.insert_row(text, wanted, default_url=url, section=section(text, name))


def section(text: str, name: str) -> str | None:
    """Returns, of a shared page, the changelog heading that names this connector (`CHANGELOG source-x`)."""
    if name not in text:
        return None
    for found in re.finditer(r"^#{1,6}[ \t]++(.*)$", text, re.MULTILINE):
        title = heading_text(found[1].removesuffix("\r"))
        is_changelog = re.search(r"change ?log", title, re.IGNORECASE)
        if is_changelog and re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", title):
            return title
    return None


def _to_paste(files: Files, page: str | None, wanted: changelog.Row, url: str | None) -> str:
    """Returns the row in the page's form, or in the default one."""
    if page is not None:
        text = (files.read(page) or b"").decode("utf-8", "replace")
        try:
            result = changelog.insert_row(text, wanted, default_url=url)
            return next(line for line in result.splitlines() if line not in text.splitlines())
        except (EditRefused, StopIteration):
            pass
    number = str(wanted.pull_request)
    link = f"[{number}]({url.replace('{number}', number)})" if url else number
    return f"| {wanted.version} | {wanted.date} | {link} | {wanted.subject} |"
