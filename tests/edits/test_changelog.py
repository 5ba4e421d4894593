"""Changelog tables: a row is added where the newest belongs, as its neighbours are written, or refused."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_ci.edits.changelog import Row, has_row, insert_row, rows
from airbyte_ci.edits.markdown_table import TableLine, parse, width
from airbyte_ci.errors import EditRefused

ROW = Row("0.2.1", "2023-10-18", 31543, "Use our base image")
URL = "https://example.com/pull/{number}"

PLAIN = """\
# Faker

## Changelog

| Version | Date | Pull Request | Subject |
| :--- | :--- | :--- | :--- |
| 0.2.0 | 2023-08-24 | [29314](https://example.com/pull/29314) | Migrate |
| 0.1.0 | 2022-05-09 | [12700](https://example.com/pull/12700) | Introduce |
"""
PLAIN_ROW = "| 0.2.1 | 2023-10-18 | [31543](https://example.com/pull/31543) | Use our base image |"
PADDED = """\
## CHANGELOG
| Version | Date       | Pull Request                              | Subject            |
|:--------|:-----------|:------------------------------------------|:-------------------|
| 0.2.0   | 2023-08-24 | [\\#9314](https://example.com/pull/9314)   | 🎉 Migrate          |
"""
PADDED_ROW = "| 0.2.1   | 2023-10-18 | [\\#31543](https://example.com/pull/31543) | Use our base image |"
# As the Connector Builder begins a page: no column for the pull request.
SHORT = """\
## Changelog

| Version          | Date       | Subject        |
|------------------|------------|----------------|
| 0.0.1 | 2024-08-12 | Initial release by natikgadzhi via Connector Builder|
"""
SHORT_ROW = "| 0.2.1 | 2023-10-18 | Use our base image |"
# One that is wider than its column.
ODD_ROW = "| 0.2.0-rc.1 | 2023-08-24 | [\\#9314](https://example.com/pull/9314) | Try |\n"
OLDER = PLAIN[PLAIN.index("| V") :].replace("0.2.0", "0.0.2").replace("0.1.0", "0.0.1")


def added(page: str, row: Row = ROW, **options: str | None) -> tuple[int, str]:
    """Number and text of the one line that inserting the row adds; proves that it is the only change."""
    result = insert_row(page, row, default_url=options.get("default_url"), section=options.get("section"))
    assert insert_row(result, row, default_url=None, section=options.get("section")) == result
    assert has_row(result, row.version, section=options.get("section"))
    old, new = page.split("\n"), result.split("\n")
    assert len(new) == len(old) + 1
    at = next((n for n, (one, other) in enumerate(zip(old, new, strict=False)) if one != other), len(old))
    if at == len(old):
        assert new[:at] == old
    else:
        assert new[:at] + new[at + 1 :] == old
    return at, new[at]


@pytest.mark.parametrize(
    ("page", "at", "line"),
    [
        pytest.param(PLAIN, 6, PLAIN_ROW, id="plain"),
        pytest.param(PLAIN.removesuffix("\n"), 6, PLAIN_ROW, id="no final newline"),
        pytest.param(PLAIN.replace("\n", "\r\n"), 6, f"{PLAIN_ROW}\r", id="CRLF"),
        pytest.param(PADDED, 3, PADDED_ROW, id="padded, and an escaped link text"),
        pytest.param(SHORT, 4, SHORT_ROW, id="no pull requests"),
        pytest.param(
            SHORT.replace("| Subject        |", "| Notes | Author |"),
            4,
            f"{SHORT_ROW}  |",
            id="no pull requests, and one more column",
        ),
        pytest.param(
            PLAIN.replace("| Date | Pull Request |", "| Date of Change | Pull Request(s) |"),
            6,
            PLAIN_ROW,
            id="other names of the columns",
        ),
        pytest.param(
            PADDED.replace("## CHANGELOG\n", "text\n"),
            3,
            PADDED_ROW,
            id="no heading, no blank line before the table",
        ),
        pytest.param(
            PLAIN.replace("## Changelog\n", "## Changelog\n\n<details>\n  <summary>Expand to review</summary>\n"),
            9,
            PLAIN_ROW,
            id="folded",
        ),
        pytest.param(PLAIN.replace("| :--- | :--- | :--- | :--- |\n", ""), 5, PLAIN_ROW, id="no delimiter"),
        pytest.param(
            PLAIN.replace("| :--- | :--- | :--- | :--- |\n", "") + "| :--- | :--- | :--- | :--- |\n",
            5,
            PLAIN_ROW,
            id="delimiter behind the rows",
        ),
        pytest.param(PLAIN.replace(" :--- |", " :--* |"), 6, PLAIN_ROW, id="odd delimiter"),
        pytest.param(PLAIN.replace(":--- |\n", ":--- ||\n"), 6, PLAIN_ROW, id="delimiter with a cell too many"),
        pytest.param(
            PLAIN.replace("| 0.2.0 |", "| `0.2.0` |"),
            6,
            PLAIN_ROW.replace("0.2.1", "`0.2.1`"),
            id="back-ticks",
        ),
        pytest.param(PLAIN.replace("[29314]", "[#29314]"), 6, PLAIN_ROW.replace("[3", "[#3"), id="number sign"),
        pytest.param(
            PLAIN.replace("[29314](https://example.com/pull/29314)", "#29314"),
            6,
            PLAIN_ROW,
            id="link of an older row",
        ),
        pytest.param(
            PLAIN.replace("Migrate |", "a \\| b `c \\| d` e | f |"),
            6,
            PLAIN_ROW,
            id="pipes in cells, a cell too many",
        ),
        pytest.param(PLAIN.replace("| Migrate |", ""), 6, PLAIN_ROW.removesuffix(" |"), id="a cell and a pipe too few"),
        pytest.param(
            PLAIN.replace("\n| 0", "\n0"),
            6,
            PLAIN_ROW.removeprefix("| "),
            id="rows without a pipe at the start",
        ),
        pytest.param(
            PLAIN.replace(" | ", "|").replace("\n| ", "\n|").replace(" |\n", "|\n"),
            6,
            PLAIN_ROW.replace(" | ", "|").replace("| ", "|").replace(" |", "|"),
            id="no spaces",
        ),
        pytest.param(PLAIN.replace("| 0.2.0", "| 0.2.0 (broken)"), 6, PLAIN_ROW, id="a remark"),
        pytest.param(PLAIN.replace("| 0.2.0", "| unpublished"), 6, PLAIN_ROW, id="a row without a version"),
        pytest.param(PLAIN.replace("| 0.2.0", "| **0.0.9**").replace("0.1.0", "0.2.0"), 8, PLAIN_ROW, id="ascending"),
        pytest.param(
            PLAIN.replace("0.2.0", "0.0.9").replace("0.1.0", "0.2.0").removesuffix("\n") + "\n<!-- end -->",
            8,
            PLAIN_ROW,
            id="ascending, text right below",
        ),
        pytest.param(PLAIN.replace("Subject", "Description"), 6, PLAIN_ROW, id="Description"),
        pytest.param(PLAIN.replace("Pull Request | Subject", "Pull request | **Notes**"), 6, PLAIN_ROW, id="Notes"),
        pytest.param(
            PLAIN.replace("# Faker", "```\n## Changelog\n| Version | Date | Pull Request | Subject |\n```\n"),
            10,
            PLAIN_ROW,
            id="a table in a code block before",
        ),
        pytest.param(
            PLAIN.replace(":--- |\n", ":--- |\n\n"),
            6,
            PLAIN_ROW,
            id="a blank line between delimiter and rows",
        ),
        pytest.param(PLAIN.replace("\n|", "\n  |"), 6, f"  {PLAIN_ROW}", id="indented"),
        pytest.param(PLAIN + "\n## Changelog of another\n\n" + PADDED, 6, PLAIN_ROW, id="two tables"),
        pytest.param(PLAIN + "\n### Older\n\n" + OLDER, 6, PLAIN_ROW, id="an older table below"),
        pytest.param(
            PLAIN.replace("log\n", f"log\n<!--\n{OLDER}-->\n"), 12, PLAIN_ROW, id="a table in a comment before"
        ),
        pytest.param(
            "# See the changelog of the API\n\ntext\n" + PLAIN, 9, PLAIN_ROW, id="another heading that says so"
        ),
        pytest.param(
            PLAIN.replace("## Changelog\n", "## Changelog\n\n# Changelog since 2022\n"),
            8,
            PLAIN_ROW,
            id="a Changelog heading without a table",
        ),
        pytest.param(
            f"{PADDED}{ODD_ROW}".replace("0.2.0 ", "0.1.0 "),
            5,
            PADDED_ROW,
            id="ascending, the newest is odd",
        ),
        pytest.param(PADDED.replace("| 0.2.0", f"{ODD_ROW}| 0.1.0"), 3, PADDED_ROW, id="padded, the newest is odd"),
        pytest.param(
            PADDED.replace("| 0.2.0", f"{ODD_ROW}{ODD_ROW.replace('0-rc', '0-b')}| 0.1.0"),
            3,
            PLAIN_ROW.replace("[3", "[\\#3"),
            id="padded, but not any more",
        ),
    ],
)
def test_one_line_is_added(page: str, at: int, line: str) -> None:
    """Tables of all shapes that real pages have get the row at their newest end, laid out as its like."""
    assert added(page) == (at, line)


def test_the_last_line_without_newline_gets_a_successor_without_one() -> None:
    """A row that ends the page keeps the page's line ends and its missing final newline."""
    page = PLAIN.replace("0.2.0", "0.0.9").replace("0.1.0", "0.2.0").removesuffix("\n").replace("\n", "\r\n")
    assert insert_row(page, ROW, default_url=None) == f"{page}\r\n{PLAIN_ROW}"


@pytest.mark.parametrize("head", [PLAIN[: PLAIN.index("| 0")], PADDED[: PADDED.index("| 0")]])
def test_an_empty_table_takes_the_address_given(head: str) -> None:
    """Without a row to follow, the layout is the header's and the address is the caller's."""
    for page in (head, head.removesuffix("\n")):
        result = insert_row(page, ROW, default_url=URL)
        assert result.startswith(page)
        assert rows(result) == [ROW]
        assert "| 31543 " in insert_row(page, ROW, default_url=None).replace("31543  ", "31543 ")


FORMS = (
    "[{number}](https://github.com/acme/x/pull/{number})",
    "[#{number}](https://github.com/acme/x/pull/{number})",
    "[\\#{number}](https://ghe.acme.example/acme/x/pull/{number})",
    "[!{number}](https://gitlab.com/a/b/x/-/merge_requests/{number})",
    "[MR {number}](https://gitlab.com/a/b/x/merge_requests/{number})",
    "[{number}](https://bitbucket.org/acme/x/pull-requests/{number})",
    "[{number}](https://bitbucket.acme.example/projects/A/repos/x/pull-requests/{number})",
    "[PR {number}](https://dev.azure.com/acme/data/_git/x/pullrequest/{number})",
    "[{number}](https://codeberg.org/acme/x/pulls/{number})",
    "[{number}](https://gerrit.acme.example/c/x/+/{number})",
    "[{number}](https://reviews.acme.example/r/{number})",
    "https://gitlab.com/a/x/-/merge_requests/{number}",
    "<https://github.com/acme/x/pull/{number}>",
    "{number}",
    "#{number}",
    "\\#{number}",
    "!{number}",
    "PR #{number}",
    "acme/x#{number}",
    "[#{number}]",
)


@pytest.mark.parametrize("form", FORMS)
def test_a_row_refers_to_its_pull_request_as_its_neighbors_do(form: str) -> None:
    """The form of the page's rows is repeated, for any forge and any default."""
    page = PLAIN.replace("[29314](https://example.com/pull/29314)", form.replace("{number}", "29314"))
    page = re.sub(r"\[(?!29314)\d+\]\(https://example.com/pull/\d+\)", "", page)
    assert "example.com" not in page
    result = insert_row(page, ROW, default_url="https://wrong.example/pull/{number}")
    assert f" {form.replace('{number}', '31543')} |" in result
    assert rows(result)[0].pull_request == 31543
    assert insert_row(result, ROW, default_url=None) == result


@pytest.mark.parametrize("cell", ["", "n/a", "[29314](https://example.com/issues/29314)", "see the wiki"])
def test_without_a_form_the_default_is_used_and_without_that_the_number_alone(cell: str) -> None:
    """A page that shows no form gets the configured address, or plain text rather than a link that may be dead."""
    page = re.sub(r"\[\d+\]\(https://example.com/pull/\d+\)", cell, PLAIN)
    assert f" [31543]({URL.replace('{number}', '31543')}) |" in insert_row(page, ROW, default_url=URL)
    assert " | 31543 | " in insert_row(page, ROW, default_url=None)


def test_an_empty_table_gives_the_widths_of_its_header() -> None:
    """If header and rule agree on the columns, the first row fits into them."""
    line = "| 0.2.1   | 2023-10-18 | [31543](https://example.com/pull/31543)   | Use our base image |"
    assert added(PADDED[: PADDED.index("| 0")], default_url=URL) == (3, line)


def test_the_section_can_be_named() -> None:
    """On a page with several tables the caller's heading decides."""
    page = PLAIN + "\n## Changelog: strict\n\n" + PADDED.removeprefix("## CHANGELOG\n")
    assert added(page)[0] == 6
    assert added(page, section="changelog: Strict")[0] == 13
    with pytest.raises(EditRefused, match="no heading 'Other'"):
        insert_row(page, ROW, default_url=None, section="Other")


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        ("# Nothing\n", "the page has no changelog table → add a table"),
        ("## Changelog\n\n* 0.1.0: first\n", "no changelog table below its Changelog heading"),
        (PADDED.removeprefix("## CHANGELOG\n") * 2, "2 changelog tables and no Changelog heading"),
        (PLAIN.replace("0.2.0", "0.2.1"), "has 0.2.1 already, for \\[29314\\]"),
        (PLAIN.replace("0.2.0", "0.3.0"), "has 0.3.0, which is not older than 0.2.1"),
        (PLAIN.replace("0.2.0", "0.2.1+x"), "has 0.2.1\\+x, which is not older than 0.2.1"),
        (
            PLAIN.replace("0.1.0", "0.2.0").replace("| 0.2.0", "| 0.1.0", 1) + "| 0.1.1 | | | |\n",
            "neither its first",
        ),
        (PLAIN.replace("0.2.0", "old").replace("0.1.0", "older"), "no row of the changelog has a version"),
        (PLAIN.replace("log\n", f"log\n{OLDER}\n"), "several tables, and 0.2.0 is not in the first"),
        (PLAIN + "\n" + OLDER.replace("0.0.2", "0.2.1"), "has 0.2.1 already"),
    ],
)
def test_what_cannot_be_told_is_refused(page: str, reason: str) -> None:
    """No table, several, another row for the version, a newer one, or no order: a reason and not a guess."""
    with pytest.raises(EditRefused, match=reason):
        insert_row(page, ROW, default_url=None)


@pytest.mark.parametrize(
    "row",
    [
        Row("1.2", "2023-10-18", 1, "x"),
        Row("1.2.3", "18.10.2023", 1, "x"),
        Row("1.2.3", "20231018", 1, "x"),
        Row("1.2.3", "2023-02-30", 1, "x"),
        Row("1.2.3", "2023-10-18", "1)", "x"),
        Row("1.2.3", "2023-10-18", "", "x"),
        Row("1.2.3", "2023-10-18", 1, " "),
        Row("1.2.3", "2023-10-18", 1, "two\nlines"),
    ],
)
def test_a_row_that_would_not_be_one_is_refused(row: Row) -> None:
    """Every cell is checked before it is written."""
    with pytest.raises(EditRefused):
        insert_row(PLAIN, row, default_url=URL)


def test_a_placeholder_stands_for_a_number() -> None:
    """A pull request that does not exist yet is written as its placeholder, and found again."""
    row = Row("0.2.1", "2023-10-18", "*PR_NUMBER_PLACEHOLDER*", "x")
    line = added(PLAIN, row)[1]
    assert "[*PR_NUMBER_PLACEHOLDER*](https://example.com/pull/*PR_NUMBER_PLACEHOLDER*)" in line


@pytest.mark.parametrize(
    ("cell", "version", "expected"),
    [
        ("0.1.0", "0.1.0", True),
        ("`0.1.0`", "0.1.0", True),
        ("**0.1.0**", "0.1.0", True),
        ("v0.1.0", "0.1.0", True),
        ("0.1.0 (broken)", "0.1.0", True),
        ("[0.1.0](https://example.com)", "0.1.0", True),
        ("0.1.01", "0.1.0", False),
        ("10.1.0", "0.1.0", False),
        ("0.1.0-rc.1", "0.1.0", False),
        ("0.1.0 and 0.1.1", "0.1.0", False),
    ],
)
def test_has_row_compares_whole_versions(cell: str, version: str, expected: bool) -> None:
    """The version cell is compared without its formatting, but as a whole."""
    assert (
        has_row(PLAIN.replace("| 0.2.0 |", f"| {cell} |").replace("| 0.1.0 | 2022", "| - | 2022"), version) is expected
    )


def test_a_page_without_changelog_has_no_row_and_no_rows() -> None:
    """Asking for one row is answered, asking for the rows is an error."""
    assert not has_row("# Nothing\n", "0.1.0")
    with pytest.raises(EditRefused, match="no changelog table"):
        rows("# Nothing\n")


def test_rows_are_read_as_far_as_they_can_be_understood() -> None:
    """Links of either style give the number; other values stay text; missing cells are empty."""
    page = PADDED + "| `0.1.0` | 2021-11-?? | [#12] | a \\| b |\n| unpublished | | soon\n"
    assert rows(page) == [
        Row("0.2.0", "2023-08-24", 9314, "🎉 Migrate"),
        Row("0.1.0", "2021-11-??", 12, "a \\| b"),
        Row("unpublished", "", "soon", ""),
    ]


subjects = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1).filter(
    lambda text: text.strip() != ""
)


