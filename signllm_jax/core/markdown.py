"""Markdown tables, written in one place for reports, cards and pages of documentation."""

import itertools
from collections.abc import Iterable, Sequence

MISSING = "–"
"""What stands in a cell for a number that does not apply."""


WIDEST = 8
"""Columns of a table that a page has room for."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]], align: str = "lr") -> str:
    """A Markdown table without a line break at its end.

    A table of more than `WIDEST` columns is divided into several of about the same width, one below
    the other, each with the first column.

    Args:
        head: Titles of the columns.
        rows: Cells, as many in a row as there are titles.
        align: `l` or `r` for each column; the last letter also holds for all further columns.

    Raises:
        ValueError: A row has more or fewer cells than there are titles.
    """
    rows = list(rows)
    for row in rows:
        if len(row) != len(head):
            raise ValueError(f"{len(row)} cells under {len(head)} titles: {row}")
    marks = [{"l": "---", "r": "---:"}[align[min(i, len(align) - 1)]] for i in range(len(head))]
    parts = max(1, -(-(len(head) - 1) // (WIDEST - 1)))
    ends = [1 + -(-(len(head) - 1) * part // parts) for part in range(parts + 1)]
    tables = []
    for start, end in itertools.pairwise(ends):
        titles, rule, *cells = ([row[0], *row[start:end]] for row in (head, marks, *rows))
        tables.append("\n".join([_line(titles), f"|{'|'.join(rule)}|", *map(_line, cells)]))
    return "\n\n".join(tables)


def escape(text: str) -> str:
    """Text for a cell: neither the end of the cell nor the beginning of an HTML tag."""
    return text.replace("|", "\\|").replace("<", "&lt;")


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
