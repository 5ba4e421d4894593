"""HTML pages: one self-contained file without network access, made of blocks.

A page is data, then one function, then text. A report builds a `Page` of `blocks` and calls `render.page`:

    from airbyte_ci.reports.page import render
    from airbyte_ci.reports.page.blocks import Column, DataTable, Mark, Number, Page, Section, DataRow, Tile

    def html(items: Sequence[TrialResult]) -> str:
        columns = (Column("Connector"), Column("Result"), Column("Seconds", is_number=True))
        rows = tuple(DataRow((item.name, Mark(item.status), Number(item.seconds, "1.5 s"))) for item in items)
        section = Section("Connectors", (DataTable("The failed ones first", columns, rows),))
        return render.page(Page("Tests", tiles=(Tile("connectors", str(len(items))),), sections=(section,)))

Import `render` where a page is written, not at the top of a command: it imports Jinja2.

* `blocks` has the values: `Paragraph`, `Facts`, `DataTable`, `History`, `Log` and `Fold`. A cell of a table is text, a
  `Mark`, `Number`, `Code`, `Link`, `Bar` or `Several` of these.
* A `Bar` in a column with `series` is a stacked bar. All bars of a column have one scale, and the table has a legend.
  Bars of time per step and of size by layer are tables with such a column.
* Sort rows yourself, the worst first (`blocks.rank`): the page is complete without its script, which sorts
  and filters tables.
* Every text is escaped, on one line and truncated, wherever it comes from; only a `Log` keeps line ends. The logs of a
  page share a limit (`render.LOGS_LIMIT`), so that a page of 400 connectors stays below 1 MB.
* The same page has the same bytes. It shows no time, unless `Page.note` names one.
* The style and the script are in `page.css` and `page.js`; the policy in the page's head permits only these, by hash.
"""