@settings(deadline=None)
@given(subjects, st.sampled_from([PLAIN, PADDED, PLAIN.replace("\n", "\r\n"), PLAIN.replace("\n| 0", "\n0")]))
def test_any_subject_is_one_cell(subject: str, page: str) -> None:
    """For any text, the row is one line of four cells and parses back to the text, with its pipes escaped."""
    row = Row("0.2.1", "2023-10-18", 31543, subject)
    line = added(page, row)[1]
    parsed = parse(line)
    assert parsed is not None
    assert len(parsed.cells) == 4
    assert re.sub(r"\\(.)", r"\1", rows(insert_row(page, row, default_url=None))[0].subject) == re.sub(
        r"\\(.)", r"\1", subject.strip()
    )


@given(st.lists(st.text("ab \\`é字"), min_size=2, max_size=5), st.booleans(), st.booleans())
def test_a_line_is_parsed_into_what_it_was_made_of(cells: list[str], opened: bool, closed: bool) -> None:
    """Parsing a rendered line gives its cells, spaces included, with or without pipes at its ends."""
    padded = tuple(f" {cell}x " for cell in cells)
    line = TableLine(padded, "", opened, closed)
    parsed = parse(str(line))
    assert parsed is not None
    assert parsed.texts == line.texts
    assert parse(str(parsed)) == parsed


def test_width_is_what_a_terminal_shows() -> None:
    """East Asian letters and emoji take two columns, combining marks none."""
    assert [width(text) for text in ("abc", "字", "🎉", "e\u0301", "\u200b")] == [3, 2, 2, 1, 0]


def test_without_pull_requests_the_text_tells_rows_apart() -> None:
    """The same change again adds nothing; another change of the same version is refused."""
    written = insert_row(SHORT, ROW, default_url=URL)
    assert "31543" not in written
    assert rows(written)[0] == Row("0.2.1", "2023-10-18", "", "Use our base image")
    assert insert_row(written, Row("0.2.1", "2024-01-01", 7, ROW.subject), default_url=URL) == written
    with pytest.raises(EditRefused, match=r"has 0\.2\.1 already, for another change \(Use our base image\)"):
        insert_row(written, Row("0.2.1", "2023-10-18", 31543, "Something else"), default_url=URL)
