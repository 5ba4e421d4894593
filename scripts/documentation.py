"""Prepares the documentation for the site's generator, and checks the links of the result (`make docs`).

    documentation.py stage FOLDER   writes FOLDER/docs and FOLDER/zensical.toml
    documentation.py check FOLDER   reports each broken link of the built site in FOLDER

The Markdown files link to each other as files of the repository, so that they work in editors and on GitHub. Links to
files that are no pages of the site become addresses in the repository.
"""

import json
import os
import re
import shutil
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

PROJECT = Path(__file__).parents[1]
# Pages outside of docs/, which the site shows too.
ROOT_PAGES = ("ARCHITECTURE.md", "CHANGELOG.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "SECURITY.md")
# The order of the pages. Other pages of docs/ are guides for one task, and follow the listed ones.
GUIDES = "How-to guides"
SECTIONS: Mapping[str, Sequence[str]] = {
    "Tutorials": ("tutorial.md", "tutorial-fleet.md"),
    GUIDES: (
        "guide.md",
        "building.md",
        "customization.md",
        "base-images.md",
        "java.md",
        "manifest-only.md",
        "testing.md",
        "delivery.md",
        "campaigns.md",
        "publish.md",
        "sbom.md",
        "compare.md",
        "reports.md",
        "ci.md",
        "ci-cache.md",
        "other-systems.md",
        "many-machines.md",
    ),
    "Coming from": ("from-airbyte-ci.md", "from-airbyte-cdk.md"),
    "Reference": (
        "reference.md",
        "configuration.md",
        "checks/README.md",
        "errors.md",
        "provenance.md",
        "python-api.md",
        "CHANGELOG.md",
    ),
    "Explanation": ("concepts.md", "decisions.md", "benchmarks.md", "ARCHITECTURE.md", "SECURITY.md"),
    "Contributing": ("CONTRIBUTING.md", "CODE_OF_CONDUCT.md"),
}
# A link of Markdown or HTML to a file, and its anchor.
LINK = re.compile(r"(\]\(|src=\"|srcset=\"|href=\")(?!https?:|mailto:|#)([^)\"\s#]+)(#[^)\"\s]*)?(?=[)\"])")


def find_pages(project: Path = PROJECT) -> list[str]:
    """Returns the pages of the site, as paths below the repository."""
    docs = sorted(path.relative_to(project).as_posix() for path in (project / "docs").rglob("*.md"))
    return [*docs, *ROOT_PAGES]


def page_name(path: str) -> str:
    """Returns a page's path below the site's folder."""
    return path.removeprefix("docs/")


def stage(folder: Path) -> None:
    """Writes the pages with their links rewritten, the other files of docs/, and the settings with the navigation."""
    shutil.rmtree(folder, ignore_errors=True)
    pages = find_pages()
    shutil.copytree(PROJECT / "docs", folder / "docs", ignore=shutil.ignore_patterns("*.md"))
    settings = (PROJECT / "zensical.toml").read_text("utf-8")
    source = tomllib.loads(settings)["project"]["repo_url"]
    for page in pages:
        target = folder / "docs" / page_name(page)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_rewrite(page, (PROJECT / page).read_text("utf-8"), pages, source), "utf-8")
    navigation = json.dumps([*_navigation([page_name(page) for page in pages])], ensure_ascii=False)
    # TOML writes lists of inline tables as JSON does, except for the separator of a key.
    written = navigation.replace('": ', '" = ')
    (folder / "zensical.toml").write_text(settings.replace("[project]\n", f"[project]\nnav = {written}\n", 1), "utf-8")


def _rewrite(page: str, text: str, pages: Sequence[str], source: str) -> str:
    """Returns the page's text with links as they are on the site."""
    here = PurePosixPath(page_name(page)).parent

    def replace(match: re.Match[str]) -> str:
        start, target, anchor = match[1], match[2], match[3] or ""
        found = os.path.normpath(PurePosixPath(page).parent / target)
        if f"{found}/README.md" in pages:
            found = f"{found}/README.md"
        if found in pages or found.startswith("docs/"):
            return f"{start}{os.path.relpath(page_name(found), here)}{anchor}"
        return f"{start}{source}/{'tree' if (PROJECT / found).is_dir() else 'blob'}/main/{found}{anchor}"

    return "".join(LINK.sub(replace, line) for line in _for_generator(text))


def _for_generator(text: str) -> Iterator[str]:
    """Yields the lines as the site's generator reads them, with the anchors of GitHub at the headings."""
    headings, prose = dict(find_headings(text)), {number for number, _ in find_prose(text)}
    for number, line in enumerate(text.splitlines(keepends=True)):
        if number in headings:
            yield f"{line.rstrip()} {{#{headings[number]}}}\n"
        elif number in prose and line.startswith("|"):
            # In code in a table, GitHub needs the backslash, and the site's generator shows it.
            yield re.sub(r"`[^`]*`", lambda code: code[0].replace("\\|", "|"), line)
        else:
            yield line


def find_headings(text: str) -> Iterator[tuple[int, str]]:
    """Yields the index of each line that is a heading, and its anchor as GitHub makes it."""
    used: Counter[str] = Counter()
    for number, line in find_prose(text):
        if match := re.match(r"#{1,6} +(.*?)(?: +#+)? *$", line):
            anchor = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", match[1]).strip().lower()
            anchor = re.sub(r"[^\w\- ]", "", anchor).replace(" ", "-")
            count = used[anchor]
            used[anchor] += 1
            yield number, f"{anchor}-{count}" if count else anchor


def find_prose(text: str) -> Iterator[tuple[int, str]]:
    """Yields the lines outside of code blocks, with their index."""
    fence = ""
    for number, line in enumerate(text.splitlines()):
        opened = re.match(r" *(`{3,}|~{3,})", line)
        if fence:
            fence = "" if opened and opened[1].startswith(fence) and not line.strip("`~ ") else fence
        elif opened:
            fence = opened[1]
        else:
            yield number, line


def _navigation(pages: Sequence[str]) -> Iterator[dict[str, object]]:
    listed = {page for section in SECTIONS.values() for page in section}
    others = [page for page in pages if page not in listed and page != "index.md" and "/" not in page]
    yield {"Home": "index.md"}
    for section, names in SECTIONS.items():
        if found := [*(name for name in names if name in pages), *(others if section == GUIDES else ())]:
            yield {section: found}


class Links(HTMLParser):
    """The links and the anchors of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" or (name == "name" and tag == "a"):
                self.anchors.add(value or "")
            elif name in ("href", "src") and value:
                self.links.append(value)


def find_broken(site: Path) -> Iterator[str]:
    """Yields each link that leads nowhere, and each file that a page would load from another server."""
    read: dict[Path, Links] = {}
    for path in sorted(site.rglob("*.html")):
        read[path] = Links()
        read[path].feed(path.read_text("utf-8"))
    for path, page in read.items():
        if path.name == "404.html":  # its links are absolute, for pages at any depth
            continue
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.exists():
                yield f"{path.relative_to(site)}: {link}: no such page"
            elif parts.fragment and target in read and unquote(parts.fragment) not in read[target].anchors:
                yield f"{path.relative_to(site)}: {link}: no such heading"


if __name__ == "__main__":
    _, action, place = sys.argv
    if action == "stage":
        stage(Path(place))
    else:
        broken = [*find_broken(Path(place).resolve())]
        print("\n".join(broken), file=sys.stderr)
        sys.exit(bool(broken))
