"""Writes the example table as other systems would: other column names, separators and encodings."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "docs" / "examples" / "ratings.csv"

Cell = Callable[[dict[str, str]], str]


def example() -> list[dict[str, str]]:
    """Return the rows of the example."""
    with EXAMPLE.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def of(name: str) -> Cell:
    """Copy a cell of the example."""
    return lambda row: row[name]


def write(
    target: Path,
    columns: dict[str, Cell],
    *,
    separator: str = ",",
    encoding: str = "utf-8",
    rows: Sequence[dict[str, str]] | None = None,
) -> Path:
    """Write the example, or `rows`, with these columns."""
    with target.open("w", encoding=encoding, newline="") as lines:
        writer = csv.writer(lines, delimiter=separator)
        writer.writerow(columns)
        for row in example() if rows is None else rows:
            writer.writerow([cell(row) for cell in columns.values()])
    return target


def items(prefix: str, count: int = 12, shown: Callable[[str], str] = str) -> dict[str, Cell]:
    """Return columns of marks named `prefix` and a number; `shown` changes how a mark is written."""

    def cell(number: int) -> Cell:
        return lambda row: shown(row[f"item_{number}"])

    return {f"{prefix}{number}": cell(number) for number in range(1, count + 1)}
