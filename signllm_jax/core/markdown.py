"""Markdown tables, written in one place for reports, cards and pages of documentation."""

from collections.abc import Iterable, Sequence

MISSING = "–"
"""What stands in a cell for a number that does not apply."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]], align: str = "lr") -> str:
    """A Markdown table without a line break at its end.

    Args:
        head: Titles of the columns.
        rows: Cells, as many in a row as there are titles.
        align: `l` or `r` for each column; the last letter also holds for all further columns.

    Raises:
        ValueError: A row has more or fewer cells than there are titles.
    """
    marks = [{"l": "---", "r": "---:"}[align[min(i, len(align) - 1)]] for i in range(len(head))]
    lines = [_line(head), "|" + "|".join(marks) + "|"]
    for row in rows:
        if len(row) != len(head):
            raise ValueError(f"{len(row)} cells under {len(head)} titles: {row}")
        lines.append(_line(row))
    return "\n".join(lines)


def escape(text: str) -> str:
    """Text for a cell: neither the end of the cell nor the beginning of an HTML tag."""
    return text.replace("|", "\\|").replace("<", "&lt;")


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
