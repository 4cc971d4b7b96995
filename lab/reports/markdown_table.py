"""Formats rows of text as a table in Markdown."""

from collections.abc import Sequence

from lab.reports.rows import MEAN, Row


def markdown_table(columns: Row, rows: Sequence[Row]) -> str:
    """Return a table in Markdown; the name of the row `MEAN` is bold.

    >>> print(markdown_table(("scenario", "AUPRC"), [("noisy", "0.458"), ("mean", "0.458")]))
    | scenario | AUPRC |
    | --- | --- |
    | noisy | 0.458 |
    | **mean** | 0.458 |
    """
    bold = [(f"**{MEAN}**", *row[1:]) if row[0] == MEAN else row for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in (columns, ["---"] * len(columns), *bold))
