"""The report of a comparison: it fits a terminal, counts everything, and shows hostile text harmlessly."""

import click

from airbyte_ci.attest.compare.comparison import FactRow, ImageComparison, ImageSummary
from airbyte_ci.reports import comparison as report

SIDE = ImageSummary(name="acme/source-sample:1.0.0", digest="sha256:1", base="", size=10, origins={"code": 5})
BASE = "from the base image docker.io/airbyte/python-connector-base:4.1.1"


def rows() -> tuple[FactRow, ...]:
    deep = "/".join(["folder"] * 30)
    hostile = "a|b`c\n::error::x\x1b[2J<script>"
    return (
        FactRow(kind="variable", name="SAME", old="1", new="1", verdict="same"),
        FactRow(kind="variable", name=hostile, old=hostile, new=None, verdict="lost"),
        FactRow(kind="file", name="opt/tool", old="dir", new=None, verdict="lost", change="folder"),
        *(
            FactRow(kind="file", name=f"opt/tool/{number}", old="file", new=None, verdict="lost", change="file")
            for number in range(50)
        ),
        FactRow(
            kind="file", name=deep, old="x", new="y", verdict="unexplained", change="content", reason="a reason " * 20
        ),
        FactRow(kind="package", name="deb openssl", old="3.0", new="3.5", verdict="expected", reason=BASE),
        FactRow(kind="package", name="deb dash", old="0.5", new="0.6", verdict="expected", reason=BASE),
        FactRow(kind="file", name="etc/x", old="a", new="b", verdict="expected", reason=BASE),
    )


FOUND = ImageComparison(old=SIDE, new=SIDE, rows=rows(), notes=("a note " * 20,))


def test_the_text_fits_a_terminal() -> None:
    """No line is longer than 80 characters, files of a lost folder are counted, and expected rows are summed up."""
    text = click.unstyle(report.text(FOUND))
    assert max(map(len, text.splitlines())) <= 80
    assert "52 lost · 1 unexplained · 3 expected · 1 same" in text
    assert "file opt/tool and 50 below it" in text and "opt/tool/7" not in text
    assert "2 packages, 1 file: from the base image docker.io/airbyte/python-connector-base:4.1.1" in " ".join(
        text.split()
    )
    assert "deb openssl" not in text and "deb openssl" in report.text(FOUND, show_all=True)


def test_hostile_text_is_harmless() -> None:
    """Names of an image give no control character, no command to a CI system, and no column or HTML in Markdown."""
    for text in (report.text(FOUND), report.markdown(FOUND)):
        assert "\x1b[2J" not in text and "\n::error::" not in text
    (line,) = (line for line in report.markdown(FOUND).splitlines() if "variable" in line)
    assert line.replace("\\|", "").count("|") == 4
    assert line.count("`") == 4  # so that <script> is code


def test_a_comparison_without_differences_is_short() -> None:
    """Equal images give the summary only."""
    same = ImageComparison(old=SIDE, new=SIDE, rows=rows()[:1])
    assert not same.has_failures
    assert click.unstyle(report.text(same)).splitlines()[1:2] == ["  ✓ 1 same"]
    assert "| What |" not in report.markdown(same)
