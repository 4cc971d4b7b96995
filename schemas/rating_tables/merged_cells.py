"""Gives each cell of a merged range its value, and joins two rows that name the columns to one."""

from collections.abc import Sequence

from schemas.rating_tables.header_place import MOST_TITLES

Range = tuple[tuple[int, int], tuple[int, int]]
"""The first and the last row and column of merged cells, from 0."""


def fill_merged(rows: list[list[str]], ranges: Sequence[Range]) -> None:
    """Write the value of cells that are merged downwards into each of them; only the first holds it."""
    width = max(map(len, rows), default=0)
    for (top, left), (bottom, right) in ranges:
        # Cells beyond the last that is filled may be merged, too.
        if left == right < width:
            for row in rows[top + 1 : bottom + 1]:
                row[left] = rows[top][left]


def join_header(rows: list[list[str]], ranges: Sequence[Range]) -> None:
    """Join the names of groups of columns, which are merged cells, to the names under them: `SRS` and `1`.

    A title is merged over the first column, too, or over all of them. Merged cells under columns that have
    names already are values.
    """
    grouped = {
        top: [one for one in ranges if one[0][0] == top and one[0][1] < one[1][1]]
        for (top, left), (bottom, right) in ranges
        if top == bottom and left < right and top < MOST_TITLES
    }
    for top, groups in grouped.items():
        if top + 1 >= len(rows):
            continue
        above, below = rows[top], rows[top + 1]
        names = [place for place, name in enumerate(below) if name]
        under = [place for (_, left), (_, right) in groups for place in range(left, right + 1)]
        is_title = not names or min(under) <= min(names)
        are_values = any(all(row[place] for place in under) for row in rows[:top])
        if is_title or are_values or not set(under) <= set(names):
            continue
        group_of = {
            place: above[left] for (_, left), (_, right) in groups for place in range(left, right + 1)
        }
        for place, name in enumerate(above):
            group = group_of.get(place, name)
            below[place] = " ".join(dict.fromkeys(filter(None, (group, below[place]))))
            above[place] = ""
