"""Prints docs/errors.md: every error that has an id, from the table that `airbyte-ci explain` prints (`make reference`)."""

import textwrap
from collections.abc import Iterator

from airbyte_ci.error_pages import SECTIONS, ErrorPage

HEAD = """\
# Errors

An error that its own line cannot explain ends its first line with an id in brackets:

```
✗ cannot build source-tides: connectors/source-tides has no lock file [lock-missing]
```

`airbyte-ci explain lock-missing` prints the entry below. The id is also `errorId` in JSON, and part of the
message in JUnit, annotations, summaries and pages. Ids do not change; messages may. Failures of checks
have the [id of their check](checks/README.md).

`make reference` generates this page from the same table.
"""


def main() -> None:
    """Prints the whole page."""
    print("\n".join(_page()))


def _page() -> Iterator[str]:
    yield HEAD
    for title, pages in SECTIONS.items():
        yield f"## {title}\n"
        for page in pages:
            yield from _entry(page)


def _entry(page: ErrorPage) -> Iterator[str]:
    yield f"### {page.id}\n"
    yield f"{_wrapped(page.title)}\n"
    yield f"```\n{page.example}\n```\n"
    yield f"{_wrapped(page.cause)}\n"
    yield "\n".join(_wrapped(fix, "* ") for fix in page.fixes) + "\n"


def _wrapped(text: str, mark: str = "") -> str:
    return textwrap.fill(
        text,
        100,
        initial_indent=mark,
        subsequent_indent=" " * len(mark),
        break_long_words=False,
        break_on_hyphens=False,
    )


if __name__ == "__main__":
    main()
