"""Reads cells as marks: numbers with a decimal point or comma, or one of the ways to leave a mark out."""

_NOT_MARKED = frozenset(
    {"", "-", "\N{EN DASH}", ".", "?", "na", "n/a", "nan", "null", "none", "k.a.", "missing"}
)


def mark_of(cell: str) -> float | str | None:
    """Return a number, None where nothing was marked, or else the cell unchanged for the validation."""
    if cell.casefold() in _NOT_MARKED:
        return None
    try:
        return float(cell.replace(",", ".") if cell.count(",") == 1 and "." not in cell else cell)
    except ValueError:
        return cell


def is_mark(cell: str) -> bool:
    """Return whether a cell is a number or means that nothing was marked."""
    return not isinstance(mark_of(cell), str)
