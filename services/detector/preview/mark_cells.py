"""A cell in, the mark that it holds out: with a decimal point or comma, empty, or no number at all."""

_NONE = frozenset({"", "-", "\N{EN DASH}", ".", "?", "na", "n/a", "nan", "null", "none", "k.a.", "missing"})


def mark_of(cell: str) -> float | str | None:
    """A number; None where nothing was marked; else the cell as it stands, for whoever validates it."""
    if cell.casefold() in _NONE:
        return None
    try:
        return float(cell.replace(",", ".") if cell.count(",") == 1 and "." not in cell else cell)
    except ValueError:
        return cell


def is_mark(cell: str) -> bool:
    """Whether a cell is a number, or one of the ways to say that there is none."""
    return not isinstance(mark_of(cell), str)
