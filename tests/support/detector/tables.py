"""The project's example as other systems would have written it."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "docs" / "examples" / "ratings.csv"

Cell = Callable[[dict[str, str]], str]


def example() -> list[dict[str, str]]:
    """The rows of the example."""
    with EXAMPLE.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def of(name: str) -> Cell:
    """A cell as it stands."""
    return lambda row: row[name]


def write(
    target: Path,
    columns: dict[str, Cell],
    *,
    separator: str = ",",
    encoding: str = "utf-8",
    rows: Sequence[dict[str, str]] | None = None,
) -> Path:
    """The example with these columns."""
    with target.open("w", encoding=encoding, newline="") as lines:
        writer = csv.writer(lines, delimiter=separator)
        writer.writerow(columns)
        for row in example() if rows is None else rows:
            writer.writerow([cell(row) for cell in columns.values()])
    return target


def items(prefix: str, count: int = 12, shown: Callable[[str], str] = str) -> dict[str, Cell]:
    """The columns of marks under another name."""

    def cell(number: int) -> Cell:
        return lambda row: shown(row[f"item_{number}"])

    return {f"{prefix}{number}": cell(number) for number in range(1, count + 1)}
