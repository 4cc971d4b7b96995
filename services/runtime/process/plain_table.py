"""Makes tables for the terminal."""

from rich import box
from rich.table import Table


def plain_table(title: str) -> Table:
    """Return an empty table without lines."""
    return Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 0, 0, 1))
